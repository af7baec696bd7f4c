/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Text commands with which people manage functions and their jobs.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 * Sends:    text: "OK" or "ERR CODE text", with CR LF; listings.
 */
#include "proc/admin.h"
#include "proc/func.h"
#include "proc/gate.h"
#include "proc/inspect.h"
#include "proc/job.h"
#include "proc/job_new.h"
#include "proc/key.h"
#include "proc/listing.h"
#include "proc/purge.h"

enum { PAUSE_SECONDS_MAX = 1000000000, PEEK_USUAL = 10, PEEK_MAX = 1000 };

/* A pause may come before the first job: a deploy stops the workers of a function that is not used yet, too. */
void
do_pause(struct proc *p, struct peer *peer, const struct words *words)
{
	uint64_t seconds = 0;
	struct func *func;

	if (words->count < 2 || words->count > 3) {
		admin_incomplete(p, peer, words);
		return;
	}
	if (words->count == 3 && (!slice_to_u64(words->at[2], PAUSE_SECONDS_MAX, &seconds) || seconds == 0)) {
		admin_say(p, peer, "ERR INVALID_ARGUMENTS The+seconds+of+a+pause+are+1+to+1000000000\r\n");
		return;
	}
	func = admin_func(p, peer, words->at[1]);
	if (func == NULL)
		return;
	func_pause(p, func, seconds == 0 ? NEVER : p->now.mono + (nsec_t)seconds * A_SECOND);
	admin_say(p, peer, "OK\r\n");
}

static PROC struct func *
known_func(struct proc *p, struct peer *peer, struct slice name)
{
	struct func *func = func_find(p, name);

	if (func == NULL)
		admin_say(p, peer, "ERR UNKNOWN_FUNCTION There+is+no+such+function\r\n");
	return func;
}

/* Also of a function that is not paused. */
void
do_resume(struct proc *p, struct peer *peer, const struct words *words)
{
	struct func *func;

	if (words->count != 2) {
		admin_incomplete(p, peer, words);
		return;
	}
	func = known_func(p, peer, words->at[1]);
	if (func == NULL)
		return;
	func_pause(p, func, 0);
	admin_say(p, peer, "OK\r\n");
}

void
do_purge(struct proc *p, struct peer *peer, const struct words *words)
{
	static const struct {
		const char *word;
		unsigned which;
	} kinds[] = { { "ready", PURGE_READY }, { "delayed", PURGE_DELAYED }, { "dead", PURGE_DEAD } };
	unsigned which = words->count == 2 ? PURGE_READY | PURGE_DELAYED : 0;
	struct func *func;

	for (size_t i = 0; words->count == 3 && i < sizeof kinds / sizeof *kinds; i++)
		if (slice_is_nocase(words->at[2], kinds[i].word))
			which = kinds[i].which;
	if (which == 0) {
		admin_incomplete(p, peer, words);
		return;
	}
	func = known_func(p, peer, words->at[1]);
	if (func != NULL)
		purge_start(p, peer, func, which);
}

/* kick FUNCTION [N]: all of its dead jobs, or the N that are dead longest. */
void
do_kick_function(struct proc *p, struct peer *peer, const struct words *words)
{
	uint64_t most = UINT64_MAX;
	struct func *func;

	if (words->count < 2 || words->count > 3 ||
	    (words->count == 3 && (!slice_to_u64(words->at[2], UINT64_MAX, &most) || most == 0))) {
		admin_incomplete(p, peer, words);
		return;
	}
	func = known_func(p, peer, words->at[1]);
	if (func != NULL)
		kick_start(p, peer, func, most);
}

/* What is said behind the function, in any order; false when it is something else. */
static bool
read_peek(const struct words *words, enum job_state *state_r, uint64_t *most_r)
{
	for (unsigned i = 2; i < words->count; i++) {
		if (slice_is_nocase(words->at[i], "ready"))
			*state_r = JOB_READY;
		else if (slice_is_nocase(words->at[i], "delayed"))
			*state_r = JOB_DELAYED;
		else if (slice_is_nocase(words->at[i], "running"))
			*state_r = JOB_RUNNING;
		else if (slice_is_nocase(words->at[i], "dead"))
			*state_r = JOB_BURIED;
		else if (!slice_to_u64(words->at[i], PEEK_MAX, most_r) || *most_r == 0)
			return false;
	}
	return words->count >= 2 && words->count <= 4;
}

/* peek job HANDLE.  No handle is a state or a number, so a function may be called "job". */
static PROC void
peek_job(struct proc *p, struct peer *peer, const struct words *words)
{
	const struct job *job;

	if (words->count != 3 || !slice_is_nocase(words->at[1], "job")) {
		admin_incomplete(p, peer, words);
		return;
	}
	job = admin_job(p, peer, words);
	if (job != NULL)
		inspect_payload(p, peer, job);
}

void
do_peek(struct proc *p, struct peer *peer, const struct words *words)
{
	enum job_state state = JOB_READY;
	uint64_t most = PEEK_USUAL;
	struct func *func;

	if (!read_peek(words, &state, &most)) {
		peek_job(p, peer, words);
		return;
	}
	func = known_func(p, peer, words->at[1]);
	if (func == NULL)
		return;
	if (state == JOB_DELAYED)
		listing_peek(p, peer, func_name(func), most);
	else
		inspect_first(p, peer, func, state, most);
}

void
do_cancel_unique(struct proc *p, struct peer *peer, const struct words *words)
{
	struct job_request request = { .unique = words->at[3] };
	struct func *func = known_func(p, peer, words->at[2]);
	struct job *job;

	if (func == NULL)
		return;
	request.key_hash = key_hash(p, &request);
	job = key_find(p, func, &request);
	if (job == NULL)
		admin_say(p, peer, "ERR UNKNOWN_JOB\r\n");
	else
		admin_cancel(p, peer, job);
}
