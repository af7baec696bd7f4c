/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Who had the lock last.
 *
 * Runs on:  the store thread.
 * Owns:     the item <prefix>owner.
 *
 * Who comes back after trouble and finds another's name has missed what that one did: there may be jobs that it does
 * not know.  Who has just been started reads all there is, and need not ask.
 */
#include <string.h>
#include <unistd.h>

#include "lock.h"

/* The process that closed a store which was broken. */
static pid_t back;

void
mc_owner_comes_back(bool is_back)
{
	back = is_back ? getpid() : 0;
}

bool
mc_owner_is_us(const struct mc_store *s, const struct mc_value *v)
{
	return v->data.len == MC_ID && memcmp(v->data.data, s->claim.id, MC_ID) == 0;
}

/* *other_r: it is another's. */
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
	*other_r = v.is_there && !mc_owner_is_us(s, &v);
	mc_reply_done(l);
	return MC_WELL;
}

/* A full memcached needs the room of the old name, which a failure gives free. */
enum mc_state
mc_owner_write(struct mc_store *s)
{
	struct mc_link *l = &s->pool.links[s->lock_node];
	enum mc_state state = MC_WELL;
	bool done = false;
	char rest[sizeof(" 0 0 32\r\n") + MC_ID] = " 0 0 32\r\n";

	strncat(rest, s->claim.id, MC_ID);
	for (int i = 0; i < 2 && state == MC_WELL && !done; i++)
		state = mc_lock_say(
		    &s->pool, l, "set ", s->owner_key, rest, "STORED", "SERVER_ERROR out of memory storing", &done);
	return state;
}

bool
mc_owner_become(struct mc_store *s, struct gearmand_error *err)
{
	struct mc_link *l = &s->pool.links[s->lock_node];
	bool was_other = false;
	enum mc_state state = back == getpid() ? ask_owner(s, l, &was_other) : MC_WELL;

	if (state == MC_WELL && was_other) {
		s->host->error_set(err, "memcached %s, prefix %s: " MC_MISSED, s->nodes[s->lock_node].name, s->prefix);
		err->why = GEARMAND_WHY_IN_USE;
		return false;
	}
	if (state == MC_WELL)
		state = mc_owner_write(s);
	if (state != MC_WELL)
		mc_sentence(s, l, state, err);
	return state == MC_WELL;
}
