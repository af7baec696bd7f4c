/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which thread class rides on which thread.
 *
 *   -t 0   main: management, I/O, processing
 *   -t 1   main: management; one thread: I/O, processing
 *   -t N   main: management; N - 1 threads: I/O (one for N = 2); one thread: processing
 *
 * A durable queue adds the store thread, and a transport with handshakes the one for these.
 *
 * Runs on:  main thread, while starting and ending; the bodies on their threads.
 * Owns:     loops, mailboxes and threads of all classes but management.
 *
 * The main thread keeps the name of the process, by which operators look for it.
 */
#include "threads.h"

#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/role.h"
#include "class_config.h"
#include "cross/log.h"
#include "cross/loop.h"
#include "cross/msg.h"
#include "io/aside.h"
#include "io/io.h"
#include "io/store.h"
#include "mgmt/fail.h"
#include "mgmt/options.h"
#include "mgmt/plugins.h"
#include "mgmt/settings.h"
#include "mgmt/signals.h"
#include "proc/proc_run.h"

enum { STORE_BATCH = 4096 /* changes in one commit */ };

struct io_class {
	struct threads *c;
	unsigned number;   /* 1 ... */
	struct loop *loop; /* the main one with -t 0 */
	struct mbox *in;
	struct io *io;
	pthread_t thread;
	bool runs; /* has a thread of its own, which is not joined yet */
};

struct threads {
	struct threads_config config;
	unsigned threads; /* as -t says */
	struct loop *main_loop;
	struct io_class *io;
	struct mbox **io_boxes; /* of `io`, in order */
	unsigned io_count;
	uint8_t seed[sizeof((struct proc_config *)NULL)->seed];
	struct waker *proc_waker; /* of the processing thread; NULL when it rides on a loop */
	struct mbox *proc_box;
	struct proc_run *proc;
	pthread_t proc_thread;
	bool proc_runs;
	struct store *store;
	bool store_runs;
	struct waker *aside_waker;
	struct mbox *aside_box; /* NULL: no transport has work for it */
	pthread_t aside_thread;
	bool aside_runs;
};

/* ---- Building ---------------------------------------------------------------------------- */

static bool
build_mailboxes(struct threads *c, struct gearmand_error *err)
{
	struct waker *proc_waker;

	for (unsigned i = 0; i < c->io_count; i++) {
		struct io_class *io = &c->io[i];

		io->c = c;
		io->number = i + 1;
		io->loop = c->threads == 0 ? c->main_loop : loop_new();
		if (io->loop == NULL)
			return error_fail(err,
			    "cannot make an event loop for I/O thread %u: out of descriptors or memory", io->number);
		io->in = c->io_boxes[i] = mbox_new(loop_waker(io->loop));
	}
	if (c->threads >= 2)
		c->proc_waker = waker_new(false);
	proc_waker = c->proc_waker != NULL ? c->proc_waker : loop_waker(c->io[0].loop);
	c->proc_box = mbox_new(proc_waker);
	if (c->config.has_aside) {
		c->aside_waker = waker_new(false);
		c->aside_box = mbox_new(c->aside_waker);
	}
	return true;
}

static void
build_store(struct threads *c)
{
	const struct threads_config *config = &c->config;
	struct store_config sc;

	if (config->queue == NULL)
		return;
	sc = (struct store_config){
		.name = config->queue->desc->name,
		.ops = config->queue->desc->queue,
		.host = &config->queue->host,
		.batch_max = STORE_BATCH,
		.wait = config->settings->queue_wait,
		.standby = config->settings->standby,
	};
	c->store = store_new(&sc, c->proc_box, config->mgmt);
}

static bool
build_core(struct threads *c, struct gearmand_error *err)
{
	const struct threads_config *config = &c->config;
	char prefix[HANDLE_MAX - 21 + 1];
	struct proc_config pc = { .handle_prefix = prefix };
	struct buf plugins = { 0 }, options = { 0 };
	struct proc *proc = NULL;

	class_config_handle_prefix(config->settings, prefix, sizeof prefix);
	if (config->queue != NULL)
		pc.queue_name = config->queue->desc->name;
	plugins_add_lines(config->plugins, config->queue, &plugins);
	buf_add_char(&plugins, '\0');
	pc.plugins = plugins.data;
	option_set_add_lines(settings_options(config->settings), &options);
	buf_add_char(&options, '\0');
	pc.options = options.data;
	pc.durable = c->store != NULL;
	pc.io_count = c->io_count;
	if (class_config_proc(config->settings, config->plugins, c->seed, &pc, err))
		proc = proc_new(&pc);
	buf_fini(&plugins);
	buf_fini(&options);
	if (proc == NULL)
		return false;
	c->proc = proc_run_new(&proc, c->proc_box, config->mgmt, threads_store(c), c->io_boxes, c->io_count);
	return true;
}

static void
build_io(struct threads *c)
{
	const struct threads_config *config = &c->config;

	for (unsigned i = 0; i < c->io_count; i++) {
		struct io_class *io = &c->io[i];
		struct io_config ic = class_config_io(config->settings, c->seed, io->number, c->io_count);

		ic.aside = c->aside_box;
		io->io = io_new(io->loop, &ic, io->in, c->proc_box, config->mgmt);
		loop_add_rider(io->loop, io_rider(io->io));
	}
	if (c->proc_waker == NULL)
		loop_add_rider(c->io[0].loop, proc_run_rider(c->proc));
	else
		proc_run_let_guests(c->proc, c->proc_waker);
}

