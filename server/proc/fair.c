/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Peers whose packets cost more than their share wait; see fair.h.
 *
 * Runs on:  processing thread.
 * Owns:     struct debt, and the messages in it.
 */
#include "proc/fair.h"

#include "base/mem.h"
#include "proc/handlers.h"
#include "proc/peer.h"
#include "proc/reply.h"

/* A worker may make 200,000 messages a second this way, for about a tenth of a processor. */
enum { FREE_UNITS = 16, UNIT_NS = 5000, BURST = 2048 };

struct debt {
	struct heap_node by_due; /* proc.owing */
	struct list todo;        /* struct msg: what it sent, in order */
	struct peer *peer;
};

bool
debt_is_open(const struct proc *p, const struct peer *peer)
{
	return peer->debt != NULL || peer->clear > p->now.mono;
}

void
debt_charge(struct proc *p, struct peer *peer, size_t cost)
{
	nsec_t saved = p->now.mono - (nsec_t)BURST * UNIT_NS;

	if (cost <= FREE_UNITS)
		return;
	if (peer->clear < saved)
		peer->clear = saved;
	peer->clear += (nsec_t)(cost - FREE_UNITS) * UNIT_NS;
}

void
debt_add(struct proc *p, struct peer *peer, struct msg **mm)
{
	struct msg *m = *mm;

	*mm = NULL;
	if (peer->debt == NULL) {
		peer->debt = mem_new(sizeof *peer->debt);
		peer->debt->peer = peer;
		list_init(&peer->debt->todo);
		heap_set(&p->owing, &peer->debt->by_due, peer->clear);
		peer_tell_paused(p, peer);
	}
	list_push(&peer->debt->todo, &m->link);
}

void
debt_drop(struct proc *p, struct peer *peer)
{
	struct debt *debt = peer->debt;

	if (debt == NULL)
		return;
	peer->debt = NULL;
	heap_remove(&p->owing, &debt->by_due);
	msg_free_all(&debt->todo);
	mem_free(debt);
}

static PROC void
debt_run(struct proc *p, struct debt *debt)
{
	struct peer *peer = debt->peer;
	struct list *node;

	while (p->spent < SPENT_PER_TURN && peer->clear <= p->now.mono && (node = list_pop(&debt->todo)) != NULL) {
		struct msg *m = MSG(node);

		proc_dispatch_from_peer(p, peer, m);
		msg_free(&m);
	}
	if (!list_is_empty(&debt->todo) || peer->clear > p->now.mono) {
		heap_set(&p->owing, &debt->by_due, peer->clear);
		return;
	}
	debt_drop(p, peer);
	peer_tell_paused(p, peer);
}

/* Of several whose time has come the one goes first that paid first. */
nsec_t
debts_run(struct proc *p)
{
	struct heap_node *node;

	while ((node = heap_first(&p->owing)) != NULL && node->key <= p->now.mono) {
		if (p->spent >= SPENT_PER_TURN)
			return p->now.mono;
		debt_run(p, CONTAINER_OF(node, struct debt, by_due));
	}
	return node == NULL ? NEVER : node->key;
}
