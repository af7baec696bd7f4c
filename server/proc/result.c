/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Results of jobs are gathered while they run, where the policy keeps them.
 *
 * Runs on:  processing thread.
 * Owns:     struct result; while the job lives its bytes count in proc.memory and proc.gathering.
 */
#include "proc/result.h"

#include "base/mem.h"

size_t
result_bytes(const struct result *result)
{
	if (result == NULL)
		return 0;
	return sizeof *result + (result->bytes == NULL ? 0 : sizeof *result->bytes + result->bytes->cap);
}

static PROC void
count_result(struct proc *p, int64_t bytes)
{
	p->memory += (uint64_t)bytes;
	p->gathering += (uint64_t)bytes;
}

/* Grows by doubling, but not beyond `most`. */
static size_t
cap_for(size_t need, size_t cap, uint64_t most)
{
	size_t twice = cap * 2 < most ? cap * 2 : most;

	if (need <= cap)
		return cap;
	return need > twice ? need : twice;
}

static bool
append(struct blob **bytes, struct slice data, size_t cap)
{
	if (*bytes == NULL)
		*bytes = blob_new(0);
	return *bytes != NULL && blob_reserve(bytes, cap) && blob_add(bytes, data);
}

void
result_add(struct proc *p, struct result **result_p, struct slice data, uint64_t most)
{
	struct result *result = *result_p;
	size_t len, cap, grown, room;

	if (result == NULL) {
		*result_p = result = mem_new(sizeof *result);
		count_result(p, sizeof *result);
	}
	len = blob_slice(result->bytes).len;
	cap = result->bytes == NULL ? 0 : result->bytes->cap;
	room = len < most ? most - len : 0;
	if (data.len > room) {
		data.len = room;
		result->is_cut = true;
	}
	grown = cap_for(len + data.len, cap, most);
	if (data.len == 0)
		return;
	count_result(p, -(int64_t)result_bytes(result));
	if (p->gathering + sizeof *result + grown > p->cfg.status_max_bytes || !append(&result->bytes, data, grown))
		result->is_cut = true;
	count_result(p, (int64_t)result_bytes(result));
}

struct result *
result_take(struct proc *p, struct result **result_p)
{
	struct result *result = *result_p;

	*result_p = NULL;
	count_result(p, -(int64_t)result_bytes(result));
	return result;
}

void
result_drop(struct proc *p, struct result **result_p)
{
	struct result *result = result_take(p, result_p);

	result_free(&result);
}

void
result_free(struct result **result_p)
{
	struct result *result = *result_p;

	*result_p = NULL;
	if (result == NULL)
		return;
	blob_unref(&result->bytes);
	mem_free(result);
}
