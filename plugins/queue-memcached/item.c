/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A job as memcached has it: a short key that is made from the names, and a value that has everything.
 *
 * Runs on:  the store thread.
 * Owns:     nothing.
 *
 * A key of memcached has up to 250 bytes and no blanks; names have any bytes, and more of them.  So the key is the
 * prefix and a hash (BLAKE2b, 144 bits as 24 characters) of function NUL unique.  It has no '-', which every key of
 * gearmand 1.1 has.  The value is the head below, in big-endian, and function, unique, handle, reducer, payload.  The
 * item's own flags have the priority, as with 1.1.
 */
#include <endian.h>

#include <sodium.h>

#include "queue_memcached.h"

enum { HASH = 18 };

struct head {
	char magic[4];
	uint8_t priority, unique;           /* lengths: this, ... */
	uint16_t function, handle, reducer; /* ... and these */
	uint32_t flags;
	uint64_t sequence, run_at;
};

_Static_assert(sizeof(struct head) == 32, "no holes");

struct mc_key
mc_key_of_rest(const struct mc_store *s, const char *rest, size_t len)
{
	struct mc_key key = { .len = s->prefix_len + len };

	memcpy(key.text, s->prefix, s->prefix_len);
	memcpy(key.text + s->prefix_len, rest, len);
	return key;
}

struct mc_key
mc_key_of(const struct mc_store *s, const struct gearmand_job *job)
{
	crypto_generichash_state state;
	unsigned char hash[HASH];
	char name[MC_NAME + 1];

	crypto_generichash_init(&state, NULL, 0, HASH);
	crypto_generichash_update(&state, (const unsigned char *)job->function.data, job->function.len);
	crypto_generichash_update(&state, (const unsigned char *)"", 1);
	crypto_generichash_update(&state, (const unsigned char *)job->unique.data, job->unique.len);
	crypto_generichash_final(&state, hash, HASH);
	sodium_bin2base64(name, sizeof(name), hash, HASH, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	for (char *c = name; *c != '\0'; c++)
		*c = *c == '_' ? '.' : *c == '-' ? '_' : *c;
	return mc_key_of_rest(s, name, MC_NAME);
}

bool
mc_is_name(const char *rest)
{
	return strlen(rest) == MC_NAME &&
	       strspn(rest, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.") == MC_NAME;
}

void
mc_put(
    struct mc_wire *w, const char *command, const struct mc_key *key, const struct gearmand_job *job, uint64_t sequence)
{
	const struct gearmand_slice parts[] = { job->function, job->unique, job->handle, job->reducer, job->data };
	struct head h = { "gmj1", (uint8_t)job->priority, (uint8_t)job->unique.len,
		htobe16((uint16_t)job->function.len), htobe16((uint16_t)job->handle.len),
		htobe16((uint16_t)job->reducer.len), htobe32(job->flags), htobe64(sequence),
		htobe64((uint64_t)job->run_at) };
	size_t size = sizeof(h);
	char line[MC_KEY_MOST + 60];

	for (size_t i = 0; i < GM_COUNT(parts); i++)
		size += parts[i].len;
	snprintf(line, sizeof(line), "%s %s %d 0 %zu\r\n", command, key->text, (int)job->priority, size);
	gm_add_text(&w->out, line);
	gm_add(&w->out, &h, sizeof(h));
	for (size_t i = 0; i < GM_COUNT(parts); i++)
		gm_add_slice(&w->out, parts[i]);
	gm_add_text(&w->out, "\r\n");
}

bool
mc_value_read(struct gearmand_slice value, struct gearmand_job *job, uint64_t *sequence_r)
{
	const char *at = value.data + sizeof(struct head);
	struct head h;
	size_t function, handle, reducer, names;

	if (value.len < sizeof(h) || memcmp(value.data, "gmj1", 4) != 0)
		return false;
	memcpy(&h, value.data, sizeof(h));
	function = be16toh(h.function);
	handle = be16toh(h.handle);
	reducer = be16toh(h.reducer);
	names = function + h.unique + handle + reducer;
	if (names > value.len - sizeof(h) || function > GM_FUNCTION_MOST || h.unique == 0 || h.unique > GM_UNIQUE_MOST)
		return false;
	*sequence_r = be64toh(h.sequence);
	*job = (struct gearmand_job){ .flags = be32toh(h.flags), .run_at = (int64_t)be64toh(h.run_at) };
	job->priority = h.priority <= GEARMAND_LOW ? (enum gearmand_priority)h.priority : GEARMAND_NORMAL;
	job->function = (struct gearmand_slice){ at, function };
	job->unique = (struct gearmand_slice){ at + function, h.unique };
	job->handle = (struct gearmand_slice){ at + function + h.unique, handle };
	job->reducer = (struct gearmand_slice){ at + names - reducer, reducer };
	job->data = (struct gearmand_slice){ at + names, value.len - sizeof(h) - names };
	return !gm_has_byte(job->function, '\0') && !gm_has_byte(job->unique, '\0');
}
