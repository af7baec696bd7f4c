/* SPDX-License-Identifier: BSD-3-Clause
 *
 * limits.h - what the system lets this process have: descriptors, core files, memory.
 *
 * Runs on:  main thread at start-up, before other threads start.
 */
#ifndef GEARMAND_MGMT_LIMITS_H
#define GEARMAND_MGMT_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include <gearmand/plugin.h>

/* Sets the number of descriptors; raises the hard limit too when it is lower.  0 leaves it. */
bool limits_descriptors(int64_t count, struct gearmand_error *);
/* Are there descriptors enough for this many threads, `-t`? */
bool limits_allow_threads(unsigned threads, struct gearmand_error *);
/* Highest descriptor number that connections may use; those above are kept for store, log and modules. */
int limits_connection_fd_max(void);
/* Core files as large as the system allows, also after a change of user. */
void limits_core(void);
/* Three quarters of the memory that the machine or the control group has; bytes. */
uint64_t limits_default_memory(void);

#endif
