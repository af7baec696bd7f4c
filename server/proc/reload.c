/* SPDX-License-Identifier: BSD-3-Clause
 *
 * New policies take the place of the old ones while the server runs.
 *
 * Runs on:  processing thread.
 * Owns:     both tables, until no function has a policy of the former.
 */
#include "proc/reload.h"

#include "proc/fair.h"
#include "proc/func.h"
#include "proc/handlers.h"

/* Buckets of a turn; a function is compared with at most 1,000 patterns. */
enum { BUCKETS_PER_TURN = 64 };

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

bool
policies_run(struct proc *p)
{
	size_t buckets = BUCKETS_PER_TURN;

	if (p->former_policies == NULL)
		return false;
	while (renew_next(p, &buckets))
		continue;
	if (buckets == 0)
		return true;
	policies_free(&p->former_policies);
	return false;
}

void
on_policies(struct proc *p, struct msg *m)
{
	struct msg_policies *fresh = MSG_AS(msg_policies, m);

	while (policies_run(p)) /* two reloads in a row: rare */
		continue;
	p->former_policies = p->policies;
	p->policies = fresh->policies;
	fresh->policies = NULL;
	p->reload = (struct hash_walk){ 0 };
}
