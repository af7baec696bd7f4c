/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What happens to the server as a whole.  The end is a row of questions and answers, so that nothing
 * acknowledged is lost and replies under way still go out:
 *
 *   SHUTDOWN -> core: what it holds back goes to the store.    FLUSHED
 *   STOP -> store: commits what came before.                   STORE_FLUSHED
 *   SHUTDOWN -> core, once more: hears those outcomes first.   FLUSHED
 *   STOP -> I/O: writes what the core sent before.             the loops end
 *
 * Runs on:  management thread.
 * Owns:     its mailbox and the phase.
 */
#include "mgmt/mgmt.h"

#include <event2/event.h>
#include <string.h>
#include <sys/time.h>

#include "base/check.h"
#include "base/mem.h"
#include "cross/log.h"
#include "cross/msg.h"
#include "cross/phase.h"
#include "mgmt/accept.h"
#include "mgmt/logfile.h"
#include "mgmt/memory.h"
#include "mgmt/notify.h"
#include "mgmt/watchdog.h"

enum phase {
	PHASE_OPENING,   /* the store; nobody else is there yet */
	PHASE_GIVING_UP, /* OPENING was told to stop */
	PHASE_STARTING,  /* the store's jobs come back */
	PHASE_SERVING,
	PHASE_DRAINING, /* no new jobs; those there are end */
	PHASE_FLUSHING_CORE,
	PHASE_FLUSHING_STORE,
	PHASE_LAST_REPLIES,
	PHASE_ENDED
};

struct mgmt {
	struct loop *loop;
	struct mbox *in;
	struct mgmt_links links OWNED_BY(mgmt_role);
	struct logfile *log OWNED_BY(mgmt_role);
	enum gearmand_level worst OWNED_BY(mgmt_role); /* least level that goes to `log` */
	struct event *deadline OWNED_BY(mgmt_role);    /* of DRAINING, GIVING_UP */
	void (*on_waiting)(void *arg, const char *why) OWNED_BY(mgmt_role);
	void *waiting_arg OWNED_BY(mgmt_role);
	char *failure OWNED_BY(mgmt_role);
	enum phase phase OWNED_BY(mgmt_role);
	uint64_t lost OWNED_BY(mgmt_role);   /* log lines, and the core does not know yet ... */
	uint64_t unsaid OWNED_BY(mgmt_role); /* ... and no line says so yet */
	struct memory memory OWNED_BY(mgmt_role);
	struct watchdog watchdog OWNED_BY(mgmt_role);
	nsec_t next_day OWNED_BY(mgmt_role);
	bool hurried OWNED_BY(mgmt_role);
	bool did OWNED_BY(mgmt_role); /* something in this turn that others may look at */
};

static void
tell(struct mgmt *m, struct mbox *box, enum msg_kind kind) RUNS_ON(mgmt_role)
{
	struct msg *msg = msg_new(kind, 0);

	mbox_post(box, &msg);
	m->did = true;
}

static void
look_at_day(struct mgmt *m, nsec_t *due_r) RUNS_ON(mgmt_role)
{
	if (m->phase != PHASE_SERVING || m->links.on_day == NULL)
		return;
	if (clock_mono() >= m->next_day) {
		m->next_day = clock_mono() + m->links.day;
		m->links.on_day(m->links.arg);
	}
	if (m->next_day < *due_r)
		*due_r = m->next_day;
}

static void
serve(struct mgmt *m) RUNS_ON(mgmt_role)
{
	m->phase = PHASE_SERVING;
	phase_set("serving");
	m->next_day = clock_mono() + m->links.day;
	m->links.on_serving(m->links.arg);
	acceptor_start(m->links.acceptor, false);
}

/* What I/O got before this it still writes.  The other threads are stopped and joined by main(). */
static void
end(struct mgmt *m) RUNS_ON(mgmt_role)
{
	m->phase = PHASE_ENDED;
	for (unsigned i = 0; i < m->links.io_count; i++)
		tell(m, m->links.io[i], MSG_STOP);
	loop_stop(m->loop);
}