struct threads *
threads_new(const struct threads_config *config, struct gearmand_error *err)
{
	struct threads *c = mem_new(sizeof *c);

	c->config = *config;
	c->threads = (unsigned)config->settings->threads;
	c->main_loop = config->main_loop;
	c->io_count = c->threads > 2 ? c->threads - 1 : 1;
	c->io = mem_new(c->io_count * sizeof *c->io);
	c->io_boxes = mem_new(c->io_count * sizeof *c->io_boxes);
	if (!build_mailboxes(c, err)) {
		threads_free(&c);
		return NULL;
	}
	build_store(c);
	return c;
}

bool
threads_build(struct threads *c, struct gearmand_error *err)
{
	if (!build_core(c, err))
		return false;
	build_io(c);
	return true;
}

void
threads_free(struct threads **cp)
{
	struct threads *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	/* No other thread is left: the main thread plays them all. */
	role_take(&io_role);
	role_take(&proc_role);
	for (unsigned i = 0; i < c->io_count; i++)
		io_free(&c->io[i].io);
	proc_run_free(&c->proc);
	store_free(&c->store);
	mbox_free(&c->aside_box);
	waker_free(&c->aside_waker);
	mbox_free(&c->proc_box);
	waker_free(&c->proc_waker);
	for (unsigned i = 0; i < c->io_count; i++) {
		mbox_free(&c->io[i].in);
		if (c->io[i].loop != c->main_loop)
			loop_free(&c->io[i].loop);
	}
	mem_free(c->io_boxes);
	mem_free(c->io);
	mem_free(c);
}

/* ---- Running ------------------------------------------------------------------------------ */

static void *
run_io(void *arg)
{
	struct io_class *io = arg;
	char name[16];

	snprintf(name, sizeof name, "gm-io-%u", io->number);
	pthread_setname_np(pthread_self(), name);
	snprintf(name, sizeof name, "%u", io->number);
	log_thread(name);
	role_take(&io_role);
	if (io->c->threads == 1)
		role_take(&proc_role);
	loop_run(io->loop);
	return NULL;
}

static void *
run_proc(void *arg)
{
	struct threads *c = arg;

	pthread_setname_np(pthread_self(), "gm-proc");
	log_thread("proc");
	proc_run_thread(c->proc, c->proc_waker);
	waker_release(c->proc_waker);
	return NULL;
}

static void *
run_aside(void *arg)
{
	struct threads *c = arg;

	pthread_setname_np(pthread_self(), "gm-aside");
	log_thread("aside");
	aside_run(c->aside_waker, c->aside_box);
	return NULL;
}

static bool
create_threads(struct threads *c, struct gearmand_error *err)
{
	int failed;

	for (unsigned i = 0; c->threads > 0 && i < c->io_count; i++) {
		failed = pthread_create(&c->io[i].thread, NULL, run_io, &c->io[i]);
		if (failed != 0)
			return error_fail(err, "cannot start I/O thread %u: %s", i + 1, strerror(failed));
		c->io[i].runs = true;
	}
	if (c->proc_waker != NULL) {
		failed = pthread_create(&c->proc_thread, NULL, run_proc, c);
		if (failed != 0)
			return error_fail(err, "cannot start the processing thread: %s", strerror(failed));
		c->proc_runs = true;
	}
	if (c->aside_box != NULL) {
		failed = pthread_create(&c->aside_thread, NULL, run_aside, c);
		if (failed != 0)
			return error_fail(err, "cannot start the thread for handshakes: %s", strerror(failed));
		c->aside_runs = true;
	}
	return true;
}

static void
post_bare(struct mbox *box, enum msg_kind kind)
{
	struct msg *m = msg_new(kind, 0);

	mbox_post(box, &m);
}

bool
threads_start(struct threads *c, struct gearmand_error *err)
{
	sigset_t before;
	bool started;

	if (c->threads == 0) {
		role_take(&io_role);
		role_take(&proc_role);
	}
	signals_block(&before);
	started = create_threads(c, err);
	signals_restore(&before);
	if (!started)
		threads_stop(c);
	return started;
}

void
threads_open_store(struct threads *c)
{
	if (c->store == NULL)
		return;
	store_start(c->store);
	c->store_runs = true;
}

/* The core hears of the store before its jobs. */
void
threads_replay(struct threads *c)
{
	struct msg_text *ours;
	struct msg *m;

	if (c->store == NULL)
		return;
	ours = msg_text_new(MSG_STORE_OURS, slice_of("", 0));
	ours->number = class_config_first_handle();
	m = &ours->msg;
	m->type = store_ways(c->store);
	mbox_post(c->proc_box, &m);
	post_bare(store_mbox(c->store), MSG_REPLAY);
}

/* I/O before the others, which answer what it posts at the end. */
void
threads_stop(struct threads *c)
{
	for (unsigned i = 0; i < c->io_count; i++) {
		if (!c->io[i].runs)
			continue;
		post_bare(c->io[i].in, MSG_STOP);
		pthread_join(c->io[i].thread, NULL);
		c->io[i].runs = false;
	}
	if (c->aside_runs) {
		post_bare(c->aside_box, MSG_STOP);
		pthread_join(c->aside_thread, NULL);
		c->aside_runs = false;
	}
	if (c->store_runs) {
		post_bare(store_mbox(c->store), MSG_STOP);
		store_join(c->store);
		c->store_runs = false;
	}
	if (c->proc_runs) {
		post_bare(c->proc_box, MSG_STOP);
		pthread_join(c->proc_thread, NULL);
		c->proc_runs = false;
	}
}

struct mbox *
threads_proc(struct threads *c)
{
	return c->proc_box;
}

struct mbox *
threads_store(struct threads *c)
{
	return c->store != NULL ? store_mbox(c->store) : NULL;
}

struct mbox *const *
threads_io(struct threads *c, unsigned *count_r)
{
	*count_r = c->io_count;
	return c->io_boxes;
}
