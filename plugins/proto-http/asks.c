/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Headers that ask for something out of the ordinary.
 *
 * Runs on:  the I/O thread of the connection; pure functions.
 * Owns:     nothing.
 */
#include "asks.h"

#include <strings.h>

static const int64_t year_10000 = 253402300800; /* seconds since 1970 */

bool
web_is_word(struct gearmand_slice s, const char *word)
{
	return s.len == strlen(word) && strncasecmp(s.data, word, s.len) == 0;
}

struct gearmand_slice
web_trimmed(struct gearmand_slice s)
{
	while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
		s = (struct gearmand_slice){ s.data + 1, s.len - 1 };
	while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* Takes the first part from *rest, up to a separator that is not in quotes.  False: nothing is left. */
static bool
next_part(struct gearmand_slice *rest, char separator, struct gearmand_slice *part_r)
{
	bool quoted = false;
	size_t n = 0;

	if (rest->len == 0)
		return false;
	for (; n < rest->len && (quoted || rest->data[n] != separator); n++) {
		if (quoted && rest->data[n] == '\\' && n + 1 < rest->len)
			n++;
		else if (rest->data[n] == '"')
			quoted = !quoted;
	}
	*part_r = web_trimmed((struct gearmand_slice){ rest->data, n });
	n += n < rest->len;
	*rest = (struct gearmand_slice){ rest->data + n, rest->len - n };
	return true;
}

/* "name = value", the value perhaps in quotes; without '=' it is empty. */
static void
split_pair(struct gearmand_slice pair, struct gearmand_slice *name_r, struct gearmand_slice *value_r)
{
	const char *equals = pair.len > 0 ? memchr(pair.data, '=', pair.len) : NULL;
	size_t n = equals ? (size_t)(equals - pair.data) : pair.len;
	struct gearmand_slice value = { pair.data + n + (equals != NULL), pair.len - n - (equals != NULL) };

	*name_r = web_trimmed((struct gearmand_slice){ pair.data, n });
	value = web_trimmed(value);
	if (value.len > 1 && value.data[0] == '"' && value.data[value.len - 1] == '"')
		value = (struct gearmand_slice){ value.data + 1, value.len - 2 };
	*value_r = value;
}

bool
web_number_read(struct gearmand_slice s, uint64_t most, uint64_t *number_r)
{
	uint64_t number = 0;

	for (size_t i = 0; i < s.len; i++) {
		unsigned digit = (unsigned char)s.data[i] - '0';

		if (digit > 9)
			return false;
		number = number > (most - digit) / 10 ? most : number * 10 + digit;
	}
	*number_r = number;
	return s.len > 0;
}

bool
web_query_find(struct gearmand_slice query, const char *name, struct gearmand_slice *value_r)
{
	struct gearmand_slice pair, found;

	while (next_part(&query, '&', &pair)) {
		split_pair(pair, &found, value_r);
		if (gm_is(found, name))
			return true;
	}
	return false;
}

/* ---- Time ------------------------------------------------------------------------------- */

/* `count` digits at *at, a number from `least` to `most`. */
static bool
take_digits(const char **at, const char *end, int count, int least, int most, int *number_r)
{
	int number = 0;

	for (; count > 0; count--, (*at)++) {
		if (*at == end || **at < '0' || **at > '9')
			return false;
		number = number * 10 + (**at - '0');
	}
	*number_r = number;
	return number >= least && number <= most;
}

/* One of these bytes; the one that it is, or NUL. */
static char
take_one_of(const char **at, const char *end, const char *bytes)
{
	return *at < end && **at != '\0' && strchr(bytes, **at) ? *(*at)++ : '\0';
}

static int
days_of_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

/* From 1970-01-01 on; years since 1970. */
static int64_t
days_until(int year, int month, int day)
{
	int64_t before = year - 1, days = before * 365 + before / 4 - before / 100 + before / 400 - 719162 + day - 1;

	for (int m = 1; m < month; m++)
		days += days_of_month(year, m);
	return days;
}

/* "Z" or "+01:00", as seconds. */
static bool
take_offset(const char **at, const char *end, int *offset_r)
{
	char sign = take_one_of(at, end, "Zz+-");
	int hours = 0, minutes = 0;

	*offset_r = 0;
	if (sign != '+' && sign != '-')
		return sign != '\0';
	if (!take_digits(at, end, 2, 0, 23, &hours) || !take_one_of(at, end, ":") ||
	    !take_digits(at, end, 2, 0, 59, &minutes))
		return false;
	*offset_r = (hours * 60 + minutes) * (sign == '+' ? 60 : -60);
	return true;
}

/* RFC 3339.  A part of a second is rounded up: nothing runs before its time. */
static bool
read_date(struct gearmand_slice s, int64_t *seconds_r)
{
	const char *at = s.data, *end = s.data + s.len;
	int year, month, day, hour, minute, second, digit, offset;
	bool good = take_digits(&at, end, 4, 1970, 9999, &year) && take_one_of(&at, end, "-") &&
		    take_digits(&at, end, 2, 1, 12, &month) && take_one_of(&at, end, "-") &&
		    take_digits(&at, end, 2, 1, days_of_month(year, month), &day) && take_one_of(&at, end, "Tt ") &&
		    take_digits(&at, end, 2, 0, 23, &hour) && take_one_of(&at, end, ":") &&
		    take_digits(&at, end, 2, 0, 59, &minute) && take_one_of(&at, end, ":") &&
		    take_digits(&at, end, 2, 0, 60, &second);
	bool has_part = good && take_one_of(&at, end, "."), is_part = false;

	if (has_part && !take_digits(&at, end, 1, 0, 9, &digit))
		return false;
	for (is_part = has_part && digit > 0; has_part && take_digits(&at, end, 1, 0, 9, &digit);)
		is_part |= digit > 0;
	if (!good || !take_offset(&at, end, &offset) || at != end)
		return false;
	*seconds_r = days_until(year, month, day) * 86400 + hour * 3600 + minute * 60 + second + is_part - offset;
	return true;
}

bool
web_when_read(struct gearmand_slice s, struct web_when *when)
{
	bool relative = s.len > 0 && s.data[0] == '+';
	uint64_t number;

	*when = (struct web_when){ .given = true, .relative = relative };
	if (web_number_read((struct gearmand_slice){ s.data + relative, s.len - relative }, INT64_MAX, &number))
		when->seconds = (int64_t)number;
	else if (relative || !read_date(s, &when->seconds))
		return false;
	return when->seconds < year_10000;
}

/* ---- Preferences and types ------------------------------------------------------------------ */

/* Of a preference that is given twice the first counts. */
void
web_prefer_read(struct gearmand_slice list, struct web_prefer *prefer)
{
	struct gearmand_slice item, pair, name, value;
	uint64_t seconds;

	while (next_part(&list, ',', &item)) {
		if (!next_part(&item, ';', &pair))
			continue;
		split_pair(pair, &name, &value);
		if (web_is_word(name, "respond-async") && value.len == 0)
			prefer->respond_async = true;
		if (!web_is_word(name, "wait") || prefer->has_wait || !web_number_read(value, WEB_WAIT_MOST, &seconds))
			continue;
		prefer->has_wait = true;
		prefer->wait = (uint32_t)seconds;
	}
}

/* "q=0", "q=0.000": this type is not wanted. */
static bool
is_refused(struct gearmand_slice parameters)
{
	struct gearmand_slice pair, name, value;

	while (next_part(&parameters, ';', &pair)) {
		split_pair(pair, &name, &value);
		if (!web_is_word(name, "q") || value.len == 0 || value.data[0] != '0')
			continue;
		for (size_t i = 1; i < value.len; i++)
			if (value.data[i] != '0' && value.data[i] != '.')
				return false;
		return true;
	}
	return false;
}

static bool
is_json(struct gearmand_slice type)
{
	const char suffix[] = "+json";
	size_t len = sizeof(suffix) - 1;

	if (web_is_word(type, "application/json"))
		return true;
	return type.len > len && web_is_word((struct gearmand_slice){ type.data + type.len - len, len }, suffix);
}

void
web_accept_read(struct gearmand_slice list, struct web_accept *accept)
{
	struct gearmand_slice item, type;

	while (next_part(&list, ',', &item)) {
		if (!next_part(&item, ';', &type) || is_refused(item))
			continue;
		accept->events |= web_is_word(type, "text/event-stream");
		accept->problem |= is_json(type);
	}
}
