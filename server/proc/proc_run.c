/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The core's driver: takes what its mailbox holds, has the core turn it over, posts the outcome.
 *
 * Runs on:  processing thread; a thread of its own or a rider on a loop.
 * Owns:     the core and its outbox.  Here alone the processing class asks the time and sleeps.
 */
#include "proc/proc_run.h"

#include "base/mem.h"
#include "cross/msg.h"

static const nsec_t standstill = 50 * 1000000, time_to_read = 100 * 1000000;

struct proc_run {
	struct proc *proc;
	struct mbox *in, *mgmt, *store;
	struct mbox *const *io;
	struct list batch; /* what the core has not come to */
	struct outbox out;
	unsigned io_count;
	nsec_t due;   /* of the core */
	nsec_t calm;  /* after a standstill: when all that came meanwhile will have been read */
	bool stopped; /* MSG_STOP came */
};

struct proc_run *
proc_run_new(struct proc **proc, struct mbox *in, struct mbox *mgmt, struct mbox *store, struct mbox *const *io,
    unsigned io_count)
{
	struct proc_run *run = mem_new(sizeof *run);

	run->proc = *proc;
	*proc = NULL;
	run->in = in;
	run->mgmt = mgmt;
	run->store = store;
	run->io = io;
	run->io_count = io_count;
	run->due = NEVER;
	list_init(&run->batch);
	outbox_init(&run->out, io_count);
	return run;
}

void
proc_run_free(struct proc_run **run_p)
{
	struct proc_run *run = *run_p;

	if (run == NULL)
		return;
	*run_p = NULL;
	proc_free(&run->proc);
	msg_free_all(&run->batch);
	outbox_fini(&run->out);
	mem_free(run);
}

/* STOP is for the driver; the core does not know it. */
static void
drop_stop(struct proc_run *run, struct list *batch)
{
	LIST_EACH_SAFE(node, batch) {
		struct msg *m = MSG(node);

		if (m->kind != MSG_STOP)
			continue;
		run->stopped = true;
		list_remove(node);
		msg_free(&m);
	}
}

/* The store comes before management: who is told that all is flushed must find it posted. */
static void
post(struct proc_run *run)
{
	for (unsigned i = 0; i < run->io_count; i++) {
		if (!list_is_empty(&run->out.io[i]))
			mbox_post_all(run->io[i], &run->out.io[i]);
	}
	if (!list_is_empty(&run->out.store)) {
		CHECK(run->store != NULL);
		mbox_post_all(run->store, &run->out.store);
	}
	if (!list_is_empty(&run->out.mgmt))
		mbox_post_all(run->mgmt, &run->out.mgmt);
}

/* Much later than it wanted to be called: the process was stopped, or its machine.  Results that came before a time
 * limit was over lie in sockets then, and the timers must not be faster than those who read them. */
static bool
is_late(struct proc_run *run, nsec_t now)
{
	if (run->due != NEVER && run->due + standstill < now)
		run->calm = now + time_to_read;
	return now < run->calm;
}

static bool
run_turn(void *self, nsec_t *due_r)
{
	struct proc_run *run = self;
	struct list fresh;
	bool came;

	list_init(&fresh);
	came = mbox_take(run->in, &fresh);
	if (came || run->due != NEVER) {
		struct instant now = { .mono = clock_mono(), .wall = clock_wall() };

		if (came || run->due <= now.mono) {
			now.late = is_late(run, now.mono);
			role_assume(&proc_role);
			drop_stop(run, &fresh);
			list_splice(&run->batch, &fresh);
			run->due = proc_turn(run->proc, &run->batch, now, &run->out);
			came |= !list_is_empty(&run->batch);
			post(run);
		}
	}
	if (run->due < *due_r)
		*due_r = run->due;
	return came;
}

struct rider
proc_run_rider(struct proc_run *run)
{
	return (struct rider){ .turn = run_turn, .self = run };
}

/* On an I/O thread, while the processing thread sleeps and cannot begin a turn. */
static nsec_t
guest_turn(void *self)
{
	struct proc_run *run = self;
	nsec_t due = NEVER;

	role_take(&proc_role);
	run_turn(run, &due);
	role_drop(&proc_role);
	return run->stopped ? 0 : due;
}

void
proc_run_let_guests(struct proc_run *run, struct waker *waker)
{
	waker_let_guests(waker, guest_turn, run);
}

void
proc_run_thread(struct proc_run *run, struct waker *waker)
{
	waker_bind(waker);
	role_take(&proc_role);
	while (!run->stopped) {
		nsec_t due = NEVER;

		if (!run_turn(run, &due) && !run->stopped)
			waker_sleep(waker, due);
	}
}
