/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is measured: `metrics`, by the server and by function.
 *
 * Runs on:  the test's thread, which plays the processing class.
 * Owns:     one scene each.
 */
#include "scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The whole answer; freed by the caller. */
static struct buf
measure(struct scene *s, int peer, const char *command)
{
	struct buf text = { 0 };
	int turns;

	tell(s, peer, TEXT, command);
	read_listing(s, peer, &turns, &text);
	buf_add_char(&text, '\0');
	return text;
}

/* The words of the line that begins so, behind its beginning. */
static const char *
line_behind(const struct buf *text, const char *beginning)
{
	size_t len = strlen(beginning);

	for (const char *at = text->data; at != NULL; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (strncmp(at, beginning, len) == 0)
			return at + len;
	}
	cr_assert(false, "no line begins with %s", beginning);
	return "";
}

static uint64_t
number_behind(const char *at, unsigned index)
{
	for (; index > 0; index--)
		at = strchr(at, '\t') + 1;
	return strtoull(at, NULL, 10);
}

/* A number of a function by the name of its column. */
static uint64_t
measured(struct scene *s, int peer, const char *function, const char *column)
{
	struct buf text = measure(s, peer, "metrics * buckets");
	const char *names = line_behind(&text, "columns\tname\t"), *end = strchr(names, '\n'), *at;
	char beginning[64], padded[64];
	unsigned index = 0;
	uint64_t value;

	snprintf(beginning, sizeof beginning, "function\t%s\t", function);
	snprintf(padded, sizeof padded, "\t%s", column);
	at = strstr(names - 1, padded);
	cr_assert(at != NULL && at < end, "no column %s", column);
	for (const char *c = names; c <= at; c++)
		index += *c == '\t';
	value = number_behind(line_behind(&text, beginning), index);
	buf_fini(&text);
	return value;
}

static uint64_t
bucket(struct scene *s, int peer, const char *beginning, unsigned index)
{
	struct buf text = measure(s, peer, "metrics");
	uint64_t value = number_behind(line_behind(&text, beginning), index);

	buf_fini(&text);
	return value;
}

Test(metrics, times_of_a_job_are_summed_by_function_and_counted_in_histograms)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, client, SUBMIT_JOB, "f", "", "x");
	scene_wait(s, 3);
	tell(s, worker, GRAB_JOB);
	scene_wait(s, 20000);
	tell(s, worker, WORK_COMPLETE, "H:test:1", "");
	cr_assert_eq(measured(s, client, "f", "wait_ns"), 3000000);
	cr_assert_eq(measured(s, client, "f", "run_ns"), 20000000000);
	cr_assert_eq(measured(s, client, "f", "assigned"), 1);
	cr_assert_eq(bucket(s, client, "bounds\tjob_wait\t", 1), 5000000);
	cr_assert_eq(bucket(s, client, "histogram\tjob_wait\t", 0), 3000000, "the sum is first");
	cr_assert_eq(bucket(s, client, "histogram\tjob_wait\t", 2), 1, "above 1 ms, up to 5 ms");
	cr_assert_eq(bucket(s, client, "histogram\tjob_run\t", 8), 1, "above 10 s, up to 60 s");
	cr_assert_eq(measured(s, client, "f", "wait_1"), 1);
	cr_assert_eq(measured(s, client, "f", "wait_2"), 0);
	cr_assert_eq(measured(s, client, "f", "run_7"), 1);
	scene_free(&s);
}

Test(metrics, a_function_takes_memory_for_its_histograms_with_its_first_attempt)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");
	uint64_t before, after;

	tell(s, client, SUBMIT_JOB_BG, "f", "", "x");
	tell(s, client, SUBMIT_JOB_BG, "f", "", "x");
	cr_assert_eq(measured(s, client, "f", "wait_0"), 0);
	before = bucket(s, client, "value\tfunction_bytes_now\t", 0);
	tell(s, worker, GRAB_JOB);
	after = bucket(s, client, "value\tfunction_bytes_now\t", 0);
	cr_assert_gt(after, before);
	tell(s, worker, GRAB_JOB);
	cr_assert_eq(bucket(s, client, "value\tfunction_bytes_now\t", 0), after);
	cr_assert_eq(measured(s, client, "f", "wait_0"), 2);
	scene_free(&s);
}

Test(metrics, ages_are_those_of_the_oldest_ready_and_the_oldest_running_job)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	cr_assert_eq(measured(s, client, "f", "oldest_waiting_ns"), 0);
	tell(s, client, SUBMIT_JOB_LOW_BG, "f", "", "old");
	scene_wait(s, 1000);
	tell(s, client, SUBMIT_JOB_HIGH_BG, "f", "", "urgent");
	tell(s, worker, GRAB_JOB);
	scene_wait(s, 500);
	cr_assert_eq(measured(s, client, "f", "oldest_waiting_ns"), 1500000000);
	cr_assert_eq(measured(s, client, "f", "oldest_running_ns"), 500000000);
	scene_hangup(s, worker);
	cr_assert_eq(measured(s, client, "f", "oldest_running_ns"), 0);
	scene_free(&s);
}

