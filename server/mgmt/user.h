/* SPDX-License-Identifier: BSD-3-Clause
 *
 * user.h - gives up root for another user, for good.
 *
 * Runs on:  main thread at start-up, after sockets are bound and before anything else is opened.
 */
#ifndef GEARMAND_MGMT_USER_H
#define GEARMAND_MGMT_USER_H

#include <stdbool.h>

#include <gearmand/plugin.h>

/* NULL changes nothing.  Nothing is done either when the process runs as that user already. */
bool user_switch(const char *name, struct gearmand_error *);

#endif
