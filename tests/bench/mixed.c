/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What one kind of job suffers from another: foreground jobs as fast as they go, and beside them, on connections of
 * their own, durable background jobs at an even rate; told apart by phases, in which somebody may stall the store.
 *
 * Runs on:  one thread, one epoll.
 * Owns:     its connections.
 *
 *   mixed -p PORT [-c CLIENTS] [-d DEPTH] [-b BACKGROUND CLIENTS] [-D DEPTH] [-r BACKGROUND JOBS A SECOND]
 * As many workers as clients do the foreground jobs, one does the others.  Each line of stdin is the name of a phase
 * that begins there; at its end, with the next one, a line of name=value is printed.  In a phase "alone" no background
 * jobs are submitted.  The end of stdin is the end of the last phase and of the program.  A foreground job
 * that has no end yet when a phase ends counts in it with the time that it has waited.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/bench/conn.h"

enum { WORKLOAD = 32, FIRST_SAMPLES = 1 << 16, TICK_MS = 1 };

static struct {
	int port, clients, depth, bg_clients, bg_depth, rate;
	struct conn *conns;
	int count;          /* of conns */
	bool submits;       /* background jobs, in this phase */
	uint64_t due_since; /* since when background jobs are submitted */
	long due_done;      /* how many were, or had no room, since then */
	long number;        /* for uniques */
	int turn;           /* whose turn it is to submit one */

	char phase[32];
	uint64_t began;
	uint64_t *sample; /* nanoseconds, of foreground jobs */
	size_t samples, room;
	long stored, refused, worked; /* background jobs */
} m = { .port = 4730, .clients = 4, .depth = 1, .bg_clients = 4, .bg_depth = 32, .rate = 2000 };

/* ---- Phases ------------------------------------------------------------------------------ */

static void
add_sample(uint64_t ns)
{
	if (m.samples == m.room) {
		m.room = m.room == 0 ? FIRST_SAMPLES : m.room * 2;
		m.sample = mem_grow(m.sample, m.room * sizeof *m.sample);
	}
	m.sample[m.samples++] = ns;
}

static double
part_us(size_t hundredths)
{
	return (double)m.sample[(m.samples - 1) * hundredths / 100] / 1e3;
}

static void
add_open(uint64_t now)
{
	for (int i = 0; i < m.count; i++) {
		struct conn *c = &m.conns[i];

		for (unsigned k = c->first; c->role == FG_CLIENT && k != c->next; k++)
			add_sample(now - c->since[k % c->depth]);
	}
}

static void
end_phase(void)
{
	uint64_t now = now_ns();
	double seconds = (double)(now - m.began) / 1e9;
	size_t done = m.samples;

	add_open(now);
	qsort(m.sample, m.samples, sizeof *m.sample, by_size);
	printf("phase=%s seconds=%.2f done=%zu per_s=%.0f p50_us=%.1f p99_us=%.1f max_us=%.1f"
	       " stored_per_s=%.0f worked_per_s=%.0f refused=%ld\n",
	    m.phase, seconds, done, (double)done / seconds, part_us(50), part_us(99), part_us(100),
	    (double)m.stored / seconds, (double)m.worked / seconds, m.refused);
	fflush(stdout);
}

static void
begin_phase(const char *name)
{
	bool submits = strcmp(name, "alone") != 0;

	snprintf(m.phase, sizeof m.phase, "%s", name);
	m.began = now_ns();
	m.samples = 0;
	m.stored = m.refused = m.worked = 0;
	if (submits && !m.submits) {
		m.due_since = m.began;
		m.due_done = 0;
	}
	m.submits = submits;
}

/* False: stdin has ended. */
static bool
read_command(void)
{
	char line[sizeof m.phase];

	if (fgets(line, sizeof line, stdin) == NULL)
		return false;
	line[strcspn(line, "\n")] = '\0';
	if (m.phase[0] != '\0')
		end_phase();
	begin_phase(line);
	return true;
}

/* ---- Jobs -------------------------------------------------------------------------------- */

