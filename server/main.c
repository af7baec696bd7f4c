/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The life of the process: a list of steps, done in order and undone in reverse.
 *
 * Runs on:  main thread, which plays management.
 * Owns:     everything, by way of the steps.
 *
 * The order has reasons: sockets are bound while we may still be root, but not before the store is open by a server
 * that may have to wait for it; log and pid file are made by the user who is to own them; the store is opened before
 * anybody is told that the start went well; I/O and core run before that, for those who ask how the server is; and
 * whoever started us is told as soon as connections are accepted, or that we wait.
 */
#include "config.h"

#ifdef STATIC_MODULES
#include <ltdl.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "reload.h"
#include "threads.h"
#include "cross/log.h"
#include "cross/loop.h"
#include "cross/msg.h"
#include "io/io.h"
#include "mgmt/accept.h"
#include "mgmt/bind.h"
#include "mgmt/crash.h"
#include "mgmt/daemon.h"
#include "mgmt/fail.h"
#include "mgmt/limits.h"
#include "mgmt/listen.h"
#include "mgmt/logfile.h"
#include "mgmt/mgmt.h"
#include "mgmt/notify.h"
#include "mgmt/pidfile.h"
#include "mgmt/plugins.h"
#include "mgmt/settings.h"
#include "mgmt/serving.h"
#include "mgmt/signals.h"
#include "mgmt/user.h"

struct life {
	const char *name; /* argv[0], for sentences */
	struct settings *settings;
	struct plugins *plugins;
	struct passed_sockets passed;
	struct daemon daemon;
	struct loop *loop;
	struct mgmt *mgmt;
	struct signals *signals;
	struct serving serving;
	struct listeners listeners;
	struct bind_plan bind_plan;
	bool binds_late; /* once the store is open */
	struct logfile *log;
	bool had_log, log_is_stuck;
	struct pidfile *pidfile;
	struct threads *threads;
	struct acceptor *acceptor;
	time_t access_read; /* when the access rules that hold were read */
};

enum { BIND_TRIES = 100 };

struct step {
	bool (*act)(struct life *, struct gearmand_error *); /* false without a text: all is well, but it is to end */
	void (*undo)(struct life *);                         /* NULL = nothing to undo */
};

/* ---- Process ------------------------------------------------------------------------------- */

/* Sockets are looked for before the process has another number than the one that they were passed to. */
static bool
make_process(struct life *l, struct gearmand_error *err)
{
	const struct settings *s = l->settings;

	if (!s->coredump)
		crash_install();
	passed_sockets_init(&l->passed);
	return limits_descriptors(s->file_descriptors, err) && limits_allow_threads((unsigned)s->threads, err) &&
	       (!s->daemon || daemon_fork(&l->daemon, err));
}

static void
unmake_process(struct life *l)
{
	passed_sockets_fini(&l->passed);
}

/* From here on log lines gather in management's mailbox. */
static bool
make_management(struct life *l, struct gearmand_error *err)
{
	l->loop = loop_new();
	if (l->loop == NULL)
		return error_fail(err, "cannot make an event loop: out of descriptors or memory");
	waker_bind(loop_waker(l->loop));
	l->mgmt = mgmt_new(l->loop);
	l->signals = signals_new(loop_base(l->loop), l->mgmt);
	log_start(mgmt_mbox(l->mgmt), l->settings->verbose);
	log_post(GEARMAND_LOG_NOTICE, "gearmand %s starts, process %ld", GEARMAND_VERSION, (long)getpid());
	if (l->settings->daemon_is_ignored)
		log_post(GEARMAND_LOG_NOTICE, "--daemon is ignored: a service manager waits for this process");
	return true;
}

