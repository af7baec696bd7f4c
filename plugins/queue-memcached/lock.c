/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One gearmand per prefix: an item that expires unless its holder renews it.
 *
 * Runs on:  the store thread; a thread of its own renews.
 * Owns:     the items <prefix>lock and <prefix>owner, that thread, and its connection.
 *
 * The item says who has it, and counts its renewals.  Who finds it watches until it is renewed, which tells that the
 * other one lives, or until it expires, or takes it at once when it is of a process of this machine that is gone.
 * Each commit also asks whose the lock is, behind its changes and in the same exchange: what is DONE was stored
 * while it was ours.  This is as good as memcached allows, and no better: a memcached that is restarted or
 * emptied has no locks either.
 *
 * The owner is who had the lock last, and stays.  Who comes back after trouble and finds another's name there has
 * missed what that one did: there may be jobs that it does not know.
 */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "queue_memcached.h"

enum { ID = 32, TEXT = 320, LOOK_AGAIN = 20, SPARE = 2, TRIES = 50 }; /* bytes; ms; seconds */

#define MISSED "another gearmand has had it meanwhile, and may have left jobs in it"

/* What the item says: "id lease count pid started machine host" */
struct holder {
	bool is_there;
	char id[ID + 1], host[65];
	int lease;
	uint64_t count, cas;
	struct mc_process process;
};

/* All that the renewing thread touches. */
struct mc_renewer {
	const char *key; /* the store's, as long as the thread runs */
	const char *id;
	int lease;
	uint64_t count;
	struct mc_process process;
	struct mc_node node;
	struct mc_link link;
	struct mc_pool pool;
	pthread_t thread;
};

/* A child is somebody else. */
static const char *
process_id(void)
{
	static char id[ID + 1];
	static pid_t owner;
	unsigned char random[ID / 2];

	if (owner == getpid())
		return id;
	owner = getpid();
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		random[0] ^= (unsigned char)owner;
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(id + 2 * i, 3, "%02x", random[i]);
	return id;
}

/* ---- The item ------------------------------------------------------------------------------- */

static void
read_holder(const struct mc_value *v, struct holder *h)
{
	struct mc_process *p = &h->process;
	char text[TEXT];
	size_t len = v->data.len < sizeof(text) - 1 ? v->data.len : sizeof(text) - 1;

	*h = (struct holder){ .is_there = v->is_there, .cas = v->cas };
	if (!v->is_there)
		return;
	memcpy(text, v->data.data, len);
	text[len] = '\0';
	if (sscanf(text, "%32s %d %" SCNu64 " %d %llu %71s %64s", h->id, &h->lease, &h->count, &p->pid, &p->started,
		p->machine, h->host) != 7)
		strcpy(h->host, "?");
	if (h->lease < 1 || h->lease > 3600)
		h->lease = 1;
}

static enum mc_state
get_holder(struct mc_pool *p, struct mc_link *l, const char *key, struct holder *h)
{
	struct mc_value v;
	enum mc_state state;

	mc_text_adds(&l->out, "gets ");
	mc_text_adds(&l->out, key);
	mc_text_adds(&l->out, "\r\n");
	mc_expect(l, MC_LOCK, 0);
	state = mc_read_value(p, l, &v);
	if (state != MC_WELL)
		return state;
	read_holder(&v, h);
	mc_reply_done(l);
	return MC_WELL;
}

static void
write_holder(struct mc_text *out, struct mc_renewer *r, const struct holder *h)
{
	const char *verb = h == NULL ? "add" : h->cas == 0 ? "set" : "cas"; /* 0: the server does not number (-C) */
	char value[TEXT], host[65] = "?";
	int len;

	gethostname(host, sizeof(host) - 1);
	len = snprintf(value, sizeof(value), "%s %d %" PRIu64 " %d %llu %s %s", r->id, r->lease, ++r->count,
	    r->process.pid, r->process.started, r->process.machine, host[0] == '\0' ? "?" : host);
	mc_text_adds(out, verb);
	mc_text_adds(out, " ");
	mc_text_adds(out, r->key);
	mc_text_adds(out, " 0 ");
	mc_text_addn(out, (uint64_t)r->lease);
	mc_text_adds(out, " ");
	mc_text_addn(out, (uint64_t)len);
	if (h != NULL && h->cas != 0) {
		mc_text_adds(out, " ");
		mc_text_addn(out, h->cas);
	}
	mc_text_adds(out, "\r\n");
	mc_text_adds(out, value);
	mc_text_adds(out, "\r\n");
}

