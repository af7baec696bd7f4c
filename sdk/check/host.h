/* SPDX-License-Identifier: BSD-3-Clause
 *
 * host.h - the table of services that the module gets, as the server gives it, but watchful.
 *
 * Runs on:  the process of a case; also called from threads of the module.
 * Owns:     the values of the module's options.
 */
#ifndef CHECK_HOST_H
#define CHECK_HOST_H

#include <gearmand/plugin.h>

struct rig;
struct words;

/* Reads the module's options, as the server does.  False: the error says what is wrong. */
bool host_options_read(const struct gearmand_plugin *, const struct words *, struct gearmand_error *);
void host_options_print(const struct gearmand_plugin *);

void host_init(struct gearmand_host *, struct rig *);

#endif