/* A start that failed before there was a log shows on stderr what it had to say. */
static void
unmake_management(struct life *l) RUNS_ON(mgmt_role)
{
	struct gearmand_error err;
	struct logfile *last =
	    l->had_log || l->mgmt == NULL ? NULL : logfile_open("stderr", false, mgmt_mbox(l->mgmt), &err);

	if (last != NULL) {
		mgmt_set_log(l->mgmt, last, GEARMAND_LOG_WARNING);
		mgmt_pass_log(l->mgmt);
		l->log_is_stuck = !logfile_close(&last);
	}
	log_start(NULL, l->settings->verbose);
	signals_free(&l->signals);
	if (l->log_is_stuck) /* it may yet speak to management */
		return;
	mgmt_free(&l->mgmt);
	loop_free(&l->loop);
}

static bool
switch_user(struct life *l, struct gearmand_error *err)
{
	const char *user = l->settings->user;
	bool ok = user_switch(user, err);

	if (ok && l->settings->coredump)
		limits_core();
	return ok && (user == NULL || plugins_read_again(l->plugins, user, err));
}

/* ---- Modules and sockets ---------------------------------------------------------------------- */

static bool
open_modules(struct life *l, struct gearmand_error *err)
{
	struct gearmand_host services = { 0 };

	io_host_services(&services);
	plugins_set_services(l->plugins, &services);
	return serving_open(&l->serving, l->settings, l->plugins, &gear_protocol, err);
}

static void
close_modules(struct life *l)
{
	serving_close(&l->serving);
}

/* A server that may wait for its store lets nobody connect before that is open, but those who ask how it is. */
static bool
bind_early(struct life *l, struct gearmand_error *err)
{
	const struct settings *s = l->settings;

	l->bind_plan = (struct bind_plan){ s, &l->serving, &l->passed };
	l->binds_late = !settings_in_memory(s) && (s->queue_wait || s->standby);
	return bind_rights(&l->listeners, s, err) && bind_passed(&l->listeners, &l->bind_plan, err) &&
	       bind_rest(&l->listeners, &l->bind_plan, l->binds_late, err);
}

/* The server that we took the queue over from may not be quite gone. */
static bool
bind_late(struct life *l, struct gearmand_error *err) RUNS_ON(mgmt_role)
{
	const struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };

	if (!l->binds_late)
		return true;
	for (int tries = 0; tries < BIND_TRIES; tries++) {
		if (bind_rest(&l->listeners, &l->bind_plan, false, err))
			return true;
		if (tries == 0)
			log_post(GEARMAND_LOG_NOTICE, "%s; trying again for 10 seconds", err->text);
		mgmt_pass_log(l->mgmt);
		nanosleep(&pause, NULL);
	}
	return false;
}

static void
close_sockets(struct life *l)
{
	listeners_fini(&l->listeners);
}

/* ---- Files ----------------------------------------------------------------------------------------- */

static bool
open_log(struct life *l, struct gearmand_error *err) RUNS_ON(mgmt_role)
{
	const struct settings *s = l->settings;

	l->log = logfile_open(s->log_file, s->syslog, mgmt_mbox(l->mgmt), err);
	if (l->log == NULL && s->daemon) /* its stderr is about to be nowhere */
		return false;
	if (l->log == NULL) {
		fprintf(stderr, "gearmand: %s, logging to stderr instead\n", err->text);
		l->log = logfile_open("stderr", s->syslog, mgmt_mbox(l->mgmt), err);
	}
	l->had_log = true;
	mgmt_set_log(l->mgmt, l->log, s->verbose);
	return l->log != NULL;
}

static void
close_log(struct life *l) RUNS_ON(mgmt_role)
{
	mgmt_pass_log(l->mgmt);
	mgmt_set_log(l->mgmt, NULL, l->settings->verbose);
	l->log_is_stuck = !logfile_close(&l->log);
}

static bool
write_pidfile(struct life *l, struct gearmand_error *err)
{
	l->pidfile = pidfile_open(l->settings->pid_file, err);
	if (l->pidfile != NULL || l->settings->pid_file_given)
		return l->pidfile != NULL;
	log_post(GEARMAND_LOG_INFO, "no pid file: %s", err->text);
	return true;
}

static void
remove_pidfile(struct life *l)
{
	pidfile_close(&l->pidfile);
}