/* An item that is not there, or what replaces the one that `h` was read from.  *done_r: it is ours now. */
static enum mc_state
put_holder(struct mc_pool *p, struct mc_link *l, struct mc_renewer *r, const struct holder *h, bool *done_r)
{
	struct gearmand_slice reply;
	enum mc_state state;

	write_holder(&l->out, r, h);
	mc_expect(l, MC_STORE, 0);
	state = mc_line(p, l, &reply);
	if (state != MC_WELL)
		return state;
	*done_r = mc_begins(reply, "STORED");
	if (!*done_r && !mc_begins(reply, "NOT_STORED") && !mc_begins(reply, "EXISTS") &&
	    !mc_begins(reply, "NOT_FOUND"))
		return mc_odd(l, reply);
	mc_reply_done(l);
	return MC_WELL;
}

static bool
is_other(const struct mc_renewer *r, const struct holder *h)
{
	return h->is_there && strcmp(h->id, r->id) != 0;
}

/* Takes the lock if it is free or ours.  *done_r false: `h` has it, or somebody was faster. */
static enum mc_state
try_lock(struct mc_pool *p, struct mc_link *l, struct mc_renewer *r, struct holder *h, bool *done_r)
{
	enum mc_state state = get_holder(p, l, r->key, h);

	*done_r = false;
	if (state != MC_WELL || is_other(r, h))
		return state;
	return put_holder(p, l, r, h->is_there ? h : NULL, done_r);
}

/* ---- The thread that renews ------------------------------------------------------------------ */

/* False: another server has the lock, and there is nothing to renew any more. */
static bool
renew(struct mc_renewer *r)
{
	struct holder h = { .is_there = false };
	bool done = false;

	if (r->link.fd < 0 && mc_link_open(&r->pool, &r->link) != MC_WELL)
		return true;
	for (int i = 0; i < TRIES && !done; i++) {
		if (mc_settle(&r->pool, &r->link) != MC_WELL || try_lock(&r->pool, &r->link, r, &h, &done) != MC_WELL)
			return true; /* the next time */
		if (is_other(r, &h))
			return false;
	}
	return true;
}

/* Whoever checks or commits will learn that it is lost. */
static void *
renewer_thread(void *arg)
{
	struct mc_renewer *r = arg;
	struct pollfd stop = { .fd = r->pool.stop_fd, .events = POLLIN };

	pthread_setname_np(pthread_self(), "gm-memcached");
	while (poll(&stop, 1, 1000 * r->lease / 4) <= 0 && renew(r))
		;
	return NULL;
}

/* Signals are for the server. */
static bool
start_thread(struct mc_store *s, struct mc_renewer *r)
{
	sigset_t all, before;
	int failed;

	r->node = s->nodes[s->lock_node];
	r->link = (struct mc_link){ .node = &r->node, .fd = -1 };
	r->pool = (struct mc_pool){ .links = &r->link, .count = 1, .patience = s->pool.patience };
	r->pool.stop_fd = eventfd(0, EFD_CLOEXEC);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = r->pool.stop_fd < 0 ? -1 : pthread_create(&r->thread, NULL, renewer_thread, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed != 0 && r->pool.stop_fd >= 0)
		close(r->pool.stop_fd);
	return failed == 0;
}

static void
stop_thread(struct mc_renewer *r)
{
	if (eventfd_write(r->pool.stop_fd, 1) == 0)
		pthread_join(r->thread, NULL);
	mc_link_free(&r->link);
	close(r->pool.stop_fd);
}

/* ---- Taking it ------------------------------------------------------------------------------- */

