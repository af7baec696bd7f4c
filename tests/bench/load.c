/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A load generator for any Gearman server: many connections in one thread, raw protocol, and the
 * server's own CPU time and memory read from /proc, so that servers are compared by what a
 * job costs them.
 *
 * Runs on:  one thread, one epoll.
 * Owns:     its connections.
 *
 *   load MODE -p PORT [-P PID] [-c CLIENTS] [-w WORKERS] [-d DEPTH] [-n JOBS] [-s BYTES] [-u] [-S] [-T SECONDS]
 *     [-W JOBS]
 *   fg     clients submit foreground jobs, workers echo them; a job is done when its result is back
 *   bg     clients submit background jobs; done when acknowledged
 *   drain  workers empty the queue
 *   idle   workers connect, register and sleep
 * Prints one line of name=value.  After -T seconds it stops and tells of what was done until then.  -W: also the
 * server's CPU for a job in the first 10000, and in the dearest window of so many that follow each other.  -S: over
 * TLS.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/bench/conn.h"

static struct {
	const char *mode;
	int port, pid, clients, workers, depth, patience;
	long jobs, bytes, window;
	bool uniques;
	struct conn *conns;
	char *workload;
	long submitted, done;
	uint64_t *latency; /* nanoseconds, one per job */
	bool fg, bg, drain;
} l = { .port = 4730, .clients = 4, .workers = 4, .depth = 16, .jobs = 100000, .bytes = 32, .patience = 170 };

static void
submit(struct conn *c)
{
	char unique[64] = "";
	struct slice parts[3] = { slice_of("bench", 6), slice_of(unique, 1), slice_of(l.workload, (size_t)l.bytes) };

	if (l.uniques)
		parts[1].len = (size_t)snprintf(unique, sizeof unique, "%d.%ld", getpid(), l.submitted) + 1;
	conn_add(c, l.bg ? PKT_SUBMIT_JOB_BG : PKT_SUBMIT_JOB, parts, 3);
	conn_opened(c, now_ns());
	l.submitted++;
}

static void
submit_more(struct conn *c)
{
	while (c->open < l.depth && l.submitted < l.jobs)
		submit(c);
	conn_flush(c);
}

/* What the server's processor did for each job, in microseconds. */
static struct {
	long began;          /* jobs that were done when the window began */
	double cpu;          /* then */
	double first, worst; /* of a job */
	long worst_at;
} windows;

enum { FIRST = 10000 };

static void
look_at_window(void)
{
	long length = windows.began == 0 ? FIRST : l.window;
	double cpu, per;

	if (l.done - windows.began < length)
		return;
	cpu = server_cpu(l.pid);
	per = (cpu - windows.cpu) * 1e6 / (double)(l.done - windows.began);
	if (windows.began == 0) {
		windows.first = per;
	} else if (per > windows.worst) {
		windows.worst = per;
		windows.worst_at = windows.began;
	}
	windows.began = l.done;
	windows.cpu = cpu;
}

static void
ended(struct conn *c)
{
	uint64_t since = conn_ended(c);

	l.latency[l.done++] = now_ns() - since;
}

static void
take(struct conn *c, const struct pkt_head *head, struct slice body)
{
	if (c->role == BG_CLIENT && head->type == PKT_JOB_CREATED)
		ended(c);
	else if (c->role == FG_CLIENT && head->type == PKT_WORK_COMPLETE)
		ended(c);
	else if (c->role == FG_CLIENT && head->type == PKT_JOB_CREATED)
		return;
	else if (conn_work(c, head, body) && l.drain)
		l.done++;
}

static void
go_on(struct conn *c)
{
	if (c->role == FG_WORKER || c->role == BG_WORKER)
		conn_flush(c);
	else
		submit_more(c);
}

static void
dial(struct conn *c, bool is_worker)
{
	enum conn_role client = l.bg ? BG_CLIENT : FG_CLIENT, worker = l.drain ? BG_WORKER : FG_WORKER;

	conn_dial(c, is_worker ? worker : client, l.port, is_worker ? 0 : l.depth);
	if (is_worker) {
		conn_add(c, PKT_CAN_DO, &(struct slice){ "bench", 5 }, 1);
		conn_add(c, l.drain ? PKT_GRAB_JOB : PKT_PRE_SLEEP, NULL, 0);
		conn_flush(c);
	}
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
	if (l.window > 0)
		printf(" first_us=%.3f dearest_us=%.3f dearest_at=%ld", windows.first, windows.worst, windows.worst_at);
	printf(" bytes_per_job=%.0f\n", bytes / per);
}

static void
run(void)
{
	double cpu = server_cpu(l.pid), bytes = server_bytes(l.pid);
	uint64_t start = now_ns();

	windows.cpu = cpu;
	for (int i = 0; i < l.clients; i++)
		submit_more(&l.conns[l.workers + i]);
	while (l.done < l.jobs) {
		conn_poll(1000, take, go_on, -1);
		if (l.window > 0)
			look_at_window();
		if (now_ns() - start > (uint64_t)l.patience * 1000000000) {
			fprintf(stderr, "stopped after %d s: %ld of %ld done\n", l.patience, l.done, l.jobs);
			break;
		}
	}
	report((double)(now_ns() - start) / 1e9, server_cpu(l.pid) - cpu, server_bytes(l.pid) - bytes);
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
	while ((o = getopt(argc, argv, "p:P:c:w:d:n:s:ST:uW:")) != -1) {
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
		case 'S':
			conn_use_tls();
			break;
		case 'W':
			l.window = value;
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

	options(argc, argv);
	conn_setup();
	l.conns = mem_new((size_t)(l.workers + l.clients) * sizeof *l.conns);
	l.workload = mem_new((size_t)l.bytes + 1);
	memset(l.workload, 'x', (size_t)l.bytes);
	l.latency = mem_new((size_t)(l.jobs + l.depth * l.clients) * sizeof *l.latency);
	before = server_bytes(l.pid);
	for (int i = 0; i < l.workers + l.clients; i++)
		dial(&l.conns[i], i < l.workers);
	for (int i = 0; i < l.workers + l.clients && !l.drain; i++)
		conn_settle(&l.conns[i]);
	if (l.fg || l.bg || l.drain)
		run();
	else
		printf(
		    "mode=idle done=%d bytes_per_conn=%.0f\n", l.workers, (server_bytes(l.pid) - before) / l.workers);
	return 0;
}
