/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Any answer to "lru_crawler metadump": nothing breaks, keys stay within their bounds, and each stands in a list once.
 *
 * Runs on:  the fuzzer's thread, and one that answers on a socket.
 * Owns:     that socket.
 */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "plugins/queue-memcached/queue_memcached.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int nanosleep(const struct timespec *for_this_long, struct timespec *left);

/* What has to be waited for is never there. */
int
nanosleep(const struct timespec *for_this_long, struct timespec *left)
{
	(void)for_this_long, (void)left;
	return 0;
}

/* queue_memcached.c has it for several servers. */
struct mc_node *
mc_node_of(const struct mc_store *s, const struct mc_key *key)
{
	(void)key;
	return s->nodes;
}

static struct sockaddr_un address = { .sun_family = AF_UNIX };
static char folder[] = "/tmp/gearmand-fuzz-dump.XXXXXX";
static struct gearmand_slice answer;
static sem_t is_wanted, is_over;
static int listener;

/* Whatever is asked. */
static void *
answer_all(void *unused)
{
	(void)unused;
	for (;;) {
		int fd;

		sem_wait(&is_wanted);
		fd = accept(listener, NULL, NULL);
		for (size_t at = 0; at < answer.len;) {
			ssize_t n = send(fd, answer.data + at, answer.len - at, MSG_NOSIGNAL);

			if (n <= 0)
				break;
			at += (size_t)n;
		}
		shutdown(fd, SHUT_WR);
		while (recv(fd, (char[256]){ 0 }, 256, 0) > 0) /* until the other end closes */
			continue;
		close(fd);
		sem_post(&is_over);
	}
	return NULL;
}

static void
remove_socket(void)
{
	unlink(address.sun_path);
	rmdir(folder);
}

static void
prepare(void)
{
	pthread_t thread;

	signal(SIGPIPE, SIG_IGN);
	GM_CHECK(mkdtemp(folder) != NULL);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", folder);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	GM_CHECK(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(listener, 1) == 0);
	atexit(remove_socket);
	GM_CHECK(sem_init(&is_wanted, 0, 0) == 0 && sem_init(&is_over, 0, 0) == 0);
	GM_CHECK(pthread_create(&thread, NULL, answer_all, NULL) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct mc_node node = { .name = "fuzz", .timeout = 5 };
	struct mc_store s = { .nodes = &node, .end = &node + 1, .prefix = "p_", .prefix_len = 2 };
	struct gearmand_error err = { .text = "" };
	struct mc_replay r = { .store = &s, .err = &err };

	if (listener == 0) {
		prepare();
		strcpy(node.host, address.sun_path);
	}
	answer = (struct gearmand_slice){ (const char *)data, size };
	sem_post(&is_wanted);
	GM_CHECK(mc_wire_open(&node.wire, &node, &err));
	if (!mc_dump(&r))
		GM_CHECK(err.text[0] != '\0');
	mc_wire_close(&node.wire);
	sem_wait(&is_over); /* the input is the fuzzer's again */
	for (size_t i = 0; i < MC_COUNT(r.strays, struct mc_stray); i++) {
		const struct mc_stray *stray = MC_ALL(r.strays, struct mc_stray) + i;

		GM_CHECK(stray->key.len <= MC_KEY_MOST && stray->key.text[stray->key.len] == '\0');
		GM_CHECK(strlen(stray->key.text) == stray->key.len && strncmp(stray->key.text, "p_", 2) == 0);
		GM_CHECK(i == 0 || memcmp(stray - 1, stray, sizeof(*stray)) < 0);
	}
	for (size_t i = 1; i < MC_COUNT(r.entries, struct mc_entry); i++) {
		const struct mc_entry *entry = MC_ALL(r.entries, struct mc_entry) + i;

		GM_CHECK(memcmp(entry - 1, entry, sizeof(*entry)) < 0);
	}
	gm_bytes_free(&r.entries);
	gm_bytes_free(&r.strays);
	return 0;
}
