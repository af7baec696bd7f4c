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
#include <stdlib.h>
#include <string.h>

#include <sys/random.h>

#include "queue_mysql.h"

/* 23 bits, so that a signed column takes them; 0 is gearmand 1.1, or somebody by hand. */
#define MARK_BITS 0x7fffffu

static uint32_t *known; /* in order; free() */
static size_t known_count, known_size;

enum { PAGE = 10000 };

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
my_mark_flags(const struct my_store *s, uint32_t flags)
{
	return (flags & 0xff) | s->mark << 8;
}

void
my_mark_begin(struct my_store *s)
{
	while (s->mark == 0) {
		if (getrandom(&s->mark, sizeof(s->mark), 0) != (ssize_t)sizeof(s->mark))
			s->mark = (uint32_t)s->host->monotonic();
		s->mark &= MARK_BITS;
	}
	(void)my_mark_see(s->mark << 8);
}

void
my_mark_forget(const struct my_store *s)
{
	known_count = 0;
	(void)my_mark_see(s->mark << 8);
}

uint32_t
my_mark_see(uint32_t flags)
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

/* One page of rows behind *last, which moves on; the number of its rows, or -1. */
static int
check_page(struct my_store *s, uint64_t *last, bool *is_foreign, struct gearmand_error *err)
{
	MYSQL_RES *res = my_queryf(s, err, "looking for jobs of other servers",
	    "SELECT mark, MAX(n), COUNT(*) FROM (SELECT COALESCE(flags, 0) >> 8 AS mark, %s AS n FROM %s WHERE %s > "
	    "%llu"
	    " ORDER BY n LIMIT %d) AS page GROUP BY mark",
	    s->order, s->table, s->order, (unsigned long long)*last, PAGE);
	MYSQL_ROW row;
	int count = 0;

	if (res == NULL)
		return -1;
	while ((row = mysql_fetch_row(res)) != NULL) {
		uint32_t mark = (uint32_t)strtoul(row[0], NULL, 10);
		uint64_t seq = strtoull(row[1], NULL, 10);

		*is_foreign |= mark != 0 && !is_known(mark);
		*last = seq > *last ? seq : *last;
		count += atoi(row[2]);
	}
	mysql_free_result(res);
	return count;
}

/* By pages: a table of many jobs takes longer to read than the connection may be silent. */
bool
my_mark_check(struct my_store *s, struct gearmand_error *err)
{
	uint64_t last = 0;
	bool is_foreign = false;
	int count = s->knows_all ? 0 : PAGE;

	while (count == PAGE && !is_foreign)
		count = check_page(s, &last, &is_foreign, err);
	if (count < 0)
		return false;
	s->knows_all = !is_foreign;
	if (is_foreign) {
		s->host->error_set(
		    err, "%s: another gearmand has had the table meanwhile, and has left jobs in it", s->where);
		err->why = GEARMAND_WHY_IN_USE;
	}
	return s->knows_all;
}
