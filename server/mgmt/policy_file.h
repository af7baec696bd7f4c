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
struct policy;

/* `path` NULL or "" = no file: what the options say holds for all functions.  NULL with a sentence that names file and
 * line when it cannot be read or is wrong. */
struct policies *policy_file_read(const char *path, const struct policy *base, struct gearmand_error *);
/* What the options say, for functions for which the file says nothing else. */
struct policy policy_of_options(int64_t job_retries, int64_t status_keep);

#endif
