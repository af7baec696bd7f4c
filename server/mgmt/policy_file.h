/* SPDX-License-Identifier: BSD-3-Clause
 *
 * policy_file.h - the file that `--policy-file` names, at the start and at each SIGHUP.
 *
 * Runs on:  main thread; reads a file.
 */
#ifndef GEARMAND_MGMT_POLICY_FILE_H
#define GEARMAND_MGMT_POLICY_FILE_H

#include <stdint.h>

struct gearmand_error;
struct policies;

/* `path` NULL or "" = no file: what the options say holds for all functions.  NULL with a sentence that names file and
 * line when it cannot be read or is wrong. */
struct policies *policy_file_read(const char *path, int64_t job_retries, struct gearmand_error *);

#endif
