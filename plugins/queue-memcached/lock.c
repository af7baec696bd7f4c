/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One gearmand per prefix: an item that expires unless its holder renews it.
 *
 * Runs on:  the store thread; a thread of the module renews the lock, over a connection of its own.
 * Owns:     the items <prefix>lock and <prefix>owner, and that thread.
 *
 * The lock says who has it, and counts its renewals.  A server that finds it watches until it is renewed, which tells
 * that the other one lives, or until it expires; it takes the lock at once when that is of a process of this machine
 * that has ended.  Each commit asks for the lock behind its changes: what is DONE was stored while nobody else had it.
 *
 * The owner is the id of the server that had the lock last.  A server that comes back after trouble and finds another
 * id has missed what that one did: there may be jobs that it does not know.  Every memcached has that item; where it is
 * missing, so are the jobs.
 *
 * A full memcached must have room for both, so that the jobs can be done that fill it.
 */
#include <inttypes.h>
#include <signal.h>
#include <sys/eventfd.h>

#include "queue_memcached.h"

#define MISSED "another gearmand has had it meanwhile, and may have left jobs in it"
#define TAKEN  "another gearmand has taken the lock"
#define LEFT   "it is left to the server that had it, which may come back to it after memcached was away"
#define FULL   MEMCACHED_SERVER_MEMORY_ALLOCATION_FAILURE

enum { LOOK_AGAIN = 20, SPARE = 2, TRIES = 50, TEXT = 320 }; /* ms; seconds */

/* What the item says. */
struct holder {
	bool is_there, is_us, is_other, is_gone;
	char id[33], host[65], machine[72];
	int lease, pid;
	uint64_t count, cas;
};

/* Gone: a process of this machine that has ended; nothing is known of other machines and containers. */
static void
read_holder(const struct mc_store *s, const struct mc_value *v, struct holder *h)
{
	char text[TEXT];

	*h = (struct holder){ .is_there = v->is_there, .cas = v->cas, .lease = 1 };
	snprintf(text, sizeof(text), "%.*s", (int)v->data.len, v->is_there ? v->data.data : "");
	if (sscanf(text, "%32s %d %" SCNu64 " %d %*u %71s %64s", h->id, &h->lease, &h->count, &h->pid, h->machine,
		h->host) != 6)
		strcpy(h->host, "?");
	h->is_us = strcmp(h->id, s->host->identity) == 0;
	h->is_other = h->is_there && !h->is_us;
	h->is_gone = h->is_other && strcmp(h->machine, s->claim.machine) == 0 && h->pid > 0 &&
		     (h->pid == getpid() || (kill(h->pid, 0) != 0 && errno == ESRCH));
}

/* Takes the lock if it is free, renews it if it is ours.  *done_r false: another has it, or somebody was faster.  What
 * is ours and has no room to be written anew lives on as it is. */
static bool
try_lock(const struct mc_store *s, struct mc_link *l, struct holder *h, bool *done_r, struct gearmand_error *err)
{
	const struct mc_key *key = &s->lock_key;
	const struct mc_claim *c = &s->claim;
	char text[TEXT];
	struct mc_value v;
	size_t len;
	memcached_return_t rc;

	*done_r = false;
	if (!mc_get(l, key, &v, err))
		return false;
	read_holder(s, &v, h);
	if (h->is_other)
		return true;
	len = (size_t)snprintf(text, sizeof(text), "%s %d %" PRIu64 " %d 0 %s %s", s->host->identity, c->lease,
	    h->count + 1, (int)getpid(), c->machine, c->host);
	if (!h->is_there)
		rc = memcached_add(l->m, key->text, key->len, text, len, c->lease, 0);
	else if (h->cas == 0) /* the server does not number (-C) */
		rc = memcached_set(l->m, key->text, key->len, text, len, c->lease, 0);
	else
		rc = memcached_cas(l->m, key->text, key->len, text, len, c->lease, 0, h->cas);
	if (h->is_there && rc == FULL)
		rc = memcached_touch(l->m, key->text, key->len, c->lease);
	*done_r = rc == MEMCACHED_SUCCESS;
	return rc == MEMCACHED_NOTSTORED || rc == MEMCACHED_DATA_EXISTS || mc_went_well(l, rc, MEMCACHED_NOTFOUND, err);
}

