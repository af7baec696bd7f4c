/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How answers are written: numbers, names, JSON.
 *
 * Runs on:  any thread; pure.
 * Owns:     nothing.
 */
#include "text.h"

/* ---- Numbers ---------------------------------------------------------------------------------------- */

void
text_add_u64(struct gm_bytes *out, uint64_t n)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	gm_add(out, digits + at, sizeof(digits) - at);
}

void
text_add_seconds(struct gm_bytes *out, uint64_t ns)
{
	uint64_t part = ns % 1000000000;
	char digits[10];
	size_t len = sizeof(digits);

	text_add_u64(out, ns / 1000000000);
	if (part == 0)
		return;
	for (size_t i = 9; i > 0; i--, part /= 10)
		digits[i] = (char)('0' + part % 10);
	digits[0] = '.';
	while (digits[len - 1] == '0')
		len--;
	gm_add(out, digits, len);
}

/* ---- Names ------------------------------------------------------------------------------------------ */

/* How many bytes of well-formed UTF-8 begin here; 0 = none. */
static size_t
utf8_len(const unsigned char *b, size_t left)
{
	size_t n = b[0] < 0x80                   ? 1
		   : b[0] >= 0xc2 && b[0] < 0xe0 ? 2
		   : b[0] >= 0xe0 && b[0] < 0xf0 ? 3
		   : b[0] >= 0xf0 && b[0] < 0xf5 ? 4
						 : 0;

	if (n == 0 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((b[i] & 0xc0) != 0x80)
			return 0;
	if ((b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xed && b[1] > 0x9f) || (b[0] == 0xf0 && b[1] < 0x90) ||
	    (b[0] == 0xf4 && b[1] > 0x8f))
		return 0;
	return n;
}

bool
text_is_plain(struct gearmand_slice name)
{
	const unsigned char *b = (const unsigned char *)name.data;

	for (size_t i = 0, n; i < name.len; i += n) {
		n = utf8_len(b + i, name.len - i);
		if (n == 0 || b[i] < ' ' || b[i] == 0x7f)
			return false;
	}
	return true;
}

void
text_add_name(struct gm_bytes *out, struct gearmand_slice name, char quote)
{
	const unsigned char *b = (const unsigned char *)name.data;

	for (size_t i = 0, n; i < name.len; i += n) {
		n = utf8_len(b + i, name.len - i);
		if (n == 0 || b[i] < ' ' || b[i] == 0x7f) {
			n = 1;
			gm_addf(out, "%c\\x%02X", quote, b[i]);
			continue;
		}
		if (b[i] == '"' || b[i] == '\\')
			gm_add(out, &quote, 1);
		gm_add(out, b + i, n);
	}
}

/* ---- JSON ------------------------------------------------------------------------------------------- */

static void
json_part(struct gm_bytes *out)
{
	char last = out->len > 0 ? out->data[out->len - 1] : '{';

	if (last != '{' && last != '[')
		gm_add(out, ",", 1);
}

void
json_name(struct gm_bytes *out, struct gearmand_slice name, const char *more)
{
	json_part(out);
	gm_add(out, "\"", 1);
	gm_add_slice(out, name);
	gm_add_text(out, more);
	gm_add(out, "\":", 2);
}

static void
json_key(struct gm_bytes *out, const char *key)
{
	if (key == NULL)
		json_part(out);
	else
		json_name(out, gm_slice(key), "");
}

void
json_open(struct gm_bytes *out, const char *key, char bracket)
{
	json_key(out, key);
	gm_add(out, &bracket, 1);
}

void
json_close(struct gm_bytes *out, char bracket)
{
	gm_add(out, &bracket, 1);
}

void
json_u64(struct gm_bytes *out, const char *key, uint64_t n)
{
	json_key(out, key);
	text_add_u64(out, n);
}

void
json_seconds(struct gm_bytes *out, const char *key, uint64_t ns)
{
	json_key(out, key);
	text_add_seconds(out, ns);
}

void
json_bool(struct gm_bytes *out, const char *key, bool truth)
{
	json_key(out, key);
	gm_add_text(out, truth ? "true" : "false");
}

void
json_null(struct gm_bytes *out, const char *key)
{
	json_raw(out, key, gm_slice("null"));
}

void
json_raw(struct gm_bytes *out, const char *key, struct gearmand_slice json)
{
	json_key(out, key);
	gm_add_slice(out, json);
}

void
json_text(struct gm_bytes *out, const char *key, struct gearmand_slice text)
{
	json_key(out, key);
	gm_add(out, "\"", 1);
	text_add_name(out, text, '\\');
	gm_add(out, "\"", 1);
}

struct gearmand_slice
text_cut(struct gearmand_slice *rest, char at)
{
	const char *end = rest->len == 0 ? NULL : memchr(rest->data, at, rest->len);
	struct gearmand_slice piece = { rest->data, end == NULL ? rest->len : (size_t)(end - rest->data) };

	rest->data += piece.len + (end != NULL);
	rest->len -= piece.len + (end != NULL);
	return piece;
}