Test(metrics, lost_attempts_are_counted_by_reason)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	scene_policies(s, "f attempts=9 retry-on=lost,timeout,fail,exception");
	tell(s, client, SUBMIT_JOB_BG, "f", "", "x");
	tell(s, worker, GRAB_JOB);
	tell(s, worker, WORK_FAIL, "H:test:1");
	tell(s, worker, GRAB_JOB);
	tell(s, worker, WORK_EXCEPTION, "H:test:1", "why");
	tell(s, worker, GRAB_JOB);
	tell(s, worker, CANT_DO, "f");
	tell(s, worker, CAN_DO_TIMEOUT, "f", "1000");
	tell(s, worker, GRAB_JOB);
	scene_wait(s, 1500);
	tell(s, worker, GRAB_JOB);
	scene_hangup(s, worker);
	cr_assert_eq(measured(s, client, "f", "lost_fail"), 1);
	cr_assert_eq(measured(s, client, "f", "lost_exception"), 1);
	cr_assert_eq(measured(s, client, "f", "lost_ability"), 1);
	cr_assert_eq(measured(s, client, "f", "lost_timeout"), 1);
	cr_assert_eq(measured(s, client, "f", "lost_connection"), 1);
	scene_free(&s);
}

Test(metrics, a_job_that_waits_for_its_retry_is_told_from_one_that_is_not_due)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	scene_policies(s, "f attempts=9 delay=60s retry-on=fail");
	tell(s, client, SUBMIT_JOB_EPOCH, "f", "", "99999999999", "later");
	tell(s, client, SUBMIT_JOB_BG, "f", "", "x");
	tell(s, worker, GRAB_JOB);
	tell(s, worker, WORK_FAIL, "H:test:2");
	cr_assert_eq(measured(s, client, "f", "delayed"), 2);
	cr_assert_eq(measured(s, client, "f", "retrying"), 1);
	scene_wait(s, 70000);
	cr_assert_eq(measured(s, client, "f", "retrying"), 0);
	scene_free(&s);
}

Test(metrics, what_a_function_did_counts_when_it_is_gone)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, client, SUBMIT_JOB, "f", "", "x");
	tell(s, worker, GRAB_JOB);
	tell(s, worker, WORK_COMPLETE, "H:test:1", "");
	tell(s, worker, CANT_DO, "f");
	cr_assert_eq(measured(s, client, "(other)", "submitted_foreground"), 0);
	cr_assert_eq(measured(s, client, "(other)", "run_0"), 0);
	ask(s, client, "drop function f", "OK\r\n");
	cr_assert_eq(measured(s, client, "(other)", "submitted_foreground"), 1);
	cr_assert_eq(measured(s, client, "(other)", "assigned"), 1);
	cr_assert_eq(measured(s, client, "(other)", "wait_0"), 1);
	cr_assert_eq(measured(s, client, "(other)", "run_0"), 1);
	cr_assert_eq(measured(s, client, "(other)", "workers"), 0);
	scene_free(&s);
}

Test(metrics, ends_are_counted_by_outcome_and_a_dead_job_once)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	scene_policies(s, "f attempts=1 retry-on=fail");
	for (int i = 0; i < 4; i++)
		tell(s, client, SUBMIT_JOB_BG, "f", "", "x");
	tell(s, worker, GRAB_JOB);
	tell(s, worker, WORK_COMPLETE, "H:test:1", "");
	tell(s, worker, GRAB_JOB);
	tell(s, worker, WORK_FAIL, "H:test:2");
	tell(s, worker, GRAB_JOB);
	tell(s, worker, WORK_EXCEPTION, "H:test:3", "why");
	client = scene_peer(s);
	ask(s, client, "cancel job H:test:4", "OK\r\n");
	cr_assert_eq(measured(s, client, "f", "ended_completed"), 1);
	cr_assert_eq(measured(s, client, "f", "ended_dead"), 1);
	cr_assert_eq(measured(s, client, "f", "ended_exception"), 1);
	cr_assert_eq(measured(s, client, "f", "ended_cancelled"), 1);
	ask(s, client, "cancel job H:test:2", "OK\r\n");
	cr_assert_eq(measured(s, client, "f", "ended_dead"), 1);
	cr_assert_eq(measured(s, client, "f", "ended_cancelled"), 1);
	scene_free(&s);
}

