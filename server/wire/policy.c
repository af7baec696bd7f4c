/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The settings of a policy: from text, to text, and what they come to.
 *
 * Runs on:  any thread; pure.
 * Owns:     nothing.
 *
 * Each key is a row of one table, for a file that is read as for a policy that is shown.
 */
#include "wire/policy.h"

#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/nsec.h"

#define DAY (86400 * A_SECOND)

enum value {
	COUNT,
	PERCENT,
	SIZE,   /* bytes, with K, M, G */
	TIME,   /* with ms, s, m, h, d; seconds without */
	RATE,   /* N/s, N/m, N/h */
	LOSSES, /* a list of enum policy_loss */
	BACKOFF,
	DEAD,     /* keep or drop */
	MAXQUEUE, /* N or H,N,L */
	CRON,     /* five fields */
	NAME,
};

/* clang-format off */
static const struct key {
	const char *name;
	enum value value;
	size_t at;          /* of the member in struct policy */
	uint64_t min, max;  /* of COUNT, PERCENT, SIZE */
} keys[] = {
#define KEY(name, value, member, min, max) { name, value, offsetof(struct policy, member), min, max }
	KEY("attempts",    COUNT,    attempts, 0, 1000000),
	KEY("retry-on",    LOSSES,   retry_on, 0, 0),
	KEY("delay",       TIME,     delay, 0, 0),
	KEY("max-delay",   TIME,     max_delay, 0, 0),
	KEY("backoff",     BACKOFF,  backoff, 0, 0),
	KEY("jitter",      PERCENT,  jitter, 0, 100),
	KEY("dead",        DEAD,     keep_dead, 0, 0),
	KEY("expire",      TIME,     expire, 0, 0),
	KEY("run-limit",   TIME,     run_limit, 0, 0),
	KEY("running",     COUNT,    running, 0, 1000000000),
	KEY("rate",        RATE,     token, 0, 0),
	KEY("burst",       COUNT,    burst, 1, 1000000),
	KEY("maxqueue",    MAXQUEUE, maxqueue, 0, 1000000000),
	KEY("keep-state",  TIME,     keep_state, 0, 0),
	KEY("keep-result", SIZE,     keep_result, 0, UINT64_C(1) << 30),
	KEY("cron",        CRON,     cron, 0, 0),
	KEY("payload",     NAME,     payload, 0, 0),
#undef KEY
};

static const struct word {
	const char *text;
	uint64_t value;
} losses[] = { { "lost", POLICY_LOST }, { "timeout", POLICY_TIMEOUT }, { "fail", POLICY_FAIL }, { "exception", POLICY_EXCEPTION }, { 0 } },
  backoffs[] = { { "exponential", POLICY_EXPONENTIAL }, { "linear", POLICY_LINEAR }, { "fixed", POLICY_FIXED }, { 0 } },
  deads[] = { { "keep", true }, { "drop", false }, { 0 } },
  times[] = { { "ms", A_SECOND / 1000 }, { "s", A_SECOND }, { "m", 60 * A_SECOND }, { "h", 3600 * A_SECOND }, { "d", DAY }, { 0 } },
  sizes[] = { { "K", 1024 }, { "M", 1024 * 1024 }, { "G", 1024 * 1024 * 1024 }, { 0 } };
/* clang-format on */

enum { KEYS = sizeof keys / sizeof *keys };

/* ---- Values ----------------------------------------------------------------------------------- */

static const struct word *
word_find(const struct word *words, struct slice text)
{
	for (; words->text != NULL; words++)
		if (slice_is(text, words->text))
			return words;
	return NULL;
}

/* A whole number and a unit; without a unit it counts `plain`. */
static bool
read_quantity(struct slice text, const struct word *units, uint64_t plain, uint64_t max, uint64_t *value_r)
{
	size_t digits = 0;
	const struct word *unit;
	uint64_t value;

	while (digits < text.len && text.data[digits] >= '0' && text.data[digits] <= '9')
		digits++;
	if (!slice_to_u64(slice_of(text.data, digits), UINT64_MAX, &value))
		return false;
	if (digits < text.len) {
		unit = word_find(units, slice_of(text.data + digits, text.len - digits));
		if (unit == NULL)
			return false;
		plain = unit->value;
	}
	*value_r = value * plain;
	return value <= max / plain;
}

static bool
read_rate(struct slice text, int64_t *token_r)
{
	struct slice unit, number = slice_split(text, '/', &unit);
	const struct word *per = word_find(times, unit);
	uint64_t value;

	if (per == NULL || per->value < A_SECOND || per->value == DAY || !slice_to_u64(number, 1000000, &value) ||
	    value == 0)
		return false;
	*token_r = (int64_t)(per->value / value);
	return true;
}

static bool
read_losses(struct slice text, uint64_t *mask_r)
{
	struct slice rest = text;

	for (*mask_r = 0; rest.data != NULL;) {
		const struct word *loss = word_find(losses, slice_split(rest, ',', &rest));

		if (loss == NULL)
			return false;
		*mask_r |= loss->value;
	}
	return true;
}

