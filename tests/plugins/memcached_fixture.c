/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A memcached for all tests of the program, a prefix for each, and the module on it.
 *
 * Runs on:  the process of one test; the hooks run in the process that starts them all.
 * Owns:     see memcached_fixture.h.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "tests/plugins/memcached_fixture.h"
#include "tests/plugins/store_server.h"

/* ---- The server ------------------------------------------------------------------------------ */

const struct store_server store_server = { "memcached.py", "memcached", "-M -m 256" };

const char *
server_address(struct queue *q)
{
	static char address[40];

	snprintf(address, sizeof(address), "127.0.0.1:%d", store_server_number(q->dir, "port"));
	return address;
}

void
server_do(struct queue *q, const char *word)
{
	store_server_do(q->dir, word);
}

void
server_signal(struct queue *q, int number)
{
	store_server_signal(store_server_number(q->dir, "pid"), number);
}

/* ---- The queue ------------------------------------------------------------------------------- */

static struct queue *
queue_at(const char *dir)
{
	struct queue *q = calloc(1, sizeof(*q));

	cr_assert_not_null(q);
	queue_init(q, "queue-memcached.so");
	snprintf(q->dir, sizeof(q->dir), "%s", dir);
	snprintf(q->db, sizeof(q->db), "t%ld_", (long)getpid());
	fake_host_set(&q->host, "libmemcached-servers", server_address(q));
	fake_host_set(&q->host, "libmemcached-prefix", q->db);
	fake_host_set(&q->host, "libmemcached-timeout", "20");
	return q;
}

struct queue *
queue_new(void)
{
	return queue_at(store_server_dir());
}

struct queue *
queue_opened(void)
{
	struct queue *q = queue_new();

	cr_assert(queue_open(q), "%s", q->err.text);
	return q;
}

struct queue *
queue_beside(const struct queue *q)
{
	return queue_at(q->dir);
}

struct queue *
queue_new_alone(const char *options)
{
	char dir[128];

	store_server_start(dir, sizeof(dir), options);
	return queue_at(dir);
}

void
queue_free(struct queue **q)
{
	queue_fini(*q);
	if (strcmp((*q)->dir, store_server_dir()) != 0 && access((*q)->dir, F_OK) == 0)
		store_server_stop((*q)->dir);
	free(*q);
	*q = NULL;
}

static int liar_input;

/* It ends when its input does, which is when the test's process ends. */
void
queue_liar(struct queue *q, const char *rules)
{
	char *arguments[20] = { NULL }, copy[4096], port[20], line[20] = "";
	int in[2], out[2], count = 0;
	char *save = NULL;

	snprintf(copy, sizeof(copy), "%s", rules);
	snprintf(port, sizeof(port), "%d", store_server_number(q->dir, "port"));
	arguments[count++] = (char *)(uintptr_t)store_script_path("memcached_liar.py");
	arguments[count++] = port;
	for (char *r = strtok_r(copy, "|", &save); r != NULL && count < 19; r = strtok_r(NULL, "|", &save))
		arguments[count++] = r;
	cr_assert(pipe(in) == 0 && pipe(out) == 0);
	if (fork() == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execv(arguments[0], arguments);
		_exit(127);
	}
	liar_input = in[1];
	close(in[0]);
	close(out[1]);
	cr_assert_gt(read(out[0], line, sizeof(line) - 1), 0);
	snprintf(copy, sizeof(copy), "127.0.0.1:%d", atoi(line));
	fake_host_set(&q->host, "libmemcached-servers", copy);
}

void
queue_liar_goes_on(struct queue *q)
{
	(void)q;
	cr_assert_eq(write(liar_input, "\n", 1), 1);
}

/* ---- Another client -------------------------------------------------------------------------- */

/* Does the last line that came end an answer? */
static bool
is_whole(const char *text, size_t len)
{
	const char *last = len < 2 ? NULL : memrchr(text, '\n', len - 1);

	last = last == NULL ? text : last + 1;
	return len > 1 && text[len - 1] == '\n' && strncmp(last, "VALUE ", 6) != 0 && strncmp(last, "STAT ", 5) != 0 &&
	       strncmp(last, "key=", 4) != 0;
}

/* A connection on which this was said. */
static int
say(struct queue *q, const char *bytes, size_t count)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)store_server_number(q->dir, "port")) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	ssize_t n;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	for (size_t at = 0; at < count; at += (size_t)n) {
		n = write(fd, bytes + at, count - at);
		cr_assert_gt(n, 0);
	}
	return fd;
}

static const char *
talk(struct queue *q, const char *bytes, size_t count)
{
	static char text[1 << 20];
	int fd = say(q, bytes, count);
	size_t len = 0;
	ssize_t n;

	while (!is_whole(text, len)) {
		n = read(fd, text + len, sizeof(text) - 1 - len);
		cr_assert_gt(n, 0);
		len += (size_t)n;
	}
	close(fd);
	text[len] = '\0';
	return text;
}

const char *
memcached_says(struct queue *q, const char *command)
{
	char line[512];
	int len = snprintf(line, sizeof(line), "%s\r\n", command);

	return talk(q, line, (size_t)len);
}

void
memcached_set(struct queue *q, const char *rest, unsigned flags, const char *value, size_t len)
{
	char *bytes = keep(len + 512);
	int head = snprintf(bytes, 512, "set %s%s %u 0 %zu\r\n", q->db, rest, flags, len);

	memcpy(bytes + head, value, len);
	memcpy(bytes + head + len, "\r\n", 2);
	cr_assert_str_eq(talk(q, bytes, (size_t)head + len + 2), "STORED\r\n");
}

void
memcached_set_binary(struct queue *q, const char *rest)
{
	char bytes[300] = { (char)0x80, 1 }; /* a request: set */
	size_t len = strlen(q->db) + strlen(rest);
	int fd;

	bytes[3] = (char)len;
	bytes[4] = 8;                /* bytes of extras: flags and expiry */
	bytes[11] = (char)(8 + len); /* of all that follows; there is no value */
	snprintf(bytes + 32, sizeof(bytes) - 32, "%s%s", q->db, rest);
	fd = say(q, bytes, 32 + len);
	cr_assert_eq(recv(fd, bytes, 24, MSG_WAITALL), 24);
	cr_assert(bytes[6] == 0 && bytes[7] == 0, "status %d", bytes[7]);
	close(fd);
}

size_t
memcached_items(struct queue *q)
{
	const char *at;
	char key[200];
	size_t count = 0;

	do
		at = memcached_says(q, "lru_crawler metadump hash");
	while (strncmp(at, "BUSY", 4) == 0); /* with somebody else's */
	snprintf(key, sizeof(key), "key=%s", q->db);
	while ((at = strstr(at, key)) != NULL) {
		at += strlen(key);
		count += strncmp(at, "lock ", 5) != 0 && strncmp(at, "owner ", 6) != 0;
	}
	return count;
}

/* ---- Time ------------------------------------------------------------------------------------ */

static int64_t now = INT64_C(1000000000000);

static int64_t
stopped_clock(void)
{
	return now;
}

void
stop_clock(struct queue *q)
{
	q->host.table.monotonic = stopped_clock;
}

void
pass_seconds(int seconds)
{
	now += INT64_C(1000000000) * seconds;
}
