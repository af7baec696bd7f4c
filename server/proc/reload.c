/* SPDX-License-Identifier: BSD-3-Clause
 *
 * New policies and access rules take the place of the old ones while the server runs.
 *
 * Runs on:  processing thread.
 * Owns:     the new tables, and the former ones until no function has a policy and no peer its rights of them.
 */
#include "proc/reload.h"

#include "proc/cron.h"
#include "proc/fair.h"
#include "proc/func.h"
#include "proc/handlers.h"
#include "proc/judge.h"

/* Of a turn, beside what others do in it. */
enum { BUCKETS_PER_TURN = 64, RELOAD_SPENT = SPENT_PER_TURN / 4 };

/* The next one gets its policy; false when *buckets are through or all have it. */
static PROC bool
renew_next(struct proc *p, size_t *buckets)
{
	struct hash_node *node = hash_next_within(&p->funcs, &p->reload, buckets);

	if (node == NULL)
		return false;
	func_set_policy(p, CONTAINER_OF(node, struct func, by_name));
	p->spent++;
	return true;
}

static PROC void
policies_begin(struct proc *p, struct policies *fresh)
{
	p->former_policies = p->policies;
	p->policies = fresh;
	p->reload = (struct hash_walk){ 0 };
	cron_take_policies(p);
}

/* True while some have the former one. */
bool
policies_run(struct proc *p)
{
	size_t buckets = BUCKETS_PER_TURN, most_spent = p->spent + RELOAD_SPENT;

	if (p->former_policies == NULL)
		return false;
	while (p->spent < most_spent && renew_next(p, &buckets))
		continue;
	if (buckets == 0 || p->spent >= most_spent)
		return true;
	policies_free(&p->former_policies);
	if (p->next_policies == NULL)
		return false;
	policies_begin(p, p->next_policies);
	p->next_policies = NULL;
	return true;
}

/* While functions have theirs of two tables, a third one waits; of several that would wait the latest does. */
void
on_policies(struct proc *p, struct msg *m)
{
	struct msg_policies *fresh = MSG_AS(msg_policies, m);

	if (p->former_policies != NULL) {
		policies_free(&p->next_policies);
		p->next_policies = fresh->policies;
	} else {
		policies_begin(p, fresh->policies);
	}
	fresh->policies = NULL;
}

static PROC void
access_begin(struct proc *p, struct access *fresh)
{
	p->former_access = p->access;
	p->access = fresh;
	p->access_number = p->access_number == UINT8_MAX ? 1 : p->access_number + 1;
	p->rejudge = (struct hash_walk){ 0 };
}

/* A packet of a peer that is not judged yet has it judged at once; so there is no hurry. */
bool
access_run(struct proc *p)
{
	size_t buckets = BUCKETS_PER_TURN, most_spent = p->spent + RELOAD_SPENT;
	struct hash_node *node;

	if (p->former_access == NULL)
		return false;
	while (p->spent < most_spent && (node = hash_next_within(&p->peers, &p->rejudge, &buckets)) != NULL) {
		struct peer *peer = CONTAINER_OF(node, struct peer, by_number);

		if (!is_judged(p, peer))
			peer_judge(p, peer);
		p->spent++;
	}
	if (buckets == 0 || p->spent >= most_spent)
		return true;
	access_free(&p->former_access);
	if (p->next_access == NULL)
		return false;
	access_begin(p, p->next_access);
	p->next_access = NULL;
	return true;
}

/* While peers have their rights of two tables, a third one waits. */
void
on_access(struct proc *p, struct msg *m)
{
	struct msg_access *fresh = MSG_AS(msg_access, m);

	if (p->former_access != NULL) {
		access_free(&p->next_access);
		p->next_access = fresh->access;
	} else {
		access_begin(p, fresh->access);
	}
	fresh->access = NULL;
}
