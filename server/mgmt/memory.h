/* SPDX-License-Identifier: BSD-3-Clause
 *
 * memory.h - gives memory back to the system when a load has ended.
 *
 * Runs on:  management thread.
 */
#ifndef GEARMAND_MGMT_MEMORY_H
#define GEARMAND_MGMT_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "cross/mbox.h"

/* What the process has used at some time. */
struct memory_sample {
	nsec_t at;    /* CLOCK_MONOTONIC */
	nsec_t cpu;   /* of all threads */
	uint64_t rss; /* bytes */
};

struct memory {
	struct memory_sample last;
	uint64_t least; /* resident bytes at the start: what is never given back */
	nsec_t cpu;     /* used when all was given back that could be */
	nsec_t next;    /* look then */
	nsec_t rests;   /* give nothing back before this: it stops the other threads for a moment */
};

/* Pure: is it the moment to give memory back? */
bool memory_is_due(struct memory *, const struct memory_sample *now);
/* Looks every two seconds, and does it.  Lowers *due_r to when it wants to be called again. */
void memory_look(struct memory *, nsec_t *due_r);

#endif