Test(metrics, a_pattern_chooses_functions_and_a_listing_of_many_takes_turns)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_peer(s), turns = 0;
	struct buf text = { 0 };
	char name[16];

	for (int i = 0; i < 5000; i++) {
		snprintf(name, sizeof name, "f%04d", i);
		tell(s, worker, CAN_DO, name);
	}
	tell(s, client, TEXT, "metrics f123?");
	cr_assert_gt(read_listing(s, client, &turns, &text), 10);
	buf_add_char(&text, '\0');
	cr_assert(strstr(text.data, "function\tf1239\t") != NULL && strstr(text.data, "function\tf1240\t") == NULL);
	buf_fini(&text);
	tell(s, client, TEXT, "metrics");
	cr_assert_gt(read_listing(s, client, &turns, NULL), 5000);
	cr_assert_gt(turns, 5);
	ask(s, scene_peer(s), "metrics a b",
	    "ERR INVALID_ARGUMENTS An+incomplete+set+of+arguments+was+sent+to+this+command+metrics\r\n");
	scene_free(&s);
}

/* The columns are described where their readers look. */
Test(metrics, the_manual_of_the_protocol_has_every_column)
{
	static char manual[1 << 17];
	FILE *file = fopen(TOP_SRCDIR "/docs/protocol.md", "r");
	struct scene *s = scene_new("");
	struct buf text = measure(s, scene_peer(s), "metrics");
	const char *at = line_behind(&text, "columns\tname");
	char word[64];
	size_t len;

	cr_assert(file != NULL);
	manual[fread(manual, 1, sizeof manual - 1, file)] = '\0';
	fclose(file);
	for (; *at == '\t'; at += 1 + len) {
		len = strcspn(at + 1, "\t\n");
		snprintf(word, sizeof word, "`%.*s`", (int)len, at + 1);
		cr_assert(strstr(manual, word) != NULL, "docs/protocol.md lacks %s", word);
	}
	buf_fini(&text);
	scene_free(&s);
}

Test(metrics, sums_are_over_all_functions_whatever_is_asked_for)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, client, SUBMIT_JOB_BG, "f", "", "x");
	scene_wait(s, 1000);
	tell(s, client, SUBMIT_JOB_BG, "g", "", "x");
	tell(s, worker, GRAB_JOB);
	scene_wait(s, 500);
	cr_assert_eq(bucket(s, client, "value\tjobs_ready_now\t", 0), 1);
	cr_assert_eq(bucket(s, client, "value\tjobs_running_now\t", 0), 1);
	cr_assert_eq(bucket(s, client, "value\tjobs_delayed_now\t", 0), 0);
	cr_assert_eq(bucket(s, client, "value\toldest_waiting_ns\t", 0), 500000000);
	cr_assert_eq(bucket(s, client, "value\tconnections_now.gear.0\t", 0), 2);
	scene_hangup(s, worker);
	cr_assert_eq(bucket(s, client, "value\tconnections_now.gear.0\t", 0), 1);
	cr_assert_eq(bucket(s, client, "value\tconnections.gear.0\t", 0), 2);
	scene_free(&s);
}

Test(metrics, refusals_and_errors_are_counted_by_kind)
{
	struct scene *s = scene_new("--max-jobs=1");
	int client = scene_peer(s), asking = scene_peer(s);

	tell(s, client, SUBMIT_JOB_BG, "f", "", "x");
	tell(s, client, SUBMIT_JOB_BG, "f", "", "x");
	tell(s, client, TEXT, "maxqueue f 1");
	tell(s, client, SUBMIT_JOB_BG, "f", "", "x");
	tell(s, client, OPTION_REQ, "no such option");
	cr_assert_eq(bucket(s, asking, "value\trefused.max_jobs\t", 0), 1);
	cr_assert_eq(bucket(s, asking, "value\trefused.maxqueue\t", 0), 1);
	cr_assert_eq(bucket(s, asking, "value\terrors_sent.QUEUE_ERROR\t", 0), 2);
	cr_assert_eq(bucket(s, asking, "value\terrors_sent.UNKNOWN_OPTION\t", 0), 1);
	scene_free(&s);
}

Test(metrics, a_pattern_costs_what_it_is_compared_with)
{
	enum { FUNCTIONS = 50, LENGTH = 8000 };
	struct scene *s = scene_new("");
	int worker = scene_peer(s), client = scene_peer(s), turns;
	char name[LENGTH + 1], line[400];

	memset(name, 'n', LENGTH);
	name[LENGTH] = '\0';
	for (int i = 0; i < FUNCTIONS; i++) {
		name[LENGTH - 1] = (char)('A' + i);
		tell(s, worker, CAN_DO, name);
	}
	snprintf(line, sizeof line, "metrics *%.254sx", name);
	ask(s, client, line, "ERR INVALID_ARGUMENTS A+pattern+with+*+has+more+than+255+bytes\r\n");
	snprintf(line, sizeof line, "metrics %.255sx", name);
	tell(s, client, TEXT, line);
	read_listing(s, client, &turns, NULL);
	cr_expect_lt(turns, FUNCTIONS / 2);
	snprintf(line, sizeof line, "metrics *%.253sx", name);
	tell(s, client, TEXT, line);
	read_listing(s, client, &turns, NULL);
	cr_expect_gt(turns, FUNCTIONS / 2);
	scene_free(&s);
}
