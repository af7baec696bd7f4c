/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conn_rig.h - one connection of an I/O class, and what its tests expect of it.
 *
 * Runs on:  the test's thread, which plays all classes.
 * Owns:     the rig and the peer's end, from conn_setup() to conn_teardown().
 */
#ifndef GEARMAND_TESTS_CONN_RIG_H
#define GEARMAND_TESTS_CONN_RIG_H

#include "tests/unit/io_rig.h"

extern struct rig rig;
extern int peer; /* the peer's end of connection 1 */

void conn_setup(void);
void conn_teardown(void);

void expect_kind(enum msg_kind); /* the next message to the core */
void expect_nothing(void);       /* no message to the core */
void expect_freed(void);         /* management hears that the connection is closed */

#endif
