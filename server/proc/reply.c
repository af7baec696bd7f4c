/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is said to peers, in order; see reply.h.
 *
 * Runs on:  processing thread.
 * Owns:     slots and the messages in them.
 */
#include "proc/reply.h"

#include "base/mem.h"
#include "proc/handle.h"
#include "proc/job.h"
#include "proc/job_extra.h"
#include "proc/peer.h"

enum { HELD_IN_CROWD = 65536 };

static PROC void
send_now(struct proc *p, struct peer *peer, struct msg **mm)
{
	struct msg *m = *mm;

	*mm = NULL;
	CHECK(peer->io < p->out->io_count);
	CHECK(m->peer == peer_number(peer));
	if (m->kind == MSG_REPLY && m->type == PKT_ERROR) {
		count(p, STAT_errors_sent);
		traffic_error(&p->traffic, MSG_AS(msg_reply, m));
	}
	peer->replies += m->kind == MSG_REPLY;
	p->spent++;
	list_push(&p->out->io[peer->io], &m->link);
}

void
peer_tell_paused(struct proc *p, struct peer *peer)
{
	bool any = peer->debt != NULL || peer->is_held || peer->is_paused;
	uint16_t what = peer->debt != NULL ? PAUSE_ALL : peer->is_held ? PAUSE_REQUESTS : PAUSE_SUBMISSIONS;
	struct msg *m;

	if (peer->gone || (any ? what + 1 : 0) == peer->told_pause)
		return;
	if (any && peer->told_pause == 0)
		count(p, STAT_reads_paused);
	peer->told_pause = any ? (uint8_t)(what + 1) : 0;
	m = msg_new(any ? MSG_PAUSE : MSG_RESUME, peer_number(peer));
	m->type = what;
	send_now(p, peer, &m);
}

/* What a message takes that waits here; the payload too, since it is ours alone more often than not. */
static size_t
bytes_of(struct msg *m)
{
	const struct msg_reply *reply = MSG_AS(msg_reply, m);

	if (m == NULL)
		return 0;
	return m->kind != MSG_REPLY ? sizeof *m : sizeof *reply + reply->head_cap + reply->data.len;
}

static PROC struct slot *
slot_new(struct proc *p, struct peer *peer, struct msg **mm)
{
	struct slot *slot = mem_new(sizeof *slot);

	slot->bytes = sizeof *slot + (mm == NULL ? 0 : bytes_of(*mm));
	p->spent++;
	peer->held += slot->bytes;
	p->held += slot->bytes;
	slot->peer = peer;
	slot->tag = p->asking == peer ? p->tag : 0;
	if (mm != NULL) {
		slot->msg = *mm;
		*mm = NULL;
	}
	list_init(&slot->by_age);
	list_init(&slot->of_peer);
	list_push(&peer->slots, &slot->of_peer);
	return slot;
}

static struct slot *
first_slot(const struct peer *peer)
{
	struct list *node = list_first(&peer->slots);

	return node == NULL ? NULL : LIST_ENTRY(node, struct slot, of_peer);
}

void
slot_leave_job(struct proc *p, struct slot *slot)
{
	list_remove(&slot->by_age);
	if (slot->job == NULL)
		return;
	if (slot->holds)
		slot->holds = false;
	else
		slot->peer->storing--;
	*slot->back = slot->next;
	if (slot->next != NULL)
		slot->next->back = slot->back;
	job_extra_tidy(p, slot->job);
	slot->job = NULL;
	slot->next = NULL;
	slot->back = NULL;
}

void
slot_free(struct proc *p, struct slot **slot_p)
{
	struct slot *slot = *slot_p;

	*slot_p = NULL;
	if (slot->holds && slot->job->state == JOB_STORING) /* else the commit of somebody has placed it */
		list_push(&p->placing, &slot->job->link);
	slot_leave_job(p, slot);
	slot->peer->held -= slot->bytes;
	p->held -= slot->bytes;
	list_remove(&slot->of_peer);
	msg_free(&slot->msg);
	mem_free(slot);
}

static PROC void
log_cut(struct proc *p, const struct peer *peer)
{
	struct buf line = { 0 };

	peer_add_address(peer, &line);
	buf_add_str(&line, ": closed: an answer is not ready, and behind it wait bytes of others: ");
	buf_add_u64(&line, peer->held);
	proc_log(p, GEARMAND_LOG_WARNING, &line);
	buf_fini(&line);
}

