/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A worker says what it can do: CAN_DO, CAN_DO_TIMEOUT, CANT_DO, RESET_ABILITIES; the access rules say what it may.
 *
 * Runs on:  processing thread.
 * Owns:     struct ability; it is in the tables of its peer and of its function.
 */
#include "proc/ability.h"

#include "base/mem.h"
#include "proc/func.h"
#include "proc/handlers.h"
#include "proc/leaving.h"
#include "proc/peer.h"
#include "proc/reply.h"
#include "proc/rights.h"
#include "proc/wake.h"

/* Many workers give seconds where milliseconds are meant; gearmand 1.1 takes less than a second for one, too. */
enum { LIMIT_MS_MIN = 1000 };

struct pair {
	const struct peer *peer;
	const struct func *func;
};

static uint64_t
pair_hash(const struct proc *p, const struct pair *pair)
{
	return hash_number(hash_number(peer_number(pair->peer) ^ p->secret) ^ pair->func->number);
}

static bool
is_pair(const struct hash_node *node, const void *key)
{
	const struct ability *ability = CONTAINER_OF(node, struct ability, by_pair);
	const struct pair *want = key;

	return ability->peer == want->peer && ability->func == want->func;
}

struct ability *
ability_find(struct proc *p, const struct peer *peer, const struct func *func)
{
	struct pair pair = { peer, func };
	struct hash_node *node = hash_find(&p->abilities, pair_hash(p, &pair), is_pair, &pair);

	return node == NULL ? NULL : CONTAINER_OF(node, struct ability, by_pair);
}

/* The newest is served first, as in 1.1; in strict order, the oldest. */
static PROC struct ability *
ability_new(struct proc *p, struct peer *peer, struct func *func)
{
	struct ability *ability = mem_new(sizeof *ability);
	struct pair pair = { peer, func };

	ability->peer = peer;
	ability->func = func;
	list_init(&ability->of_peer);
	list_init(&ability->of_func);
	list_init(&ability->sleeping);
	list_init(&ability->running);
	if (p->cfg.strict_order) {
		ability->rank = ++p->last_rank;
		list_push(&peer->abilities, &ability->of_peer);
	} else {
		ability->rank = --p->first_rank;
		list_push_front(&peer->abilities, &ability->of_peer);
	}
	list_push(&func->abilities, &ability->of_func);
	list_push(peer->asleep ? &func->sleepers : &peer->unlisted, &ability->sleeping);
	hash_add(&p->abilities, &ability->by_pair, pair_hash(p, &pair));
	count_func_memory(p, sizeof *ability);
	peer->ability_count++;
	func->workers++;
	list_remove(&func->in_idle);
	return ability;
}

/* What it was running is put to peer.lost: an ability goes before its jobs are lost, so that they do not wake this
 * same worker. */
static PROC void
ability_free(struct proc *p, struct ability **ability_p)
{
	struct ability *ability = *ability_p;
	struct func *func = ability->func;
	struct peer *peer = ability->peer;

	*ability_p = NULL;
	hash_remove(&p->abilities, &ability->by_pair);
	list_remove(&ability->of_func);
	list_remove(&ability->sleeping);
	CHECK(peer->ability_count > 0 && func->workers > 0);
	peer->ability_count--;
	func->workers--;
	list_splice(&peer->lost, &ability->running);
	list_remove(&ability->of_peer);
	count_func_memory(p, -(int64_t)sizeof *ability);
	mem_free(ability);
	func_idle_check(p, func);
}

static PROC void
can_do(struct proc *p, struct peer *peer, struct slice name, uint32_t limit_ms)
{
	enum wire_error why;
	struct func *func;
	struct ability *ability;

	if (!may_work(p, peer, name)) {
		rights_note_refusal(p, peer, ACCESS_WORK, name);
		reply_error(p, peer, WIRE_MAY_NOT_WORK);
		return;
	}
	func = func_get(p, name, &why);
	if (func == NULL) {
		count(p, STAT_refused_full);
		reply_error(p, peer, why);
		return;
	}
	ability = ability_find(p, peer, func);
	if (ability == NULL) {
		bool few = p->cfg.max_abilities == 0 || peer->ability_count < p->cfg.max_abilities;

		if (!bound_note(p, BOUND_ABILITIES, few) ||
		    !bound_note(p, BOUND_MEMORY, has_memory(p, sizeof *ability))) {
			func_idle_check(p, func);
			count(p, STAT_refused_full);
			reply_error(p, peer, few ? WIRE_SERVER_FULL : WIRE_TOO_MANY_FUNCTIONS);
			return;
		}
		ability = ability_new(p, peer, func);
	}
	ability->limit_ms = limit_ms;
	if (peer->asleep && func_has_ready(func))
		sleep_wake(p, peer);
}

