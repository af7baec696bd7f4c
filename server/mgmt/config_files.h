/* SPDX-License-Identifier: BSD-3-Clause
 *
 * config_files.h - which configuration files there are, in the order in which they are read.
 *
 * Runs on:  main thread at start-up.
 * Owns:     the files, each of which is read once.
 *
 * With --config-file it is that one.  Else gearmand 1.1's standard file, then ours; neither need be there.  Behind them
 * come the files of --config-dir whose names end with ".conf", in the order of their names as bytes.  What a later file
 * says counts; options that may be given several times add up.  A mistake in any of them ends the start.
 */
#ifndef GEARMAND_MGMT_CONFIG_FILES_H
#define GEARMAND_MGMT_CONFIG_FILES_H

#include "mgmt/options.h"

struct config_files;

/* `early` has what the command line says of them; it is given the OPTION_EARLY options of all files.  Whatever is wrong
 * is kept for config_files_take(). */
struct config_files *config_files_read(struct option_set *early);
void config_files_free(struct config_files **);
bool config_files_take(
    const struct config_files *, struct option_set *, struct text_list *warnings, struct gearmand_error *);

#endif
