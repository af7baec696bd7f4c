/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Connections of the load generators; see conn.h.
 */
#include "tests/bench/conn.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

enum { READ_BYTES = 65536, EVENTS = 128 };

static int epoll = -1;

/* ---- TLS ------------------------------------------------------------------------------- */

#ifdef HAVE_OPENSSL
#include <openssl/ssl.h>

static SSL_CTX *tls;

void
conn_use_tls(void)
{
	tls = SSL_CTX_new(TLS_client_method());
}

static void
tls_begin(struct conn *c)
{
	if (tls == NULL)
		return;
	c->tls = SSL_new(tls);
	SSL_set_fd(c->tls, c->fd);
	SSL_set_mode(c->tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (SSL_connect(c->tls) != 1)
		die("SSL_connect");
}

/* As read() and write() say it.  No more than a record is read. */
static ssize_t
tls_result(struct conn *c, int n)
{
	int error = n > 0 ? SSL_ERROR_NONE : SSL_get_error(c->tls, n);

	if (n <= 0)
		errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
	return n > 0 ? n : error == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static ssize_t
conn_in(struct conn *c, void *to, size_t len)
{
	return c->tls == NULL ? read(c->fd, to, len) : tls_result(c, SSL_read(c->tls, to, (int)len));
}

static ssize_t
conn_out(struct conn *c, const void *from, size_t len)
{
	return c->tls == NULL ? write(c->fd, from, len) : tls_result(c, SSL_write(c->tls, from, (int)len));
}
#else
void
conn_use_tls(void)
{
	fprintf(stderr, "this program was built without OpenSSL\n");
	exit(2);
}

static void
tls_begin(struct conn *c)
{
	(void)c;
}

static ssize_t
conn_in(struct conn *c, void *to, size_t len)
{
	return read(c->fd, to, len);
}

static ssize_t
conn_out(struct conn *c, const void *from, size_t len)
{
	return write(c->fd, from, len);
}
#endif

/* ---- The socket -------------------------------------------------------------------------- */

_Noreturn void
die(const char *what)
{
	perror(what);
	exit(2);
}

uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

int
by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

void
conn_setup(void)
{
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	epoll = epoll_create1(EPOLL_CLOEXEC);
}

static void
watch(struct conn *c, int op, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = c };

	if (epoll_ctl(epoll, op, c->fd, &e) != 0)
		die("epoll_ctl");
}

void
conn_dial(struct conn *c, enum conn_role role, int port, int depth)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
	};
	int one = 1;

	c->role = role;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0)
		die("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	tls_begin(c);
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	c->depth = (unsigned)depth;
	if (depth > 0)
		c->since = mem_new((size_t)depth * sizeof *c->since);
	watch(c, EPOLL_CTL_ADD, EPOLLIN);
}

/* ---- Out ------------------------------------------------------------------------------- */

void
conn_add(struct conn *c, enum pkt_type type, const struct slice *parts, int count)
{
	char head[PKT_HEAD];
	size_t size = 0;

	for (int i = 0; i < count; i++)
		size += parts[i].len;
	pkt_head_write(head, false, type, (uint32_t)size);
	buf_add(&c->out, head, sizeof head);
	for (int i = 0; i < count; i++)
		buf_add_slice(&c->out, parts[i]);
}

void
conn_flush(struct conn *c)
{
	while (c->sent < c->out.len) {
		ssize_t n = conn_out(c, c->out.data + c->sent, c->out.len - c->sent);

		if (n < 0 && errno == EAGAIN) {
			if (!c->wants_write)
				watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
			c->wants_write = true;
			return;
		}
		if (n < 0)
			die("write");
		c->sent += (size_t)n;
	}
	c->out.len = c->sent = 0;
	if (c->wants_write)
		watch(c, EPOLL_CTL_MOD, EPOLLIN);
	c->wants_write = false;
}

/* ---- In -------------------------------------------------------------------------------- */

/* What OpenSSL holds does not show on the socket: it is read until there is no more. */
static void
read_all(struct conn *c)
{
	ssize_t n;

	do {
		n = conn_in(c, buf_room(&c->in, READ_BYTES), READ_BYTES);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			die("the server closed a connection");
		c->in.len += n > 0 ? (size_t)n : 0;
	} while (n > 0 && c->tls != NULL);
}

