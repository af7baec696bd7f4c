/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Peers come, wait for jobs, and go.
 *
 * Runs on:  processing thread.
 * Owns:     struct peer.
 */
#include "proc/peer.h"

#include <string.h>

#include "base/mem.h"
#include "proc/ability.h"
#include "proc/fair.h"
#include "proc/leaving.h"
#include "proc/reply.h"

#include <gearmand/plugin.h>

/* Nearly always at the end: numbers are given in order of arrival. */
static PROC void
add_to_list(struct proc *p, struct peer *peer)
{
	struct list *before = &p->peer_list;

	while (before->prev != &p->peer_list &&
	       peer_number(LIST_ENTRY(before->prev, struct peer, in_list)) > peer_number(peer))
		before = before->prev;
	list_push(before, &peer->in_list);
}

void
peer_new(struct proc *p, const struct msg_conn *conn)
{
	size_t address_len = strnlen(conn->address, sizeof conn->address);
	struct slice identity = blob_slice(conn->msg.blob),
		     port = slice_of(conn->port, strnlen(conn->port, sizeof conn->port));
	struct peer *peer = mem_new(offsetof(struct peer, address) + address_len + 1 + identity.len);
	uint64_t number = 0;

	CHECK(peer_find(p, conn->msg.peer) == NULL);
	CHECK(identity.len <= IDENTITY_MAX);
	peer->io = conn->io;
	peer->is_own = conn->is_own;
	peer->fd = conn->fd;
	peer->exceptions = p->cfg.exceptions;
	peer->is_module = conn->service != NULL && conn->service->protocol->send != NULL;
	peer->is_tls =
	    conn->service != NULL && conn->service->transport != NULL && conn->service->transport->proves != NULL;
	peer->protocol = conn->service == NULL ? "gear" : conn->service->name;
	peer->user = conn->has_user ? conn->user : ACCESS_NO_USER;
	if (slice_to_u64(port, UINT16_MAX, &number))
		peer->port = (uint16_t)number;
	memcpy(peer->address, conn->address, address_len);
	peer->identity_len = (uint16_t)identity.len;
	if (identity.len > 0)
		memcpy(peer->address + address_len + 1, identity.data, identity.len);
	list_init(&peer->in_paused);
	list_init(&peer->abilities);
	list_init(&peer->unlisted);
	list_init(&peer->lost);
	list_init(&peer->in_leaving);
	list_init(&peer->waits_for);
	list_init(&peer->slots);
	list_init(&peer->in_list);
	hash_add(&p->peers, &peer->by_number, conn->msg.peer);
	add_to_list(p, peer);
	count(p, STAT_connections);
	if (!peer->is_own)
		traffic_came(&p->traffic, peer->protocol, peer->is_tls);
}

struct peer *
peer_find(struct proc *p, uint64_t number)
{
	struct hash_node *node = hash_find(&p->peers, number, NULL, NULL);

	return node == NULL ? NULL : CONTAINER_OF(node, struct peer, by_number);
}

void
peer_gone(struct proc *p, struct peer *peer)
{
	CHECK(!peer->gone);
	peer->asleep = false;
	peer->gone = true;
	if (!list_is_linked(&peer->in_leaving))
		list_push(&p->leaving, &peer->in_leaving);
	if (peer_let_go(p, peer)) /* as a client first, then as a worker */
		abilities_reset(p, peer);
}

/* What one turn does for one leaving peer. */
static PROC void
leave(struct proc *p, struct peer *peer)
{
	struct msg *m;

	if (!peer_let_go(p, peer))
		return;
	if (peer->gone && abilities_left(p, peer)) {
		abilities_reset(p, peer);
		return;
	}
	list_remove(&peer->in_leaving);
	if (!peer->gone || !list_is_empty(&peer->slots))
		return;
	m = msg_new(MSG_PEER_FORGOTTEN, peer_number(peer));
	peer_send(p, peer, &m);
	peer_free(p, &peer);
}

/* Each peer in turn, as long as the turn has something to spend. */
bool
peers_leave(struct proc *p)
{
	struct list *node;

	while (p->spent < SPENT_PER_TURN && (node = list_first(&p->leaving)) != NULL) {
		list_remove(node);
		list_push(&p->leaving, node);
		leave(p, LIST_ENTRY(node, struct peer, in_leaving));
	}
	return !list_is_empty(&p->leaving);
}

void
peer_free(struct proc *p, struct peer **peer_p)
{
	struct peer *peer = *peer_p;

	*peer_p = NULL;
	debt_drop(p, peer); /* its end may have cost something */
	abilities_reset(p, peer);
	CHECK(list_is_empty(&peer->slots) && list_is_empty(&peer->waits_for));
	CHECK(list_is_empty(&peer->unlisted) && list_is_empty(&peer->lost));
	list_remove(&peer->in_leaving);
	list_remove(&peer->in_paused);
	list_remove(&peer->in_list);
	hash_remove(&p->peers, &peer->by_number);
	if (!peer->is_own)
		traffic_left(&p->traffic, peer->protocol, peer->is_tls);
	mem_free(peer->id);
	mem_free(peer);
}
