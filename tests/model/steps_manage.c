/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What operators do: policies, pauses, and what becomes of one job or of many.
 *
 * Runs on:  the test's thread.
 * Owns:     nothing.
 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "tests/model/stage.h"
#include "wire/policy.h"

/* ---- Policies ---- */

static int
any_of(const int *values, size_t count)
{
	return values[draw(count)];
}

#define ANY_OF(...) any_of((const int[]){ __VA_ARGS__ }, sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int))

static struct mpolicy
some_policy(void)
{
	struct mpolicy policy = { .running = -1, .retry_on = 1 + (unsigned)draw(15) };

	policy.attempts = ANY_OF(0, 1, 2, 4);
	policy.delay_s = ANY_OF(0, 0, 1, 3);
	policy.keep_dead = draw(3) > 0;
	policy.expire_ms = ANY_OF(0, 0, 500, 3000);
	policy.run_limit_ms = ANY_OF(0, 0, 700);
	policy.keep_ms = ANY_OF(0, 2000, 5000);
	policy.running = ANY_OF(-1, -1, 0, 1, 3);
	return policy;
}

static void
add_line(struct buf *file, int func, const struct mpolicy *policy)
{
	static const char *const losses[] = { "lost", "timeout", "fail", "exception" };
	char text[256];

	buf_add_str(file, model_func(func)[0] == '\0' ? "*" : model_func(func));
	snprintf(text, sizeof text,
	    " attempts=%d delay=%ds jitter=0 backoff=fixed dead=%s expire=%dms run-limit=%dms keep-state=%dms "
	    "retry-on=",
	    policy->attempts, policy->delay_s, policy->keep_dead ? "keep" : "drop", policy->expire_ms,
	    policy->run_limit_ms, policy->keep_ms);
	buf_add_str(file, text);
	for (unsigned i = 0, mask = policy->retry_on; mask != 0; mask >>= 1, i++) {
		if ((mask & 1) == 0)
			continue;
		buf_add_str(file, losses[i]);
		if (mask != 1)
			buf_add_char(file, ',');
	}
	if (policy->running >= 0) {
		buf_add_str(file, " running=");
		buf_add_u64(file, (uint64_t)policy->running);
	}
	buf_add_char(file, '\n');
}

void
step_policies(void)
{
	struct msg_policies *m = msg_new_sized(MSG_POLICIES, 0, sizeof *m);
	struct buf file = { 0 };
	struct policy base;
	char why[POLICY_WHY];
	unsigned line;

	note("policies", 0, 0, 0);
	for (int n = 1; n <= FUNCS; n++) {
		int func = (n + 2) % FUNCS; /* the one without a name is last: its line is for any */
		struct mpolicy policy = some_policy();

		policy.expire_ms += policy.expire_ms > 0 ? func : 0; /* no two functions' jobs at once */
		model_policy(t.model, func, &policy);
		add_line(&file, func, &policy);
	}
	model_policies_end(t.model);
	policy_default(&base);
	m->policies = policies_new(buf_slice(&file), &base, &line, why);
	if (m->policies == NULL)
		wrong("a policy file of ours", "to be right", why);
	buf_fini(&file);
	turn(&m->msg);
}

/* ---- Commands ---- */

static void
manage_func(int peer)
{
	int func = ANY_OF(0, 1, 3), number = (int)draw(4);
	const char *name = model_func(func);
	char line[TEXT];

	note("manages function:", peer, func, number);
	if (!t.named[func] || draw(3) == 0) {
		snprintf(line, sizeof line, number == 0 ? "pause %s" : "pause %s %d", name, number);
		model_pause(t.model, peer, func, number);
		t.named[func] = true;
	} else if (draw(3) > 0) {
		snprintf(line, sizeof line, "resume %s", name);
		model_resume(t.model, peer, func);
	} else if (draw(2) == 0) {
		snprintf(line, sizeof line, "kick %s %d", name, number + 1);
		model_kick_func(t.model, peer, func, number + 1);
	} else if (draw(2) == 0) {
		snprintf(line, sizeof line, "purge %s ready", name);
		model_purge(t.model, peer, func);
	} else {
		snprintf(line, sizeof line, "purge %s dead", name);
		model_purge_dead(t.model, peer, func);
	}
	SEND(peer, PKT_TEXT, line);
}

static uint64_t
some_dead_number(void)
{
	int start = (int)draw(JOBS);

	for (int i = 0; i < JOBS; i++)
		if (t.model->jobs[(start + i) % JOBS].state == M_BURIED)
			return t.model->jobs[(start + i) % JOBS].number;
	return t.model->next_number + 7;
}

static void
manage_job(int peer)
{
	uint64_t number = draw(3) == 0 ? some_dead_number() : some_number(peer);
	int seconds = (int)draw(3);
	char line[TEXT];

	note("manages job:", peer, (long)number, seconds);
	switch (draw(4)) {
	case 0:
		snprintf(line, sizeof line, "bury job H:model:%llu", (unsigned long long)number);
		model_bury(t.model, peer, number);
		break;
	case 1:
		snprintf(line, sizeof line, "retry job H:model:%llu %d", (unsigned long long)number, seconds);
		model_retry(t.model, peer, number, seconds);
		break;
	default:
		snprintf(line, sizeof line, "kick job H:model:%llu", (unsigned long long)number);
		model_kick(t.model, peer, number);
	}
	SEND(peer, PKT_TEXT, line);
}

void
step_manage(int peer)
{
	if (draw(3) == 0)
		manage_func(peer);
	else
		manage_job(peer);
}
