/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Cases: keys are bytes.
 *
 * Runs on:  the process of a case.
 * Owns:     nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "rig.h"

enum { FUNCTION_LONG = 512, FUNCTION_MOST = 8192, UNIQUE_MOST = 64 };

static void
add(struct jobs *jobs, struct gearmand_slice function, struct gearmand_slice unique)
{
	struct gearmand_job j = job_of(function, unique, printed("job %zu", jobs->count));

	jobs_add(jobs, &j);
}

/* Are they there, and can each be removed without another? */
static void
must_be_apart(struct rig *r, struct jobs *jobs)
{
	rig_open(r);
	rig_store_jobs(r, jobs);
	rig_must_have(r, jobs, IN_ORDER);
	while (jobs->count > 0) {
		struct batch b = { 0 };
		size_t last = jobs->count - 1;

		for (; last + 3 >= jobs->count; last--) { /* three at a time, that it is over soon */
			batch_remove(&b, jobs->at[last].function, jobs->at[last].unique);
			if (last == 0)
				break;
		}
		jobs->count -= b.count;
		rig_store(r, &b);
		rig_must_have(r, jobs, IN_ORDER);
	}
}

void
key_of_any_bytes_comes_back(struct rig *r)
{
	/* clang-format off */
	static const struct gearmand_slice names[] = {
		BYTES("it's"), BYTES("''"), BYTES("\""), BYTES("say \"hello\""), BYTES("`backquote`"), BYTES("100%"), BYTES("%s%n%d"),
		BYTES("_"), BYTES("back\\slash"), BYTES("\\"), BYTES("\\'"), BYTES("\\x00"), BYTES("line\nend"), BYTES("\r\n"),
		BYTES("tab\tand\x01"), BYTES("\x7f\x1b[0m"), BYTES("gr\xc3\xbc\xc3\x9f"), BYTES("\xe6\x97\xa5\xe6\x9c\xac"),
		BYTES("\xf0\x9f\x90\x98"), BYTES("\xff\xfe not UTF-8"), BYTES("\xc3"), BYTES("\xed\xa0\x80"), BYTES(" "), BYTES("   "),
		BYTES("two words"), BYTES("a b c "), BYTES("; DROP TABLE gearman_queue; --"), BYTES("$1"), BYTES("?1"), BYTES(":name"),
		BYTES("NULL"), BYTES("{a,b}"), BYTES("(a)"), BYTES("a,b"), BYTES("0"), BYTES("x\xa0y"),
	};
	/* clang-format on */
	struct jobs jobs = { 0 };

	for (size_t i = 0; i < GM_COUNT(names); i++) {
		add(&jobs, gm_slice("f"), names[i]);
		add(&jobs, names[i], gm_slice("u"));
		add(&jobs, names[i], names[i]);
	}
	must_be_apart(r, &jobs);
}

static struct gearmand_slice
long_name(size_t len, char last)
{
	char *s = keep(len);

	memset(s, 'n', len);
	s[len - 1] = last;
	return (struct gearmand_slice){ .data = s, .len = len };
}

void
function_of_512_bytes_comes_back(struct rig *r)
{
	struct gearmand_slice bytes = filled(FUNCTION_LONG, 4);
	struct jobs jobs = { 0 };

	for (size_t i = 0; i < bytes.len; i++)
		if (bytes.data[i] == '\0')
			((char *)(uintptr_t)bytes.data)[i] = 'z';
	add(&jobs, long_name(FUNCTION_LONG, 'a'), long_name(UNIQUE_MOST, 'a'));
	add(&jobs, long_name(FUNCTION_LONG, 'a'), long_name(UNIQUE_MOST, 'b'));
	add(&jobs, long_name(FUNCTION_LONG, 'b'), long_name(UNIQUE_MOST, 'a'));
	add(&jobs, long_name(FUNCTION_LONG - 1, 'n'), long_name(UNIQUE_MOST - 1, 'n'));
	add(&jobs, bytes, (struct gearmand_slice){ .data = bytes.data, .len = UNIQUE_MOST });
	must_be_apart(r, &jobs);
}

void
function_of_0_bytes_comes_back(struct rig *r)
{
	struct jobs jobs = { 0 };

	add(&jobs, gm_slice(""), gm_slice("u"));
	add(&jobs, gm_slice("f"), gm_slice("u"));
	must_be_apart(r, &jobs);
}

void
function_of_8192_bytes_comes_back_or_is_refused(struct rig *r)
{
	struct jobs jobs = { 0 }, kept = { 0 };
	struct batch b = { 0 };

	for (char last = 'a'; last <= 'b'; last++)
		add(&jobs, long_name(FUNCTION_MOST, last), gm_slice("u"));
	rig_open(r);
	for (size_t i = 0; i < jobs.count; i++)
		batch_add(&b, jobs.at[i]);
	rig_commit(r, &b);
	for (size_t i = 0; i < jobs.count; i++) {
		if (b.at[i].outcome == GEARMAND_REFUSED)
			note("refused: %s", b.at[i].reason);
		else
			jobs_add(&kept, &jobs.at[i]);
	}
	rig_must_have(r, &kept, IN_ORDER);
	batch_clear(&b);
}

void
keys_that_look_alike_are_different(struct rig *r)
{
	/* clang-format off */
	static const struct gearmand_slice alike[] = {
		BYTES("u1"), BYTES("U1"), BYTES("u1 "), BYTES(" u1"), BYTES("u1  "), BYTES("u1\t"), BYTES("u1\n"), BYTES("u01"),
		BYTES("u1\\"), BYTES("u"), BYTES("\xc3\xbc" "1"), BYTES("\xc3\x9c" "1"), BYTES("u\xcc\x88" "1"), BYTES("\xfc" "1"),
		BYTES("ss"), BYTES("\xc3\x9f"), BYTES("SS"), BYTES("1"), BYTES("1.0"), BYTES("01"), BYTES("1e0"), BYTES("i"), BYTES("I"),
		BYTES("\xc4\xb1"), BYTES("\xc4\xb0"),
	};
	/* clang-format on */
	struct jobs jobs = { 0 };

	for (size_t i = 0; i < GM_COUNT(alike); i++) {
		add(&jobs, gm_slice("f"), alike[i]);
		add(&jobs, alike[i], gm_slice("key"));
	}
	add(&jobs, gm_slice("F"), gm_slice("u1"));
	add(&jobs, gm_slice("f "), gm_slice("u1"));
	must_be_apart(r, &jobs);
}

void
key_is_function_and_unique(struct rig *r)
{
	static const char *const keys[][2] = { { "f", "u" }, { "g", "u" }, { "f", "v" }, { "u", "f" }, { "ab", "c" },
		{ "a", "bc" }, { "a-b", "c" }, { "a", "b-c" }, { "a b", "c" }, { "a", "b c" }, { "a:b", "c" },
		{ "a", "b:c" } };
	struct jobs jobs = { 0 };

	for (size_t i = 0; i < GM_COUNT(keys); i++)
		add(&jobs, gm_slice(keys[i][0]), gm_slice(keys[i][1]));
	must_be_apart(r, &jobs);
}