/* ---- Classes ------------------------------------------------------------------------------------------ */

static bool
make_threads(struct life *l, struct gearmand_error *err)
{
	struct threads_config config = {
		.settings = l->settings,
		.plugins = l->plugins,
		.main_loop = l->loop,
		.mgmt = mgmt_mbox(l->mgmt),
		.has_aside = serving_has_work(&l->serving),
	};

	if (!settings_in_memory(l->settings))
		config.queue = plugins_find(l->plugins, GEARMAND_KIND_QUEUE, l->settings->queue_type);
	l->threads = threads_new(&config, err);
	return l->threads != NULL;
}

static void
unmake_threads(struct life *l)
{
	threads_free(&l->threads);
}

static void
let_starter_go(struct life *l)
{
	daemon_release(&l->daemon, strcmp(l->settings->log_file, "stderr") == 0);
}

/* The shell or service manager that started us need not wait as long as we do. */
static void
on_waiting(void *arg, const char *why)
{
	struct life *l = arg;

	if (l->daemon.parent >= 0)
		fprintf(stderr, "%s: waiting for the queue: %s\n", l->name, why);
	plugins_say_unready(l->plugins);
	let_starter_go(l);
	notify_waiting(why);
}

static void
on_serving(void *arg)
{
	let_starter_go(arg);
	notify_ready();
}

static void
on_reload(void *arg)
{
	struct life *l = arg;

	plugins_reload(l->plugins);
	reload_shown(l->plugins, threads_proc(l->threads));
	reload_policies(l->settings, threads_proc(l->threads));
	reload_access(l->settings, l->plugins, threads_proc(l->threads), &l->access_read);
}

/* Connections that modules have for themselves. */
static bool
attend(struct life *l, struct gearmand_error *err) RUNS_ON(mgmt_role)
{
	for (unsigned i = 0; i < l->serving.count; i++) {
		struct serving_place *place = l->serving.at[i];

		if (!place->is_own)
			continue;
		place->far_end = acceptor_attend(l->acceptor, &place->service);
		if (place->far_end < 0)
			return error_fail(
			    err, "module %s has no connection of its own: out of descriptors", place->service.name);
	}
	return true;
}

static void
on_day(void *arg)
{
	struct life *l = arg;

	plugins_daily(l->plugins);
	reload_shown(l->plugins, threads_proc(l->threads));
}

static bool
start_threads(struct life *l, struct gearmand_error *err) RUNS_ON(mgmt_role)
{
	const struct settings *s = l->settings;
	struct accept_config ac = {
		.listeners = &l->listeners,
		.max_connections = (uint64_t)s->max_connections,
		.fd_max = limits_connection_fd_max(),
		.calm = 10 * A_SECOND,
		.keepalive_idle = (int)s->keepalive_idle,
		.keepalive_interval = (int)s->keepalive_interval,
		.keepalive_count = (int)s->keepalive_count,
	};
	struct mgmt_links links = {
		.store = threads_store(l->threads),
		.shutdown_timeout = s->shutdown_timeout,
		.on_serving = on_serving,
		.on_reload = on_reload,
		.on_day = on_day,
		.day = 86400 * A_SECOND,
		.watchdog = notify_watchdog(),
		.arg = l,
	};

	if (!threads_build(l->threads, err))
		return false;
	l->access_read = time(NULL);
	links.proc = threads_proc(l->threads);
	links.io = ac.io = threads_io(l->threads, &ac.io_count);
	links.io_count = ac.io_count;
	links.acceptor = l->acceptor = acceptor_new(loop_base(l->loop), &ac);
	mgmt_connect(l->mgmt, &links);
	acceptor_start(l->acceptor, true);
	reload_shown(l->plugins, threads_proc(l->threads));
	return attend(l, err) && threads_start(l->threads, err);
}

static void
stop_threads(struct life *l)
{
	threads_stop(l->threads);
	acceptor_free(&l->acceptor);
}

