/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A job as the value of a record, and back.
 *
 * Runs on:  the store thread.
 * Owns:     nothing; a buffer is its caller's.
 *
 * The value is the one of gearmand 1.1:
 *
 *     function NUL unique NUL priority-digit epoch NUL data
 *
 * 1.1 has no place for order, handle, reducer, flags and what became of the job.  But it reads the epoch with
 * strtoul(), which skips white space in front.  So these go there, written in the six bytes that are white space: three
 * make a digit of base 216.  What became of it comes last, and was not there at first.
 */
#include "queue_tokyo.h"

static const char blanks[] = " \t\n\v\f\r"; /* the order of blank_of() */

enum { FORM = 1 };                    /* of what is in the blanks */
enum { BASE = 216, HALF = BASE / 2 }; /* a number: digits below HALF, all but the last with HALF added */
enum { ESCAPE = BASE - 1 };           /* a byte from here on: ESCAPE, and what it is more */
enum { NUMBER_MOST = 10 };

/* ---- Writing ------------------------------------------------------------------------------------- */

static char *
put_digit(char *at, unsigned digit)
{
	*at++ = blanks[digit / 36];
	*at++ = blanks[digit / 6 % 6];
	*at++ = blanks[digit % 6];
	return at;
}

static char *
put_number(char *at, uint64_t n)
{
	for (; n >= HALF; n /= HALF)
		at = put_digit(at, HALF + (unsigned)(n % HALF));
	return put_digit(at, (unsigned)n);
}

static char *
put_text(char *at, struct gearmand_slice text)
{
	at = put_number(at, text.len);
	for (size_t i = 0; i < text.len; i++) {
		unsigned c = (unsigned char)text.data[i];

		if (c < ESCAPE) {
			at = put_digit(at, c);
		} else {
			at = put_digit(at, ESCAPE);
			at = put_digit(at, c - ESCAPE);
		}
	}
	return at;
}

/* The number between two NULs: priority, blanks, epoch. */
static void
put_numbers(struct gm_bytes *value, const struct gearmand_job *job, uint64_t sequence)
{
	size_t texts = job->handle.len + job->reducer.len + job->error.len;
	size_t most = 1 + 3 * (9 * NUMBER_MOST + 2 * texts) + 32;
	char *start = gm_room(value, most), *at = start;

	if (start == NULL)
		return;
	*at++ = job->priority == GEARMAND_HIGH ? '0' : job->priority == GEARMAND_LOW ? '2' : '1';
	at = put_number(at, FORM);
	at = put_number(at, sequence);
	at = put_number(at, job->flags);
	at = put_text(at, job->handle);
	at = put_text(at, job->reducer);
	at = put_number(at, job->attempts);
	at = put_number(at, (uint64_t)job->changed_at);
	at = put_number(at, (uint64_t)job->expires_at);
	at = put_text(at, job->error);
	at += snprintf(at, 32, "%lld", job->run_at < 0 ? 0 : (long long)job->run_at) + 1;
	value->len += (size_t)(at - start);
}

static void
add_names(struct gm_bytes *b, const struct gearmand_job *job, char between)
{
	gm_bytes_clear(b, SIZE_MAX);
	gm_add_slice(b, job->function);
	gm_add(b, &between, 1);
	gm_add_slice(b, job->unique);
}

struct gearmand_slice
tk_key_first(struct gm_bytes *key, const struct gearmand_job *job)
{
	add_names(key, job, '-');
	GM_CHECK(!key->failed);
	return gm_bytes_slice(key);
}

struct gearmand_slice
tk_key_second(struct gm_bytes *key, const struct gearmand_job *job)
{
	add_names(key, job, '\0');
	GM_CHECK(!key->failed);
	return gm_bytes_slice(key);
}

bool
tk_record_write(struct gm_bytes *value, const struct gearmand_job *job, uint64_t sequence)
{
	add_names(value, job, '\0');
	gm_add(value, "", 1);
	put_numbers(value, job, sequence);
	gm_add_slice(value, job->data);
	if (value->failed)
		errno = ENOMEM;
	return !value->failed;
}

/* ---- Reading ---------------------------------------------------------------------------------------- */

struct reader {
	const char *at, *end;
};

/* Its place in `blanks`; -1: it is none. */
static int
blank_of(char c)
{
	return c == ' ' ? 0 : c >= '\t' && c <= '\r' ? c - '\t' + 1 : -1;
}

static int
take_blank(struct reader *r)
{
	int blank = r->at < r->end ? blank_of(*r->at) : -1;

	r->at += blank >= 0;
	return blank;
}

