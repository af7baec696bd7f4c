/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which line of the access rules decides for a peer.
 *
 * Runs on:  processing thread.
 * Owns:     nothing; each peer keeps its line.
 */
#include "proc/judge.h"

#include "proc/ability.h"

/* Of p->spent. */
enum { UNIT_IN_NS = 500 };

/* No rule speaks of a connection that nobody made. */
static const struct access_rights own_rights = { .level = ACCESS_SEE };

void
peer_judge(struct proc *p, struct peer *peer)
{
	struct access_peer who = {
		.address = peer->address,
		.user = peer->user,
		.protocol = peer->protocol,
		.identity = peer_identity(peer),
	};

	peer->rights = peer->is_own ? &own_rights : access_judge(p->access, &who);
	peer->judged = p->access_number;
	peer->may_submit = 0;
	p->spent += access_cost(p->access, &who) / UNIT_IN_NS;
	if (!peer->rights->works_all && peer->ability_count > 0)
		abilities_withdraw(p, peer);
}
