/* SPDX-License-Identifier: BSD-3-Clause
 *
 * result.h - what the worker of a job sent, kept for those who ask later.
 *
 * Runs on:  processing thread.
 * Owns:     struct result.
 */
#ifndef GEARMAND_PROC_RESULT_H
#define GEARMAND_PROC_RESULT_H

#include "proc/state.h"

struct result {
	struct blob *bytes;  /* NULL = none */
	uint32_t pieces_len; /* of them, those that came with WORK_DATA; the rest came with WORK_COMPLETE */
	bool is_cut;         /* there were more */
};

/* Of a running job: adds what came, as far as `most` bytes and the server's bound let it; makes a result where there is
 * none. */
void result_add(struct proc *, struct result **, struct slice, uint64_t most) RUNS_ON(proc_role);
/* It belongs to the caller from now on, and is not counted any more.  NULL when there is none. */
struct result *result_take(struct proc *, struct result **) RUNS_ON(proc_role);
void result_drop(struct proc *, struct result **) RUNS_ON(proc_role); /* takes and frees */
void result_free(struct result **);                                   /* of one that was taken; NULL is fine */
size_t result_bytes(const struct result *);                           /* of memory; NULL is 0 */

#endif