static int
take_digit(struct reader *r)
{
	int a = take_blank(r), b = a < 0 ? -1 : take_blank(r), c = b < 0 ? -1 : take_blank(r);

	return c < 0 ? -1 : a * 36 + b * 6 + c;
}

static bool
take_number(struct reader *r, uint64_t *n_r)
{
	uint64_t n = 0, weight = 1;

	for (int i = 0; i < NUMBER_MOST; i++, weight *= HALF) {
		int digit = take_digit(r);

		if (digit < 0)
			return false;
		n += (uint64_t)(digit % HALF) * weight;
		if (digit < HALF) {
			*n_r = n;
			return true;
		}
	}
	return false;
}

static bool
take_text(struct reader *r, struct gm_bytes *text, size_t *len_r)
{
	uint64_t len;
	char *to;

	if (!take_number(r, &len) || len > TK_TEXT_MOST || (to = gm_room(text, len)) == NULL)
		return false;
	for (uint64_t i = 0; i < len; i++) {
		int digit = take_digit(r);

		if (digit == ESCAPE) {
			int more = take_digit(r);

			digit = more < 0 ? -1 : digit + more;
		}
		if (digit < 0 || digit > UINT8_MAX)
			return false;
		to[i] = (char)digit;
	}
	text->len += len;
	*len_r = len;
	return true;
}

/* Blanks that are not ours are only blanks. */
static void
read_blanks(struct tk_record *rec, struct reader r)
{
	uint64_t form, sequence, flags, attempts, changed, expires;
	size_t handle, reducer, error;
	bool has_past;

	gm_bytes_clear(&rec->text, SIZE_MAX);
	if (!take_number(&r, &form) || form != FORM || !take_number(&r, &sequence) || !take_number(&r, &flags) ||
	    flags > UINT32_MAX || !take_text(&r, &rec->text, &handle) || !take_text(&r, &rec->text, &reducer))
		return;
	has_past = take_number(&r, &attempts) && take_number(&r, &changed) && take_number(&r, &expires) &&
		   take_text(&r, &rec->text, &error);
	rec->sequence = sequence;
	rec->job.flags = (uint32_t)flags;
	rec->job.handle = (struct gearmand_slice){ rec->text.data, handle };
	rec->job.reducer = (struct gearmand_slice){ rec->text.data + handle, reducer };
	if (!has_past)
		return;
	rec->job.attempts = (uint32_t)attempts;
	rec->job.changed_at = (int64_t)changed;
	rec->job.expires_at = (int64_t)expires;
	rec->job.error = (struct gearmand_slice){ rec->text.data + handle + reducer, error };
}

/* One without digits is none of 1.1 either. */
static bool
take_epoch(struct reader *r, int64_t *epoch_r)
{
	bool negative = r->at < r->end && *r->at == '-';
	int64_t n = 0;
	const char *start;

	r->at += negative;
	for (start = r->at; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++)
		n = n > (INT64_MAX - 9) / 10 ? INT64_MAX / 10 * 10 : n * 10 + (*r->at - '0');
	*epoch_r = negative ? 0 : n;
	return r->at > start;
}

/* Up to the next NUL, which is passed over. */
static bool
take_string(struct reader *r, struct gearmand_slice *s)
{
	const char *nul = r->at < r->end ? memchr(r->at, '\0', (size_t)(r->end - r->at)) : NULL;

	if (nul == NULL)
		return false;
	*s = (struct gearmand_slice){ r->at, (size_t)(nul - r->at) };
	r->at = nul + 1;
	return true;
}

bool
tk_record_read(struct tk_record *rec, struct gearmand_slice value)
{
	struct reader r = { value.data, value.data + value.len };
	struct gearmand_job *job = &rec->job;

	*job = (struct gearmand_job){ .handle = { "", 0 }, .reducer = { "", 0 }, .error = { "", 0 } };
	rec->sequence = 0;
	if (!take_string(&r, &job->function) || !take_string(&r, &job->unique) || r.at == r.end)
		return false;
	job->priority = *r.at == '0' ? GEARMAND_HIGH : *r.at == '2' ? GEARMAND_LOW : GEARMAND_NORMAL;
	r.at++;
	read_blanks(rec, r);
	while (take_blank(&r) >= 0)
		continue;
	if (!take_epoch(&r, &job->run_at) || r.at == r.end || *r.at != '\0')
		return false;
	job->data = (struct gearmand_slice){ r.at + 1, (size_t)(r.end - r.at - 1) };
	return true;
}

bool
tk_record_is_of(struct gearmand_slice value, const struct gearmand_job *job)
{
	struct reader r = { value.data, value.data + value.len };
	struct gearmand_slice function, unique;

	return take_string(&r, &function) && take_string(&r, &unique) && gm_same(function, job->function) &&
	       gm_same(unique, job->unique);
}
