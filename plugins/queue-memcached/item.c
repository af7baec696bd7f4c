/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A job as memcached has it: a short key that is made from the names, and a value that has everything.
 *
 * Runs on:  the store thread.
 * Owns:     the latest sequence number.
 *
 * A key of memcached has up to 250 bytes and no blanks; names have any bytes, and more of them.  So the key is the
 * prefix and a hash (BLAKE2b, 144 bits as 24 characters) of function NUL unique.  It has no '-', which every key of
 * gearmand 1.1 has.  The value:
 *
 *     "gmj1"  priority  length of unique  lengths (2 bytes) of function, handle, reducer  0 0  flags (4)
 *     sequence (8)  time it is due (8)  function  unique  handle  reducer  payload
 *
 * Numbers are big-endian.  The item's own flags have the priority, as with 1.1.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "queue_memcached.h"

static const char magic[4] = { 'g', 'm', 'j', '1' };
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.";

/* As the server holds it. */
enum { FUNCTION_MOST = 8192, UNIQUE_MOST = 64, UUID = 36 };

/* ---- Keys -------------------------------------------------------------------------------- */

void
mc_name_make(struct mc_name *name, struct gearmand_slice function, struct gearmand_slice unique)
{
	crypto_generichash_state state;

	crypto_generichash_init(&state, NULL, 0, MC_NAME);
	crypto_generichash_update(&state, (const unsigned char *)function.data, function.len);
	crypto_generichash_update(&state, (const unsigned char *)"", 1);
	crypto_generichash_update(&state, (const unsigned char *)unique.data, unique.len);
	crypto_generichash_final(&state, name->bytes, MC_NAME);
}

size_t
mc_key_write(const struct mc_store *s, const struct mc_name *name, char key[MC_KEY_MOST + 1])
{
	char *to = key + s->prefix_len;

	memcpy(key, s->prefix, s->prefix_len);
	for (const uint8_t *b = name->bytes; b < name->bytes + MC_NAME; b += 3) {
		*to++ = alphabet[b[0] >> 2];
		*to++ = alphabet[(b[0] & 3) << 4 | b[1] >> 4];
		*to++ = alphabet[(b[1] & 15) << 2 | b[2] >> 6];
		*to++ = alphabet[b[2] & 63];
	}
	*to = '\0';
	return (size_t)(to - key);
}

bool
mc_key_read(struct gearmand_slice rest, struct mc_name *name)
{
	uint8_t *to = name->bytes;
	unsigned bits = 0;

	if (rest.len != MC_NAME_TEXT)
		return false;
	for (size_t i = 0; i < MC_NAME_TEXT; i++) {
		const char *found = memchr(alphabet, rest.data[i], sizeof(alphabet) - 1);

		if (found == NULL)
			return false;
		bits = bits << 6 | (unsigned)(found - alphabet);
		if (i % 4 != 3)
			continue;
		*to++ = (uint8_t)(bits >> 16);
		*to++ = (uint8_t)(bits >> 8);
		*to++ = (uint8_t)bits;
	}
	return true;
}

/* ---- Order ------------------------------------------------------------------------------- */

/* Of the process: a store that is opened again goes on. */
static uint64_t latest;

void
mc_sequence_seen(uint64_t sequence)
{
	if (sequence > latest && sequence < UINT64_MAX / 2)
		latest = sequence;
}

uint64_t
mc_sequence_next(const struct gearmand_host *host)
{
	if (latest == 0)
		mc_sequence_seen((uint64_t)host->wall());
	return ++latest;
}

/* ---- Values ------------------------------------------------------------------------------ */

static void
put(uint8_t *to, uint64_t number, int bytes)
{
	while (bytes-- > 0) {
		to[bytes] = (uint8_t)number;
		number >>= 8;
	}
}

static uint64_t
get(const char *from, int bytes)
{
	uint64_t number = 0;

	for (int i = 0; i < bytes; i++)
		number = number << 8 | (uint8_t)from[i];
	return number;
}

size_t
mc_value_length(const struct gearmand_job *job)
{
	return MC_HEAD + job->function.len + job->unique.len + job->handle.len + job->reducer.len + job->data.len;
}

static void
make_head(uint8_t head[MC_HEAD], const struct gearmand_job *job, uint64_t sequence)
{
	memcpy(head, magic, sizeof(magic));
	head[4] = (uint8_t)job->priority;
	head[5] = (uint8_t)job->unique.len;
	put(head + 6, job->function.len, 2);
	put(head + 8, job->handle.len, 2);
	put(head + 10, job->reducer.len, 2);
	put(head + 12, job->flags, 4);
	put(head + 16, sequence, 8);
	put(head + 24, (uint64_t)job->run_at, 8);
}

