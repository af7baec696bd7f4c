/* SPDX-License-Identifier: BSD-3-Clause
 *
 * An access file becomes rules, line by line; which one decides, and what it gives.
 *
 * Runs on:  any thread; pure.
 * Owns:     struct access: the rules and two copies of the file that they point into.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "wire/access_priv.h"
#include "wire/policy.h"
#include "wire/words.h"

enum { WORD_SHOWN = 60 };

struct rule {
	struct access_rights rights;
	struct slice whole; /* the line as the file says it */
	struct condition *conditions;
	size_t count;
};

struct access {
	char *text;              /* the file as it came */
	char *words;             /* the same, in which words lose their quotes */
	size_t len, nets, certs; /* bytes; networks and conditions about certificates in all rules */
	bool is_default;
	size_t count;
	struct rule *at;
};

/* What one line has said so far. */
struct reading {
	bool submit, work, level;
	bool alone; /* none or all */
};

static bool
refuse_word(char *why, struct slice word, const char *what)
{
	snprintf(why, ACCESS_WHY, "%.*s%s", (int)(word.len < WORD_SHOWN ? word.len : WORD_SHOWN), word.data, what);
	return false;
}

/* ---- Lists of functions ---------------------------------------------------------------------------- */

static bool
list_has(struct slice list, struct slice function)
{
	bool has = false;

	while (list.len > 0) {
		struct slice pattern = slice_split(list, ',', &list);
		bool takes = pattern.len > 0 && pattern.data[0] == '!';

		if (takes ? pattern_matches(slice_of(pattern.data + 1, pattern.len - 1), function)
			  : !has && pattern_matches(pattern, function)) {
			has = !takes;
			if (takes)
				break;
		}
	}
	return has;
}

/* Says whether it has all functions. */
static bool
list_check(struct slice list, bool *all_r, unsigned *patterns, char *why)
{
	struct slice rest = list;
	bool gives = false, takes = false, all = false;

	while (rest.data != NULL) {
		struct slice one = slice_split(rest, ',', &rest);
		bool taken = one.len > 0 && one.data[0] == '!';

		if (one.len <= (size_t)taken)
			return refuse_word(why, list, ": a pattern is empty");
		if (one.len > ACCESS_PATTERN_MAX)
			return refuse_word(why, one, "...: the pattern has more than 255 bytes");
		gives |= !taken;
		takes |= taken;
		all |= slice_is(one, "*");
		++*patterns;
	}
	*all_r = all && !takes;
	return gives || refuse_word(why, list, ": it only takes away; begin with *, to give the others");
}

/* ---- A line ------------------------------------------------------------------------------------ */

static bool
read_list(bool *seen, struct slice word, size_t head, struct slice *list_r, bool *all_r, unsigned *patterns, char *why)
{
	if (*seen)
		return refuse_word(why, slice_of(word.data, head), " is given twice; write one list");
	*seen = true;
	*list_r = slice_of(word.data + head, word.len - head);
	if (list_r->len == 0)
		return refuse_word(why, word, " names no function; leave it out");
	return list_check(*list_r, all_r, patterns, why);
}

static bool
read_right(struct reading *reading, struct access_rights *rights, struct slice word, char *why)
{
	static const struct {
		const char *name;
		enum access_right level;
		bool alone;
	} words[] = {
		{ "see", ACCESS_SEE, false },
		{ "manage", ACCESS_MANAGE, false },
		{ "admin", ACCESS_ADMIN, false },
		{ "none", ACCESS_NOTHING, true },
		{ "all", ACCESS_ADMIN, true },
	};

	if (word.len >= 7 && memcmp(word.data, "submit=", 7) == 0)
		return read_list(
		    &reading->submit, word, 7, &rights->submit, &rights->submits_all, &rights->patterns, why);
	if (word.len >= 5 && memcmp(word.data, "work=", 5) == 0)
		return read_list(&reading->work, word, 5, &rights->work, &rights->works_all, &rights->patterns, why);
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (!slice_is(word, words[i].name))
			continue;
		if (reading->level)
			return refuse_word(why, word, ": only one of see, manage, admin, none and all may stand here");
		reading->level = true;
		reading->alone = words[i].alone;
		rights->level = words[i].level;
		if (slice_is(word, "all")) {
			rights->submit = rights->work = slice_of("*", 1);
			rights->submits_all = rights->works_all = true;
		}
		return true;
	}
	return refuse_word(why, word,
	    " is neither who (any, unix, net:, cert, on:) nor a right (submit=, work=, see, manage, admin, none, all)");
}

