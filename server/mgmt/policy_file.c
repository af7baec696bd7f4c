/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Policies come from a file, whole or not at all.
 *
 * Runs on:  main thread.
 * Owns:     nothing.
 */
#include "mgmt/policy_file.h"

#include "base/mem.h"
#include "cross/mbox.h"
#include "mgmt/fail.h"
#include "mgmt/slurp.h"
#include "wire/policy.h"

enum { PAYLOADS_MAX = 16 << 20 };

struct policy
policy_of_options(int64_t job_retries, int64_t status_keep)
{
	struct policy base;

	policy_default(&base);
	base.attempts = job_retries < 0 ? 0 : (uint64_t)job_retries;
	base.keep_state = status_keep * A_SECOND;
	return base;
}

/* The data of the line's job, and when it is first to be submitted. */
static bool
plan_line(struct policies *all, size_t i, int64_t now, size_t *room, struct gearmand_error *err)
{
	const struct policy *policy = policies_at(all, i);
	struct gearmand_error trouble = { .text = "" };
	struct buf data = { 0 };
	int64_t first = 0;
	char *path = NULL;
	bool good = true;

	if (policy->cron.text.len == 0)
		return true;
	if (policy->payload.len > 0)
		path = mem_dup(policy->payload.data, policy->payload.len);
	if (path != NULL && !slurp(path, &data, NULL, &trouble))
		good = error_fail(err, "payload=%s: %s", path, trouble.text);
	else if (data.len > *room)
		good = error_fail(err, "payload=%s: the payloads of all lines have more than 16 MiB", path);
	else if (!sched_next_run(&policy->cron.when, now, &first))
		good = error_fail(err, "cron: no minute of the next 8 years is like that");
	else
		policies_plan(all, i, buf_slice(&data), first);
	*room -= good ? data.len : 0;
	buf_fini(&data);
	mem_free(path);
	return good;
}

static bool
plan_all(struct policies *all, const char *path, struct gearmand_error *err)
{
	size_t room = PAYLOADS_MAX;
	int64_t now = clock_wall() / A_SECOND;

	for (size_t i = 0; i < policies_count(all); i++) {
		struct gearmand_error trouble = { .text = "" };

		if (!plan_line(all, i, now, &room, &trouble))
			return error_fail(
			    err, "policy file %s, line %u: %s", path, policies_at(all, i)->line, trouble.text);
	}
	return true;
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
	else if (!plan_all(policies, path, err))
		policies_free(&policies);
	buf_fini(&text);
	return policies;
}
