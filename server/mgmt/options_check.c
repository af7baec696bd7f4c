/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Is this text a value for that option, and what does it mean?
 *
 * Runs on:  main thread at start-up.
 * Owns:     nothing.  Also proves the defaults and bounds that modules declare.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mgmt/fail.h"
#include "mgmt/options_priv.h"
#include "wire/level.h"

enum verdict { NUMBER_OK, NUMBER_BAD, NUMBER_OUT_OF_RANGE };

/* Decimal, with a sign maybe; SIZE may end with K, M, G or T. */
static enum verdict
number_parse(const char *text, bool is_size, int64_t *number_r)
{
	static const char units[] = "KMGT";
	const char *digits = text + (text[0] == '-' || text[0] == '+');
	const char *unit;
	char *end;
	long long n;

	if (digits[0] < '0' || digits[0] > '9')
		return NUMBER_BAD;
	errno = 0;
	n = strtoll(text, &end, 10);
	if (is_size && *end != '\0' && end[1] == '\0' && (unit = strchr(units, *end & ~0x20)) != NULL &&
	    *unit != '\0') {
		end++;
		if (__builtin_mul_overflow(n, 1LL << (10 * (unit - units + 1)), &n))
			errno = ERANGE;
	}
	if (*end != '\0')
		return NUMBER_BAD;
	*number_r = n;
	return errno == ERANGE ? NUMBER_OUT_OF_RANGE : NUMBER_OK;
}

/* A port's number, or that of the service of this name. */
static enum verdict
port_parse(const char *text, int64_t *number_r)
{
	enum verdict verdict = number_parse(text, false, number_r);
	const struct servent *service;

	if (verdict != NUMBER_BAD)
		return verdict != NUMBER_OK || *number_r < 0 || *number_r > 65535 ? NUMBER_OUT_OF_RANGE : NUMBER_OK;
	service = getservbyname(text, "tcp");
	if (service == NULL)
		return NUMBER_BAD;
	*number_r = ntohs((uint16_t)service->s_port);
	return NUMBER_OK;
}

/* Is it within the bounds?  A bound that is no number itself is none: the plugin check refuses such. */
static enum verdict
number_check(const struct gearmand_option *o, const char *text, int64_t *number_r)
{
	bool is_size = o->type == GEARMAND_OPT_SIZE;
	enum verdict verdict = number_parse(text, is_size, number_r);
	int64_t bound;

	if (verdict != NUMBER_OK)
		return verdict;
	if (is_size && *number_r < 0)
		return NUMBER_OUT_OF_RANGE;
	if (o->min != NULL && number_parse(o->min, is_size, &bound) == NUMBER_OK && *number_r < bound)
		return NUMBER_OUT_OF_RANGE;
	if (o->max != NULL && number_parse(o->max, is_size, &bound) == NUMBER_OK && *number_r > bound)
		return NUMBER_OUT_OF_RANGE;
	return NUMBER_OK;
}

#define INVALID "the argument ('%s') for option '--%s' is invalid"

/* What text has no number at all would have had to be. */
static const char *
expected(int type)
{
	if (type == GEARMAND_OPT_PORT)
		return "it is no number, and no service has this name";
	return type == GEARMAND_OPT_SIZE ? "it must be bytes, as in 8192, 64K or 2G" : "it must be a whole number";
}

static void
say_bad(const struct gearmand_option *o, const char *text, enum verdict verdict, struct gearmand_error *err)
{
	const char *shown = o->secret ? "***" : text;
	const char *min = o->min, *max = o->max;

	if (o->type == GEARMAND_OPT_PORT)
		min = "0", max = "65535";
	else if (o->type == GEARMAND_OPT_SIZE && min == NULL)
		min = "0";
	if (verdict == NUMBER_BAD)
		error_fail(err, INVALID ": %s", shown, o->name, expected((int)o->type));
	else if (min != NULL && max != NULL)
		error_fail(err, INVALID ": it must be from %s to %s", shown, o->name, min, max);
	else if (min != NULL)
		error_fail(err, INVALID ": it must be at least %s", shown, o->name, min);
	else if (max != NULL)
		error_fail(err, INVALID ": it must be at most %s", shown, o->name, max);
	else
		error_fail(err, INVALID ": it does not fit in 64 bits", shown, o->name);
}

bool
option_check(const struct gearmand_option *o, const char *text, char **canonical_r, int64_t *number_r,
    struct gearmand_error *err)
{
	enum verdict verdict = NUMBER_OK;
	enum gearmand_level level;
	int64_t number = 0;
	char digits[24];

	switch ((int)o->type) {
	case GEARMAND_OPT_SWITCH:
		number = 1;
		break;
	case GEARMAND_OPT_INT:
	case GEARMAND_OPT_SIZE:
		verdict = number_check(o, text, &number);
		break;
	case GEARMAND_OPT_PORT:
		verdict = port_parse(text, &number);
		break;
	case OPTION_TYPE_LEVEL:
		if (!level_parse(text, &level))
			return error_fail(err,
			    "Invalid value for --verbose supplied: it must be FATAL, ALERT, CRITICAL, ERROR, WARNING, "
			    "NOTICE, INFO or DEBUG");
		number = level;
		break;
	default:
		break;
	}
	if (verdict != NUMBER_OK) {
		say_bad(o, text, verdict, err);
		return false;
	}
	if (o->type == GEARMAND_OPT_PORT) {
		snprintf(digits, sizeof(digits), "%" PRId64, number);
		text = digits;
	}
	if (number_r != NULL)
		*number_r = number;
	if (canonical_r != NULL)
		*canonical_r = mem_dup(text, strlen(text));
	return true;
}
