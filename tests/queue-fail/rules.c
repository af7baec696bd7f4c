/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Rules: which call of an operation comes to what trouble.
 *
 * Runs on:  the store thread.
 * Owns:     the count of calls, for the life of the process.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "queue_fail.h"

enum { TEXT_MOST = 4096, HOLD_STEP = 2 /* ms */ };

static const char *const op_names[] = { "open", "replay", "commit", "close", "check", "add", "remove", "bury",
	"unbury" };
static char rules[2 * TEXT_MOST];
static unsigned calls[sizeof(op_names) / sizeof(op_names[0])];

static const struct {
	const char *name;
	enum action action;
} actions[] = {
	{ "passing", DO_PASSING },
	{ "lasting", DO_LASTING },
	{ "in-use", DO_IN_USE },
	{ "fail", DO_FAIL },
	{ "partly", DO_PARTLY },
	{ "again", DO_AGAIN },
	{ "broken", DO_BROKEN },
	{ "half", DO_HALF },
	{ "unknown", DO_UNKNOWN },
	{ "refuse", DO_REFUSE },
	{ "full", DO_FULL },
};

/* A call, and what the rules have for it. */
struct asking {
	const char *op;
	unsigned number;
	const struct gearmand_change *change;
	struct verdict verdict;
	unsigned stall;
	bool hold;
};

void
rules_wait(unsigned ms)
{
	if (ms == 0)
		return;
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 }, NULL);
}

static bool
is_meant(const struct asking *a, const char *which)
{
	unsigned from, to;
	char *end;

	if (strcmp(which, "*") == 0)
		return true;
	if (which[0] == '=')
		return a->change != NULL && a->change->job.unique.len == strlen(which + 1) &&
		       memcmp(a->change->job.unique.data, which + 1, strlen(which + 1)) == 0;
	from = (unsigned)strtoul(which, &end, 10);
	to = end[0] != '-' ? from : end[1] == '\0' ? UINT32_MAX : (unsigned)strtoul(end + 1, NULL, 10);
	return a->number >= from && a->number <= to;
}

static void
take_action(struct asking *a, const char *action, const char *argument)
{
	if (strcmp(action, "stall") == 0)
		a->stall += (unsigned)atoi(argument);
	else if (strcmp(action, "late") == 0)
		a->verdict.late += (unsigned)atoi(argument);
	else if (strcmp(action, "hold") == 0)
		a->hold = true;
	else if (strcmp(action, "crash") == 0)
		kill(getpid(), SIGKILL);
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strcmp(action, actions[i].name) == 0 && a->verdict.action == DO_NOTHING) {
			a->verdict.action = actions[i].action;
			snprintf(a->verdict.text, sizeof(a->verdict.text), "%s", argument);
		}
}

static void
read_rule(struct asking *a, char *rule)
{
	char *rest = NULL;
	char *op = strtok_r(rule, " ", &rest);
	char *which = op == NULL ? NULL : strtok_r(NULL, " ", &rest);
	char *action = which == NULL ? NULL : strtok_r(NULL, " ", &rest);

	if (action != NULL && strcmp(op, a->op) == 0 && is_meant(a, which))
		take_action(a, action, rest);
}

static void
read_rules(struct asking *a, char *text)
{
	char *rest = NULL;

	for (char *rule = strtok_r(text, ";\n", &rest); rule != NULL; rule = strtok_r(NULL, ";\n", &rest))
		read_rule(a, rule);
}

/* What both sources say now; read once per call, and not for each change of a commit. */
static void
rules_read(const struct gearmand_host *host)
{
	const char *given = host->option(host, "fail-rules"), *path = host->option(host, "fail-control");
	FILE *f = path == NULL ? NULL : fopen(path, "re");
	size_t len = (size_t)snprintf(rules, TEXT_MOST, "%s\n", given == NULL ? "" : given);

	if (f == NULL)
		return;
	len += fread(rules + len, 1, sizeof(rules) - 1 - len, f);
	rules[len] = '\0';
	fclose(f);
}

static void
rules_apply(struct asking *a)
{
	char text[sizeof(rules)];

	a->stall = 0;
	a->hold = false;
	a->verdict = (struct verdict){ .action = DO_NOTHING };
	if (strstr(rules, a->op) == NULL)
		return;
	memcpy(text, rules, sizeof(text));
	read_rules(a, text);
}

struct verdict
rules_ask(const struct gearmand_host *host, enum op op, const struct gearmand_change *change)
{
	struct asking a = { .op = op_names[op], .number = ++calls[op], .change = change };

	if (change == NULL)
		host->log(host, GEARMAND_LOG_INFO, "%s %u begins", a.op, a.number);
	if (change == NULL)
		rules_read(host);
	rules_apply(&a);
	while (a.hold) {
		rules_wait(HOLD_STEP);
		rules_read(host);
		rules_apply(&a);
	}
	rules_wait(a.stall);
	return a.verdict;
}
