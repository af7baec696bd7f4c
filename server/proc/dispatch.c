/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From a message to its handler.
 *
 * Runs on:  processing thread, called by proc_turn().
 * Owns:     the message while its handler runs.
 */
#include "proc/dispatch.h"

#include "proc/cron.h"
#include "proc/fair.h"
#include "proc/handlers.h"
#include "proc/job.h"
#include "proc/judge.h"
#include "proc/peer.h"
#include "proc/reload.h"
#include "proc/reply.h"

static packet_handler_f *const handlers[PKT_TYPES] = { [PKT_TEXT] = on_text,
#define X(nr, name, way, args, last, handler) [nr] = on_##handler,
	PACKETS(X)
#undef X
};

static PROC void
dispatch_packet(struct proc *p, struct peer *peer, struct msg_packet *packet)
{
	CHECK(packet->msg.type < PKT_TYPES);
	if (!is_judged(p, peer))
		peer_judge(p, peer);
	count(p, STAT_packets_in);
	handlers[packet->msg.type](p, peer, packet);
}

static PROC void
dispatch_close(struct proc *p, struct peer *peer)
{
	struct msg *m = msg_new(MSG_CLOSE, peer_number(peer));

	peer->closing = true;
	peer_send(p, peer, &m);
}

/* Will anything more be said to it, though it asks for nothing more? */
static PROC bool
peer_awaits(const struct peer *peer)
{
	return peer->asleep || !list_is_empty(&peer->waits_for) || !list_is_empty(&peer->slots);
}

/* A peer that is gone or closing says nothing any more, though some of it may have been on its way. */
static PROC void
dispatch_from_peer(struct proc *p, struct peer *peer, struct msg *m)
{
	size_t before = p->spent;

	if (m->kind == MSG_PART_TAKEN)
		slot_part_taken(p, peer, m->type != 0);
	else if (peer->gone)
		return;
	else if (m->kind == MSG_PEER_GONE)
		peer_gone(p, peer);
	else if (peer->closing || p->shut)
		return;
	else if (m->kind == MSG_PACKET) {
		p->asking = peer;
		p->tag = MSG_AS(msg_packet, m)->tag;
		dispatch_packet(p, peer, MSG_AS(msg_packet, m));
	} else if (m->kind == MSG_REFUSE) {
		p->asking = peer;
		p->tag = MSG_AS(msg_refuse, m)->tag;
		if (m->type == WIRE_BODIES_FULL)
			traffic_refused(&p->traffic, REFUSED_memory);
		reply_error(p, peer, (enum wire_error)m->type);
	} else if (m->kind == MSG_CLOSE_ME || (!peer_awaits(peer) && m->type == peer->replies))
		dispatch_close(p, peer);
	p->asking = NULL;
	peer->follows_next &= m->kind == MSG_PACKET && m->type == PKT_TEXT;
	if (!list_is_empty(&p->placing))
		jobs_place_held(p);
	debt_charge(p, peer, p->spent - before);
	p->spent++;
}

/* What an I/O thread says of one connection. */
static PROC void
dispatch_from_io(struct proc *p, struct msg **mm)
{
	struct peer *peer = peer_find(p, (*mm)->peer);

	if (peer == NULL || (peer->gone && (*mm)->kind != MSG_PART_TAKEN))
		return;
	if ((*mm)->kind == MSG_PEER_ENDED)
		peer->ended = true, peer->asleep = false;
	else if (debt_is_open(p, peer))
		debt_add(p, peer, mm);
	else
		dispatch_from_peer(p, peer, *mm);
}

nsec_t
proc_dispatch_owed(struct proc *p)
{
	struct peer *peer;
	struct msg *m;

	while (p->spent < SPENT_PER_TURN && (peer = debt_next(p, &m)) != NULL) {
		dispatch_from_peer(p, peer, m);
		msg_free(&m);
	}
	return debts_due(p);
}

static PROC void
dispatch_counts(struct proc *p, const struct msg_counts *counts)
{
	if (counts->posted > 0)
		histogram_add(p->histograms, HISTOGRAM_proc_lag, p->now.mono - counts->posted);
	for (unsigned i = 0; i < stats_used(); i++)
		p->counts[i] += counts->by[i];
	traffic_counts(&p->traffic, counts);
}

static PROC void
dispatch_other(struct proc *p, struct msg *m)
{
	switch (m->kind) {
	case MSG_PEER_NEW:
		peer_new(p, MSG_AS(msg_conn, m));
		break;
	case MSG_COUNTS:
		dispatch_counts(p, MSG_AS(msg_counts, m));
		break;
	case MSG_ADD:
		on_added(p, MSG_AS(msg_store, m));
		break;
	case MSG_COMMITTED:
		on_committed(p, m);
		break;
	case MSG_STORE_OURS:
		on_store_ours(p, m);
		cron_skip(p);
		break;
	case MSG_REPLAYED:
		on_replayed(p, MSG_AS(msg_store, m));
		break;
	case MSG_REPLAY_AGAIN:
		on_replay_again(p);
		break;
	case MSG_REPLAY_END:
		on_replay_end(p, m);
		break;
	case MSG_STORE_STATE:
		on_store_state(p, m);
		break;
	case MSG_GRACEFUL:
		on_graceful(p);
		break;
	case MSG_SHUTDOWN:
		on_shutdown(p);
		break;
	case MSG_POLICIES:
		on_policies(p, m);
		break;
	case MSG_ACCESS:
		on_access(p, m);
		break;
	case MSG_CRON:
		on_cron(p, m);
		break;
	case MSG_ALIVE:
		on_alive(p);
		break;
	default:
		CHECK(!"a message that is not for the core");
	}
}

void
proc_dispatch(struct proc *p, struct msg **mm)
{
	struct msg *m = *mm;

	*mm = NULL;
	switch (m->kind) {
	case MSG_PACKET:
	case MSG_REFUSE:
	case MSG_CLOSE_ME:
	case MSG_CLOSE_IDLE:
	case MSG_PEER_ENDED:
	case MSG_PEER_GONE:
	case MSG_PART_TAKEN:
		dispatch_from_io(p, &m);
		break;
	default:
		dispatch_other(p, m);
		jobs_place_held(p);
	}
	msg_free(&m);
}

void
on_unexpected(struct proc *p, struct peer *peer, struct msg_packet *packet)
{
	(void)packet;
	reply_error(p, peer, WIRE_INVALID_COMMAND);
}

void
on_echo(struct proc *p, struct peer *peer, struct msg_packet *packet)
{
	struct msg_reply *reply = msg_reply_new(PKT_ECHO_RES, peer_number(peer), 0);
	struct msg *m = &reply->msg;

	msg_reply_data(reply, packet->msg.blob, blob_slice(packet->msg.blob));
	peer_send(p, peer, &m);
}
