/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A policy file becomes policies, line by line; which one counts for a function.
 *
 * Runs on:  any thread; pure.
 * Owns:     struct policies: the policies and a copy of the file that they point into.
 */
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "wire/policy.h"
#include "wire/words.h"

struct policies {
	char *text;
	struct policy base; /* where no line matches */
	size_t count;
	struct policy *at;
};

static bool
has_wildcard(struct slice pattern)
{
	return memchr(pattern.data, '*', pattern.len) != NULL || memchr(pattern.data, '?', pattern.len) != NULL;
}

/* What no setting says by itself. */
static const char *
contradiction(const struct policy *policy)
{
	if (policy->pattern.len > POLICY_PATTERN_MAX)
		return "the pattern has more than 255 bytes";
	if (policy->max_delay < policy->delay)
		return "max-delay is shorter than delay";
	if (policy->keep_result > 0 && policy->keep_state == 0)
		return "keep-result keeps nothing without keep-state";
	if (policy->payload.len > 0 && policy->cron.text.len == 0)
		return "payload is of no use without cron";
	if (policy->cron.text.len > 0 && has_wildcard(policy->pattern))
		return "cron is for one function, but the pattern has a * or ?";
	return NULL;
}

/* False with `why` when it is wrong; `policy->pattern` stays empty when the line says nothing. */
static bool
read_line(struct policy *policy, char *at, char *end, char *why)
{
	struct slice word;
	uint64_t seen = 0;
	const char *wrong;
	bool closed;

	if (end > at && end[-1] == '\r')
		end--;
	while ((closed = file_word(&at, end, &word)) && word.len > 0) {
		if (policy->pattern.len > 0) {
			if (!policy_set(policy, word, &seen, why))
				return false;
		} else if (word.data[0] == '#') {
			return true;
		} else {
			policy->pattern = word;
		}
	}
	wrong = closed ? contradiction(policy) : "a double quote is not closed";
	if (wrong != NULL)
		snprintf(why, POLICY_WHY, "%s", wrong);
	return wrong == NULL;
}

static bool
read_lines(struct policies *all, size_t len, unsigned *line_r, char *why)
{
	char *at = all->text, *file_end = at + len;

	for (*line_r = 1; at < file_end; ++*line_r) {
		char *lf = memchr(at, '\n', (size_t)(file_end - at)), *end = lf == NULL ? file_end : lf;
		struct policy policy = all->base;

		policy.keep_dead = true;
		if (!read_line(&policy, at, end, why))
			return false;
		at = end + 1;
		if (policy.pattern.len == 0)
			continue;
		if (all->count == POLICY_LINES_MAX) {
			snprintf(why, POLICY_WHY, "the file has more than %d policies", POLICY_LINES_MAX);
			return false;
		}
		policy.line = *line_r;
		all->at = mem_grow(all->at, (all->count + 1) * sizeof *all->at);
		all->at[all->count++] = policy;
	}
	return true;
}

struct policies *
policies_new(struct slice text, const struct policy *base, unsigned *line_r, char why[POLICY_WHY])
{
	struct policies *all = mem_new(sizeof *all);

	*line_r = 0;
	all->base = *base;
	all->text = mem_dup(text.data, text.len);
	if (text.len > 0 && memchr(text.data, '\0', text.len) != NULL)
		snprintf(why, POLICY_WHY, "it is no text: it has a NUL");
	else if (read_lines(all, text.len, line_r, why))
		return all;
	policies_free(&all);
	return NULL;
}

void
policies_free(struct policies **all_p)
{
	struct policies *all = *all_p;

	*all_p = NULL;
	if (all == NULL)
		return;
	for (size_t i = 0; i < all->count; i++)
		mem_free((void *)(uintptr_t)all->at[i].data.data);
	mem_free(all->at);
	mem_free(all->text);
	mem_free(all);
}

size_t
policies_count(const struct policies *all)
{
	return all->count;
}

const struct policy *
policies_at(const struct policies *all, size_t i)
{
	CHECK(i < all->count);
	return &all->at[i];
}

void
policies_plan(struct policies *all, size_t i, struct slice data, int64_t first_run)
{
	CHECK(i < all->count && all->at[i].data.data == NULL);
	if (data.len > 0)
		all->at[i].data = slice_of(mem_dup(data.data, data.len), data.len);
	all->at[i].first_run = first_run;
}

const struct policy *
policies_match(const struct policies *all, struct slice function)
{
	for (size_t i = 0; i < all->count; i++)
		if (pattern_matches(all->at[i].pattern, function))
			return &all->at[i];
	return &all->base;
}
