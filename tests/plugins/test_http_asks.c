/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto-http: reading times, preferences and types; writing text as JSON and base64.
 */
#include <criterion/criterion.h>

#include "plugins/proto-http/asks.h"
#include "plugins/proto-http/facts.h"
#include "plugins/proto-http/text.h"

/* ---- X-Gearman-When ---------------------------------------------------------------------- */

static void
expect_when(const char *text, bool relative, int64_t seconds)
{
	struct web_when when;

	cr_assert(web_when_read(gm_slice(text), &when), "%s", text);
	cr_assert_eq(when.relative, relative, "%s", text);
	cr_assert_eq(when.seconds, seconds, "%s is %lld", text, (long long)when.seconds);
}

Test(http_when, is_a_number_of_seconds_since_1970_or_from_now)
{
	expect_when("0", false, 0);
	expect_when("1800000000", false, 1800000000);
	expect_when("+90", true, 90);
	expect_when("+0", true, 0);
	expect_when("253402300799", false, 253402300799);
}

Test(http_when, is_a_time_of_rfc_3339)
{
	expect_when("1970-01-01T00:00:00Z", false, 0);
	expect_when("2027-01-15T08:00:00Z", false, 1800000000);
	expect_when("2027-01-15t08:00:00z", false, 1800000000);
	expect_when("2027-01-15 08:00:00+00:00", false, 1800000000);
	expect_when("2027-01-15T09:30:00+01:30", false, 1800000000);
	expect_when("2027-01-14T22:00:00-10:00", false, 1800000000);
	expect_when("2000-02-29T12:00:00Z", false, 951825600);
	expect_when("2024-03-01T00:00:00Z", false, 1709251200);
	expect_when("9999-12-31T23:59:59Z", false, 253402300799);
}

Test(http_when, a_part_of_a_second_is_rounded_up_and_a_leap_second_is_the_next_one)
{
	expect_when("2027-01-15T08:00:00.000Z", false, 1800000000);
	expect_when("2027-01-15T08:00:00.001Z", false, 1800000001);
	expect_when("2027-01-15T08:00:00.5Z", false, 1800000001);
	expect_when("2016-12-31T23:59:60Z", false, 1483228800);
}

Test(http_when, anything_else_is_refused)
{
	static const char *const bad[] = { "", "+", "-1", "+-1", "1.5", " 1", "1 ", "soon", "253402300800",
		"99999999999999999999999", "+99999999999999999999999", "2027-01-15", "2027-01-15T08:00Z",
		"2027-01-15T08:00:00", "2027-01-15T08:00:00.Z", "2027-01-15T08:00:00+0100", "2027-01-15T08:00:00+24:00",
		"2027-01-15T08:00:00Zx", "2027-13-15T08:00:00Z", "2027-00-15T08:00:00Z", "2027-02-29T08:00:00Z",
		"2100-02-29T08:00:00Z", "2027-01-15T24:00:00Z", "2027-01-15T08:60:00Z", "2027-01-15T08:00:61Z",
		"1969-12-31T23:59:59Z", "10000-01-01T00:00:00Z", "9999-12-31T23:59:59-00:01", "2027-1-15T08:00:00Z" };
	struct web_when when;

	for (size_t i = 0; i < GM_COUNT(bad); i++)
		cr_assert_not(web_when_read(gm_slice(bad[i]), &when), "'%s'", bad[i]);
}

/* ---- Prefer, Accept ------------------------------------------------------------------------ */

static struct web_prefer
prefer_of(const char *text)
{
	struct web_prefer prefer = { 0 };

	web_prefer_read(gm_slice(text), &prefer);
	return prefer;
}

static void
expect_prefer(const char *text, bool async, int wait)
{
	struct web_prefer prefer = prefer_of(text);

	cr_assert_eq(prefer.respond_async, async, "'%s'", text);
	cr_assert_eq(prefer.has_wait ? (int)prefer.wait : -1, wait, "'%s'", text);
}

Test(http_prefer, has_respond_async_and_wait)
{
	expect_prefer("respond-async", true, -1);
	expect_prefer("Respond-Async, Wait=10", true, 10);
	expect_prefer("wait = 10 ,respond-async", true, 10);
	expect_prefer("wait=\"7\"", false, 7);
	expect_prefer("respond-async; x=y, wait=3;a", true, 3);
	expect_prefer("wait=1, wait=2", false, 1);
	expect_prefer("wait=0", false, 0);
	expect_prefer("wait=99999999999999", false, 3600);
}

Test(http_prefer, what_is_not_understood_is_no_preference)
{
	expect_prefer("", false, -1);
	expect_prefer(",,;=", false, -1);
	expect_prefer("respond-async=no", false, -1);
	expect_prefer("return=minimal, wait=soon", false, -1);
	expect_prefer("wait=", false, -1);
	expect_prefer("wait=-1", false, -1);
	expect_prefer("x=\"respond-async, wait=5", false, -1);
	expect_prefer("x=\"a\\\",respond-async\", wait=5", false, 5);
}

static void
expect_accept(const char *text, bool events, bool problem)
{
	struct web_accept accept = { 0 };

	web_accept_read(gm_slice(text), &accept);
	cr_assert_eq(accept.events, events, "'%s'", text);
	cr_assert_eq(accept.problem, problem, "'%s'", text);
}

