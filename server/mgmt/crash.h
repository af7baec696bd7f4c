/* SPDX-License-Identifier: BSD-3-Clause
 *
 * crash.h - what the process says when it dies of a bug.
 *
 * Runs on:  any thread, inside a signal handler.
 */
#ifndef GEARMAND_MGMT_CRASH_H
#define GEARMAND_MGMT_CRASH_H

/* SEGV, ABRT, BUS, ILL and FPE print a stack trace on stderr and end the process with status 1.
 * Does nothing when the environment has LIBTEST_IN_GDB. */
void crash_install(void);

#endif
