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

/* True while some have the former one. */
static PROC bool
renew(struct proc *p, size_t buckets, size_t most_spent)
{
	if (p->former_policies == NULL)
		return false;
	while (p->spent < most_spent && renew_next(p, &buckets))
		continue;
	if (buckets == 0 || p->spent >= most_spent)
		return true;
	policies_free(&p->former_policies);
	return false;
}

bool
policies_run(struct proc *p)
{
	return renew(p, BUCKETS_PER_TURN, p->spent + RELOAD_SPENT);
}

void
on_policies(struct proc *p, struct msg *m)
{
	struct msg_policies *fresh = MSG_AS(msg_policies, m);

	renew(p, SIZE_MAX, SIZE_MAX); /* two reloads in a row: rare */
	p->former_policies = p->policies;
	p->policies = fresh->policies;
	fresh->policies = NULL;
	p->reload = (struct hash_walk){ 0 };
}