static void
readable(struct conn *c, conn_packet_f *take)
{
	size_t used = 0;

	read_all(c);
	while (c->in.len - used >= PKT_HEAD) {
		struct pkt_head head;

		if (pkt_head_parse(slice_of(c->in.data + used, c->in.len - used), &head) != PKT_OK)
			die("a packet without magic");
		if (c->in.len - used < PKT_HEAD + (size_t)head.size)
			break;
		take(c, &head, slice_of(c->in.data + used + PKT_HEAD, head.size));
		used += PKT_HEAD + (size_t)head.size;
	}
	memmove(c->in.data, c->in.data + used, c->in.len - used);
	c->in.len -= used;
}

static void
watch_other(int fd)
{
	static int watched = -1;
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = NULL };

	if (fd != watched && fd >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) != 0)
		die("epoll_ctl");
	watched = fd;
}

bool
conn_poll(int ms, conn_packet_f *take, void (*idle)(struct conn *), int other)
{
	struct epoll_event events[EVENTS];
	bool has_other = false;
	int n;

	watch_other(other);
	n = epoll_wait(epoll, events, EVENTS, ms);
	for (int i = 0; i < n; i++) {
		struct conn *c = events[i].data.ptr;

		if (c == NULL) {
			has_other = true;
			continue;
		}
		if (events[i].events & EPOLLOUT)
			conn_flush(c);
		if (events[i].events & ~(uint32_t)EPOLLOUT) {
			readable(c, take);
			idle(c);
		}
	}
	return has_other;
}

void
conn_settle(struct conn *c)
{
	char echo[PKT_HEAD];
	size_t got = 0;

	conn_add(c, PKT_ECHO_REQ, NULL, 0);
	conn_flush(c);
	fcntl(c->fd, F_SETFL, 0);
	while (got < sizeof echo) {
		ssize_t n = conn_in(c, echo + got, sizeof echo - got);

		if (n <= 0)
			die("settle");
		got += (size_t)n;
	}
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
}

/* ---- What clients and workers do --------------------------------------------------------- */

void
conn_opened(struct conn *c, uint64_t now)
{
	c->since[c->next++ % c->depth] = now;
	c->open++;
}

uint64_t
conn_ended(struct conn *c)
{
	c->open--;
	return c->since[c->first++ % c->depth];
}

static void
echo_job(struct conn *c, struct slice body)
{
	size_t handle = strlen(body.data) + 1;
	size_t name = strlen(body.data + handle) + 1;
	struct slice parts[2] = { slice_of(body.data, handle),
		slice_of(body.data + handle + name, body.len - handle - name) };

	conn_add(c, PKT_WORK_COMPLETE, parts, 2);
	conn_add(c, PKT_GRAB_JOB, NULL, 0);
}

bool
conn_work(struct conn *c, const struct pkt_head *head, struct slice body)
{
	switch (head->type) {
	case PKT_NOOP:
		conn_add(c, PKT_GRAB_JOB, NULL, 0);
		return false;
	case PKT_NO_JOB:
		conn_add(c, PKT_PRE_SLEEP, NULL, 0);
		return false;
	case PKT_JOB_ASSIGN:
		echo_job(c, body);
		return true;
	default:
		fprintf(stderr, "unexpected packet %u: %.*s\n", head->type, (int)body.len, body.data);
		exit(1);
	}
}

/* ---- The server ---------------------------------------------------------------------------- */

static double
thread_cpu(int pid, const char *tid)
{
	unsigned long long ns = 0;
	char path[128];
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/task/%.20s/schedstat", pid, tid);
	if ((f = fopen(path, "r")) == NULL)
		return 0;
	if (fscanf(f, "%llu", &ns) != 1)
		ns = 0;
	fclose(f);
	return (double)ns / 1e9;
}

/* (/proc/PID/stat counts in hundredths of a second.) */
double
server_cpu(int pid)
{
	double total = 0;
	char path[64];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof path, "/proc/%d/task", pid);
	if (pid == 0 || (d = opendir(path)) == NULL)
		return 0;
	while ((e = readdir(d)) != NULL)
		total += e->d_name[0] == '.' ? 0 : thread_cpu(pid, e->d_name);
	closedir(d);
	return total;
}

/* Counted page by page.  (The other files of /proc may be off by some hundred KB.) */
double
server_bytes(int pid)
{
	char path[64], line[256];
	double kb = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
	if (pid == 0 || (f = fopen(path, "r")) == NULL)
		return 0;
	while (fgets(line, sizeof line, f) != NULL && sscanf(line, "Rss: %lf", &kb) != 1)
		;
	fclose(f);
	return kb * 1024;
}
