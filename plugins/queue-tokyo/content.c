/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is in the records of a B+ tree and of a table: leaves and nodes, or columns, each with its lengths.
 *
 * Runs on:  the store thread, or the main thread in open.
 * Owns:     nothing.
 *
 * Tokyo takes these lengths as they stand, and reads beyond the record where one is wrong.  What is packed it unpacks
 * first, which fails when it is damaged.
 */
#include "queue_tokyo.h"

bool
tk_take_number(struct tk_bytes *b, uint64_t *n_r)
{
	uint64_t n = 0;

	/* Seven bits a byte; all but the last are inverted. */
	for (int shift = 0; shift < 64 && b->at < b->end; shift += 7) {
		signed char c = (signed char)*b->at++;

		n |= (uint64_t)(c >= 0 ? c : -(c + 1)) << shift;
		if (c >= 0) {
			*n_r = n;
			return true;
		}
	}
	return false;
}

static bool
skip(struct tk_bytes *b, uint64_t len)
{
	if (len > (uint64_t)(b->end - b->at))
		return false;
	b->at += len;
	return true;
}

static bool
columns_are_sound(struct tk_bytes b)
{
	uint64_t name, value;

	while (b.at < b.end) {
		if (!tk_take_number(&b, &name) || !skip(&b, name) || !tk_take_number(&b, &value) || !skip(&b, value))
			return false;
	}
	return true;
}

static bool
node_is_sound(struct tk_bytes b)
{
	uint64_t child, key;

	if (!tk_take_number(&b, &child))
		return false;
	while (b.at < b.end) {
		if (!tk_take_number(&b, &child) || !tk_take_number(&b, &key) || !skip(&b, key))
			return false;
	}
	return true;
}

/* Further values of a key that is there more than once. */
static bool
skip_more(struct tk_bytes *b, uint64_t count)
{
	uint64_t value;

	for (; count > 0; count--) {
		if (!tk_take_number(b, &value) || !skip(b, value))
			return false;
	}
	return true;
}

static bool
leaf_is_sound(struct tk_bytes b)
{
	uint64_t before, next, key, value, more;

	if (!tk_take_number(&b, &before) || !tk_take_number(&b, &next))
		return false;
	while (b.at < b.end) {
		if (!tk_take_number(&b, &key) || !tk_take_number(&b, &value) || !tk_take_number(&b, &more) ||
		    !skip(&b, key) || !skip(&b, value) || !skip_more(&b, more))
			return false;
	}
	return true;
}

bool
tk_content_is_known(const struct tk_layout *l)
{
	return (l->opts & (HDBTDEFLATE | HDBTBZIP | HDBTTCBS)) == 0 && (l->type == TCDBTBTREE || l->type == TCDBTTABLE);
}

bool
tk_content_is_sound(const struct tk_layout *l, char first_of_key, struct tk_bytes value)
{
	if (l->type == TCDBTTABLE)
		return columns_are_sound(value);
	return first_of_key == '#' ? node_is_sound(value) : leaf_is_sound(value);
}
