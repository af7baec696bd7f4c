/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Peers whose packets cost more than their share wait; see fair.h.
 *
 * Runs on:  processing thread.
 * Owns:     struct debt, and the messages in it.
 */
#include "proc/fair.h"

#include "base/mem.h"
#include "proc/peer.h"
#include "proc/reply.h"

/* A worker may make 125,000 messages a second this way, for about a sixteenth of a processor; a tenth when others share
 * its caches. */
enum { FREE_UNITS = 16, UNIT_NS = 8000, BURST = 2048 };

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

/* Of several whose time has come the one goes first that paid first. */
struct peer *
debt_next(struct proc *p, struct msg **m_r)
{
	struct heap_node *node;

	while ((node = heap_first(&p->owing)) != NULL && node->key <= p->now.mono) {
		struct debt *debt = CONTAINER_OF(node, struct debt, by_due);
		struct peer *peer = debt->peer;

		if (peer->clear > p->now.mono) {
			heap_set(&p->owing, node, peer->clear);
		} else if (!list_is_empty(&debt->todo)) {
			*m_r = MSG(list_pop(&debt->todo));
			return peer;
		} else {
			debt_drop(p, peer);
			peer_tell_paused(p, peer);
		}
	}
	return NULL;
}

nsec_t
debts_due(const struct proc *p)
{
	const struct heap_node *node = heap_first(&p->owing);

	return node == NULL ? NEVER : node->key;
}