static bool
has_kind(const struct rule *rule, enum condition_kind kind)
{
	for (size_t i = 0; i < rule->count; i++)
		if (rule->conditions[i].kind == kind)
			return true;
	return false;
}

/* Words that can never be true together, or say the same again. */
static const char *
misfit(const struct rule *rule, enum condition_kind kind)
{
	if (rule->count > 0 && (kind == CONDITION_ANY || has_kind(rule, CONDITION_ANY)))
		return ": any stands alone, for all words must be true";
	if (kind != CONDITION_CERT && has_kind(rule, kind))
		return kind == CONDITION_NETS ? ": net: is given twice, and both must be true; write net:A,B"
					      : ": such a word is there already, and both must be true";
	if ((kind == CONDITION_NETS && has_kind(rule, CONDITION_USER)) ||
	    (kind == CONDITION_USER && has_kind(rule, CONDITION_NETS)))
		return ": unix and net: are never true together";
	return NULL;
}

/* True with *is_who false when the word is none of WHO. */
static bool
read_who(struct rule *rule, struct slice word, char *bytes, const struct access_names *names, bool *is_who, char *why)
{
	struct condition c;
	const char *bad;
	bool good = condition_read(&c, bytes, word.len, names, why);

	*is_who = c.kind != CONDITION_NONE;
	if (!*is_who)
		return true;
	bad = good ? misfit(rule, c.kind) : NULL;
	if (bad != NULL)
		refuse_word(why, word, bad);
	if (!good || bad != NULL) {
		condition_fini(&c);
		return false;
	}
	rule->conditions = mem_grow(rule->conditions, (rule->count + 1) * sizeof c);
	rule->conditions[rule->count++] = c;
	return true;
}

static bool
is_whole(const struct reading *reading, const struct rule *rule, char *why)
{
	const char *bad = NULL;

	if (rule->count == 0)
		bad = "it does not say who: begin with any, unix, net:, cert or on:";
	else if (rule->rights.text.len == 0)
		bad = "it does not say what is allowed; none is for nothing";
	else if (reading->alone && (reading->submit || reading->work))
		bad = "none and all stand alone";
	if (bad != NULL)
		snprintf(why, ACCESS_WHY, "%s", bad);
	return bad == NULL;
}

/* The bytes at `at` lose their quotes; `text` has them still.  False with `why` when it is wrong; the rule stays
 * without anything when the line says nothing. */
static bool
read_rule(struct rule *rule, char *at, char *end, const char *text, const struct access_names *names, char *why)
{
	char *start = at;
	struct reading reading = { .alone = false };
	struct slice word;
	bool closed, is_who = true;

	while (end > at && (end[-1] == '\r' || end[-1] == ' ' || end[-1] == '\t'))
		end--;
	while ((closed = file_word(&at, end, &word)) && word.len > 0) {
		char *bytes = start + (word.data - start);
		size_t offset = (size_t)(word.data - start);

		if (rule->whole.len == 0 && word.data[0] == '#')
			return true;
		if (rule->whole.len == 0)
			rule->whole = slice_of(text + offset, (size_t)(end - bytes));
		if (is_who && !read_who(rule, word, bytes, names, &is_who, why))
			return false;
		if (is_who)
			continue;
		if (!read_right(&reading, &rule->rights, word, why))
			return false;
		if (rule->rights.text.len == 0)
			rule->rights.text = slice_of(text + offset, (size_t)(end - bytes));
	}
	if (!closed)
		return refuse_word(why, slice_str("a double quote is not closed"), "");
	if (at < end)
		return refuse_word(why, slice_str("a word is empty"), "");
	return rule->whole.len == 0 || is_whole(&reading, rule, why);
}

/* ---- A file ------------------------------------------------------------------------------------- */

static void
rule_fini(struct rule *rule)
{
	for (size_t i = 0; i < rule->count; i++)
		condition_fini(&rule->conditions[i]);
	mem_free(rule->conditions);
}

