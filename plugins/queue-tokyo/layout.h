/* SPDX-License-Identifier: BSD-3-Clause
 *
 * layout.h - the parts of a Tokyo Cabinet file's format that this module looks at itself.
 *
 * Runs on:  any thread.
 * Owns:     nothing.
 *
 * Every file is a hash database: a head of 256 bytes, the bucket array, room for the pool of free blocks, then
 * blocks up to the file's size, each a record or free.  The order of bytes in numbers is the library's: some are built
 * to swap it (Debian's are).  Version 1.4.48 is the last one.
 */
#ifndef QUEUE_TOKYO_LAYOUT_H
#define QUEUE_TOKYO_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

struct gearmand_error;
struct tk_store;

enum { TK_HEAD = 256, TK_FLAGS_AT = 33 };
enum { TK_FLAG_OPEN = 1 }; /* not closed in order */

struct tk_layout {
	uint8_t type, flags, apow, opts;
	bool is_swapped;                        /* numbers are big-endian */
	uint64_t buckets, records, size, first; /* of the file; offset of the first block */
	uint64_t live, largest;                 /* bytes in records, and in one, by tk_layout_check() */
};

uint64_t tk_number(const void *bytes, int len, bool is_swapped);

struct tk_bytes {
	const unsigned char *at, *end;
};

/* A number of as many bytes as it needs.  False: there is none. */
bool tk_take_number(struct tk_bytes *, uint64_t *n_r);

/* content.c: records of a B+ tree or table that is not packed. */
bool tk_content_is_known(const struct tk_layout *);
bool tk_content_is_sound(const struct tk_layout *, char first_of_key, struct tk_bytes value);

/* False: not the head of a Tokyo Cabinet file. */
bool tk_layout_read(struct tk_layout *, const char head[TK_HEAD]);
/* The head of s->lock_fd into s->layout. */
bool tk_layout_load(struct tk_store *, struct gearmand_error *);
/* Walks all blocks.  False: error says where it is damaged. */
bool tk_layout_check(struct tk_store *, struct gearmand_error *);

#endif