static bool
lose_lock(const struct mc_store *s, const char *text, struct gearmand_error *err)
{
	return gm_fail(err, GEARMAND_WHY_IN_USE, "memcached %s, prefix %s: %s", s->lock_node->name, s->prefix, text);
}

static memcached_return_t
delete_lock(const struct mc_store *s)
{
	return memcached_delete(s->lock_node->link[MC_TALK].m, s->lock_key.text, s->lock_key.len, 0);
}

/* Until it is ours, or known to be another's who lives. */
static bool
take_lock(struct mc_store *s, struct gearmand_error *err)
{
	struct mc_link *l = &s->lock_node->link[MC_TALK];
	struct holder first = { .is_there = false }, h;
	int64_t give_up = INT64_MAX;
	bool done = false;

	for (;; gm_pause(LOOK_AGAIN)) {
		if (!try_lock(s, l, &h, &done, err) ||
		    (h.is_gone && !mc_went_well(l, delete_lock(s), MEMCACHED_NOTFOUND, err)))
			return false;
		if (done)
			return true;
		if (!h.is_other || h.is_gone)
			continue;
		if (!first.is_there) {
			first = h;
			give_up = s->host->monotonic() + (int64_t)(h.lease + SPARE) * 1000000000;
		}
		if (strcmp(h.id, first.id) != 0 || h.count != first.count || s->host->monotonic() > give_up) {
			s->memory->standby.saw_owner = true;
			return gm_fail(err, GEARMAND_WHY_IN_USE,
			    "memcached %s, prefix %s: another gearmand is using it (process %d on %s); each server "
			    "needs a prefix of its own",
			    s->lock_node->name, s->prefix, h.pid, h.host);
		}
	}
}

/* Writes our name to the node.  When there is no room for it, that of the old one is free after the failure. */
static bool
write_owner(struct mc_store *s, struct mc_node *n, bool has_forgotten, struct gearmand_error *err)
{
	struct mc_link *l = &n->link[MC_TALK];
	const char *id = s->host->identity;
	memcached_return_t rc = FULL;

	if (has_forgotten)
		s->host->log(s->host, GEARMAND_LOG_WARNING,
		    "memcached %s was restarted or emptied, and has forgotten what it had: jobs that wait here run, "
		    "but do not survive a restart of this server",
		    n->name);
	for (int i = 0; i < 2 && rc == FULL; i++)
		rc = memcached_set(l->m, s->owner_key.text, s->owner_key.len, id, strlen(id), 0, 0);
	n->has_owner = rc == MEMCACHED_SUCCESS;
	return mc_went_well(l, rc, FULL, err);
}

/* Four times in the time of a lease.  What fails is tried again the next time; when another server has the lock, the
 * next commit or check learns it. */
static void *
renewer(void *arg)
{
	struct mc_store *s = arg;
	struct mc_claim *c = &s->claim;
	struct gearmand_error err;
	struct holder h;
	bool done;

	while (poll(&c->stop, 1, 1000 * c->lease / 4) <= 0) {
		if ((c->link.m == NULL && !mc_link_open(&c->link, s->lock_node, MC_TALK, &err)) ||
		    !try_lock(s, &c->link, &h, &done, &err))
			mc_link_close(&c->link);
	}
	return NULL;
}