/* Until it is ours, and then its jobs come. */
static bool
open_store(struct life *l, struct gearmand_error *err) RUNS_ON(mgmt_role)
{
	if (threads_store(l->threads) == NULL)
		return true;
	threads_open_store(l->threads);
	if (!mgmt_open_store(l->mgmt, on_waiting, l))
		return mgmt_failure(l->mgmt) != NULL && error_fail(err, "%s", mgmt_failure(l->mgmt));
	if (!bind_late(l, err))
		return false;
	threads_replay(l->threads);
	return true;
}

/* ---- The list ------------------------------------------------------------------------------------------ */

static const struct step steps[] = {
	{ make_process, unmake_process },
	{ make_management, unmake_management },
	{ open_modules, close_modules },
	{ bind_early, close_sockets },
	{ switch_user, NULL },
	{ open_log, close_log },
	{ write_pidfile, remove_pidfile },
	{ make_threads, unmake_threads },
	{ start_threads, stop_threads },
	{ open_store, NULL },
};

enum { STEPS = sizeof steps / sizeof steps[0] };

/* On stderr and in the log, unless that is the same. */
static void
say_failure(const struct life *l, enum gearmand_level level, const char *sentence)
{
	stderr_say(l->name, sentence);
	if (l->log != NULL && !logfile_is_stderr(l->log))
		log_post(level, "%s", sentence);
}

/* Other threads may be stuck in a store: leave without them, but not without our traces. */
static void __attribute__((noreturn)) leave_at_once(struct life *l, int status) RUNS_ON(mgmt_role)
{
	mgmt_pass_log(l->mgmt);
	pidfile_close(&l->pidfile);
	listeners_fini(&l->listeners);
	logfile_close(&l->log);
	_exit(status);
}

/* How far it came.  A step that fails part-way is undone, too. */
static int
do_steps(struct life *l, bool *ready_r, int *status_r) RUNS_ON(mgmt_role)
{
	int done = 0;

	for (*ready_r = true; *ready_r && done < STEPS; done++) {
		struct gearmand_error err = { .text = "" };

		*ready_r = steps[done].act(l, &err);
		if (!*ready_r && err.text[0] != '\0') {
			say_failure(l, GEARMAND_LOG_ERROR, err.text);
			*status_r = EXIT_FAILURE;
		}
		if (l->log != NULL)
			mgmt_pass_log(l->mgmt);
	}
	return done;
}

static int
live(struct life *l) RUNS_ON(mgmt_role)
{
	int status = EXIT_SUCCESS;
	bool ready;
	int done = do_steps(l, &ready, &status);

	if (ready) {
		mgmt_begin(l->mgmt);
		loop_run(l->loop);
		if (mgmt_hurried(l->mgmt))
			leave_at_once(l, EXIT_FAILURE);
		if (mgmt_failure(l->mgmt) != NULL) {
			say_failure(l, GEARMAND_LOG_FATAL, mgmt_failure(l->mgmt));
			status = EXIT_FAILURE;
		}
	} else if (l->mgmt != NULL && mgmt_hurried(l->mgmt)) {
		leave_at_once(l, status); /* the store's module is inside a call */
	}
	while (--done >= 0)
		if (steps[done].undo != NULL)
			steps[done].undo(l);
	return status;
}

int
main(int argc, char **argv)
{
	struct life life = { .name = argc > 0 ? argv[0] : "gearmand", .daemon = { .parent = -1 } };
	int status;

	daemon_std_streams();
#ifdef STATIC_MODULES
	LTDL_SET_PRELOADED_SYMBOLS(); /* the linker's list of the modules that are part of this program */
#endif
	switch (settings_read(argc, argv, &life.settings, &life.plugins)) {
	case SETTINGS_DONE:
		return EXIT_SUCCESS;
	case SETTINGS_BAD:
		return EXIT_FAILURE;
	case SETTINGS_RUN:
		break;
	}
	role_take(&mgmt_role);
	role_assume(&mgmt_role);
	status = live(&life);
	plugins_free(&life.plugins);
	settings_free(&life.settings);
	return status;
}
