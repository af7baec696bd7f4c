/* SPDX-License-Identifier: BSD-3-Clause
 *
 * writer.h - an exposition that is being written, for the families that have a function of their own.
 *
 * Runs on:  the I/O thread of the connection that asked.
 * Owns:     the labels of functions.
 */
#ifndef PROTO_MONITOR_WRITER_H
#define PROTO_MONITOR_WRITER_H

#include "exposition.h"
#include "families.h"
#include "sheet.h"

struct writer {
	struct gm_bytes *out;
	const struct exposition *e;
	const char *prefix;
	struct gm_bytes labels, shown; /* of functions: text, struct shown */
	uint64_t other[SHEET_COLUMNS]; /* those that are not shown, added up ... */
	size_t folded;                 /* ... and how many they are */
};

/* A sample up to its number, which the caller adds.  `suffix` NULL: as the type has it. */
void writer_begin(
    struct writer *, const struct family *, const char *suffix, struct gearmand_slice labels, const char *more);
void writer_end(struct writer *);
/* A whole one. */
void writer_u64(struct writer *, const struct family *, const char *labels, uint64_t);

#endif
