/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Wrongs that make another job of one.
 *
 * Runs on:  the store thread.
 * Owns:     the altered bytes of a batch, until the end of its commit.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "queue_fail.h"

enum { ALTERED = 60000 }; /* the byte that one of them turns */

static void *scratch[1 << 16];
static size_t scratch_count;

/* A copy that may be written to, gone when the commit is over. */
static char *
writable(struct gearmand_slice *s)
{
	char *copy = malloc(s->len + 1);

	if (copy == NULL || scratch_count == sizeof(scratch) / sizeof(scratch[0]))
		abort();
	scratch[scratch_count++] = copy;
	if (s->len > 0)
		memcpy(copy, s->data, s->len);
	s->data = copy;
	return copy;
}

static void
drop(struct gearmand_slice *s, char c)
{
	char *to = writable(s);
	size_t n = 0;

	for (size_t i = 0; i < s->len; i++)
		if (to[i] != c)
			to[n++] = to[i];
	s->len = n;
}

static void
cut(struct gearmand_slice *s, size_t most)
{
	if (s->len > most)
		s->len = most;
}

void
wrong_alter_key(struct gearmand_job *j)
{
	if (wrong_is(WRONG_drops_backslashes))
		drop(&j->unique, '\\');
	if (wrong_is(WRONG_cuts_functions))
		cut(&j->function, 255);
	if (wrong_is(WRONG_cuts_long_functions))
		cut(&j->function, 4096);
	if (wrong_is(WRONG_ignores_case))
		for (char *c = writable(&j->unique), *end = c + j->unique.len; c < end; c++)
			*c = (char)tolower((unsigned char)*c);
	while (wrong_is(WRONG_trims) && j->unique.len > 1 && j->unique.data[j->unique.len - 1] == ' ')
		j->unique.len--;
}

static uint32_t attempts_before;

void
wrong_alter_job(struct gearmand_job *j)
{
	if (wrong_is(WRONG_cuts_at_nul) && j->data.len > 0)
		cut(&j->data, strnlen(j->data.data, j->data.len));
	if (wrong_is(WRONG_cuts_large) && j->data.len > WRONG_LARGE)
		j->data.len--;
	if (wrong_is(WRONG_alters_a_byte) && j->data.len > ALTERED)
		writable(&j->data)[ALTERED] ^= 1;
	if (wrong_is(WRONG_forgets_priority))
		j->priority = GEARMAND_NORMAL;
	if (wrong_is(WRONG_time_in_32_bits))
		j->run_at = (int32_t)j->run_at;
	if (wrong_is(WRONG_cuts_handles))
		cut(&j->handle, 16);
	if (wrong_is(WRONG_forgets_reducers))
		j->reducer.len = 0;
	if (wrong_is(WRONG_forgets_errors))
		j->error.len = 0;
	if (wrong_is(WRONG_sticky_attempts) && j->attempts == 0)
		j->attempts = attempts_before;
	attempts_before = j->attempts;
	if (wrong_is(WRONG_turns_flags) && j->flags != 0)
		j->flags ^= GEARMAND_JOB_NO_UNIQUE | GEARMAND_JOB_UNIQUE_IS_DATA;
}

void
wrong_alter_end(void)
{
	while (scratch_count > 0)
		free(scratch[--scratch_count]);
}
