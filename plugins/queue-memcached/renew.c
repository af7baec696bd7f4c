/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The thread that renews the lock, four times in the time of its lease.
 *
 * Runs on:  a thread of its own; made and ended by the store thread.
 * Owns:     that thread, its connection, and copies of all it needs.
 *
 * Commits may not come for long, or take long; the lock is renewed meanwhile.
 */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lock.h"

enum { TRIES = 50 }; /* when somebody is always faster, who can be none but our other connection */

struct mc_renewer {
	struct mc_claim claim;
	struct mc_node node;
	struct mc_link link;
	struct mc_pool pool;
	pthread_t thread;
};

/* False: another server has the lock, and there is nothing to renew any more. */
static bool
renew(struct mc_renewer *r)
{
	struct mc_holder h = { .is_there = false };
	bool done = false;

	if (r->link.fd < 0 && mc_link_open(&r->pool, &r->link) != MC_WELL)
		return true;
	for (int i = 0; i < TRIES && !done; i++) {
		if (mc_settle(&r->pool, &r->link) != MC_WELL ||
		    mc_lock_try(&r->pool, &r->link, &r->claim, &h, &done) != MC_WELL)
			return true; /* the next time */
		if (mc_is_other(&r->claim, &h))
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
	while (poll(&stop, 1, 1000 * r->claim.lease / 4) <= 0 && renew(r))
		;
	return NULL;
}

/* Signals are for the server. */
static bool
start_thread(struct mc_renewer *r)
{
	sigset_t all, before;
	int failed;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&r->thread, NULL, renewer_thread, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return failed == 0;
}

struct mc_renewer *
mc_renewer_start(struct mc_store *s)
{
	struct mc_renewer *r = s->host->allocate(sizeof(*r));

	r->claim = s->claim;
	r->node = s->nodes[s->lock_node];
	r->link = (struct mc_link){ .node = &r->node, .fd = -1 };
	r->pool = (struct mc_pool){ .links = &r->link, .count = 1, .patience = s->pool.patience };
	r->pool.stop_fd = eventfd(0, EFD_CLOEXEC);
	if (r->pool.stop_fd >= 0 && start_thread(r))
		return r;
	if (r->pool.stop_fd >= 0)
		close(r->pool.stop_fd);
	s->host->release(r);
	return NULL;
}

void
mc_renewer_stop(struct mc_store *s, struct mc_renewer **rp)
{
	struct mc_renewer *r = *rp;

	*rp = NULL;
	if (eventfd_write(r->pool.stop_fd, 1) == 0)
		pthread_join(r->thread, NULL);
	mc_link_free(&r->link);
	close(r->pool.stop_fd);
	s->host->release(r);
}
