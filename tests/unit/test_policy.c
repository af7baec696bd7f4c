/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Policy files: what they say, what is wrong with them, and which line counts.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "wire/policy.h"

#define SECOND INT64_C(1000000000)

static const struct policy *
base(void)
{
	static struct policy policy;

	policy_default(&policy);
	policy.attempts = 7; /* as --job-retries=7 */
	return &policy;
}

static struct policies *
read_file(const char *text)
{
	char why[POLICY_WHY] = "";
	unsigned line;
	struct policies *all = policies_new(slice_str(text), base(), &line, why);

	cr_assert(all != NULL, "line %u: %s", line, why);
	return all;
}

static void
expect_wrong(const char *text, unsigned line_wanted, const char *wanted)
{
	char why[POLICY_WHY] = "";
	unsigned line;
	struct policies *all = policies_new(slice_str(text), base(), &line, why);

	cr_expect(all == NULL, "%s was taken", text);
	cr_expect_eq(line, line_wanted, "%s: line %u", text, line);
	cr_expect_str_eq(why, wanted);
	policies_free(&all);
}

/* What `show policy` would say of the function. */
static void
expect_policy(const char *text, const char *function, const char *wanted)
{
	struct policies *all = read_file(text);
	const struct policy *policy = policies_match(all, slice_str(function));
	struct buf out = { 0 };

	buf_add_u64(&out, policy->line);
	buf_add_char(&out, ' ');
	policy_add_text(policy, &out);
	cr_expect(slice_is(buf_slice(&out), wanted), "%s\n%.*s\n%s", function, (int)out.len, out.data, wanted);
	buf_fini(&out);
	policies_free(&all);
}

#define DEFAULTS \
	"retry-on=lost,timeout delay=0 max-delay=1d backoff=exponential jitter=10 dead=keep expire=0 run-limit=0 " \
	"maxqueue=0,0,0 keep-state=0 keep-result=0"

Test(policy, the_first_line_that_matches_counts_as_a_whole)
{
	const char *file = "# what we do\n\nmail.*\tattempts=10  delay=15s\r\nmail.urgent attempts=1\n  * attempts=0\n";

	expect_policy(file, "mail.urgent",
	    "3 attempts=10 retry-on=lost,timeout delay=15s max-delay=1d backoff=exponential jitter=10 dead=keep "
	    "expire=0 run-limit=0 maxqueue=0,0,0 keep-state=0 keep-result=0");
	expect_policy(file, "mail", "5 attempts=0 " DEFAULTS);
	expect_policy("mail.*\n", "mail.x", "1 attempts=7 " DEFAULTS);
}

Test(policy, where_no_line_matches_the_options_hold_and_nothing_is_kept)
{
	expect_policy("", "f",
	    "0 attempts=7 retry-on=lost,timeout delay=0 max-delay=1d backoff=exponential jitter=10 dead=drop "
	    "expire=0 run-limit=0 maxqueue=0,0,0 keep-state=0 keep-result=0");
}

Test(policy, each_setting_is_shown_as_it_is_written)
{
	const char *line =
	    "attempts=3 retry-on=fail,exception delay=250ms max-delay=6h backoff=linear jitter=0 dead=drop "
	    "expire=1h run-limit=10m running=8 rate=20/s burst=5 maxqueue=100,50,10 keep-state=10m keep-result=64K";
	char file[512], wanted[512];

	snprintf(file, sizeof file, "report %s\n", line);
	snprintf(wanted, sizeof wanted, "1 %s", line);
	expect_policy(file, "report", wanted);
}

Test(policy, a_cron_line_is_shown_as_it_is_written)
{
	const char *line = "2 attempts=7 " DEFAULTS " cron=\"0 3 * * 0-4\" payload=\"/etc/my report\"";

	expect_policy("\nf cron=\"0 3 * * 0-4\" \"payload=/etc/my report\"\n", "f", line);
}

Test(policy, numbers_have_units)
{
	struct policies *all = read_file("a delay=2 max-delay=1d rate=6/m burst=2 maxqueue=9\nb rate=1/h");
	const struct policy *a = policies_at(all, 0);

	cr_expect_eq(policies_count(all), 2);
	cr_expect_eq(a->delay, 2 * SECOND);
	cr_expect_eq(a->max_delay, 86400 * SECOND);
	cr_expect_eq(a->token, 10 * SECOND);
	cr_expect_eq(a->maxqueue[2], 9);
	cr_expect_eq(policies_at(all, 1)->token, 3600 * SECOND);
	policies_free(&all);
}

