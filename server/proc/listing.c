/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Admin answers that may be long: made a part at each turn, so that nobody waits for them but who asked.
 *
 * Runs on:  processing thread.
 * Owns:     struct listing: the text so far and an open slot of the asking peer.
 *
 * However many have asked, one listing of jobs and one of all else is being made at a time: a turn has its
 * bound, and `status` does not wait for a thousand `show jobs`.
 */
#include <string.h>

#include "base/mem.h"
#include "proc/fair.h"
#include "proc/func.h"
#include "proc/handlers.h"
#include "proc/job.h"
#include "proc/peer.h"
#include "proc/reply.h"

/* What a turn may do for each kind: about a quarter of a millisecond, at worst 2.  A line or a worker's ability costs 1
 * and more when it is long, an empty place of a table 1. */
enum { COST_PER_TURN = 2048, BYTES_PER_COST = 64, COST_PER_UNIT = 2 };

struct listing {
	struct list link; /* proc.listings or proc.job_listings */
	struct slot *slot;
	enum listing_kind kind;
	bool begun;
	size_t cost;
	struct hash_walk walk;
	struct peer *next; /* WORKERS, when begun */
	bool in_line;      /* WORKERS: a part of next's line is there, and proc.listed is where it goes on */
	struct blob *text; /* NULL: no memory for it */
	struct buf line;
	size_t name_len; /* DROP */
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

static PROC void
drop(struct proc *p, struct buf *out, struct func *func)
{
	if (func->workers > 0 || func->running > 0) {
		buf_add_str(out, "ERR there are still connected workers or executing clients\r\n");
	} else if (func->jobs > 0) {
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
add_line(struct proc *p, struct listing *listing, struct hash_node *node, size_t *budget)
{
	struct func *func = CONTAINER_OF(node, struct func, by_name);

	switch (listing->kind) {
	case LIST_STATUS:
		add_status(&listing->line, func);
		break;
	case LIST_PRIORITIES:
		add_priorities(&listing->line, func);
		break;
	case LIST_DROP:
		*budget -= earlier(*budget, func->name_len == listing->name_len ? func->name_len / BYTES_PER_COST : 0);
		if (equal_nocase(func_name(func), listing))
			drop(p, &listing->line, func);
		break;
	case LIST_JOBS:
		add_job(p, &listing->line, CONTAINER_OF(node, struct job, by_handle));
		break;
	case LIST_UNIQUES:
		add_unique(&listing->line, CONTAINER_OF(node, struct job, by_handle));
		break;
	case LIST_WORKERS:
		break;
	}
}

static PROC void
start(struct proc *p, struct peer *peer, enum listing_kind kind, struct slice name)
{
	struct listing *listing = mem_new(sizeof *listing + name.len + 1);
	bool of_jobs = kind == LIST_JOBS || kind == LIST_UNIQUES;

	listing->kind = kind;
	listing->slot = slot_open_plain(p, peer);
	listing->name_len = name.len;
	if (name.len > 0)
		memcpy(listing->name, name.data, name.len);
	list_init(&listing->link);
	list_push(of_jobs ? &p->job_listings : &p->listings, &listing->link);
}

void
listing_start(struct proc *p, struct peer *peer, enum listing_kind kind)
{
	start(p, peer, kind, slice_of("", 0));
}

void
listing_drop(struct proc *p, struct peer *peer, struct slice name)
{
	start(p, peer, LIST_DROP, name);
}

static PROC void
listing_free(struct listing **listing_p)
{
	struct listing *listing = *listing_p;

	*listing_p = NULL;
	list_remove(&listing->link);
	buf_fini(&listing->line);
	blob_unref(&listing->text);
	mem_free(listing);
}

/* The text may be as long as there is room in --max-memory. */
static PROC void
keep_line(const struct proc *p, struct listing *listing)
{
	size_t len = blob_slice(listing->text).len + listing->line.len;

	if (listing->text != NULL && (!has_memory(p, len) || !blob_add(&listing->text, buf_slice(&listing->line))))
		blob_unref(&listing->text);
	listing->line.len = 0;
}

static PROC void
add_end(const struct proc *p, struct listing *listing)
{
	if (listing->kind != LIST_DROP)
		buf_add_str(&listing->line, ".\n");
	else if (blob_slice(listing->text).len == 0)
		buf_add_str(&listing->line, "ERR function not found\r\n");
	keep_line(p, listing);
}

static PROC void
finish(struct proc *p, struct listing *listing)
{
	static const char no_memory[] = "ERR MEMORY_ALLOCATION_FAILURE\r\n";
	struct msg_reply *reply = msg_reply_new(PKT_TEXT, listing->slot->peer->number, sizeof no_memory);
	struct msg *m = &reply->msg;

	add_end(p, listing);
	if (listing->text != NULL)
		msg_reply_data(reply, listing->text, blob_slice(listing->text));
	else
		msg_reply_arg(reply, slice_str(no_memory), true);
	debt_charge(p, listing->slot->peer, listing->cost / COST_PER_UNIT);
	slot_fill(p, listing->slot, &m);
	listing_free(&listing);
}

/* Takes the line into the text and its cost off the budget. */
static PROC void
charge(struct proc *p, struct listing *listing, size_t *budget)
{
	size_t cost = 1 + listing->line.len / BYTES_PER_COST;

	listing->cost += cost;
	*budget -= cost < *budget ? cost : *budget;
	keep_line(p, listing);
}

static PROC struct peer *
peer_at(const struct proc *p, struct list *node)
{
	return node == &p->peer_list ? NULL : LIST_ENTRY(node, struct peer, in_list);
}

static PROC void
begin_worker(struct proc *p, struct listing *listing)
{
	const struct peer *peer = listing->next;

	buf_add_i64(&listing->line, peer->fd);
	buf_add_char(&listing->line, ' ');
	buf_add_escaped(&listing->line, slice_str(peer->address));
	buf_add_char(&listing->line, ' ');
	buf_add_escaped(&listing->line, peer_id(peer));
	buf_add_str(&listing->line, " :");
	listing->in_line = true;
	p->listed = peer->abilities.next;
	p->line++;
}

static PROC void
end_worker(struct proc *p, struct listing *listing)
{
	if (listing->in_line)
		buf_add_char(&listing->line, '\n');
	listing->in_line = false;
	p->listed = NULL;
	listing->next = peer_at(p, listing->next->in_list.next);
}

/* Abilities change places while a long line is made; each is in it once. */
static PROC void
add_ability(struct proc *p, struct listing *listing)
{
	struct ability *ability = LIST_ENTRY(p->listed, struct ability, of_peer);

	p->listed = p->listed->next;
	if (ability->line == p->line)
		return;
	ability->line = p->line;
	buf_add_char(&listing->line, ' ');
	buf_add_escaped(&listing->line, func_name(ability->func));
}

/* False when all peers have been. */
static PROC bool
step_peers(struct proc *p, struct listing *listing, size_t *budget)
{
	while (*budget > 0 && listing->next != NULL) {
		if (!listing->in_line && !listing->next->gone)
			begin_worker(p, listing);
		else if (listing->in_line && p->listed != &listing->next->abilities)
			add_ability(p, listing);
		else
			end_worker(p, listing);
		charge(p, listing, budget);
	}
	return listing->next != NULL;
}

/* False when the table has been walked to its end. */
static PROC bool
step_table(struct proc *p, struct listing *listing, const struct hash *table, size_t *budget)
{
	while (*budget > 0) {
		struct hash_node *node = hash_next_within(table, &listing->walk, budget);

		if (node == NULL)
			return *budget == 0;
		add_line(p, listing, node, budget);
		charge(p, listing, budget);
	}
	return true;
}

static PROC bool
step(struct proc *p, struct listing *listing, size_t *budget)
{
	if (!listing->begun) {
		listing->begun = true;
		listing->text = blob_new(0);
		listing->next = peer_at(p, p->peer_list.next);
	}
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
		struct listing *listing = LIST_ENTRY(node, struct listing, link);

		if (!step(p, listing, &budget))
			finish(p, listing);
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

/* Only the first one has begun. */
void
listings_forget(struct proc *p, const struct peer *peer)
{
	struct list *node = list_first(&p->listings);
	struct listing *listing = node == NULL ? NULL : LIST_ENTRY(node, struct listing, link);

	if (listing != NULL && listing->next == peer)
		end_worker(p, listing);
}

static PROC void
drop_queue(struct list *queue)
{
	struct list *node;

	while ((node = list_first(queue)) != NULL) {
		struct listing *listing = LIST_ENTRY(node, struct listing, link);

		listing_free(&listing);
	}
}

void
listings_drop(struct proc *p)
{
	drop_queue(&p->listings);
	drop_queue(&p->job_listings);
}

static void
add_counter(struct buf *out, const char *name, uint64_t value)
{
	buf_add_str(out, name);
	buf_add_char(out, '\t');
	buf_add_u64(out, value);
	buf_add_char(out, '\n');
}

static PROC const char *
queue_state(const struct proc *p)
{
	if (!p->cfg.durable)
		return "none";
	if (p->replaying)
		return "replaying";
	if (p->store_trouble.len > 0)
		return p->store_is_full ? "full" : "unwell";
	return p->store_slow ? "slow" : "well";
}

void
listing_counters(struct proc *p, struct peer *asking)
{
	struct buf out = { 0 };

	for (unsigned i = 0; i < stats_used(); i++)
		add_counter(&out, stat_name(i), p->counts[i]);
	add_counter(&out, "jobs_now", p->handles.count);
	add_counter(&out, "background_jobs_now", p->background);
	add_counter(&out, "job_bytes_now", p->memory - p->func_memory);
	add_counter(&out, "function_bytes_now", p->func_memory);
	add_counter(&out, "storing_bytes_now", p->storing);
	add_counter(&out, "functions_now", p->funcs.count);
	add_counter(&out, "connections_now", p->peers.count);
	buf_add_str(&out, "store\t");
	if (p->store_trouble.len == 0)
		buf_add_str(&out, queue_state(p));
	else
		buf_add_escaped(&out, buf_slice(&p->store_trouble));
	buf_add_str(&out, "\n.\n");
	reply_text(p, asking, &out);
}

void
listing_queue(struct proc *p, struct peer *asking)
{
	const uint64_t second = 1000000000;
	uint64_t silent = 0;
	struct buf out = { 0 };

	buf_add_str(&out, "module\t");
	buf_add_str(&out, p->cfg.queue_name == NULL ? "builtin" : p->cfg.queue_name);
	buf_add_str(&out, "\nstate\t");
	buf_add_str(&out, queue_state(p));
	buf_add_char(&out, '\n');
	add_counter(&out, "since", (uint64_t)p->store_since / second);
	if (p->adding + p->removing > 0)
		silent = (uint64_t)(p->now.mono - p->store_heard);
	add_counter(&out, "commit_seconds", silent / second);
	add_counter(&out, "waiting_adds", p->adding);
	add_counter(&out, "waiting_removes", p->removing);
	add_counter(&out, "waiting_bytes", p->storing);
	buf_add_str(&out, "last_error\t");
	buf_add_escaped(&out, buf_slice(&p->store_error));
	buf_add_str(&out, "\n.\n");
	reply_text(p, asking, &out);
}