/* Other threads may be inside a call that does not return: nobody waits for them. */
static void
end_at_once(struct mgmt *m) RUNS_ON(mgmt_role)
{
	m->hurried = true;
	loop_stop(m->loop);
}

/* The phase has lasted as long as it may. */
static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct mgmt *m = arg;

	(void)fd;
	(void)what;
	role_assume(&mgmt_role);
	if (m->phase == PHASE_DRAINING) {
		mgmt_stop(m, "jobs are left after --shutdown-timeout");
		return;
	}
	if (m->phase == PHASE_FLUSHING_STORE)
		log_post(GEARMAND_LOG_ERROR, "the store hangs, ending without it: what waits for it is not saved");
	end_at_once(m);
}

static void
set_deadline(struct mgmt *m, struct timeval tv) RUNS_ON(mgmt_role)
{
	if (m->deadline == NULL)
		m->deadline = evtimer_new(loop_base(m->loop), on_deadline, m);
	CHECK(m->deadline != NULL);
	event_add(m->deadline, &tv);
}

static void
stop_opening(struct mgmt *m) RUNS_ON(mgmt_role)
{
	m->phase = PHASE_GIVING_UP;
	phase_set("draining");
	notify_stopping();
	tell(m, m->links.store, MSG_STOP);
	set_deadline(m, (struct timeval){ .tv_usec = 250000 });
}

static void
close_doors(struct mgmt *m) RUNS_ON(mgmt_role)
{
	phase_set("draining");
	acceptor_stop(m->links.acceptor);
	notify_stopping();
}

void
mgmt_stop(struct mgmt *m, const char *why)
{
	if (m->phase >= PHASE_FLUSHING_CORE || m->phase == PHASE_GIVING_UP) {
		log_post(GEARMAND_LOG_NOTICE, "%s again, ending at once", why);
		end_at_once(m);
		return;
	}
	log_post(GEARMAND_LOG_NOTICE, "%s, shutting down", why);
	if (m->phase == PHASE_OPENING) {
		stop_opening(m);
		return;
	}
	if (m->deadline != NULL)
		event_del(m->deadline);
	close_doors(m);
	m->phase = PHASE_FLUSHING_CORE;
	tell(m, m->links.proc, MSG_SHUTDOWN);
}

void
mgmt_drain(struct mgmt *m)
{
	if (m->phase <= PHASE_STARTING) {
		mgmt_stop(m, "SIGUSR1");
		return;
	}
	if (m->phase != PHASE_SERVING)
		return;
	log_post(GEARMAND_LOG_NOTICE, "SIGUSR1, shutting down when all jobs have ended");
	close_doors(m);
	m->phase = PHASE_DRAINING;
	tell(m, m->links.proc, MSG_GRACEFUL);
	if (m->links.shutdown_timeout > 0)
		set_deadline(m, (struct timeval){ .tv_sec = (time_t)m->links.shutdown_timeout });
}

void
mgmt_reload(struct mgmt *m)
{
	struct gearmand_error err;

	log_post(GEARMAND_LOG_NOTICE, "SIGHUP, reopening log file");
	mgmt_pass_log(m);
	if (m->log != NULL && !logfile_reopen(m->log, &err))
		log_post(GEARMAND_LOG_ERROR, "%s", err.text);
	if (m->links.on_reload != NULL)
		m->links.on_reload(m->links.arg);
	if (m->links.store != NULL)
		tell(m, m->links.store, MSG_RELOAD);
}

/* A store that is unwell gives up after 10 seconds and tells what is lost; it gets a second to say so. */
static void
on_flushed(struct mgmt *m) RUNS_ON(mgmt_role)
{
	if (m->phase == PHASE_FLUSHING_CORE && m->links.store != NULL) {
		m->phase = PHASE_FLUSHING_STORE;
		tell(m, m->links.store, MSG_STOP);
		set_deadline(m, (struct timeval){ .tv_sec = 11 });
	} else if (m->phase == PHASE_FLUSHING_CORE || m->phase == PHASE_LAST_REPLIES) {
		end(m);
	}
}