void
on_can_do(struct proc *p, struct peer *peer, struct msg_packet *packet)
{
	can_do(p, peer, slice_without_nul(packet->pkt.arg[0]), 0);
}

void
on_can_do_timeout(struct proc *p, struct peer *peer, struct msg_packet *packet)
{
	int64_t ms;

	if (!slice_to_i64_lenient(slice_without_nul(packet->pkt.arg[1]), &ms) || ms > UINT32_MAX) {
		reply_error(p, peer, WIRE_NUMBER_TOO_LARGE);
		return;
	}
	if (ms > 0 && ms < LIMIT_MS_MIN)
		ms = LIMIT_MS_MIN;
	can_do(p, peer, packet->pkt.arg[0], ms > 0 ? (uint32_t)ms : 0);
}

void
on_cant_do(struct proc *p, struct peer *peer, struct msg_packet *packet)
{
	struct func *func = func_find(p, slice_without_nul(packet->pkt.arg[0]));
	struct ability *ability = func == NULL ? NULL : ability_find(p, peer, func);

	if (ability == NULL)
		return;
	ability_free(p, &ability);
	peer_loses_jobs(p, peer);
}

static bool
is_of_peer(const struct hash_node *node, const void *peer)
{
	return CONTAINER_OF(node, struct withdrawn, by_peer)->peer == peer;
}

static struct withdrawn *
withdrawn_find(const struct proc *p, const struct peer *peer)
{
	struct hash_node *node = hash_find(&p->withdrawn, hash_number(peer_number(peer)), is_of_peer, peer);

	return node == NULL ? NULL : CONTAINER_OF(node, struct withdrawn, by_peer);
}

static PROC void
let_run(struct proc *p, struct peer *peer, struct list *running)
{
	struct withdrawn *w = withdrawn_find(p, peer);

	if (list_is_empty(running))
		return;
	if (w == NULL) {
		w = mem_new(sizeof *w);
		w->peer = peer;
		list_init(&w->running);
		hash_add(&p->withdrawn, &w->by_peer, hash_number(peer_number(peer)));
	}
	list_splice(&w->running, running);
}

void
abilities_withdraw(struct proc *p, struct peer *peer)
{
	LIST_EACH_SAFE(node, &peer->abilities) {
		struct ability *ability = LIST_ENTRY(node, struct ability, of_peer);

		if (may_work(p, peer, func_name(ability->func)))
			continue;
		rights_note_refusal(p, peer, ACCESS_WORK, func_name(ability->func));
		let_run(p, peer, &ability->running);
		ability_free(p, &ability);
		p->spent++;
	}
}

bool
abilities_left(const struct proc *p, const struct peer *peer)
{
	return peer->ability_count > 0 || withdrawn_find(p, peer) != NULL;
}

void
abilities_reset(struct proc *p, struct peer *peer)
{
	struct withdrawn *w = withdrawn_find(p, peer);
	struct list *node;

	if (w != NULL) {
		list_splice(&peer->lost, &w->running);
		hash_remove(&p->withdrawn, &w->by_peer);
		mem_free(w);
	}
	while ((node = list_first(&peer->abilities)) != NULL) {
		struct ability *ability = LIST_ENTRY(node, struct ability, of_peer);

		ability_free(p, &ability);
	}
	peer_loses_jobs(p, peer);
}

void
on_reset_abilities(struct proc *p, struct peer *peer, struct msg_packet *packet)
{
	(void)packet;
	abilities_reset(p, peer);
}

void
on_set_client_id(struct proc *p, struct peer *peer, struct msg_packet *packet)
{
	struct slice id = packet->pkt.arg[0];

	(void)p;
	if (id.len > CLIENT_ID_MAX)
		id.len = CLIENT_ID_MAX;
	mem_free(peer->id);
	peer->id = id.len == 0 ? NULL : mem_dup(id.data, id.len);
	peer->id_len = (uint8_t)id.len;
}
