/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A load generator for any Gearman server: many connections in one thread, raw protocol, and the
 * server's own CPU time and memory read from /proc, so that servers are compared by what a
 * job costs them.
 *
 * Runs on:  one thread, one epoll.
 * Owns:     its connections.
 *
 *   load MODE -p PORT [-P PID] [-c CLIENTS] [-w WORKERS] [-d DEPTH] [-n JOBS] [-s BYTES] [-u] [-T SECONDS]
 *   fg     clients submit foreground jobs, workers echo them; a job is done when its result is back
 *   bg     clients submit background jobs; done when acknowledged
 *   drain  workers empty the queue
 *   idle   workers connect, register and sleep
 * Prints one line of name=value.  After -T seconds it stops and tells of what was done until then.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "wire/packet.h"

enum { READ_BYTES = 65536, EVENTS = 128 };

struct conn {
	int fd;
	bool is_worker, wants_write;
	struct buf in, out;
	size_t sent;     /* bytes of `out` that are gone */
	long open;       /* client: submissions without an end */
	uint64_t *since; /* ring of the times of open submissions */
	unsigned first, next;
};

static struct {
	const char *mode;
	int port, pid, clients, workers, depth, patience;
	long jobs, bytes;
	bool uniques;
	int epoll;
	struct conn *conns;
	char *workload;
	long submitted, done;
	uint64_t *latency; /* nanoseconds, one per job */
	bool fg, bg, drain;
} l = { .port = 4730, .clients = 4, .workers = 4, .depth = 16, .jobs = 100000, .bytes = 32, .patience = 170 };

static _Noreturn void
die(const char *what)
{
	perror(what);
	exit(2);
}

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void
watch(struct conn *c, int op, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = c };

	if (epoll_ctl(l.epoll, op, c->fd, &e) != 0)
		die("epoll_ctl");
}

static void
flush(struct conn *c)
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

static void
packet(struct conn *c, enum pkt_type type, const struct slice *parts, int count)
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

static void
submit(struct conn *c)
{
	char unique[64] = "";
	struct slice parts[3] = { slice_of("bench", 6), slice_of(unique, 1), slice_of(l.workload, (size_t)l.bytes) };

	if (l.uniques)
		parts[1].len = (size_t)snprintf(unique, sizeof unique, "%d.%ld", getpid(), l.submitted) + 1;
	packet(c, l.bg ? PKT_SUBMIT_JOB_BG : PKT_SUBMIT_JOB, parts, 3);
	c->since[c->next++ % (unsigned)l.depth] = now_ns();
	c->open++;
	l.submitted++;
}

static void
submit_more(struct conn *c)
{
	while (c->open < l.depth && l.submitted < l.jobs)
		submit(c);
	flush(c);
}

static void
ended(struct conn *c)
{
	l.latency[l.done++] = now_ns() - c->since[c->first++ % (unsigned)l.depth];
	c->open--;
}

static void
work(struct conn *c, struct slice body)
{
	size_t handle = strlen(body.data) + 1;
	size_t name = strlen(body.data + handle) + 1;
	struct slice parts[2] = { slice_of(body.data, handle),
		slice_of(body.data + handle + name, body.len - handle - name) };

	packet(c, PKT_WORK_COMPLETE, parts, 2);
	packet(c, PKT_GRAB_JOB, NULL, 0);
	if (l.drain)
		l.done++;
}

static void
take(struct conn *c, const struct pkt_head *head, struct slice body)
{
	switch (head->type) {
	case PKT_JOB_CREATED:
		if (l.bg)
			ended(c);
		break;
	case PKT_WORK_COMPLETE:
		ended(c);
		break;
	case PKT_NOOP:
		packet(c, PKT_GRAB_JOB, NULL, 0);
		break;
	case PKT_NO_JOB:
		packet(c, PKT_PRE_SLEEP, NULL, 0);
		break;
	case PKT_JOB_ASSIGN:
		work(c, body);
		break;
	default:
		fprintf(stderr, "unexpected packet %u: %.*s\n", head->type, (int)body.len, body.data);
		exit(1);
	}
}

static void
readable(struct conn *c)
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
	if (c->is_worker)
		flush(c);
	else
		submit_more(c);
}

static void
dial(struct conn *c, bool is_worker)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)l.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
	};
	int one = 1;

	c->is_worker = is_worker;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0)
		die("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	if (!is_worker)
		c->since = mem_new((size_t)l.depth * sizeof *c->since);
	watch(c, EPOLL_CTL_ADD, EPOLLIN);
	if (is_worker) {
		packet(c, PKT_CAN_DO, &(struct slice){ "bench", 5 }, 1);
		packet(c, l.drain ? PKT_GRAB_JOB : PKT_PRE_SLEEP, NULL, 0);
		flush(c);
	}
}

static double
thread_cpu(const char *tid)
{
	unsigned long long ns = 0;
	char path[128];
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/task/%.20s/schedstat", l.pid, tid);
	if ((f = fopen(path, "r")) == NULL)
		return 0;
	if (fscanf(f, "%llu", &ns) != 1)
		ns = 0;
	fclose(f);
	return (double)ns / 1e9;
}