/* A server that has just been started reads all jobs, and need not ask who was there before. */
bool
mc_lock_open(struct mc_store *s, struct gearmand_error *err)
{
	struct mc_claim *c = &s->claim;
	FILE *boot = fopen("/proc/sys/kernel/random/boot_id", "re");
	char space[64] = ""; /* of process ids */

	s->lock_key = mc_key_of_rest(s, "lock", strlen("lock"));
	s->owner_key = mc_key_of_rest(s, "owner", strlen("owner"));
	s->lock_node = mc_node_of(s, &s->lock_key);
	*c = (struct mc_claim){ .host = "?", .stop = { eventfd(0, EFD_CLOEXEC), POLLIN, 0 } };
	c->lease = (int)s->host->option_number(s->host, "libmemcached-lease");
	gethostname(c->host, sizeof(c->host) - 1);
	if (boot == NULL || fscanf(boot, "%40s", c->machine) != 1 ||
	    readlink("/proc/self/ns/pid", space, sizeof(space) - 1) < 0)
		snprintf(c->machine, sizeof(c->machine), "unknown.%s", s->host->identity);
	strncat(c->machine, space + strcspn(space, "["), 20);
	if (boot != NULL)
		fclose(boot);
	if (gm_standby_waits(&s->memory->standby, s->host->monotonic()))
		return lose_lock(s, LEFT, err);
	if (!take_lock(s, err))
		return false;
	s->memory->standby.saw_owner = false;
	for (struct mc_node *n = s->nodes; n < s->end; n++) {
		struct mc_value v = { .is_there = false };

		if (s->memory->was_broken && !mc_get(&n->link[MC_TALK], &s->owner_key, &v, err))
			return false;
		if (n == s->lock_node && v.is_there && !gm_is(v.data, s->host->identity))
			return lose_lock(s, MISSED, err);
		if (!write_owner(s, n, s->memory->was_broken && !v.is_there, err))
			return false;
	}
	c->is_ours = c->stop.fd >= 0 && pthread_create(&c->thread, NULL, renewer, s) == 0;
	return c->is_ours || gm_fail(err, GEARMAND_WHY_PASSING, "memcached: no thread can be started");
}

/* After something broke the lock is kept until it expires: we are about to come back. */
void
mc_lock_close(struct mc_store *s)
{
	struct mc_claim *c = &s->claim;
	struct gearmand_error ignored;
	struct mc_value v;
	struct holder h;

	if (c->is_ours) {
		s->memory->was_broken = s->is_broken;
		eventfd_write(c->stop.fd, 1);
		pthread_join(c->thread, NULL);
	}
	if (c->is_ours && !s->is_broken && mc_get(&s->lock_node->link[MC_TALK], &s->lock_key, &v, &ignored)) {
		read_holder(s, &v, &h);
		if (h.is_us)
			(void)delete_lock(s);
	}
	mc_link_close(&c->link);
	if (c->stop.fd >= 0)
		close(c->stop.fd);
}

/* A lock that has expired is taken again: nobody has had it meanwhile, or its owner would be another. */
bool
mc_lock_read(struct mc_store *s, struct mc_node *n, enum mc_kind kind, struct gearmand_error *err)
{
	struct mc_link *l = &n->link[kind];
	struct mc_value lock, owner;
	struct holder h;
	bool done, is_owner;

	if (!mc_next(l, &s->lock_key, &lock, err))
		return false;
	read_holder(s, &lock, &h);
	if (!mc_next(l, &s->owner_key, &owner, err))
		return false;
	is_owner = owner.is_there && gm_is(owner.data, s->host->identity);
	if (n == s->lock_node && h.is_other)
		return lose_lock(s, TAKEN, err);
	if (n == s->lock_node && owner.is_there && !is_owner)
		return lose_lock(s, MISSED, err);
	if (!mc_ended(l, err) || (!owner.is_there && n->has_owner && !write_owner(s, n, true, err)))
		return false;
	done = n != s->lock_node || h.is_us;
	for (int i = 0; i < TRIES && !done && !h.is_other; i++) {
		if (!try_lock(s, &n->link[MC_TALK], &h, &done, err))
			return false;
	}
	return done || lose_lock(s, TAKEN, err);
}
