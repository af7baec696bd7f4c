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
#include <signal.h>
#include <sys/eventfd.h>

#include "queue_memcached.h"

#define MISSED "another gearmand has had it meanwhile, and may have left jobs in it"
#define TAKEN  "another gearmand has taken the lock"
#define LEFT   "it is left to the server that had it, which may come back to it after memcached was away"

enum { LOOK_AGAIN = 20, SPARE = 2, TRIES = 50, TEXT = 320 }; /* ms; seconds */

/* What the item says. */
struct holder {
	bool is_there, is_us, is_other, is_gone;
	char id[33], host[65], machine[72];
	int lease, pid;
	uint64_t count;
};

/* Gone: a process of this machine that has ended; nothing is known of other machines and containers. */
static void
read_holder(const struct mc_store *s, const struct mc_value *v, struct holder *h)
{
	*h = (struct holder){ .is_there = v->is_there, .lease = 1 };
	if (sscanf(v->is_there ? v->data.data : "", "%32s %d %" SCNu64 " %d %*u %71s %64s", h->id, &h->lease, &h->count,
		&h->pid, h->machine, h->host) != 6)
		strcpy(h->host, "?");
	h->is_us = strcmp(h->id, s->host->identity) == 0;
	h->is_other = h->is_there && !h->is_us;
	h->is_gone = h->is_other && strcmp(h->machine, s->machine) == 0 && h->pid > 0 &&
		     (h->pid == getpid() || (kill(h->pid, 0) != 0 && errno == ESRCH));
}

/* Takes the lock if it is free, renews it if it is ours.  *done_r false: another has it, or somebody was faster.  What
 * is ours and has no room to be written anew lives on as it is. */
static bool
try_lock(const struct mc_store *s, struct mc_wire *w, struct holder *h, bool *done_r, struct gearmand_error *err)
{
	const char *verb, *key = s->lock_key.text;
	struct mc_value v;
	enum mc_reply reply;
	char text[TEXT];

	*done_r = false;
	if (!mc_get(w, &s->lock_key, &v, err))
		return false;
	read_holder(s, &v, h);
	if (h->is_other)
		return true;
	snprintf(text, sizeof(text), "%s %d %" PRIu64 " %d 0 %s %s", s->host->identity, s->lease, h->count + 1,
	    (int)getpid(), s->machine, s->host_name);
	verb = v.cas != 0 ? "cas" : h->is_there ? "set" : "add";
	gm_addf(&w->out, "%s %s 0 %d %zu", verb, key, s->lease, strlen(text));
	if (v.cas != 0) /* it is there, and the server numbers: no -C */
		gm_addf(&w->out, " %" PRIu64, v.cas);
	gm_addf(&w->out, "\r\n%s\r\n", text);
	reply = mc_wire_reply(w, err);
	if (h->is_there && reply == MC_FULL) {
		gm_addf(&w->out, "touch %s %d\r\n", key, s->lease);
		reply = mc_wire_reply(w, err);
	}
	if (reply == MC_FULL)
		return mc_wire_fail(w, "out of memory", err);
	*done_r = reply == MC_DONE;
	return reply != MC_FAILED;
}

static bool
lose_lock(const struct mc_store *s, const char *text, struct gearmand_error *err)
{
	return gm_fail(err, GEARMAND_WHY_IN_USE, "memcached %s, prefix %s: %s", s->lock_node->name, s->prefix, text);
}