static void
submit(struct conn *c)
{
	static const char data[WORKLOAD] = "0123456789abcdef0123456789abcde";
	bool bg = c->role == BG_CLIENT;
	char unique[64] = "";
	struct slice parts[3] = { slice_of(bg ? "stored" : "bench", bg ? 7 : 6), slice_of(unique, 1),
		slice_of(data, sizeof data) };

	if (bg)
		parts[1].len = (size_t)snprintf(unique, sizeof unique, "%d.%ld", getpid(), m.number++) + 1;
	conn_add(c, bg ? PKT_SUBMIT_JOB_BG : PKT_SUBMIT_JOB, parts, 3);
	conn_opened(c, now_ns());
}

/* What is due by now, as far as there is room.  What has none is not made up for. */
static void
submit_due(void)
{
	long due = (long)((now_ns() - m.due_since) / 1000 * (uint64_t)m.rate / 1000000);

	for (; m.due_done < due; m.due_done++) {
		struct conn *c = &m.conns[m.turn++ % m.bg_clients];

		if (c->open < (long)c->depth)
			submit(c);
	}
	for (int i = 0; i < m.bg_clients; i++)
		conn_flush(&m.conns[i]);
}

static void
take_created(struct conn *c, const struct pkt_head *head)
{
	if (c->role != BG_CLIENT)
		return;
	conn_ended(c);
	if (head->type == PKT_ERROR)
		m.refused++;
	else
		m.stored++;
}

static void
take(struct conn *c, const struct pkt_head *head, struct slice body)
{
	bool is_client = c->role == FG_CLIENT || c->role == BG_CLIENT;

	if (is_client && (head->type == PKT_JOB_CREATED || (c->role == BG_CLIENT && head->type == PKT_ERROR)))
		take_created(c, head);
	else if (c->role == FG_CLIENT && head->type == PKT_WORK_COMPLETE)
		add_sample(now_ns() - conn_ended(c));
	else if (conn_work(c, head, body) && c->role == BG_WORKER)
		m.worked++;
}

static void
go_on(struct conn *c)
{
	while (c->role == FG_CLIENT && c->open < (long)c->depth)
		submit(c);
	conn_flush(c);
}

/* ---- The program --------------------------------------------------------------------------- */

static struct conn *
dial(enum conn_role role, int depth)
{
	struct conn *c = &m.conns[m.count++];

	conn_dial(c, role, m.port, depth);
	if (role == FG_WORKER || role == BG_WORKER) {
		const char *function = role == FG_WORKER ? "bench" : "stored";

		conn_add(c, PKT_CAN_DO, &(struct slice){ function, strlen(function) }, 1);
		conn_add(c, PKT_PRE_SLEEP, NULL, 0);
	}
	conn_settle(c);
	return c;
}

static void
dial_all(void)
{
	m.conns = mem_new((size_t)(m.bg_clients + 2 * m.clients + 1) * sizeof *m.conns);
	for (int i = 0; i < m.bg_clients; i++)
		dial(BG_CLIENT, m.bg_depth);
	for (int i = 0; i < m.clients; i++)
		dial(FG_WORKER, 0);
	dial(BG_WORKER, 0);
	for (int i = 0; i < m.clients; i++)
		go_on(dial(FG_CLIENT, m.depth));
}

static void
options(int argc, char **argv)
{
	static const char names[] = "pcdbDr";
	int *const values[] = { &m.port, &m.clients, &m.depth, &m.bg_clients, &m.bg_depth, &m.rate };
	int o;

	while ((o = getopt(argc, argv, "p:c:d:b:D:r:")) != -1) {
		if (o == '?' || atoi(optarg) < 1)
			exit(2);
		*values[strchr(names, o) - names] = atoi(optarg);
	}
}

int
main(int argc, char **argv)
{
	options(argc, argv);
	setvbuf(stdin, NULL, _IONBF, 0);
	conn_setup();
	if (!read_command())
		return 2;
	dial_all();
	m.began = now_ns();
	for (;;) {
		if (conn_poll(m.submits ? TICK_MS : 1000, take, go_on, STDIN_FILENO) && !read_command())
			break;
		if (m.submits)
			submit_due();
	}
	end_phase();
	return 0;
}