static bool
read_rules(struct access *all, const struct access_names *names, unsigned *line_r, char *why)
{
	char *at = all->words, *file_end = at + all->len;

	for (*line_r = 1; at < file_end; ++*line_r) {
		char *lf = memchr(at, '\n', (size_t)(file_end - at)), *end = lf == NULL ? file_end : lf;
		struct rule rule = { .rights.line = *line_r };
		bool good = read_rule(&rule, at, end, all->text + (at - all->words), names, why);

		at = end + 1;
		if (good && rule.whole.len == 0)
			continue;
		if (good && all->count == ACCESS_LINES_MAX)
			good = refuse_word(why, slice_str("the file has more than 1000 rules"), "");
		if (!good) {
			rule_fini(&rule);
			return false;
		}
		all->at = mem_grow(all->at, (all->count + 1) * sizeof *all->at);
		all->at[all->count++] = rule;
		for (size_t i = 0; i < rule.count; i++) {
			all->nets += rule.conditions[i].net_count;
			all->certs += rule.conditions[i].kind == CONDITION_CERT;
		}
	}
	*line_r = 0;
	return all->count > 0 || refuse_word(why, slice_str("it has no rule, so nobody would be allowed anything"), "");
}

struct access *
access_new(struct slice text, const struct access_names *names, unsigned *line_r, char why[ACCESS_WHY])
{
	struct access *all = mem_new(sizeof *all);

	*line_r = 0;
	all->len = text.len;
	all->text = mem_dup(text.data, text.len);
	all->words = mem_dup(text.data, text.len);
	if (text.len > 0 && memchr(text.data, '\0', text.len) != NULL)
		snprintf(why, ACCESS_WHY, "it is no text: it has a NUL");
	else if (read_rules(all, names, line_r, why))
		return all;
	access_free(&all);
	return NULL;
}

static bool
find_no_user(const char *name, uint32_t *user_r)
{
	(void)name;
	(void)user_r;
	return false;
}

struct access *
access_new_default(void)
{
	static const char *const no_protocols[] = { NULL };
	static const struct access_names names = { find_no_user, no_protocols };
	unsigned line;
	char why[ACCESS_WHY];
	struct access *all = access_new(slice_str("unix                 all\n"
						  "net:127.0.0.0/8,::1  all\n"
						  "any                  submit=* work=* see\n"),
	    &names, &line, why);

	CHECK(all != NULL);
	all->is_default = true;
	return all;
}

void
access_free(struct access **all_p)
{
	struct access *all = *all_p;

	*all_p = NULL;
	if (all == NULL)
		return;
	for (size_t i = 0; i < all->count; i++)
		rule_fini(&all->at[i]);
	mem_free(all->at);
	mem_free(all->words);
	mem_free(all->text);
	mem_free(all);
}

bool
access_is_default(const struct access *all)
{
	return all->is_default;
}

size_t
access_count(const struct access *all)
{
	return all->count;
}

uint64_t
access_cost(const struct access *all, const struct access_peer *peer)
{
	return all->count * 8 + all->nets * 4 + all->certs * (10 + peer->identity.len);
}

unsigned
access_cert_line(const struct access *all)
{
	for (size_t i = 0; i < all->count; i++)
		if (has_kind(&all->at[i], CONDITION_CERT))
			return all->at[i].rights.line;
	return 0;
}

struct slice
access_line_text(const struct access *all, unsigned line)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->at[i].rights.line == line)
			return all->at[i].whole;
	return slice_of("", 0);
}

static bool
rule_matches(const struct rule *rule, const struct subject *subject)
{
	for (size_t i = 0; i < rule->count; i++)
		if (!condition_matches(&rule->conditions[i], subject))
			return false;
	return true;
}

const struct access_rights *
access_judge(const struct access *all, const struct access_peer *peer)
{
	static const struct access_rights nothing = { .level = ACCESS_NOTHING };
	struct subject subject;

	subject_init(&subject, peer);
	for (size_t i = 0; i < all->count; i++)
		if (rule_matches(&all->at[i], &subject))
			return &all->at[i].rights;
	return &nothing;
}

bool
access_lets(const struct access_rights *rights, enum access_right right, struct slice function)
{
	if (right == ACCESS_SUBMIT)
		return rights->submits_all || list_has(rights->submit, function);
	if (right == ACCESS_WORK)
		return rights->works_all || list_has(rights->work, function);
	return rights->level >= right;
}
