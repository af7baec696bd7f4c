/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sqlite_lever.h - makes the n-th write or sync of this process fail, as a disk would.
 *
 * Runs on:  the test's thread.
 * Owns:     the lever: one per process.
 */
#ifndef TESTS_SQLITE_LEVER_H
#define TESTS_SQLITE_LEVER_H

/* After `calls` more writes and syncs, this and all later ones fail with `error`; 0 = none fails. */
void lever_set(int error, int calls);
int lever_failed(void); /* calls that failed since lever_set() */

#endif