/* Open slots stay, for others hold on to them. */
static PROC void
cut(struct proc *p, struct peer *peer)
{
	struct msg *m = msg_new(MSG_CLOSE, peer_number(peer));

	log_cut(p, peer);
	count(p, STAT_slow_readers);
	peer->is_cut = peer->closing = true;
	LIST_EACH_SAFE(node, &peer->slots) {
		struct slot *slot = LIST_ENTRY(node, struct slot, of_peer);

		if (slot->msg != NULL)
			slot_free(p, &slot);
	}
	send_now(p, peer, &m);
}

/* In a crowd of peers whose replies wait, each may have less. */
static PROC uint64_t
pause_held(const struct proc *p)
{
	bool crowded = p->cfg.max_memory > 0 && p->held > p->cfg.max_memory / 4;

	return crowded && p->cfg.pause_held > HELD_IN_CROWD ? HELD_IN_CROWD : p->cfg.pause_held;
}

/* Too much behind an open slot: the peer's own requests bring no more of it, and if those of others do, it is closed.
 */
static PROC void
hold(struct proc *p, struct peer *peer)
{
	if (p->cfg.max_held > 0 && peer->held > p->cfg.max_held && !peer->is_cut && !peer->gone)
		cut(p, peer);
	if (p->cfg.pause_held > 0 && peer->held > pause_held(p) && !peer->is_held) {
		peer->is_held = true;
		peer_tell_paused(p, peer);
	}
}

static PROC void
hold_no_more(struct proc *p, struct peer *peer)
{
	if (!peer->is_held || peer->held > pause_held(p) / 2)
		return;
	peer->is_held = false;
	peer_tell_paused(p, peer);
}

void
peer_send(struct proc *p, struct peer *peer, struct msg **mm)
{
	if ((*mm)->kind == MSG_REPLY && p->asking == peer)
		MSG_AS(msg_reply, *mm)->tag = p->tag;
	if (peer->is_cut && (*mm)->kind == MSG_REPLY) {
		msg_free(mm);
	} else if (list_is_empty(&peer->slots)) {
		send_now(p, peer, mm);
	} else {
		slot_new(p, peer, mm);
		hold(p, peer);
	}
}

static PROC void
maker_go_on(struct maker *maker)
{
	maker->state = MAKER_AT_WORK;
	list_remove(&maker->link);
	list_push(maker->queue, &maker->link);
}

struct slot *
slot_open_plain(struct proc *p, struct peer *peer)
{
	return slot_new(p, peer, NULL);
}

struct slot *
slot_open_made(struct proc *p, struct peer *peer, struct maker *maker)
{
	struct slot *slot = slot_new(p, peer, NULL);

	slot->maker = maker;
	list_init(&maker->link);
	if (first_slot(peer) == slot)
		maker_go_on(maker);
	else
		list_push(&p->makers, &maker->link);
	return slot;
}

void
slot_send_part(struct proc *p, struct slot *slot, struct msg **mm)
{
	struct maker *maker = slot->maker;

	CHECK(maker->state == MAKER_AT_WORK && first_slot(slot->peer) == slot);
	maker->state = MAKER_WAITS;
	list_remove(&maker->link);
	list_push(&p->makers, &maker->link);
	send_now(p, slot->peer, mm);
}

void
slot_part_taken(struct proc *p, struct peer *peer, bool dropped)
{
	struct slot *slot = first_slot(peer);

	(void)p;
	if (slot == NULL || slot->maker == NULL || slot->maker->state != MAKER_WAITS)
		return;
	slot->maker->dropped = dropped;
	maker_go_on(slot->maker);
}

static PROC void
slot_join_job(struct proc *p, struct slot *slot, struct job *job)
{
	struct job_extra *extra = job_extra(p, job);

	slot->job = job;
	slot->next = extra->slots;
	slot->back = &extra->slots;
	if (slot->next != NULL)
		slot->next->back = &slot->next;
	extra->slots = slot;
}

void
slot_open(struct proc *p, struct peer *peer, struct job *job)
{
	struct slot *slot = slot_new(p, peer, NULL);

	slot_join_job(p, slot, job);
	peer->storing++;
	slot->deadline = p->now.mono + p->cfg.queue_timeout;
	list_push(&p->waiting, &slot->by_age);
	hold(p, peer);
}

void
slot_open_removal(struct proc *p, struct peer *peer)
{
	struct slot *slot = slot_new(p, peer, NULL);

	slot->removal = p->removed + p->removing;
	slot->deadline = p->now.mono + p->cfg.queue_timeout;
	list_push(&p->cancels, &slot->by_age);
}

