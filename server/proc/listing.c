/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Admin answers that may be long: made a part at each turn, and sent part by part as fast as the peer takes them.
 *
 * Runs on:  processing thread.
 * Owns:     struct listing: the part at hand, and an open slot of the peer that asked.
 *
 * However many have asked, one listing of jobs and one of all else is at work in a turn: a turn has its bound, and
 * `status` does not wait for a thousand `show jobs`.  A listing whose part is on its way waits for its peer.  So it
 * keeps no pointers from one turn to the next, but a peer's number, an ability's rank, and a walk that can go on.
 */
#include "proc/listing.h"

#include <string.h>

#include "base/mem.h"
#include "proc/ability.h"
#include "proc/dead.h"
#include "proc/fair.h"
#include "proc/func.h"
#include "proc/handle.h"
#include "proc/inspect.h"
#include "proc/job.h"
#include "proc/job_extra.h"
#include "proc/job_read.h"
#include "proc/metrics.h"
#include "proc/peer.h"
#include "proc/reply.h"

/* What a turn may do for each queue: about a quarter of a millisecond, at worst 2.  A job or a worker's ability costs
 * 1, a function 2, since it lies in several places of memory; a long line more, an empty place of a table 1.
 * PART_BYTES: with a line of 32 KiB it is 128 KiB: a peer that takes none of it can be told from others. */
enum { COST_PER_TURN = 2048, BYTES_PER_COST = 64, COST_PER_UNIT = 2, COMPARED_PER_COST = 128, PART_BYTES = 96 << 10 };

