/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Admin listings, which may be long: made a part at each turn, so that nobody waits for them
 * but who asked.
 *
 * Runs on:  processing thread.
 * Owns:     struct listing: the text so far and an open slot of the asking peer.
 */
#include "base/mem.h"
#include "proc/func.h"
#include "proc/handlers.h"
#include "proc/job.h"
#include "proc/peer.h"
#include "proc/reply.h"

/* Lines made per listing and turn: about half a millisecond. */
enum { LINES_PER_TURN = 4096 };

struct listing {
	struct list link; /* proc.listings */
	struct slot *slot;
	enum listing_kind kind;
	struct hash_walk walk;
	struct buf text;
};

static PROC void
add_status(struct buf *out, const struct func *func)
{
	buf_add_escaped(out, func_name(func));
	buf_add_char(out, '\t');
	buf_add_u64(out, func->jobs);
	buf_add_char(out, '\t');
	buf_add_u64(out, func->running);
	buf_add_char(out, '\t');
	buf_add_u64(out, func->workers);
	buf_add_char(out, '\n');
}

static PROC void
add_priorities(struct buf *out, const struct func *func)
{
	buf_add_escaped(out, func_name(func));
	for (int i = 0; i < PRIORITIES; i++) {
		buf_add_char(out, '\t');
		buf_add_u64(out, func->queued[i]);
	}
	buf_add_char(out, '\t');
	buf_add_u64(out, func->workers);
	buf_add_char(out, '\n');
}

/* handle, lost attempts, ignored (never: such jobs are gone at once), stored */
static PROC void
add_job(const struct proc *p, struct buf *out, const struct job *job)
{
	struct handle_text handle;

	job_handle(p, job, &handle);
	buf_add(out, handle.at, handle.len);
	buf_add_char(out, '\t');
	buf_add_u64(out, job->tries);
	buf_add_str(out, job->stored ? "\t0\t1\n" : "\t0\t0\n");
}

static PROC void
add_unique(struct buf *out, const struct job *job)
{
	buf_add_escaped(out, job_unique(job));
	buf_add_char(out, '\n');
}

static const struct hash *
table_of(const struct proc *p, enum listing_kind kind)
{
	return kind == LIST_STATUS || kind == LIST_PRIORITIES ? &p->funcs : &p->handles;
}

static PROC void
add_line(const struct proc *p, struct listing *listing, struct hash_node *node)
{
	switch (listing->kind) {
	case LIST_STATUS:
		add_status(&listing->text, CONTAINER_OF(node, struct func, by_name));
		break;
	case LIST_PRIORITIES:
		add_priorities(&listing->text, CONTAINER_OF(node, struct func, by_name));
		break;
	case LIST_JOBS:
		add_job(p, &listing->text, CONTAINER_OF(node, struct job, by_handle));
		break;
	case LIST_UNIQUES:
		add_unique(&listing->text, CONTAINER_OF(node, struct job, by_handle));
		break;
	}
}

void
listing_start(struct proc *p, struct peer *peer, enum listing_kind kind)
{
	struct listing *listing = mem_new(sizeof *listing);

	listing->kind = kind;
	listing->slot = slot_open_plain(peer);
	list_init(&listing->link);
	list_push(&p->listings, &listing->link);
}

static PROC void
finish(struct proc *p, struct listing *listing)
{
	struct msg_reply *reply;
	struct msg *m;

	buf_add_str(&listing->text, ".\n");
	reply = msg_reply_new(PKT_TEXT, listing->slot->peer->number, listing->text.len);
	msg_reply_arg(reply, buf_slice(&listing->text), true);
	m = &reply->msg;
	slot_fill(p, listing->slot, &m);
	list_remove(&listing->link);
	buf_fini(&listing->text);
	mem_free(listing);
}

/* False when the table has been walked to its end. */
static PROC bool
step(struct proc *p, struct listing *listing)
{
	for (int i = 0; i < LINES_PER_TURN; i++) {
		struct hash_node *node = hash_next(table_of(p, listing->kind), &listing->walk);

		if (node == NULL)
			return false;
		add_line(p, listing, node);
	}
	return true;
}

bool
listings_run(struct proc *p)
{
	LIST_EACH_SAFE(node, &p->listings) {
		struct listing *listing = LIST_ENTRY(node, struct listing, link);

		if (!step(p, listing))
			finish(p, listing);
	}
	return !list_is_empty(&p->listings);
}

void
listings_drop(struct proc *p)
{
	struct list *node;

	while ((node = list_pop(&p->listings)) != NULL) {
		struct listing *listing = LIST_ENTRY(node, struct listing, link);

		buf_fini(&listing->text);
		mem_free(listing);
	}
}

void
listing_workers(struct proc *p, struct peer *asking)
{
	struct buf out = { 0 };

	LIST_EACH(node, &p->peer_list) {
		const struct peer *peer = LIST_ENTRY(node, struct peer, in_list);

		if (peer->gone)
			continue;
		buf_add_i64(&out, peer->fd);
		buf_add_char(&out, ' ');
		buf_add_escaped(&out, slice_str(peer->address));
		buf_add_char(&out, ' ');
		buf_add_escaped(&out, peer_id(peer));
		buf_add_str(&out, " :");
		LIST_EACH(at, &peer->abilities) {
			buf_add_char(&out, ' ');
			buf_add_escaped(&out, func_name(LIST_ENTRY(at, struct ability, of_peer)->func));
		}
		buf_add_char(&out, '\n');
	}
	buf_add_str(&out, ".\n");
	reply_text(p, asking, &out);
}

static void
add_counter(struct buf *out, const char *name, uint64_t value)
{
	buf_add_str(out, name);
	buf_add_char(out, '\t');
	buf_add_u64(out, value);
	buf_add_char(out, '\n');
}

void
listing_counters(struct proc *p, struct peer *asking)
{
	struct buf out = { 0 };

	for (int i = 0; i < STAT_COUNT; i++)
		add_counter(&out, stat_name((enum statistic)i), p->counts[i]);
	add_counter(&out, "jobs_now", p->handles.count);
	add_counter(&out, "background_jobs_now", p->background);
	add_counter(&out, "job_bytes_now", p->memory);
	add_counter(&out, "storing_bytes_now", p->storing);
	add_counter(&out, "functions_now", p->funcs.count);
	add_counter(&out, "connections_now", p->peers.count);
	buf_add_str(&out, "store\t");
	if (!p->cfg.durable)
		buf_add_str(&out, "none");
	else if (p->replaying)
		buf_add_str(&out, "replaying");
	else if (p->store_trouble.len == 0)
		buf_add_str(&out, "well");
	else
		buf_add_escaped(&out, buf_slice(&p->store_trouble));
	buf_add_str(&out, "\n.\n");
	reply_text(p, asking, &out);
}
