/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Bytes as text: UTF-8, JSON, base64.
 *
 * Runs on:  any thread; pure functions.
 * Owns:     nothing.
 */
#include "text.h"

static bool
follows(struct gearmand_slice s, size_t at, unsigned char least, unsigned char most)
{
	return at < s.len && (unsigned char)s.data[at] >= least && (unsigned char)s.data[at] <= most;
}

/* The shortest forms of 0 to 0x10ffff without surrogates. */
size_t
web_utf8(struct gearmand_slice s)
{
	static const struct {
		unsigned char first, last, least, most; /* of the first byte; of the second */
		size_t len;
	} forms[] = {
		{ 0x00, 0x7f, 0, 0, 1 },
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < GM_COUNT(forms); i++) {
		if (!follows(s, 0, forms[i].first, forms[i].last))
			continue;
		if (forms[i].len > 1 && !follows(s, 1, forms[i].least, forms[i].most))
			return 0;
		for (size_t at = 2; at < forms[i].len; at++)
			if (!follows(s, at, 0x80, 0xbf))
				return 0;
		return forms[i].len;
	}
	return 0;
}

bool
web_is_text(struct gearmand_slice s)
{
	for (size_t at = 0, n = 1; at < s.len; at += n) {
		unsigned char c = (unsigned char)s.data[at];

		n = c < 0x80 ? 1 : web_utf8((struct gearmand_slice){ s.data + at, s.len - at });
		if (n == 0 || c == '\r' || c == '\0')
			return false;
	}
	return true;
}

void
web_json_string(struct gm_bytes *out, struct gearmand_slice s)
{
	gm_add_text(out, "\"");
	while (s.len > 0) {
		size_t n = web_utf8(s);
		unsigned char c = (unsigned char)s.data[0];

		if (n == 0)
			gm_addf(out, "\\\\x%02X", c);
		else if (c < ' ' || c == 0x7f)
			gm_addf(out, "\\u%04x", c);
		else if (c == '"' || c == '\\')
			gm_addf(out, "\\%c", c);
		else
			gm_add(out, s.data, n);
		n += n == 0;
		s = (struct gearmand_slice){ s.data + n, s.len - n };
	}
	gm_add_text(out, "\"");
}

void
web_json_name(struct gm_bytes *out, const char *name)
{
	if (out->len > 0 && out->data[out->len - 1] != '{')
		gm_add_text(out, ",");
	gm_addf(out, "\"%s\":", name);
}

void
web_json_member(struct gm_bytes *out, const char *name, struct gearmand_slice value)
{
	web_json_name(out, name);
	web_json_string(out, value);
}

void
web_base64(struct gearmand_slice s, char out[4])
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned bits = 0;

	for (size_t i = 0; i < 3; i++)
		bits = bits << 8 | (i < s.len ? (unsigned char)s.data[i] : 0);
	for (size_t i = 0; i < 4; i++)
		out[i] = letters[bits >> (18 - 6 * i) & 63];
	for (size_t i = s.len + 1; i < 4; i++)
		out[i] = '=';
}