/* Until it is ours, or known to be another's who lives. */
static bool
take_lock(struct mc_store *s, struct gearmand_error *err)
{
	struct mc_wire *w = &s->lock_node->wire;
	struct holder first = { .is_there = false }, h;
	int64_t give_up = INT64_MAX;
	bool done = false;

	for (;; gm_pause(LOOK_AGAIN)) {
		if (!try_lock(s, w, &h, &done, err) || (h.is_gone && !mc_delete(w, &s->lock_key, err)))
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
	const char *id = s->host->identity;
	enum mc_reply reply = MC_FULL;

	if (has_forgotten)
		s->host->log(s->host, GEARMAND_LOG_WARNING,
		    "memcached %s was restarted or emptied, and has forgotten what it had: jobs that wait here run, "
		    "but do not survive a restart of this server",
		    n->name);
	for (int i = 0; i < 2 && reply == MC_FULL; i++) {
		gm_addf(&n->wire.out, "set %s 0 0 %zu\r\n%s\r\n", s->owner_key.text, strlen(id), id);
		reply = mc_wire_reply(&n->wire, err);
	}
	n->has_owner = reply == MC_DONE;
	return reply != MC_FAILED;
}

/* Four times in the time of a lease.  What fails is tried again the next time; when another server has the lock, the
 * next commit or check learns it. */
static void *
renew(void *arg)
{
	struct mc_store *s = arg;
	struct gearmand_error err;
	struct holder h;
	bool done;

	while (poll(&s->stop, 1, 1000 * s->lease / 4) <= 0) {
		if ((s->renewer.node == NULL && !mc_wire_open(&s->renewer, s->lock_node, &err)) ||
		    !try_lock(s, &s->renewer, &h, &done, &err))
			mc_wire_close(&s->renewer);
	}
	return NULL;
}

/* To a server that has just been started it is no matter who was there before, for it reads all jobs. */
bool
mc_lock_open(struct mc_store *s, struct gearmand_error *err)
{
	FILE *boot = fopen("/proc/sys/kernel/random/boot_id", "re");
	char space[64] = ""; /* of process ids */
	bool is_back = s->memory->was_broken;

	s->lock_key = mc_key_of_rest(s, "lock", strlen("lock"));
	s->owner_key = mc_key_of_rest(s, "owner", strlen("owner"));
	s->lock_node = mc_node_of(s, &s->lock_key);
	s->stop = (struct pollfd){ eventfd(0, EFD_CLOEXEC), POLLIN, 0 };
	s->lease = (int)s->host->option_number(s->host, "libmemcached-lease");
	gethostname(s->host_name, sizeof(s->host_name) - 1);
	if (boot == NULL || fscanf(boot, "%40s", s->machine) != 1 ||
	    readlink("/proc/self/ns/pid", space, sizeof(space) - 1) < 0)
		snprintf(s->machine, sizeof(s->machine), "unknown.%s", s->host->identity);
	strncat(s->machine, space + strcspn(space, "["), 20);
	if (boot != NULL)
		fclose(boot);
	if (gm_standby_waits(&s->memory->standby, s->host->monotonic()))
		return lose_lock(s, LEFT, err);
	if (!take_lock(s, err))
		return false;
	s->memory->standby.saw_owner = false;
	for (struct mc_node *n = s->nodes; n < s->end; n++) {
		struct mc_value v;

		if (!mc_get(&n->wire, &s->owner_key, &v, err))
			return false;
		if (is_back && n == s->lock_node && v.is_there && !gm_is(v.data, s->host->identity))
			return lose_lock(s, MISSED, err);
		if (!write_owner(s, n, is_back && !v.is_there, err))
			return false;
	}
	s->is_ours = s->stop.fd >= 0 && pthread_create(&s->thread, NULL, renew, s) == 0;
	return s->is_ours || gm_fail(err, GEARMAND_WHY_PASSING, "memcached: no thread can be started");
}

/* After something broke the lock is kept until it expires: we are about to come back. */
void
mc_lock_close(struct mc_store *s)
{
	struct gearmand_error ignored;
	struct mc_value v;
	struct holder h;

	if (s->is_ours) {
		s->memory->was_broken = s->is_broken;
		eventfd_write(s->stop.fd, 1);
		pthread_join(s->thread, NULL);
	}
	if (s->is_ours && !s->is_broken && mc_get(&s->lock_node->wire, &s->lock_key, &v, &ignored)) {
		read_holder(s, &v, &h);
		if (h.is_us)
			(void)mc_delete(&s->lock_node->wire, &s->lock_key, &ignored);
	}
	mc_wire_close(&s->renewer);
	if (s->stop.fd >= 0)
		close(s->stop.fd);
}

/* A lock that has expired is taken again: nobody has had it meanwhile, or its owner would be another. */
bool
mc_lock_read(struct mc_store *s, struct mc_node *n, struct gearmand_error *err)
{
	bool done, is_lock = n == s->lock_node;
	struct mc_value v;
	struct holder h;

	if (!mc_wire_value(&n->wire, &v, err))
		return false;
	read_holder(s, &v, &h);
	if (!mc_wire_value(&n->wire, &v, err))
		return false;
	if (is_lock && (h.is_other || (v.is_there && !gm_is(v.data, s->host->identity))))
		return lose_lock(s, h.is_other ? TAKEN : MISSED, err);
	if (!v.is_there && n->has_owner && !write_owner(s, n, true, err))
		return false;
	done = !is_lock || h.is_us;
	for (int i = 0; i < TRIES && !done && !h.is_other; i++) {
		if (!try_lock(s, &n->wire, &h, &done, err))
			return false;
	}
	return done || lose_lock(s, TAKEN, err);
}
