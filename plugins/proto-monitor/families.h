/* SPDX-License-Identifier: BSD-3-Clause
 *
 * families.h - the table of metrics: names, types, labels, and what the server calls them.
 *
 * Owns:     nothing.
 */
#ifndef PROTO_MONITOR_FAMILIES_H
#define PROTO_MONITOR_FAMILIES_H

#include <stddef.h>

#include "exposition.h"

enum family_type { GAUGE, COUNTER, INFO, STATESET, SUMMARY, HISTOGRAM };

enum { OF_FUNCTION = 1, IN_NS = 2, BARE_NAME = 4 };

struct writer;

/* A sample of the family.  `key` names what the server calls it: a value, or with OF_FUNCTION a column; several with
 * '+' between them are added up. */
struct member {
	/* Of its own: "kind=\"background\""; for a SUMMARY "_sum" or "_count"; NULL = none.  A HISTOGRAM with
	 * OF_FUNCTION has the server's histogram with the same bounds, "_sum", and "_bucket" with what the columns'
	 * names begin with. */
	const char *labels;
	const char *key;
};

struct family {
	const char *name; /* without prefix and "_total" */
	enum family_type type;
	const char *help;
	unsigned flags;
	struct member members[11];
	/* Values NAME.PART.PART of the server, the parts being values of these labels, which commas part. */
	const char *labels;
	void (*write)(struct writer *, const struct family *); /* else */
};

extern const struct family families[];
extern const size_t family_count;

#endif
