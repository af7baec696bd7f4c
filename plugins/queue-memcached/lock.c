/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One gearmand per prefix: an item that expires unless its holder renews it.
 *
 * Runs on:  the store thread; mc_lock_try() also the thread of renew.c, on its own link.
 * Owns:     the item <prefix>lock.
 *
 * Who finds the item watches until it is renewed, which tells that the other one lives, or until it expires, or takes
 * it at once when it is of a process of this machine that is gone.  Each commit also asks whose the lock is, behind
 * its changes and in the same exchange: what is DONE was stored while nobody else had it.  This is as good as memcached
 * allows, and no better: a memcached that is restarted or emptied has no locks either.
 *
 * Where memcached refuses what it has no room for, the lock must still be had: so that the jobs can be done that fill
 * it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "lock.h"

enum { LOOK_AGAIN = 20, SPARE = 2, TRIES = 50 }; /* ms; seconds */

/* A child is somebody else. */
static const char *
process_id(void)
{
	static char id[MC_ID + 1];
	static pid_t owner;
	unsigned char random[MC_ID / 2];

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

void
mc_holder_read(const struct mc_value *v, struct mc_holder *h)
{
	struct mc_process *p = &h->process;
	char text[MC_LOCK_TEXT];
	size_t len = v->data.len < sizeof(text) - 1 ? v->data.len : sizeof(text) - 1;

	*h = (struct mc_holder){ .is_there = v->is_there, .cas = v->cas };
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

bool
mc_is_other(const struct mc_claim *c, const struct mc_holder *h)
{
	return h->is_there && strcmp(h->id, c->id) != 0;
}

static enum mc_state
get_holder(struct mc_pool *p, struct mc_link *l, const char *key, struct mc_holder *h)
{
	struct mc_value v;
	enum mc_state state;

	mc_text_adds(&l->out, "gets ");
	mc_text_adds(&l->out, key);
	mc_text_adds(&l->out, "\r\n");
	mc_expect(l, MC_LOCK, 1);
	state = mc_read_value(p, l, &v);
	if (state != MC_WELL)
		return state;
	mc_holder_read(&v, h);
	mc_reply_done(l);
	return MC_WELL;
}

enum mc_state
mc_lock_say(struct mc_pool *p, struct mc_link *l, const char *verb, const char *key, const char *rest, const char *one,
    const char *other, bool *first_r)
{
	struct gearmand_slice line;
	enum mc_state state;

	mc_text_adds(&l->out, verb);
	mc_text_adds(&l->out, key);
	mc_text_adds(&l->out, rest);
	mc_text_adds(&l->out, "\r\n");
	mc_expect(l, MC_STORE, 0);
	state = mc_line(p, l, &line);
	if (state != MC_WELL)
		return state;
	*first_r = mc_begins(line, one);
	if (!*first_r && !mc_begins(line, other))
		return mc_odd(l, line);
	mc_reply_done(l);
	return MC_WELL;
}

/* "add", "cas", or "set" where the server does not number (-C). */
static void
write_holder(struct mc_text *out, struct mc_claim *c, const struct mc_holder *h)
{
	char value[MC_LOCK_TEXT], host[65] = "?";
	int len;

	gethostname(host, sizeof(host) - 1);
	len = snprintf(value, sizeof(value), "%s %d %" PRIu64 " %d %llu %s %s", c->id, c->lease, ++c->count,
	    c->process.pid, c->process.started, c->process.machine, host[0] == '\0' ? "?" : host);
	mc_text_adds(out, h == NULL ? "add " : h->cas == 0 ? "set " : "cas ");
	mc_text_adds(out, c->key);
	mc_text_adds(out, " 0 ");
	mc_text_addn(out, (uint64_t)c->lease);
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

/* What is ours and has no room to be written anew lives on as it is. */
static enum mc_state
touch(struct mc_pool *p, struct mc_link *l, const struct mc_claim *c, bool *done_r)
{
	char lease[20];

	snprintf(lease, sizeof(lease), " %d", c->lease);
	return mc_lock_say(p, l, "touch ", c->key, lease, "TOUCHED", "NOT_FOUND", done_r);
}

/* An item that is not there, or ours as `h` was read from it.  *done_r: it is ours now. */
static enum mc_state
put_holder(struct mc_pool *p, struct mc_link *l, struct mc_claim *c, const struct mc_holder *h, bool *done_r)
{
	struct gearmand_slice line;
	enum mc_state state;
	bool is_full;

	write_holder(&l->out, c, h);
	mc_expect(l, MC_STORE, 0);
	state = mc_line(p, l, &line);
	if (state != MC_WELL)
		return state;
	*done_r = mc_begins(line, "STORED");
	is_full = h != NULL && mc_begins(line, "SERVER_ERROR out of memory storing");
	if (!*done_r && !is_full && !mc_begins(line, "NOT_STORED") && !mc_begins(line, "EXISTS") &&
	    !mc_begins(line, "NOT_FOUND"))
		return mc_odd(l, line);
	mc_reply_done(l);
	return is_full ? touch(p, l, c, done_r) : MC_WELL;
}

enum mc_state
mc_lock_try(struct mc_pool *p, struct mc_link *l, struct mc_claim *c, struct mc_holder *h, bool *done_r)
{
	enum mc_state state = get_holder(p, l, c->key, h);

	*done_r = false;
	if (state != MC_WELL || mc_is_other(c, h))
		return state;
	return put_holder(p, l, c, h->is_there ? h : NULL, done_r);
}

/* ---- Taking it ------------------------------------------------------------------------------- */

static bool
in_use(struct mc_store *s, const struct mc_holder *h, struct gearmand_error *err)
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
try_to_take(struct mc_store *s, struct mc_holder *h, bool *done_r)
{
	struct mc_link *l = &s->pool.links[s->lock_node];
	enum mc_state state = mc_lock_try(&s->pool, l, &s->claim, h, done_r);
	bool was_there;

	if (state != MC_WELL || *done_r || !mc_is_other(&s->claim, h) || !mc_process_is_gone(&h->process))
		return state;
	state = mc_lock_say(&s->pool, l, "delete ", s->lock_key, "", "DELETED", "NOT_FOUND", &was_there);
	return state == MC_WELL ? put_holder(&s->pool, l, &s->claim, NULL, done_r) : state;
}

/* Until it is ours, or known to be another's who lives. */
static bool
take(struct mc_store *s, struct gearmand_error *err)
{
	const struct timespec rest = { .tv_nsec = LOOK_AGAIN * 1000000 };
	struct mc_holder first = { .is_there = false }, h;
	int64_t give_up = INT64_MAX;
	bool done = false;

	for (;; nanosleep(&rest, NULL)) {
		enum mc_state state = try_to_take(s, &h, &done);

		if (state != MC_WELL) {
			mc_sentence(s, &s->pool.links[s->lock_node], state, err);
			return false;
		}
		if (done)
			return true;
		if (!mc_is_other(&s->claim, &h) || mc_process_is_gone(&h.process))
			continue;
		if (!first.is_there) {
			first = h;
			give_up = s->host->monotonic() + (int64_t)(h.lease + SPARE) * 1000000000;
		}
		if (strcmp(h.id, first.id) != 0 || h.count != first.count || s->host->monotonic() > give_up)
			return in_use(s, &h, err);
	}
}

/* ---- From open to close ---------------------------------------------------------------------- */

/* After something broke the lock is kept until it expires: we are about to come back. */
static void
give_back(struct mc_store *s)
{
	struct mc_link *l = &s->pool.links[s->lock_node];
	struct mc_holder h;
	bool was_there;

	if (s->is_broken || mc_settle(&s->pool, l) != MC_WELL)
		return;
	if (get_holder(&s->pool, l, s->lock_key, &h) == MC_WELL && h.is_there && !mc_is_other(&s->claim, &h))
		(void)mc_lock_say(&s->pool, l, "delete ", s->lock_key, "", "DELETED", "NOT_FOUND", &was_there);
}

bool
mc_lock_open(struct mc_store *s, struct gearmand_error *err)
{
	snprintf(s->lock_key, sizeof(s->lock_key), "%slock", s->prefix);
	snprintf(s->owner_key, sizeof(s->owner_key), "%sowner", s->prefix);
	s->lock_node = mc_node_of(s, s->lock_key, strlen(s->lock_key));
	s->claim = (struct mc_claim){ .key = s->lock_key, .id = process_id() };
	s->claim.lease = (int)s->host->option_number(s->host, "libmemcached-lease");
	mc_process_self(&s->claim.process);
	if (!take(s, err))
		return false;
	if (mc_owner_become(s, err)) {
		s->renewer = mc_renewer_start(s);
		if (s->renewer != NULL)
			return true;
		s->host->error_set(err, "memcached: no thread can be started to renew the lock");
	}
	give_back(s);
	return false;
}

void
mc_lock_close(struct mc_store *s)
{
	if (s->renewer == NULL)
		return;
	mc_renewer_stop(s, &s->renewer);
	mc_owner_comes_back(s->is_broken);
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
read_one(struct mc_store *s, const char *key, struct mc_value *v)
{
	return mc_read_one(&s->pool, &s->pool.links[s->lock_node], (struct gearmand_slice){ key, strlen(key) }, v);
}

enum mc_state
mc_lock_read(struct mc_store *s, enum mc_lock *lock_r)
{
	struct mc_link *l = &s->pool.links[s->lock_node];
	struct mc_value v;
	struct mc_holder h;
	enum mc_state state = read_one(s, s->lock_key, &v);

	if (state != MC_WELL)
		return state;
	mc_holder_read(&v, &h);
	*lock_r = mc_is_other(&s->claim, &h) ? MC_LOCK_TAKEN : h.is_there ? MC_LOCK_OURS : MC_LOCK_EXPIRED;
	state = mc_read_one_done(&s->pool, l);
	if (state == MC_WELL)
		state = read_one(s, s->owner_key, &v);
	if (state != MC_WELL)
		return state;
	if (*lock_r != MC_LOCK_TAKEN && v.is_there && !mc_owner_is_us(s, &v))
		*lock_r = MC_LOCK_MISSED;
	return mc_read_one_done(&s->pool, l);
}

enum mc_state
mc_lock_take_again(struct mc_store *s, enum mc_lock *lock_r)
{
	struct mc_link *l = &s->pool.links[s->lock_node];
	enum mc_state state = MC_WELL;
	struct mc_holder h;
	bool done = false;

	for (int i = 0; i < TRIES && !done; i++) {
		state = mc_lock_try(&s->pool, l, &s->claim, &h, &done);
		*lock_r = MC_LOCK_TAKEN;
		if (state != MC_WELL || mc_is_other(&s->claim, &h))
			return state;
	}
	*lock_r = done ? MC_LOCK_OURS : MC_LOCK_EXPIRED;
	return done ? mc_owner_write(s) : state;
}