static bool
in_use(struct mc_store *s, const struct holder *h, struct gearmand_error *err)
{
	s->host->error_set(err,
	    "memcached %s, prefix %s: another gearmand is using it (process %d on %s); each server needs a prefix of "
	    "its own",
	    s->nodes[s->lock_node].name, s->prefix, h->process.pid, h->host);
	err->why = GEARMAND_WHY_IN_USE;
	return false;
}

/* Takes it if nobody has it who may live. */
static enum mc_state
try_to_take(struct mc_store *s, struct mc_renewer *r, struct holder *h, bool *done_r)
{
	struct mc_link *l = &s->pool.links[s->lock_node];
	enum mc_state state = try_lock(&s->pool, l, r, h, done_r);

	if (state == MC_WELL && !*done_r && is_other(r, h) && mc_process_is_gone(&h->process))
		state = put_holder(&s->pool, l, r, h, done_r);
	return state;
}

/* Until it is ours, or known to be another's who lives. */
static bool
take(struct mc_store *s, struct mc_renewer *r, struct gearmand_error *err)
{
	const struct timespec rest = { .tv_nsec = LOOK_AGAIN * 1000000 };
	struct holder first = { .is_there = false }, h;
	int64_t give_up = INT64_MAX;
	bool done = false;

	for (;; nanosleep(&rest, NULL)) {
		enum mc_state state = try_to_take(s, r, &h, &done);

		if (state != MC_WELL) {
			mc_sentence(s, &s->pool.links[s->lock_node], state, err);
			return false;
		}
		if (done)
			return true;
		if (!is_other(r, &h))
			continue;
		if (!first.is_there) {
			first = h;
			give_up = s->host->monotonic() + (int64_t)(h.lease + SPARE) * 1000000000;
		}
		if (strcmp(h.id, first.id) != 0 || h.count != first.count || s->host->monotonic() > give_up)
			return in_use(s, &h, err);
	}
}

/* Waits for a line that is one of two. */
static enum mc_state
await_line(struct mc_store *s, struct mc_link *l, enum mc_kind kind, const char *one, const char *other)
{
	struct gearmand_slice line;
	enum mc_state state;

	mc_expect(l, kind, 0);
	state = mc_line(&s->pool, l, &line);
	if (state == MC_WELL && !mc_begins(line, one) && !mc_begins(line, other))
		state = mc_odd(l, line);
	if (state == MC_WELL)
		mc_reply_done(l);
	return state;
}

/* After something broke the lock is kept until it expires: we are about to come back. */
static void
give_back(struct mc_store *s)
{
	struct mc_link *l = &s->pool.links[s->lock_node];
	struct holder h;

	if (s->is_broken || mc_settle(&s->pool, l) != MC_WELL)
		return;
	if (get_holder(&s->pool, l, s->lock_key, &h) != MC_WELL || !h.is_there || strcmp(h.id, process_id()) != 0)
		return;
	mc_text_adds(&l->out, "delete ");
	mc_text_adds(&l->out, s->lock_key);
	mc_text_adds(&l->out, "\r\n");
	(void)await_line(s, l, MC_REMOVE, "DELETED", "NOT_FOUND");
}

/* ---- Who had it last ------------------------------------------------------------------------- */

/* The process that closed a store which was broken: it goes on without reading what is there. */
static pid_t comes_back;

static bool
is_us(const struct mc_value *v)
{
	return v->data.len == ID && memcmp(v->data.data, process_id(), ID) == 0;
}

/* *other_r: another server has had the lock since we had it. */
static enum mc_state
ask_owner(struct mc_store *s, struct mc_link *l, bool *other_r)
{
	struct mc_value v;
	enum mc_state state;

	mc_text_adds(&l->out, "get ");
	mc_text_adds(&l->out, s->owner_key);
	mc_text_adds(&l->out, "\r\n");
	mc_expect(l, MC_LOCK, 1);
	state = mc_read_value(&s->pool, l, &v);
	if (state != MC_WELL)
		return state;
	*other_r = v.is_there && !is_us(&v);
	mc_reply_done(l);
	return MC_WELL;
}