static void
fail_with(struct mgmt *m, const char *sentence) RUNS_ON(mgmt_role)
{
	mem_free(m->failure);
	m->failure = mem_dup(sentence, strlen(sentence));
}

static void
on_store_flushed(struct mgmt *m, const struct msg_text *t) RUNS_ON(mgmt_role)
{
	if (m->phase == PHASE_GIVING_UP)
		loop_stop(m->loop);
	if (m->phase != PHASE_FLUSHING_STORE)
		return;
	if (t->number > 0)
		fail_with(m, "the store did not take everything before the end; see the log");
	event_del(m->deadline);
	m->phase = PHASE_LAST_REPLIES;
	tell(m, m->links.proc, MSG_SHUTDOWN);
}

static void
on_store_waiting(struct mgmt *m, const struct msg_text *t) RUNS_ON(mgmt_role)
{
	phase_set(t->number != 0 ? "standby" : "store");
	m->on_waiting(m->waiting_arg, t->text);
}

/* The store's thread has ended.  In the midst of serving nothing more can be saved, and others may run the jobs. */
static void
on_store_failed(struct mgmt *m, const struct msg_text *t) RUNS_ON(mgmt_role)
{
	if (m->phase != PHASE_GIVING_UP)
		fail_with(m, t->text);
	if (m->phase < PHASE_STARTING)
		loop_stop(m->loop);
	else if (m->phase == PHASE_FLUSHING_CORE)
		m->links.store = NULL;
	else
		end(m);
}

static void
answer_cron(struct mgmt *m, const struct msg_cron *asked) RUNS_ON(mgmt_role)
{
	struct msg_cron *answer = msg_new_sized(MSG_CRON, 0, sizeof *answer);
	struct msg *msg = &answer->msg;

	answer->table = asked->table;
	answer->line = asked->line;
	if (!sched_next_run(&asked->sched, asked->after, &answer->next))
		answer->next = 0;
	mbox_post(m->links.proc, &msg);
	m->did = true;
}

/* Takes. */
static void
pass_line(struct mgmt *m, struct msg **line) RUNS_ON(mgmt_role)
{
	if (m->log == NULL || MSG_AS(msg_log, *line)->level > m->worst) {
		msg_free(line);
	} else if (!logfile_add(m->log, line)) {
		m->lost++;
		m->unsaid++;
	} else if (m->unsaid > 0) {
		log_post(GEARMAND_LOG_WARNING, "%llu log lines were dropped: the log could not keep up",
		    (unsigned long long)m->unsaid);
		m->unsaid = 0;
	}
}

static void
handle(struct mgmt *m, const struct msg *msg) RUNS_ON(mgmt_role)
{
	switch (msg->kind) {
	case MSG_LOG_LOST:
		m->lost += MSG_AS(msg_text, msg)->number;
		break;
	case MSG_CONN_CLOSED:
		acceptor_conn_closed(m->links.acceptor);
		break;
	case MSG_IDLE:
		if (m->phase == PHASE_DRAINING)
			mgmt_stop(m, "all jobs have ended");
		break;
	case MSG_FLUSHED:
		on_flushed(m);
		break;
	case MSG_ALIVE:
		watchdog_answered(&m->watchdog, clock_mono());
		notify_alive();
		break;
	case MSG_CRON:
		answer_cron(m, MSG_AS(msg_cron, msg));
		break;
	case MSG_STORE_WAITING:
		if (m->phase == PHASE_OPENING)
			on_store_waiting(m, MSG_AS(msg_text, msg));
		break;
	case MSG_STORE_OPEN:
		if (m->phase == PHASE_OPENING) {
			m->phase = PHASE_STARTING;
			phase_set("replaying");
			loop_stop(m->loop);
		}
		break;
	case MSG_STORE_READY:
		if (m->phase == PHASE_STARTING)
			serve(m);
		break;
	case MSG_STORE_FAILED:
		on_store_failed(m, MSG_AS(msg_text, msg));
		break;
	case MSG_STORE_FLUSHED:
		on_store_flushed(m, MSG_AS(msg_text, msg));
		break;
	default:
		CHECK(!"a message that management does not take");
	}
}