static bool
read_word(const struct word *words, struct slice text, uint64_t *value_r)
{
	const struct word *word = word_find(words, text);

	if (word != NULL)
		*value_r = word->value;
	return word != NULL;
}

/* One number is for each priority. */
static bool
read_maxqueue(struct slice text, uint64_t max, uint64_t value_r[3])
{
	struct slice rest = text;
	unsigned count = 0;

	while (rest.data != NULL && count < 3)
		if (!slice_to_u64(slice_split(rest, ',', &rest), max, &value_r[count++]))
			return false;
	if (count == 1)
		value_r[1] = value_r[2] = value_r[0];
	return rest.data == NULL && count != 2;
}

static bool
read_cron(struct slice text, struct policy_cron *cron)
{
	struct slice rest = text, field[SCHED_FIELDS];
	unsigned count = 0;

	cron->text = text;
	while (rest.data != NULL) {
		struct slice word = slice_split(rest, ' ', &rest);

		if (word.len == 0)
			continue;
		if (count == SCHED_FIELDS)
			return false;
		field[count++] = word;
	}
	return count == SCHED_FIELDS && sched_read(field, true, &cron->when);
}

static bool
read_value(const struct key *key, struct slice text, void *member)
{
	switch (key->value) {
	case COUNT:
	case PERCENT:
		return slice_to_u64(text, key->max, member) && *(uint64_t *)member >= key->min;
	case SIZE:
		return read_quantity(text, sizes, 1, key->max, member);
	case TIME:
		return read_quantity(text, times, A_SECOND, 3650 * (uint64_t)DAY, member);
	case RATE:
		return read_rate(text, member);
	case LOSSES:
		return read_losses(text, member);
	case BACKOFF:
		return read_word(backoffs, text, member);
	case DEAD:
		return read_word(deads, text, member);
	case MAXQUEUE:
		return read_maxqueue(text, key->max, member);
	case CRON:
		return read_cron(text, member);
	case NAME:
		*(struct slice *)member = text;
		return text.len > 0;
	}
	return false;
}

static void
say_expected(const struct key *key, struct slice text, char *why)
{
	char what[128];

	switch (key->value) {
	case COUNT:
	case PERCENT:
		snprintf(what, sizeof what, "a whole number from %ju to %ju", (uintmax_t)key->min, (uintmax_t)key->max);
		break;
	case SIZE:
		snprintf(what, sizeof what, "bytes, as in 64K, up to 1G");
		break;
	case TIME:
		snprintf(what, sizeof what, "a time of at most 3650d, as in 250ms, 15s, 10m, 6h, 2d");
		break;
	case RATE:
		snprintf(what, sizeof what, "a rate as in 20/s, 5/m, 100/h, up to 1000000");
		break;
	case LOSSES:
		snprintf(what, sizeof what, "a list of lost, timeout, fail, exception");
		break;
	case BACKOFF:
		snprintf(what, sizeof what, "exponential, linear or fixed");
		break;
	case DEAD:
		snprintf(what, sizeof what, "keep or drop");
		break;
	case MAXQUEUE:
		snprintf(what, sizeof what, "one number, or three: high,normal,low");
		break;
	case CRON:
		snprintf(what, sizeof what,
		    "minute, hour, day, month and weekday (0 is Monday), each * or numbers as in 0-30/10,45");
		break;
	case NAME:
		snprintf(what, sizeof what, "the name of a file");
		break;
	}
	snprintf(
	    why, POLICY_WHY, "%s=%.*s: expected %s", key->name, (int)(text.len < 60 ? text.len : 60), text.data, what);
}

static const struct key *
key_named(struct slice name)
{
	for (size_t i = 0; i < KEYS; i++)
		if (slice_is(name, keys[i].name))
			return &keys[i];
	return NULL;
}

bool
policy_set(struct policy *policy, struct slice word, uint64_t *seen, char why[POLICY_WHY])
{
	struct slice value, name = slice_split(word, '=', &value);
	const struct key *key = key_named(name);
	uint64_t bit;

	if (key == NULL || value.data == NULL) {
		snprintf(why, POLICY_WHY, "%.*s is no setting; expected KEY=VALUE",
		    (int)(word.len < 60 ? word.len : 60), word.data);
		return false;
	}
	bit = UINT64_C(1) << (key - keys);
	if (*seen & bit) {
		snprintf(why, POLICY_WHY, "%s is given twice", key->name);
		return false;
	}
	*seen |= bit;
	if (read_value(key, value, (char *)policy + key->at))
		return true;
	say_expected(key, value, why);
	return false;
}

/* ---- What a policy comes to ------------------------------------------------------------------- */

void
policy_default(struct policy *policy)
{
	*policy = (struct policy){
		.retry_on = POLICY_LOST | POLICY_TIMEOUT,
		.backoff = POLICY_EXPONENTIAL,
		.jitter = 10,
		.max_delay = DAY,
		.running = POLICY_NO_CAP,
		.burst = 1,
	};
}

