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
		ssize_t n = write(c->fd, c->out.data + c->sent, c->out.len - c->sent);

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

static void
readable(struct conn *c, conn_packet_f *take)
{
	ssize_t n = read(c->fd, buf_room(&c->in, READ_BYTES), READ_BYTES);
	size_t used = 0;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		die("the server closed a connection");
	c->in.len += (size_t)n;
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
		ssize_t n = read(c->fd, echo + got, sizeof echo - got);

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
