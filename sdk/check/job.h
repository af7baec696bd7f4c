/* SPDX-License-Identifier: BSD-3-Clause
 *
 * job.h - jobs to store, lists of them, batches of changes, and what differs between two jobs.
 *
 * Runs on:  the process of a case.
 * Owns:     copies of bytes, kept until that process ends.
 */
#ifndef CHECK_JOB_H
#define CHECK_JOB_H

#include <gearmand/module.h>

#define BYTES(literal) ((struct gearmand_slice){ (literal), sizeof(literal) - 1 }) /* BYTES("a\0b") */

char *keep(size_t size); /* memory until the process ends, zeroed */
struct gearmand_slice printed(const char *format, ...) __attribute__((format(printf, 1, 2)));
struct gearmand_slice filled(size_t len, unsigned seed); /* any bytes */
const char *shown(struct gearmand_slice);                /* in quotes, escaped, shortened */
const char *shown_key(const struct gearmand_job *);

/* A job of normal priority, at once. */
struct gearmand_job job_of(struct gearmand_slice function, struct gearmand_slice unique, struct gearmand_slice data);
/* The n-th of many, of `size` bytes of payload; each of its fields depends on n.  Its bytes are in `*room`, which
 * grows; NULL in the beginning. */
struct gearmand_job job_nth(unsigned n, size_t size, char **room);
struct gearmand_job job_nth_kept(unsigned n);

struct jobs {
	struct gearmand_job *at;
	size_t count, cap;
};
void jobs_add(struct jobs *, const struct gearmand_job *); /* borrows the bytes */
void jobs_add_copy(struct jobs *, const struct gearmand_job *);
void jobs_add_nth(struct jobs *, unsigned first, unsigned count); /* job_nth_kept() of each */

struct batch {
	struct gearmand_change *at;
	size_t count, cap;
};
void batch_add(struct batch *, struct gearmand_job); /* borrows the bytes */
void batch_remove(struct batch *, struct gearmand_slice function, struct gearmand_slice unique);
void batch_bury(struct batch *, struct gearmand_job); /* borrows the bytes */
void batch_unbury(struct batch *, struct gearmand_slice handle);
void batch_clear(struct batch *);

/* What differs, as a sentence; NULL when nothing does.  A store may have no handles, no flags, and
 * nothing of what became of a job. */
const char *job_difference(const struct gearmand_job *got, const struct gearmand_job *expected);
/* Ends the case when these are not the same jobs. */
enum order { IN_ORDER, IN_ANY_ORDER };
void jobs_must_be(const struct jobs *got, const struct jobs *expected, enum order);

#endif
