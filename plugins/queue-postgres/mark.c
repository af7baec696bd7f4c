/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which session stored a row: a number of its own, in the upper bits of the row's flags.
 *
 * Runs on:  the store thread.
 * Owns:     the numbers that the latest replay has met, and those of this process since.
 *
 * A server that loses its connection comes back with its jobs in memory and does not read the table again.  If another
 * one has had the table meanwhile, that one may have left jobs there which would never be run.  Whatever it left has
 * a number that we have not met.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/random.h>

#include "queue_postgres.h"

/* 23 bits, so that a signed column takes them; 0 is gearmand 1.1, or somebody by hand. */
#define MARK_BITS 0x7fffffu

static uint32_t *known; /* in order; free() */
static size_t known_count, known_size;

/* Its place, or the one where it would be. */
static size_t
place_of(uint32_t mark)
{
	size_t low = 0, high = known_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (known[middle] < mark)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool
is_known(uint32_t mark)
{
	size_t at = place_of(mark);

	return at < known_count && known[at] == mark;
}

uint32_t
qp_mark_flags(const struct qp_store *s, uint32_t flags)
{
	return (flags & 0xff) | s->mark << 8;
}

void
qp_mark_begin(struct qp_store *s)
{
	while (s->mark == 0) {
		if (getrandom(&s->mark, sizeof(s->mark), 0) != (ssize_t)sizeof(s->mark))
			s->mark = (uint32_t)s->host->monotonic();
		s->mark &= MARK_BITS;
	}
	(void)qp_mark_see(s->mark << 8);
}

void
qp_mark_forget(const struct qp_store *s)
{
	known_count = 0;
	(void)qp_mark_see(s->mark << 8);
}

uint32_t
qp_mark_see(uint32_t flags)
{
	uint32_t mark = flags >> 8;
	size_t at = place_of(mark);

	if (at == known_count || known[at] != mark) {
		if (known_count == known_size) {
			known_size = known_size == 0 ? 16 : 2 * known_size;
			known = reallocarray(known, known_size, sizeof(*known));
			if (known == NULL)
				abort(); /* of a size that servers made, not clients */
		}
		memmove(known + at + 1, known + at, (known_count - at) * sizeof(*known));
		known[at] = mark;
		known_count++;
	}
	return flags & 0xff;
}

bool
qp_mark_check(struct qp_store *s, struct gearmand_error *err)
{
	bool is_foreign = false;
	PGresult *r;
	char sql[400];

	if (s->knows_all)
		return true;
	snprintf(sql, sizeof(sql), "SELECT DISTINCT flags::int4 >> 8 FROM %.300s WHERE flags > 255", s->table);
	r = qp_rows(s, sql, 0);
	for (int i = 0; r != NULL && i < PQntuples(r); i++) {
		is_foreign |= !is_known((uint32_t)strtoul(PQgetvalue(r, i, 0), NULL, 10));
	}
	PQclear(r);
	if (r == NULL)
		return qp_fail(s, err, "looking for jobs of other servers");
	s->knows_all = !is_foreign;
	if (is_foreign) {
		s->host->error_set(err,
		    "%s: another gearmand has had table \"%.130s\" meanwhile, and has left jobs in it", s->place,
		    s->given);
		err->why = GEARMAND_WHY_IN_USE;
	}
	return s->knows_all;
}