/* Seconds of all threads together.  (/proc/PID/stat counts in hundredths of a second.) */
static double
server_cpu(void)
{
	double total = 0;
	char path[64];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof path, "/proc/%d/task", l.pid);
	if (l.pid == 0 || (d = opendir(path)) == NULL)
		return 0;
	while ((e = readdir(d)) != NULL)
		total += e->d_name[0] == '.' ? 0 : thread_cpu(e->d_name);
	closedir(d);
	return total;
}

/* What is resident, counted page by page.  (The other files of /proc may be off by some hundred KB.) */
static double
server_bytes(void)
{
	char path[64], line[256];
	double kb = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/smaps_rollup", l.pid);
	if (l.pid == 0 || (f = fopen(path, "r")) == NULL)
		return 0;
	while (fgets(line, sizeof line, f) != NULL && sscanf(line, "Rss: %lf", &kb) != 1)
		;
	fclose(f);
	return kb * 1024;
}

static int
by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void
report(double seconds, double cpu, double bytes)
{
	double per = (double)(l.done > 0 ? l.done : 1);

	printf("mode=%s done=%ld per_s=%.0f cpu_us=%.3f", l.mode, l.done, (double)l.done / seconds, cpu * 1e6 / per);
	if (!l.drain && l.done > 0) {
		qsort(l.latency, (size_t)l.done, sizeof *l.latency, by_size);
		printf(" p50_us=%.1f p99_us=%.1f", (double)l.latency[l.done / 2] / 1e3,
		    (double)l.latency[l.done * 99 / 100] / 1e3);
	}
	printf(" bytes_per_job=%.0f\n", bytes / per);
}

static void
run(void)
{
	double cpu = server_cpu(), bytes = server_bytes();
	uint64_t start = now_ns();
	struct epoll_event events[EVENTS];

	for (int i = 0; i < l.clients; i++)
		submit_more(&l.conns[l.workers + i]);
	while (l.done < l.jobs) {
		int n = epoll_wait(l.epoll, events, EVENTS, 1000);

		for (int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;

			if (events[i].events & EPOLLOUT)
				flush(c);
			if (events[i].events & ~(uint32_t)EPOLLOUT)
				readable(c);
		}
		if (now_ns() - start > (uint64_t)l.patience * 1000000000) {
			fprintf(stderr, "stopped after %d s: %ld of %ld done\n", l.patience, l.done, l.jobs);
			break;
		}
	}
	report((double)(now_ns() - start) / 1e9, server_cpu() - cpu, server_bytes() - bytes);
}

/* An echo on each connection tells that the server has dealt with all before it. */
static void
settle(void)
{
	for (int i = 0; i < l.workers + l.clients; i++) {
		struct conn *c = &l.conns[i];
		char echo[PKT_HEAD];
		size_t got = 0;

		if (l.drain)
			return;
		packet(c, PKT_ECHO_REQ, NULL, 0);
		flush(c);
		fcntl(c->fd, F_SETFL, 0);
		while (got < sizeof echo) {
			ssize_t n = read(c->fd, echo + got, sizeof echo - got);

			if (n <= 0)
				die("settle");
			got += (size_t)n;
		}
		fcntl(c->fd, F_SETFL, O_NONBLOCK);
	}
}

static void
options(int argc, char **argv)
{
	int o;

	l.mode = argc > 1 ? argv[1] : "";
	l.fg = strcmp(l.mode, "fg") == 0;
	l.bg = strcmp(l.mode, "bg") == 0;
	l.drain = strcmp(l.mode, "drain") == 0;
	optind = 2;
	while ((o = getopt(argc, argv, "p:P:c:w:d:n:s:T:u")) != -1) {
		long value = optarg == NULL ? 0 : strtol(optarg, NULL, 10);

		switch (o) {
		case 'p':
			l.port = (int)value;
			break;
		case 'P':
			l.pid = (int)value;
			break;
		case 'c':
			l.clients = (int)value;
			break;
		case 'w':
			l.workers = (int)value;
			break;
		case 'd':
			l.depth = (int)value;
			break;
		case 'n':
			l.jobs = value;
			break;
		case 'T':
			l.patience = (int)value;
			break;
		case 's':
			l.bytes = value;
			break;
		case 'u':
			l.uniques = true;
			break;
		default:
			exit(2);
		}
	}
	if (l.bg)
		l.workers = 0;
	if (!l.fg && !l.bg)
		l.clients = 0;
}

int
main(int argc, char **argv)
{
	double before;
	struct rlimit files;

	options(argc, argv);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	l.epoll = epoll_create1(EPOLL_CLOEXEC);
	l.conns = mem_new((size_t)(l.workers + l.clients) * sizeof *l.conns);
	l.workload = mem_new((size_t)l.bytes + 1);
	memset(l.workload, 'x', (size_t)l.bytes);
	l.latency = mem_new((size_t)(l.jobs + l.depth * l.clients) * sizeof *l.latency);
	before = server_bytes();
	for (int i = 0; i < l.workers + l.clients; i++)
		dial(&l.conns[i], i < l.workers);
	settle();
	if (l.fg || l.bg || l.drain)
		run();
	else
		printf("mode=idle done=%d bytes_per_conn=%.0f\n", l.workers, (server_bytes() - before) / l.workers);
	return 0;
}
