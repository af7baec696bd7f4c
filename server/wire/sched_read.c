/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The five fields of a schedule, from text.
 *
 * Runs on:  any thread; pure.
 * Owns:     nothing.
 */
#include "wire/sched.h"
#include "wire/words.h"

struct range {
	uint8_t min, max;
};

static const struct range ranges[SCHED_FIELDS] = { { 0, 59 }, { 0, 23 }, { 1, 31 }, { 1, 12 }, { 0, 6 } };

static uint64_t
range_bits(struct range r, uint64_t step)
{
	uint64_t mask = 0;

	for (uint64_t n = r.min; n <= r.max; n += step)
		mask |= UINT64_C(1) << n;
	return mask;
}

static bool
read_number(struct slice text, struct range all, uint8_t *value_r)
{
	uint64_t value;

	if (!slice_to_u64(text, all.max, &value) || value < all.min)
		return false;
	*value_r = (uint8_t)value;
	return true;
}

/* `*`, a number or a range, and maybe a step. */
static bool
read_part(struct slice text, struct range all, uint64_t *mask)
{
	struct slice step_text, last, first = slice_split(slice_split(text, '/', &step_text), '-', &last);
	struct range r = all;
	uint64_t step = 1;

	if (step_text.data != NULL && (!slice_to_u64(step_text, all.max, &step) || step == 0))
		return false;
	if (!slice_is(first, "*") || last.data != NULL) {
		if (!read_number(first, all, &r.min))
			return false;
		r.max = step_text.data == NULL ? r.min : all.max;
		if (last.data != NULL && (!read_number(last, all, &r.max) || r.max < r.min))
			return false;
	}
	*mask |= range_bits(r, step);
	return true;
}

static bool
read_set(struct slice text, struct range all, uint64_t *mask_r)
{
	struct slice rest = text;

	for (*mask_r = 0; rest.data != NULL;)
		if (!read_part(slice_split(rest, ',', &rest), all, mask_r))
			return false;
	return true;
}

static bool
read_plain(struct slice text, struct range all, uint64_t *mask_r)
{
	uint8_t value;

	if (!read_number(text, all, &value))
		return false;
	*mask_r = UINT64_C(1) << value;
	return true;
}

bool
sched_read(const struct slice field[SCHED_FIELDS], bool sets, struct sched *s)
{
	for (int i = 0; i < SCHED_FIELDS; i++) {
		if (field[i].len == 0 || slice_is(field[i], "*"))
			s->want[i] = range_bits(ranges[i], 1);
		else if (!(sets ? read_set : read_plain)(field[i], ranges[i], &s->want[i]))
			return false;
	}
	return true;
}