/* At a byte that differs the last `*` takes one byte more; an earlier one never needs to. */
bool
pattern_matches_counted(struct slice pattern, struct slice name, size_t *steps)
{
	size_t p = 0, n = 0, star = SIZE_MAX, taken = 0;

	for (; n < name.len; ++*steps) {
		if (p < pattern.len && pattern.data[p] == '*') {
			star = p++;
			taken = n;
		} else if (p < pattern.len && (pattern.data[p] == '?' || pattern.data[p] == name.data[n])) {
			p++;
			n++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			n = ++taken;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.data[p] == '*')
		p++;
	return p == pattern.len;
}

bool
pattern_matches(struct slice pattern, struct slice name)
{
	size_t steps = 0;

	return pattern_matches_counted(pattern, name, &steps);
}

int64_t
policy_delay(const struct policy *policy, uint64_t tries, uint64_t dice)
{
	int64_t delay = policy->delay, spread;
	uint64_t factor = policy->backoff == POLICY_LINEAR ? tries : 1;

	if (policy->backoff == POLICY_EXPONENTIAL)
		factor = tries > 62 ? UINT64_C(1) << 62 : UINT64_C(1) << (tries > 0 ? tries - 1 : 0);
	if (delay == 0)
		return 0;
	delay = factor > (uint64_t)(policy->max_delay / delay) ? policy->max_delay : delay * (int64_t)factor;
	spread = delay / 100 * (int64_t)policy->jitter;
	return spread == 0 ? delay : delay - spread + (int64_t)(dice % (2 * (uint64_t)spread + 1));
}

/* The largest unit that gives a whole number. */
static void
add_quantity(struct buf *out, uint64_t value, const struct word *units)
{
	const struct word *best = NULL;

	for (; units->text != NULL; units++)
		if (value % units->value == 0)
			best = units;
	if (value == 0 || best == NULL) {
		buf_add_u64(out, value);
		return;
	}
	buf_add_u64(out, value / best->value);
	buf_add_str(out, best->text);
}

static void
add_words(struct buf *out, const struct word *words, uint64_t value, bool is_mask)
{
	const char *comma = "";

	for (; words->text != NULL; words++) {
		if (is_mask ? (value & words->value) == 0 : value != words->value)
			continue;
		buf_add_str(out, comma);
		buf_add_str(out, words->text);
		comma = ",";
	}
}

static void
add_rate(struct buf *out, int64_t token)
{
	const struct word *per = &times[1];

	while (per->value < 3600 * A_SECOND && token > (int64_t)per->value)
		per++;
	buf_add_u64(out, (per->value + (uint64_t)token / 2) / (uint64_t)token);
	buf_add_char(out, '/');
	buf_add_str(out, per->text);
}

static void
add_in_quotes(struct buf *out, struct slice text)
{
	buf_add_char(out, '"');
	buf_add_escaped(out, text);
	buf_add_char(out, '"');
}

static void
add_value(struct buf *out, const struct key *key, const void *member)
{
	const uint64_t *number = member;

	switch (key->value) {
	case COUNT:
	case PERCENT:
		buf_add_u64(out, *number);
		break;
	case SIZE:
		add_quantity(out, *number, sizes);
		break;
	case TIME:
		add_quantity(out, *number, times);
		break;
	case RATE:
		add_rate(out, *(const int64_t *)member);
		break;
	case LOSSES:
		add_words(out, losses, *number, true);
		break;
	case BACKOFF:
		add_words(out, backoffs, *number, false);
		break;
	case DEAD:
		add_words(out, deads, *number, false);
		break;
	case MAXQUEUE:
		for (int i = 0; i < 3; i++) {
			if (i > 0)
				buf_add_char(out, ',');
			buf_add_u64(out, number[i]);
		}
		break;
	case CRON:
		add_in_quotes(out, ((const struct policy_cron *)member)->text);
		break;
	case NAME:
		add_in_quotes(out, *(const struct slice *)member);
		break;
	}
}

/* A cap, a rate and a cron line are said when there is one. */
static bool
is_said(const struct policy *policy, const struct key *key)
{
	if (key->at == offsetof(struct policy, running))
		return policy->running != POLICY_NO_CAP;
	if (key->at == offsetof(struct policy, token) || key->at == offsetof(struct policy, burst))
		return policy->token != 0;
	if (key->at == offsetof(struct policy, cron))
		return policy->cron.text.len > 0;
	return key->at != offsetof(struct policy, payload) || policy->payload.len > 0;
}

void
policy_add_text(const struct policy *policy, struct buf *out)
{
	const char *space = "";

	for (size_t i = 0; i < KEYS; i++) {
		if (!is_said(policy, &keys[i]))
			continue;
		buf_add_str(out, space);
		buf_add_str(out, keys[i].name);
		buf_add_char(out, '=');
		add_value(out, &keys[i], (const char *)policy + keys[i].at);
		space = " ";
	}
}