/* The counters are the core's, which counts for itself the connections that it hears of. */
static void
send_counts(struct mgmt *m) RUNS_ON(mgmt_role)
{
	uint64_t without_descriptors = 0;
	uint64_t refused =
	    m->links.acceptor == NULL ? 0 : acceptor_take_refused(m->links.acceptor, &without_descriptors);
	uint64_t lost = m->lost + log_lost();
	struct msg_counts *c;
	struct msg *msg;

	m->lost = lost;
	if (m->links.acceptor == NULL || (refused == 0 && lost == 0))
		return;
	m->lost = 0;
	c = msg_new_sized(MSG_COUNTS, 0, sizeof *c);
	c->by[STAT_connections_refused] = refused;
	c->without_descriptors = without_descriptors;
	c->by[STAT_log_lost] = lost;
	msg = &c->msg;
	mbox_post(m->links.proc, &msg);
	m->did = true;
}

static bool
mgmt_turn(void *self, nsec_t *due_r)
{
	struct mgmt *m = self;
	struct list batch;
	struct list *node;
	bool was_late;

	role_assume(&mgmt_role);
	m->did = false;
	was_late = m->watchdog.is_late;
	list_init(&batch);
	mbox_take(m->in, &batch);
	while ((node = list_pop(&batch)) != NULL) {
		struct msg *msg = MSG(node);

		if (msg->kind == MSG_LOG)
			pass_line(m, &msg);
		else
			handle(m, msg);
		msg_free(&msg);
	}
	if (m->phase != PHASE_ENDED) {
		send_counts(m);
		m->did |= watchdog_ask(&m->watchdog, m->links.proc, due_r);
	}
	look_at_day(m, due_r);
	memory_look(&m->memory, due_r);
	return m->did || m->watchdog.is_late != was_late; /* a line for the log waits in our own mailbox */
}

struct mgmt *
mgmt_new(struct loop *loop)
{
	struct mgmt *m = mem_new(sizeof *m);

	loop_log_libevent();
	m->loop = loop;
	m->in = mbox_new(loop_waker(loop));
	loop_add_rider(loop, (struct rider){ mgmt_turn, m });
	return m;
}

void
mgmt_free(struct mgmt **mp)
{
	struct mgmt *m = *mp;

	*mp = NULL;
	if (m == NULL)
		return;
	role_assume(&mgmt_role);
	if (m->deadline != NULL)
		event_free(m->deadline);
	mem_free(m->failure);
	mbox_free(&m->in);
	mem_free(m);
}

struct mbox *
mgmt_mbox(struct mgmt *m)
{
	return m->in;
}

void
mgmt_set_log(struct mgmt *m, struct logfile *log, enum gearmand_level worst)
{
	m->log = log;
	m->worst = worst;
}

void
mgmt_connect(struct mgmt *m, const struct mgmt_links *links)
{
	m->links = *links;
	watchdog_init(&m->watchdog, links->watchdog);
}

bool
mgmt_open_store(struct mgmt *m, void (*on_waiting)(void *arg, const char *why), void *arg)
{
	m->on_waiting = on_waiting;
	m->waiting_arg = arg;
	loop_run(m->loop);
	return m->phase == PHASE_STARTING;
}

void
mgmt_begin(struct mgmt *m)
{
	m->phase = PHASE_STARTING;
	if (m->links.store == NULL)
		serve(m);
	else
		notify_status("Taking over stored jobs");
}

void
mgmt_pass_log(struct mgmt *m)
{
	struct list batch, others;
	struct list *node;

	if (m->log == NULL)
		return;
	list_init(&batch);
	list_init(&others);
	mbox_take(m->in, &batch);
	while ((node = list_pop(&batch)) != NULL) {
		struct msg *msg = MSG(node);

		if (msg->kind == MSG_LOG)
			pass_line(m, &msg);
		else
			list_push(&others, node);
	}
	mbox_post_all(m->in, &others);
}

const char *
mgmt_failure(const struct mgmt *m)
{
	return m->failure;
}

bool
mgmt_hurried(const struct mgmt *m)
{
	return m->hurried;
}
