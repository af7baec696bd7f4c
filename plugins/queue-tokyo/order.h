/* SPDX-License-Identifier: BSD-3-Clause
 *
 * order.h - keys of records, sorted by rank in bounded memory.
 *
 * Runs on:  the store thread.
 * Owns:     copies of the keys.
 *
 * The records are gone through once per pass; a pass takes the keys of the lowest ranks that are left.  When memory is
 * full, the upper half of what was taken is dropped and left for the next pass.
 */
#ifndef QUEUE_TOKYO_ORDER_H
#define QUEUE_TOKYO_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue_tokyo.h"

struct tk_ranked {
	uint64_t rank;
	size_t at; /* of the key in `keys` */
	uint32_t len;
};

struct tk_order {
	struct tk_ranked *entry;
	size_t count, room, most; /* most: bytes */
	struct tk_buf keys;
	uint64_t below, above; /* this pass takes ranks above `above` and up to `below` */
	bool has_begun, is_more;
};

void tk_order_init(struct tk_order *, size_t most);
void tk_order_fini(struct tk_order *);
/* False: there is nothing left. */
bool tk_order_pass(struct tk_order *);
/* Forgets all passes. */
void tk_order_again(struct tk_order *);
/* False: no memory. */
bool tk_order_add(struct tk_order *, uint64_t rank, struct gearmand_slice key);
void tk_order_sort(struct tk_order *);
struct gearmand_slice tk_order_key(const struct tk_order *, size_t n);

#endif