static enum mc_state
write_owner(struct mc_store *s, struct mc_link *l)
{
	mc_text_adds(&l->out, "set ");
	mc_text_adds(&l->out, s->owner_key);
	mc_text_adds(&l->out, " 0 0 ");
	mc_text_addn(&l->out, ID);
	mc_text_adds(&l->out, "\r\n");
	mc_text_add(&l->out, process_id(), ID);
	mc_text_adds(&l->out, "\r\n");
	return await_line(s, l, MC_STORE, "STORED", "SERVER_ERROR out of memory storing");
}

static bool
become_owner(struct mc_store *s, struct gearmand_error *err)
{
	struct mc_link *l = &s->pool.links[s->lock_node];
	bool was_other = false;
	enum mc_state state = comes_back == getpid() ? ask_owner(s, l, &was_other) : MC_WELL;

	if (state == MC_WELL && was_other) {
		s->host->error_set(err, "memcached %s, prefix %s: " MISSED, s->nodes[s->lock_node].name, s->prefix);
		err->why = GEARMAND_WHY_IN_USE;
		give_back(s);
		return false;
	}
	if (state == MC_WELL)
		state = write_owner(s, l);
	if (state != MC_WELL)
		mc_sentence(s, l, state, err);
	return state == MC_WELL;
}

/* ---- From open to close ---------------------------------------------------------------------- */

bool
mc_lock_open(struct mc_store *s, struct gearmand_error *err)
{
	struct mc_renewer *r = s->host->allocate(sizeof(*r));

	snprintf(s->lock_key, sizeof(s->lock_key), "%slock", s->prefix);
	snprintf(s->owner_key, sizeof(s->owner_key), "%sowner", s->prefix);
	s->lock_node = mc_node_of(s, s->lock_key, strlen(s->lock_key));
	r->key = s->lock_key;
	r->id = process_id();
	mc_process_self(&r->process);
	r->lease = (int)s->host->option_number(s->host, "libmemcached-lease");
	if (take(s, r, err) && become_owner(s, err) && start_thread(s, r)) {
		s->renewer = r;
		return true;
	}
	if (err->text[0] == '\0')
		s->host->error_set(err, "memcached: no thread can be started to renew the lock");
	s->host->release(r);
	return false;
}

void
mc_lock_close(struct mc_store *s)
{
	if (s->renewer == NULL)
		return;
	stop_thread(s->renewer);
	s->host->release(s->renewer);
	s->renewer = NULL;
	comes_back = s->is_broken ? getpid() : 0;
	give_back(s);
}

/* ---- In a commit ----------------------------------------------------------------------------- */

void
mc_lock_ask(struct mc_store *s)
{
	struct mc_link *l = &s->pool.links[s->lock_node];

	mc_text_adds(&l->out, "get ");
	mc_text_adds(&l->out, s->lock_key);
	mc_text_adds(&l->out, " ");
	mc_text_adds(&l->out, s->owner_key);
	mc_text_adds(&l->out, "\r\n");
	mc_expect(l, MC_LOCK, 2);
}

static enum mc_state
read_one(struct mc_store *s, struct mc_link *l, const char *key, struct mc_value *v)
{
	return mc_read_one(&s->pool, l, (struct gearmand_slice){ key, strlen(key) }, v);
}

enum mc_state
mc_lock_read(struct mc_store *s, const char **text_r, bool *lost_r)
{
	struct mc_link *l = &s->pool.links[s->lock_node];
	struct mc_value v;
	struct holder h;
	enum mc_state state = read_one(s, l, s->lock_key, &v);

	if (state == MC_WELL) {
		read_holder(&v, &h);
		*lost_r = h.is_there && strcmp(h.id, process_id()) != 0;
		*text_r = *lost_r ? "another gearmand has taken the lock" : NULL;
		if (!h.is_there)
			*text_r = "the lock has expired, it is being taken again";
		state = mc_read_one_done(&s->pool, l);
	}
	if (state == MC_WELL)
		state = read_one(s, l, s->owner_key, &v);
	if (state != MC_WELL)
		return state;
	if (v.is_there && !is_us(&v) && !*lost_r) {
		*lost_r = true;
		*text_r = MISSED;
	}
	return mc_read_one_done(&s->pool, l);
}