struct listing {
	struct maker maker;
	struct slot *slot;
	enum listing_kind kind;
	bool whole;               /* the peer speaks a module's protocol, which takes an answer as one packet */
	bool sent;                /* a part of it */
	bool in_line;             /* WORKERS: a part of the line is there */
	uint32_t line;            /* ... its number */
	uint64_t at;              /* ... of the peer whose line it is, or whose line is next */
	int64_t rank;             /* ... of the newest ability in it */
	struct hash_walk walk;    /* all others */
	size_t cost;              /* that is not charged yet */
	struct blob *text;        /* what is not sent; NULL: no memory for it */
	struct buf fresh;         /* a line on its way to the text */
	uint64_t most;            /* PEEK: how many more of them */
	bool buckets;             /* METRICS: histograms by function, too */
	bool begun;               /* ... the lines of the server are there ... */
	struct metrics_sums sums; /* ... and of the functions that were walked */
	size_t name_len;          /* DROP, PEEK, METRICS */
	char name[];
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

/* handle, lost attempts, ignored (never: such jobs are gone at once), in the background */
static PROC void
add_job(const struct proc *p, struct buf *out, const struct job *job)
{
	struct handle_text handle;

	job_handle(p, job, &handle);
	buf_add(out, handle.at, handle.len);
	buf_add_char(out, '\t');
	buf_add_u64(out, job->extra->tries);
	buf_add_str(out, job->background ? "\t0\t1\n" : "\t0\t0\n");
}

static PROC void
add_unique(struct buf *out, const struct job *job)
{
	buf_add_escaped(out, job_unique(job));
	buf_add_char(out, '\n');
}

/* Each listing has the jobs that it is for: the dead ones, of one function or all, or all others. */
static PROC void
add_job_line(const struct proc *p, struct listing *listing, const struct job *job)
{
	struct slice name = slice_of(listing->name, listing->name_len);

	if ((job->state == JOB_BURIED) != (listing->kind == LIST_DEAD))
		return;
	if (listing->kind == LIST_JOBS)
		add_job(p, &listing->fresh, job);
	else if (listing->kind == LIST_UNIQUES)
		add_unique(&listing->fresh, job);
	else if (name.len == 0 || slice_eq(name, func_name(job->func)))
		buried_add_line(p, job, &listing->fresh);
}

static PROC void
drop(struct proc *p, struct buf *out, struct func *func)
{
	if (func->workers > 0 || func->running > 0) {
		buf_add_str(out, "ERR there are still connected workers or executing clients\r\n");
	} else if (func->jobs > 0 || func->buried > 0) {
		buf_add_str(out, "ERR there are still jobs in the queue of this function\r\n");
	} else {
		func_free(p, &func);
		buf_add_str(out, "OK\r\n");
	}
}

static bool
equal_nocase(struct slice a, const struct listing *listing)
{
	struct slice name = slice_of(listing->name, listing->name_len);

	return slice_eq(a, name) || (strlen(listing->name) == name.len && slice_is_nocase(a, listing->name));
}

static PROC void
add_peek(const struct proc *p, struct listing *listing, const struct job *job)
{
	struct slice name = slice_of(listing->name, listing->name_len);

	if (job->state != JOB_DELAYED || !slice_eq(func_name(job->func), name))
		return;
	inspect_job(p, &listing->fresh, job);
	listing->most--;
}

/* At worst the pattern is compared with the name from each of its bytes on. */
static PROC size_t
add_metrics(struct proc *p, struct listing *listing, const struct func *func)
{
	size_t compared = 0, steps = 0;

	metrics_sum(p, &listing->sums, func);
	if (pattern_matches_counted(slice_of(listing->name, listing->name_len), func_name(func), &compared))
		steps = metrics_add_func(p, &listing->fresh, func, listing->buckets);
	listing->cost += compared / COMPARED_PER_COST;
	return steps / STEPS_PER_UNIT + compared / COMPARED_PER_COST;
}

static PROC void
add_line(struct proc *p, struct listing *listing, struct hash_node *node, size_t *budget)
{
	struct func *func = CONTAINER_OF(node, struct func, by_name);

	switch (listing->kind) {
	case LIST_STATUS:
		add_status(&listing->fresh, func);
		break;
	case LIST_PRIORITIES:
		add_priorities(&listing->fresh, func);
		break;
	case LIST_FUNCTIONS:
		*budget -= earlier(*budget, inspect_func(p, &listing->fresh, func) / STEPS_PER_UNIT);
		break;
	case LIST_RUNNING:
		*budget -= earlier(*budget, inspect_runners(p, &listing->fresh, func));
		break;
	case LIST_METRICS:
		*budget -= earlier(*budget, add_metrics(p, listing, func));
		break;
	case LIST_DROP:
		*budget -= earlier(*budget, func->name_len == listing->name_len ? func->name_len / BYTES_PER_COST : 0);
		if (equal_nocase(func_name(func), listing))
			drop(p, &listing->fresh, func);
		break;
	case LIST_JOBS:
	case LIST_UNIQUES:
	case LIST_DEAD:
		add_job_line(p, listing, CONTAINER_OF(node, struct job, by_handle));
		break;
	case LIST_PEEK:
		add_peek(p, listing, CONTAINER_OF(node, struct job, by_handle));
		break;
	case LIST_WORKERS:
		break;
	}
}

static PROC struct listing *
start(struct proc *p, struct peer *peer, enum listing_kind kind, struct slice name)
{
	struct listing *listing = mem_new(sizeof *listing + name.len + 1);

	listing->kind = kind;
	listing->whole = peer->is_module;
	listing->text = blob_new(0);
	listing->name_len = name.len;
	if (name.len > 0)
		memcpy(listing->name, name.data, name.len);
	listing->maker.queue = kind >= LIST_JOBS ? &p->job_listings : &p->listings;
	listing->slot = slot_open_made(p, peer, &listing->maker);
	return listing;
}

void
listing_start(struct proc *p, struct peer *peer, enum listing_kind kind)
{
	start(p, peer, kind, slice_of("", 0));
}

void
listing_dead(struct proc *p, struct peer *peer, struct slice function)
{
	start(p, peer, LIST_DEAD, function);
}

void
listing_metrics(struct proc *p, struct peer *peer, struct slice pattern, bool buckets)
{
	start(p, peer, LIST_METRICS, pattern)->buckets = buckets;
}

void
listing_drop(struct proc *p, struct peer *peer, struct slice name)
{
	start(p, peer, LIST_DROP, name);
}

void
listing_peek(struct proc *p, struct peer *peer, struct slice function, uint64_t most)
{
	struct listing *listing = start(p, peer, LIST_PEEK, function);

	listing->most = most;
}

static PROC void
listing_free(struct listing **listing_p)
{
	struct listing *listing = *listing_p;

	*listing_p = NULL;
	list_remove(&listing->maker.link);
	buf_fini(&listing->fresh);
	blob_unref(&listing->text);
	mem_free(listing);
}

/* Takes the fresh line into the text, and its cost off the budget.  A text that is sent as a whole may be as long as
 * there is room in --max-memory. */
static PROC void
keep_line(const struct proc *p, struct listing *listing, size_t *budget)
{
	size_t bytes_per_cost = listing->kind == LIST_METRICS ? BYTES_PER_COST / 4 : BYTES_PER_COST; /* all numbers */
	size_t cost = (listing->kind <= LIST_DROP ? 2 : 1) + listing->fresh.len / bytes_per_cost;
	size_t len = blob_slice(listing->text).len + listing->fresh.len;
	bool fits = !listing->whole || has_memory(p, len);

	listing->cost += cost;
	*budget -= cost < *budget ? cost : *budget;
	if (listing->text != NULL && (!fits || !blob_add(&listing->text, buf_slice(&listing->fresh))))
		blob_unref(&listing->text);
	listing->fresh.len = 0;
}

static PROC bool
part_is_full(const struct listing *listing)
{
	return !listing->whole && blob_slice(listing->text).len >= PART_BYTES;
}

/* The next turn of this listing comes when the peer has taken the part, and has paid for it. */
static PROC void
send_part(struct proc *p, struct listing *listing)
{
	struct peer *peer = listing->slot->peer;
	struct msg_reply *part = msg_reply_new(PKT_TEXT, peer_number(peer), 0);
	struct msg *m = &part->msg;

	m->kind = MSG_PART;
	msg_reply_data(part, listing->text, blob_slice(listing->text));
	blob_unref(&listing->text);
	listing->text = blob_new(0);
	listing->sent = true;
	debt_charge(p, peer, listing->cost / COST_PER_UNIT);
	listing->cost = 0;
	slot_send_part(p, listing->slot, &m);
}

static PROC void
finish(struct proc *p, struct listing *listing)
{
	static const char no_memory[] = "ERR MEMORY_ALLOCATION_FAILURE\r\n";
	struct peer *peer = listing->slot->peer;
	struct msg_reply *reply = msg_reply_new(PKT_TEXT, peer_number(peer), sizeof no_memory);
	struct msg *m = &reply->msg;

	if (listing->kind == LIST_METRICS)
		metrics_add_sums(&listing->fresh, &listing->sums);
	if (listing->kind != LIST_DROP)
		buf_add_str(&listing->fresh, ".\n");
	else if (!listing->sent && blob_slice(listing->text).len == 0)
		buf_add_str(&listing->fresh, "ERR function not found\r\n");
	keep_line(p, listing, &(size_t){ 0 });
	if (listing->text != NULL)
		msg_reply_data(reply, listing->text, blob_slice(listing->text));
	else
		msg_reply_arg(reply, slice_str(no_memory), true);
	debt_charge(p, peer, listing->cost / COST_PER_UNIT);
	slot_fill(p, listing->slot, &m);
	listing_free(&listing);
}

static PROC struct peer *
peer_at(const struct proc *p, struct list *node)
{
	return node == &p->peer_list ? NULL : LIST_ENTRY(node, struct peer, in_list);
}

/* The one where it stopped, or when that has left, the next. */
static PROC struct peer *
peer_to_go_on(struct proc *p, struct listing *listing)
{
	struct peer *peer = peer_find(p, listing->at);
	size_t steps = 0;

	if (peer != NULL)
		return peer;
	for (peer = peer_at(p, p->peer_list.next); peer != NULL && peer_number(peer) < listing->at; steps++)
		peer = peer_at(p, peer->in_list.next);
	listing->cost += steps / STEPS_PER_UNIT;
	return peer;
}

/* Behind those that are in the line: they are in the order of their turns. */
static PROC struct list *
ability_to_go_on(const struct peer *peer, struct listing *listing)
{
	struct list *node = peer->abilities.next;
	size_t steps = 0;

	for (; node != &peer->abilities; node = node->next, steps++)
		if (LIST_ENTRY(node, struct ability, of_peer)->rank > listing->rank)
			break;
	listing->cost += steps / STEPS_PER_UNIT;
	return node;
}

static PROC void
begin_line(struct proc *p, struct listing *listing, const struct peer *peer)
{
	buf_add_i64(&listing->fresh, peer->fd);
	buf_add_char(&listing->fresh, ' ');
	buf_add_escaped(&listing->fresh, slice_str(peer->address));
	buf_add_char(&listing->fresh, ' ');
	buf_add_escaped(&listing->fresh, peer_id(peer));
	buf_add_str(&listing->fresh, " :");
	listing->in_line = true;
	listing->line = ++p->line;
	listing->rank = INT64_MIN;
}

/* Abilities move to the end while a long line is made.  Each is in it once, or twice when another listing has come to
 * it meanwhile. */
static PROC void
add_ability(struct listing *listing, struct ability *ability)
{
	listing->rank = ability->rank;
	if (ability->line == listing->line)
		return;
	ability->line = listing->line;
	buf_add_char(&listing->fresh, ' ');
	buf_add_escaped(&listing->fresh, func_name(ability->func));
}

static PROC void
end_line(struct listing *listing)
{
	buf_add_char(&listing->fresh, '\n');
	listing->in_line = false;
}

/* False when all peers are in it. */
static PROC bool
step_peers(struct proc *p, struct listing *listing, size_t *budget)
{
	struct peer *peer = peer_to_go_on(p, listing);
	struct list *next = NULL;

	if (listing->in_line && (peer == NULL || peer_number(peer) != listing->at))
		end_line(listing);
	else if (listing->in_line)
		next = ability_to_go_on(peer, listing);
	while (peer != NULL && *budget > 0 && !part_is_full(listing)) {
		if (!listing->in_line && !peer->gone) {
			begin_line(p, listing, peer);
			next = peer->abilities.next;
		} else if (listing->in_line && next != &peer->abilities) {
			add_ability(listing, LIST_ENTRY(next, struct ability, of_peer));
			next = next->next;
		} else {
			if (listing->in_line)
				end_line(listing);
			peer = peer_at(p, peer->in_list.next);
		}
		listing->at = peer == NULL ? UINT64_MAX : peer_number(peer);
		keep_line(p, listing, budget);
	}
	return peer != NULL;
}

/* False when the table has been walked to its end. */
static PROC bool
step_table(struct proc *p, struct listing *listing, const struct hash *table, size_t *budget)
{
	if (listing->kind == LIST_METRICS && !listing->begun) {
		listing->begun = true;
		metrics_add_server(p, &listing->fresh, listing->buckets);
		keep_line(p, listing, budget);
	}
	for (unsigned n = 0; *budget > 0 && !part_is_full(listing); n++) {
		struct hash_node *node;

		if (listing->kind == LIST_PEEK && listing->most == 0)
			break;
		if (n % INSPECT_AHEAD == 0 && (listing->kind == LIST_METRICS || listing->kind == LIST_FUNCTIONS))
			inspect_ahead(table, listing->walk);
		node = hash_next_within(table, &listing->walk, budget);
		if (node == NULL)
			return *budget == 0;
		add_line(p, listing, node, budget);
		keep_line(p, listing, budget);
	}
	return true;
}

/* False when it is complete, or of no use any more. */
static PROC bool
step(struct proc *p, struct listing *listing, size_t *budget)
{
	if (listing->maker.dropped || (listing->kind == LIST_PEEK && listing->most == 0))
		return false;
	if (listing->kind == LIST_WORKERS)
		return step_peers(p, listing, budget);
	return step_table(p, listing, listing->kind >= LIST_JOBS ? &p->handles : &p->funcs, budget);
}

static PROC void
run_queue(struct proc *p, struct list *queue)
{
	size_t budget = COST_PER_TURN;
	struct list *node;

	while (budget > 0 && (node = list_first(queue)) != NULL) {
		struct listing *listing = CONTAINER_OF(node, struct listing, maker.link);

		if (!step(p, listing, &budget))
			finish(p, listing);
		else if (part_is_full(listing))
			send_part(p, listing);
		budget -= budget > 0;
	}
}

bool
listings_run(struct proc *p)
{
	run_queue(p, &p->listings);
	run_queue(p, &p->job_listings);
	return !list_is_empty(&p->listings) || !list_is_empty(&p->job_listings);
}

void
listings_drop(struct proc *p)
{
	struct list *node;

	list_splice(&p->listings, &p->job_listings);
	list_splice(&p->listings, &p->makers);
	while ((node = list_first(&p->listings)) != NULL) {
		struct listing *listing = CONTAINER_OF(node, struct listing, maker.link);

		listing_free(&listing);
	}
}
