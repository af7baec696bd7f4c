/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How long others may wait for one turn of the core while long listings are made, and what those cost.
 *
 * Runs on:  its only thread, which plays the processing class and all others.
 * Owns:     a core in the worst state within the default bounds.
 *
 *   turns [FUNCTIONS] [JOBS] [ABILITIES] [WORKERS]
 * Functions have jobs with uniques; one worker has as many abilities, another half as many with names of 8100 control
 * bytes; so many workers sleep, each for one of the functions.  Then, in a core of its own, one function has as many
 * jobs, a tenth of which die, and operators manage them. For each command: the answer, the turns that made it, the
 * longest of them, and all of them.  Times are of the thread's processor, so that other work on the machine counts
 * little.  Time between turns goes by in one step.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "cross/msg.h"
#include "proc/proc.h"

static struct {
	struct proc *core;
	struct outbox out;
	struct list batch;
	struct instant now;
	nsec_t longest, all;
	unsigned turns;
	size_t bytes, replies;
} b;

static nsec_t
processor(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (nsec_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* One turn; what is said is counted, and parts are taken. */
static nsec_t
turn(void)
{
	nsec_t before, due, took;
	struct list *node;

	role_assume(&proc_role);
	before = processor();
	due = proc_turn(b.core, &b.batch, b.now, &b.out);
	took = processor() - before;
	b.turns++;
	b.all += took;
	if (took > b.longest)
		b.longest = took;
	while ((node = list_pop(&b.out.io[0])) != NULL) {
		struct msg *m = MSG(node);

		if (m->kind == MSG_REPLY || m->kind == MSG_PART)
			b.bytes += MSG_AS(msg_reply, m)->data.len;
		b.replies += m->kind == MSG_REPLY;
		if (m->kind == MSG_PART) {
			struct msg *taken = msg_new(MSG_PART_TAKEN, m->peer);

			list_push(&b.batch, &taken->link);
			due = b.now.mono;
		}
		msg_free(&m);
	}
	return due;
}

static void
run(void)
{
	nsec_t due;

	while ((due = turn()) != NEVER || !list_is_empty(&b.batch))
		if (due > b.now.mono)
			b.now.mono = due;
}

static void
post(uint64_t peer, enum pkt_type type, struct slice body)
{
	struct msg_packet *m = msg_new_sized(MSG_PACKET, peer, sizeof *m);
	enum wire_error why;

	m->msg.type = (uint16_t)type;
	m->msg.blob = blob_copy(body);
	if (type == PKT_TEXT)
		m->pkt.data = blob_slice(m->msg.blob);
	else
		CHECK(pkt_split(type, blob_slice(m->msg.blob), &m->pkt, &why));
	list_push(&b.batch, &m->msg.link);
}

static void
introduce(uint64_t peer)
{
	struct msg_conn *m = msg_new_sized(MSG_PEER_NEW, peer, sizeof *m);

	strcpy(m->address, "127.0.0.1");
	list_push(&b.batch, &m->msg.link);
}

enum { CLIENT = 1, WORKER, LONG_WORKER, ASKING };

static void
build(long functions, long jobs, long abilities)
{
	char text[8192];

	for (uint64_t peer = CLIENT; peer <= ASKING; peer++)
		introduce(peer);
	for (long i = 0; i < functions; i++) {
		post(ASKING, PKT_TEXT, slice_of(text, (size_t)sprintf(text, "create function f%ld", i)));
		run();
	}
	for (long i = 0; i < jobs; i++) {
		int len = sprintf(text, "f%ld", i % functions) + 1;

		len += sprintf(text + len, "unique-%ld", i) + 1;
		post(CLIENT, PKT_SUBMIT_JOB_BG, slice_of(text, (size_t)len));
		run();
	}
	for (long i = 0; i < abilities; i++) {
		post(WORKER, PKT_CAN_DO, slice_of(text, (size_t)sprintf(text, "a%ld", i)));
		run();
	}
	memset(text, 1, 8100);
	for (long i = 0; i < abilities / 2; i++) {
		post(LONG_WORKER, PKT_CAN_DO, slice_of(text, 8100 + (size_t)sprintf(text + 8100, "%ld", i)));
		run();
	}
}

static void
build_sleepers(long workers, long functions)
{
	char text[32];

	for (long i = 0; i < workers; i++) {
		introduce((uint64_t)(ASKING + 1 + i));
		post((uint64_t)(ASKING + 1 + i), PKT_CAN_DO,
		    slice_of(text, (size_t)sprintf(text, "f%ld", i % functions)));
		post((uint64_t)(ASKING + 1 + i), PKT_PRE_SLEEP, slice_of("", 0));
		run();
	}
}

static void
begin(void)
{
	run();
	b.now.mono += 1000000000;
	b.longest = b.all = 0;
	b.turns = 0;
	b.bytes = b.replies = 0;
}

static void
end(const char *what)
{
	run();
	printf("| `%s` | %.1f | %u | %.2f | %.1f |\n", what, (double)b.bytes / 1e6, b.turns, (double)b.longest / 1e6,
	    (double)b.all / 1e6);
}

static void
ask(const char *line)
{
	begin();
	post(ASKING, PKT_TEXT, slice_str(line));
	end(line);
}

/* As many as are in 64 KB. */
static void
burst(const char *what, enum pkt_type type)
{
	begin();
	for (int i = 0; i < 65536 / PKT_HEAD; i++)
		post(WORKER, type, slice_of("", 0));
	end(what);
}

static void
core_new(struct proc_config *cfg)
{
	b.now = (struct instant){ .mono = 1000000000, .wall = 1000000000 };
	b.core = proc_new(cfg);
}

static void
submit(long jobs)
{
	char text[64];

	for (long i = 0; i < jobs; i++) {
		post(CLIENT, PKT_SUBMIT_JOB_BG, slice_of(text, (size_t)sprintf(text, "f%cu%ld%c", 0, i, 0)));
		run();
	}
}

/* So many jobs die: the worker takes each and gives it up. */
static void
kill_jobs(long jobs, uint64_t first)
{
	char text[64];

	post(WORKER, PKT_CAN_DO, slice_str("f"));
	for (long i = 0; i < jobs; i++) {
		int len = sprintf(text, "bury job H:bench:%llu", (unsigned long long)first + (unsigned long long)i);

		post(WORKER, PKT_GRAB_JOB, slice_of("", 0));
		post(ASKING, PKT_TEXT, slice_of(text, (size_t)len));
		post(WORKER, PKT_WORK_FAIL, slice_of(text + 9, (size_t)len - 9));
		run();
	}
	post(WORKER, PKT_CANT_DO, slice_str("f"));
	run();
}

/* One function with all the jobs; a tenth of them are dead. */
static void
manage(long jobs)
{
	long dead = jobs / 10;

	for (uint64_t peer = CLIENT; peer <= ASKING; peer++)
		introduce(peer);
	submit(jobs);
	kill_jobs(dead, 1);
	ask("pause f");
	ask("resume f");
	ask("show functions");
	ask("metrics");
	ask("peek f ready 1000");
	ask("show dead");
	ask("kick f");
	kill_jobs(dead, 1 + (uint64_t)dead);
	ask("purge f dead");
	ask("purge f");
}

static void
list_all(long functions, long jobs, long abilities, long workers)
{
	build(functions, jobs, abilities);
	build_sleepers(workers, functions);
	printf("| what | answer, MB | turns | longest turn, ms | all turns, ms |\n|---|--:|--:|--:|--:|\n");
	ask("status");
	ask("prioritystatus");
	ask("workers");
	ask("show jobs");
	ask("show unique jobs");
	ask("show functions");
	ask("metrics");
	ask("metrics * buckets");
	ask("drop function none");
	burst("PRE_SLEEP", PKT_PRE_SLEEP);
	burst("GRAB_JOB", PKT_GRAB_JOB);
}

int
main(int argc, char **argv)
{
	long functions = argc > 1 ? atol(argv[1]) : 100000, jobs = argc > 2 ? atol(argv[2]) : 1000000;
	struct proc_config cfg = { .handle_prefix = "H:bench",
		.version = "",
		.verbose = "",
		.io_count = 1,
		.first_handle = 1,
		.dead_max = UINT64_MAX,
		.dead_max_bytes = UINT64_MAX };

	role_take(&proc_role);
	list_init(&b.batch);
	outbox_init(&b.out, 1);
	core_new(&cfg);
	list_all(functions, jobs, argc > 3 ? atol(argv[3]) : 10000, argc > 4 ? atol(argv[4]) : 0);
	proc_free(&b.core);
	core_new(&cfg);
	manage(jobs);
	fflush(stdout);
	proc_free(&b.core);
	outbox_fini(&b.out);
	return 0;
}