Test(http_accept, counts_what_is_named_and_no_wildcard)
{
	expect_accept("text/event-stream", true, false);
	expect_accept("text/html;q=0.8, Text/Event-Stream;q=0.1", true, false);
	expect_accept("application/json", false, true);
	expect_accept("application/problem+json;charset=utf-8, */*", false, true);
	expect_accept("application/vnd.api+json", false, true);
	expect_accept("*/*", false, false);
	expect_accept("text/*, application/*", false, false);
	expect_accept("application/jsonx, json, +json", false, false);
	expect_accept("application/json;q=0, text/event-stream; q=0.00", false, false);
	expect_accept("application/json;q=0.001", false, true);
	expect_accept("", false, false);
}

Test(http_query, has_a_value_by_its_name)
{
	struct gearmand_slice value;

	cr_assert(web_query_find(gm_slice("a=1&wait=30"), "wait", &value));
	cr_assert(gm_is(value, "30"));
	cr_assert(web_query_find(gm_slice("wait"), "wait", &value));
	cr_assert_eq(value.len, 0);
	cr_assert_not(web_query_find(gm_slice("waits=1&x=wait"), "wait", &value));
	cr_assert_not(web_query_find(gm_slice(""), "wait", &value));
}

/* ---- Text ---------------------------------------------------------------------------------- */

#define BYTES(text) ((struct gearmand_slice){ text, sizeof(text) - 1 })

static void
expect_json(struct gearmand_slice s, const char *want)
{
	struct gm_bytes out = { 0 };

	web_json_string(&out, s);
	gm_add(&out, "", 1);
	cr_assert_str_eq(out.data, want);
	gm_bytes_free(&out);
}

Test(http_text, json_has_each_character_and_bytes_that_are_none)
{
	expect_json(BYTES(""), "\"\"");
	expect_json(BYTES("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"");
	expect_json(BYTES("\0\n\x1f\x7f"), "\"\\u0000\\u000a\\u001f\\u007f\"");
	expect_json(BYTES("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"), "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
	expect_json(BYTES("\xff"
			  "a\xc3"),
	    "\"\\\\xFFa\\\\xC3\"");
	expect_json(BYTES("\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80"),
	    "\"\\\\xC0\\\\x80\\\\xED\\\\xA0\\\\x80\\\\xF4\\\\x90\\\\x80\\\\x80\"");
}

Test(http_text, text_is_utf_8_without_cr_and_nul)
{
	cr_assert(web_is_text(BYTES("")));
	cr_assert(web_is_text(BYTES("a\nb\t\xc3\xa4")));
	cr_assert_not(web_is_text(BYTES("a\r\nb")));
	cr_assert_not(web_is_text(BYTES("a\0b")));
	cr_assert_not(web_is_text(BYTES("\xc3")));
	cr_assert_not(web_is_text(BYTES("\xe2\x82")));
	cr_assert_not(web_is_text(BYTES("\x80")));
}

Test(http_text, base64_is_that_of_rfc_4648)
{
	char four[5] = "";

	web_base64(BYTES("f"), four);
	cr_assert_str_eq(four, "Zg==");
	web_base64(BYTES("fo"), four);
	cr_assert_str_eq(four, "Zm8=");
	web_base64(BYTES("foo"), four);
	cr_assert_str_eq(four, "Zm9v");
	web_base64(BYTES("\xff\xfe\xfb"), four);
	cr_assert_str_eq(four, "//77");
}

Test(http_facts, are_read_by_name_and_written_as_json)
{
	const struct gearmand_slice facts = BYTES("handle\tH:a:1\nfunction\tf \"x\"\nunique\t\nstate\trunning\n"
						  "background\tyes\nstored\tno\nattempts\t2\nnumerator\tmany\n.\n");
	struct gm_bytes out = { 0 };

	cr_assert(gm_is(web_fact(facts, "handle"), "H:a:1"));
	cr_assert_eq(web_fact(facts, "unique").len, 0);
	cr_assert_eq(web_fact(facts, "hand").len, 0);
	web_facts_json(&out, facts, gm_slice(""));
	gm_add(&out, "", 1);
	cr_assert_eq(
	    strstr(out.data, "{\"handle\":\"H:a:1\",\"function\":\"f \\\"x\\\"\",\"unique\":null,\"state\":\"running\","
			     "\"running\":true,"),
	    out.data, "%s", out.data);
	cr_assert_not_null(strstr(out.data, "\"background\":true,\"stored\":false,"));
	cr_assert_not_null(strstr(out.data, "\"attempts\":2,"));
	cr_assert_not_null(strstr(out.data, "\"numerator\":null,"));
	gm_bytes_free(&out);
	web_facts_json(&out, facts, gm_slice("completed"));
	gm_add(&out, "", 1);
	cr_assert_not_null(strstr(out.data, "\"state\":\"completed\",\"running\":false,"));
	gm_bytes_free(&out);
}

Test(http_facts, an_error_has_a_code_and_a_sentence)
{
	struct gm_bytes sentence = { 0 };
	struct gearmand_slice code;

	cr_assert(web_is_err(gm_slice("ERR QUEUE_ERROR As+many+as+may\r\n"), &code, &sentence));
	cr_assert(gm_is(code, "QUEUE_ERROR"));
	cr_assert(gm_is(gm_bytes_slice(&sentence), "As many as may"));
	gm_bytes_free(&sentence);
	cr_assert(web_is_err(gm_slice("ERR UNKNOWN_JOB\r\n"), &code, &sentence));
	cr_assert(gm_is(code, "UNKNOWN_JOB"));
	cr_assert_eq(sentence.len, 0);
	cr_assert_not(web_is_err(gm_slice("OK\r\n"), &code, &sentence));
}