Test(policy, a_mistake_is_one_sentence_with_its_line)
{
	expect_wrong("a\nb attempts=x\n", 2, "attempts=x: expected a whole number from 0 to 1000000");
	expect_wrong("a attempts\n", 1, "attempts is no setting; expected KEY=VALUE");
	expect_wrong("a tries=3", 1, "tries=3 is no setting; expected KEY=VALUE");
	expect_wrong("a delay=1s delay=2s", 1, "delay is given twice");
	expect_wrong("a delay=", 1, "delay=: expected a time of at most 3650d, as in 250ms, 15s, 10m, 6h, 2d");
	expect_wrong("a delay=5w", 1, "delay=5w: expected a time of at most 3650d, as in 250ms, 15s, 10m, 6h, 2d");
	expect_wrong(
	    "a delay=3651d", 1, "delay=3651d: expected a time of at most 3650d, as in 250ms, 15s, 10m, 6h, 2d");
	expect_wrong("a delay=2d", 1, "max-delay is shorter than delay");
	expect_wrong("a retry-on=lost,", 1, "retry-on=lost,: expected a list of lost, timeout, fail, exception");
	expect_wrong("a rate=0/s", 1, "rate=0/s: expected a rate as in 20/s, 5/m, 100/h, up to 1000000");
	expect_wrong("a rate=5", 1, "rate=5: expected a rate as in 20/s, 5/m, 100/h, up to 1000000");
	expect_wrong("a maxqueue=1,2", 1, "maxqueue=1,2: expected one number, or three: high,normal,low");
	expect_wrong("a maxqueue=1,2,3,4", 1, "maxqueue=1,2,3,4: expected one number, or three: high,normal,low");
	expect_wrong("a jitter=101", 1, "jitter=101: expected a whole number from 0 to 100");
	expect_wrong("a burst=0", 1, "burst=0: expected a whole number from 1 to 1000000");
	expect_wrong("a keep-state=1 keep-result=64k", 1, "keep-result=64k: expected bytes, as in 64K, up to 1G");
	expect_wrong("a cron=\"1 2 3 4\"", 1,
	    "cron=1 2 3 4: expected minute, hour, day, month and weekday (0 is Monday), each * or numbers as in "
	    "0-30/10,45");
	expect_wrong("a cron=\"* * * * 7\"", 1,
	    "cron=* * * * 7: expected minute, hour, day, month and weekday (0 is Monday), each * or numbers as in "
	    "0-30/10,45");
	expect_wrong("a? cron=\"* * * * *\"", 1, "cron is for one function, but the pattern has a * or ?");
	expect_wrong("a payload=/x", 1, "payload is of no use without cron");
	expect_wrong("a keep-result=64K", 1, "keep-result keeps nothing without keep-state");
	expect_wrong("a attempts=\"5", 1, "a double quote is not closed");
	expect_wrong("a backoff=never", 1, "backoff=never: expected exponential, linear or fixed");
}

Test(policy, what_is_no_text_is_refused_and_so_are_too_many_lines)
{
	struct buf file = { 0 };
	char why[POLICY_WHY];
	unsigned line;

	cr_expect(policies_new(slice_of("a\0b", 3), base(), &line, why) == NULL);
	cr_expect_str_eq(why, "it is no text: it has a NUL");
	for (int i = 0; i <= POLICY_LINES_MAX; i++)
		buf_add_str(&file, "f\n");
	cr_expect(policies_new(buf_slice(&file), base(), &line, why) == NULL);
	cr_expect_eq(line, POLICY_LINES_MAX + 1);
	buf_fini(&file);
}

Test(policy, patterns_match_the_whole_name)
{
	static const struct {
		const char *pattern, *name;
		bool matches;
	} rows[] = {
		{ "mail", "mail", true },
		{ "mail", "mails", false },
		{ "mail.*", "mail.", true },
		{ "mail.*", "xmail.a", false },
		{ "*", "", true },
		{ "?", "", false },
		{ "?ail", "mail", true },
		{ "*a*b*c", "xaybzc", true },
		{ "*a*b*c", "xaybz", false },
		{ "*ab", "aab", true },
		{ "a**b", "ab", true },
		{ "a*?", "a", false },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		cr_expect_eq(pattern_matches(slice_str(rows[i].pattern), slice_str(rows[i].name)), rows[i].matches,
		    "%s %s", rows[i].pattern, rows[i].name);
}

static int64_t
delay_of(const char *settings, uint64_t tries, uint64_t dice)
{
	char file[128];
	struct policies *all;
	int64_t delay;

	snprintf(file, sizeof file, "f %s\n", settings);
	all = read_file(file);
	delay = policy_delay(policies_at(all, 0), tries, dice);
	policies_free(&all);
	return delay;
}

Test(policy, the_delay_grows_with_the_attempts_up_to_its_limit)
{
	cr_expect_eq(delay_of("delay=15s jitter=0", 1, 0), 15 * SECOND);
	cr_expect_eq(delay_of("delay=15s jitter=0", 3, 0), 60 * SECOND);
	cr_expect_eq(delay_of("delay=15s jitter=0 max-delay=1m", 4, 0), 60 * SECOND);
	cr_expect_eq(delay_of("delay=15s jitter=0", 1000000, 0), 86400 * SECOND);
	cr_expect_eq(delay_of("delay=10s jitter=0 backoff=linear", 3, 0), 30 * SECOND);
	cr_expect_eq(delay_of("delay=10s jitter=0 backoff=fixed", 3, 0), 10 * SECOND);
	cr_expect_eq(delay_of("delay=10s", 1, 0), 9 * SECOND, "ten per cent less");
	cr_expect_eq(delay_of("delay=10s", 1, 2 * SECOND), 11 * SECOND, "ten per cent more");
	cr_expect_eq(delay_of("attempts=3", 5, 99), 0, "at once");
}
