/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Text commands with which people manage functions and their jobs.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 * Sends:    text: "OK" or "ERR CODE text", with CR LF.
 */
#include "proc/admin.h"
#include "proc/func.h"
#include "proc/gate.h"

enum { PAUSE_SECONDS_MAX = 1000000000 };

static const nsec_t a_second = 1000000000;

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
	func_pause(p, func, seconds == 0 ? NEVER : p->now.mono + (nsec_t)seconds * a_second);
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