void
slot_fill(struct proc *p, struct slot *slot, struct msg **mm)
{
	struct peer *peer = slot->peer;

	CHECK(slot->msg == NULL);
	slot_leave_job(p, slot);
	if ((*mm)->kind == MSG_REPLY)
		MSG_AS(msg_reply, *mm)->tag = slot->tag;
	slot->msg = *mm;
	*mm = NULL;
	slot->bytes += bytes_of(slot->msg);
	peer->held += bytes_of(slot->msg);
	p->held += bytes_of(slot->msg);
	for (slot = first_slot(peer); slot != NULL && slot->msg != NULL; slot = first_slot(peer)) {
		send_now(p, peer, &slot->msg);
		slot_free(p, &slot);
	}
	if (slot != NULL && slot->maker != NULL && slot->maker->state == MAKER_BEHIND)
		maker_go_on(slot->maker);
	hold_no_more(p, peer);
	if (peer->gone && list_is_empty(&peer->slots) && !list_is_linked(&peer->in_leaving))
		list_push(&p->leaving, &peer->in_leaving);
}

static PROC struct msg *
job_created(const struct proc *p, const struct peer *peer, const struct job *job)
{
	struct handle_text handle;
	struct msg_reply *reply;

	job_handle(p, job, &handle);
	reply = msg_reply_new(PKT_JOB_CREATED, peer_number(peer), handle.len);
	msg_reply_arg(reply, slice_of(handle.at, handle.len), true);
	return &reply->msg;
}

static PROC struct msg *
error_msg(const struct peer *peer, const char *code, struct slice text)
{
	struct slice code_s = slice_str(code);
	struct msg_reply *reply = msg_reply_new(PKT_ERROR, peer_number(peer), code_s.len + 1 + text.len);

	msg_reply_arg(reply, code_s, false);
	msg_reply_arg(reply, text, true);
	return &reply->msg;
}

void
slot_created(struct proc *p, struct slot *slot)
{
	struct msg *m = job_created(p, slot->peer, slot->job);

	slot_fill(p, slot, &m);
}

void
slot_hold(struct proc *p, struct peer *peer, struct job *job)
{
	struct msg *m = job_created(p, peer, job);
	struct slot *slot;

	if (p->asking == peer)
		MSG_AS(msg_reply, m)->tag = p->tag;
	slot = slot_new(p, peer, &m);

	slot_join_job(p, slot, job);
	slot->holds = true;
	hold(p, peer);
}

void
slot_removed(struct proc *p, struct slot *slot, const char *text)
{
	struct slice s = slice_str(text);
	struct msg_reply *reply = msg_reply_new(PKT_TEXT, peer_number(slot->peer), s.len);
	struct msg *m = &reply->msg;

	msg_reply_arg(reply, s, true);
	slot_fill(p, slot, &m);
}

void
slot_refused(struct proc *p, struct slot *slot, const char *code, struct slice text)
{
	struct msg *m = error_msg(slot->peer, code, text);

	slot_fill(p, slot, &m);
}

void
reply_job_created(struct proc *p, struct peer *peer, const struct job *job)
{
	struct msg *m = job_created(p, peer, job);

	peer_send(p, peer, &m);
}

void
reply_plain(struct proc *p, struct peer *peer, enum pkt_type type)
{
	struct msg *m = &msg_reply_new(type, peer_number(peer), 0)->msg;

	peer_send(p, peer, &m);
}

void
reply_arg(struct proc *p, struct peer *peer, enum pkt_type type, struct slice arg)
{
	struct msg_reply *reply = msg_reply_new(type, peer_number(peer), arg.len);
	struct msg *m = &reply->msg;

	msg_reply_arg(reply, arg, true);
	peer_send(p, peer, &m);
}

void
reply_error_text(struct proc *p, struct peer *peer, const char *code, struct slice text)
{
	struct msg *m = error_msg(peer, code, text);

	peer_send(p, peer, &m);
}

void
reply_error(struct proc *p, struct peer *peer, enum wire_error error)
{
	reply_error_text(p, peer, wire_error_code(error), slice_str(wire_error_text(error)));
}

void
reply_text(struct proc *p, struct peer *peer, struct buf *text)
{
	struct msg_reply *reply = msg_reply_new(PKT_TEXT, peer_number(peer), text->len);
	struct msg *m = &reply->msg;

	msg_reply_arg(reply, buf_slice(text), true);
	buf_fini(text);
	peer_send(p, peer, &m);
}