void
mc_write_job(struct mc_text *t, const char *verb, const char *key, size_t key_len, const struct gearmand_job *job,
    uint64_t sequence)
{
	size_t len = mc_value_length(job);
	uint8_t head[MC_HEAD];

	if (!mc_text_room(t, len + key_len + 64)) /* whole, or not at all */
		return;
	make_head(head, job, sequence);
	mc_text_adds(t, verb);
	mc_text_add(t, " ", 1);
	mc_text_add(t, key, key_len);
	mc_text_add(t, " ", 1);
	mc_text_addn(t, job->priority);
	mc_text_add(t, " 0 ", 3);
	mc_text_addn(t, len);
	mc_text_add(t, "\r\n", 2);
	mc_text_add(t, (const char *)head, sizeof(head));
	mc_text_add(t, job->function.data, job->function.len);
	mc_text_add(t, job->unique.data, job->unique.len);
	mc_text_add(t, job->handle.data, job->handle.len);
	mc_text_add(t, job->reducer.data, job->reducer.len);
	mc_text_add(t, job->data.data, job->data.len);
	mc_text_add(t, "\r\n", 2);
}

static enum gearmand_priority
priority_of(unsigned number)
{
	return number <= GEARMAND_LOW ? (enum gearmand_priority)number : GEARMAND_NORMAL;
}

static struct gearmand_slice
cut(struct gearmand_slice *from, size_t len)
{
	struct gearmand_slice piece = { from->data, len };

	from->data += len;
	from->len -= len;
	return piece;
}

static bool
is_name(struct gearmand_slice s, size_t most)
{
	return s.len > 0 && s.len <= most && memchr(s.data, '\0', s.len) == NULL;
}

bool
mc_value_read(struct gearmand_slice value, struct gearmand_job *job, uint64_t *sequence_r)
{
	size_t function, unique, handle, reducer;
	const char *head = value.data;

	if (value.len < MC_HEAD || memcmp(head, magic, sizeof(magic)) != 0)
		return false;
	unique = (uint8_t)head[5];
	function = get(head + 6, 2);
	handle = get(head + 8, 2);
	reducer = get(head + 10, 2);
	cut(&value, MC_HEAD);
	if (function + unique + handle + reducer > value.len)
		return false;
	*sequence_r = get(head + 16, 8);
	job->priority = priority_of((uint8_t)head[4]);
	job->flags = (uint32_t)get(head + 12, 4);
	job->run_at = (int64_t)get(head + 24, 8);
	job->function = cut(&value, function);
	job->unique = cut(&value, unique);
	job->handle = cut(&value, handle);
	job->reducer = cut(&value, reducer);
	job->data = value;
	return is_name(job->function, FUNCTION_MOST) && is_name(job->unique, UNIQUE_MOST);
}

/* ---- gearmand 1.1 ------------------------------------------------------------------------ */

static bool
is_uuid(const char *s)
{
	for (int i = 0; i < UUID; i++) {
		bool has_dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (has_dash ? s[i] != '-' : !isxdigit((unsigned char)s[i]))
			return false;
	}
	return true;
}

/* Length of the function; 0 = it cannot be told.  Most uniques are UUIDs, made by the client. */
static size_t
split(struct gearmand_slice rest)
{
	const char *dash = memchr(rest.data, '-', rest.len), *end = rest.data + rest.len;
	size_t len = dash == NULL ? 0 : (size_t)(dash - rest.data);

	if (len == 0)
		return 0;
	if (memchr(dash + 1, '-', (size_t)(end - dash - 1)) == NULL)
		return len;
	if (rest.len > UUID + 1 && end[-UUID - 1] == '-' && is_uuid(end - UUID))
		return rest.len - UUID - 1;
	return end - dash == 2 ? len : 0; /* the unique "-" */
}

/* Many jobs could have had no unique, or "-"; 1.1 kept the latest.  It gets a key of its own. */
static void
make_unique(struct gearmand_job *job, struct gearmand_slice rest, char made[65])
{
	uint8_t hash[16];

	job->flags = job->unique.len == 0 ? GEARMAND_JOB_NO_UNIQUE : GEARMAND_JOB_UNIQUE_IS_DATA;
	crypto_generichash(hash, sizeof(hash), (const unsigned char *)rest.data, rest.len, NULL, 0);
	strcpy(made, "gearmand-1.1-");
	for (size_t i = 0; i < sizeof(hash); i++)
		snprintf(made + strlen(made), 3, "%02x", hash[i]);
	job->unique = (struct gearmand_slice){ made, strlen(made) };
}

bool
mc_old_read(struct gearmand_slice rest, const struct mc_value *value, char made[65], struct gearmand_job *job)
{
	size_t len = split(rest);

	if (len == 0 || value->flags > GEARMAND_LOW)
		return false;
	*job = (struct gearmand_job){ .data = value->data, .priority = priority_of(value->flags) };
	job->function = cut(&rest, len);
	cut(&rest, 1);
	job->unique = rest;
	if (rest.len == 0 || (rest.len == 1 && rest.data[0] == '-'))
		make_unique(job, (struct gearmand_slice){ job->function.data, len + 1 + rest.len }, made);
	return is_name(job->function, FUNCTION_MOST) && is_name(job->unique, UNIQUE_MOST);
}
