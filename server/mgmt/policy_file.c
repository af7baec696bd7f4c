/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Policies come from a file, whole or not at all.
 *
 * Runs on:  main thread.
 * Owns:     nothing.
 */
#include "mgmt/policy_file.h"

#include "mgmt/fail.h"
#include "mgmt/slurp.h"
#include "wire/policy.h"

struct policy
policy_of_options(int64_t job_retries, int64_t status_keep)
{
	struct policy base;

	policy_default(&base);
	base.attempts = job_retries < 0 ? 0 : (uint64_t)job_retries;
	base.keep_state = status_keep * INT64_C(1000000000);
	return base;
}

struct policies *
policy_file_read(const char *path, const struct policy *base, struct gearmand_error *err)
{
	bool is_given = path != NULL && path[0] != '\0';
	struct gearmand_error trouble = { .text = "" };
	struct policies *policies = NULL;
	struct buf text = { 0 };
	char why[POLICY_WHY] = "";
	unsigned line = 0;

	if (is_given && !slurp(path, &text, NULL, &trouble))
		error_fail(err, "policy file %s: %s", path, trouble.text);
	else if ((policies = policies_new(buf_slice(&text), base, &line, why)) == NULL && line > 0)
		error_fail(err, "policy file %s, line %u: %s", path, line, why);
	else if (policies == NULL)
		error_fail(err, "policy file %s: %s", path, why);
	buf_fini(&text);
	return policies;
}
