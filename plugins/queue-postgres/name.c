/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Any bytes <-> text that the database takes.
 *
 * Runs on:  the store thread.
 * Owns:     nothing.
 *
 * Names are stored as they are, so that gearmand 1.1 and people can read them, wherever the database's encoding
 * allows it.  What it does not allow is stored as `\x` and hexadecimal digits, as PostgreSQL itself writes
 * bytes; and so is, to keep the two apart, a name that begins with `\x`.
 */
#include "queue_postgres.h"

static const char hex[] = "0123456789abcdef";

enum qp_text
qp_text_of(const char *encoding)
{
	if (encoding == NULL || strncmp(encoding, "EUC_", 4) == 0 || strcmp(encoding, "MULE_INTERNAL") == 0)
		return QP_TEXT_ASCII;
	return strcmp(encoding, "UTF8") == 0 ? QP_TEXT_UTF8 : QP_TEXT_ANY;
}

/* Bytes of the character at p; 0 = not one.  No overlong forms, no surrogates, nothing above U+10FFFF. */
static size_t
utf8_character(const unsigned char *p, size_t left)
{
	size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

	if (len == 0 || len > left)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

static bool
is_plain(enum qp_text text, struct gearmand_slice v)
{
	const unsigned char *p = (const unsigned char *)v.data;
	size_t at = 0, n;

	if (gm_begins(v, "\\x"))
		return false;
	while (text != QP_TEXT_ANY && at < v.len) {
		n = text == QP_TEXT_UTF8 ? utf8_character(p + at, v.len - at) : p[at] < 0x80;
		if (n == 0)
			return false;
		at += n;
	}
	return true;
}

struct gearmand_slice
qp_name_text(const struct qp_store *s, struct gearmand_slice v, char text[QP_NAME_MAX])
{
	size_t n = 2;

	if (is_plain(s->text, v) || v.len > (QP_NAME_MAX - 2) / 2)
		return v;
	memcpy(text, "\\x", 2);
	for (size_t i = 0; i < v.len; i++) {
		text[n++] = hex[(unsigned char)v.data[i] >> 4];
		text[n++] = hex[(unsigned char)v.data[i] & 0x0f];
	}
	return (struct gearmand_slice){ text, n };
}

static int
digit(char c)
{
	const char *at = c == '\0' ? NULL : strchr(hex, c);

	return at == NULL ? -1 : (int)(at - hex);
}

struct gearmand_slice
qp_name_read(struct gearmand_slice v, char bytes[QP_NAME_MAX])
{
	if (v.len < 2 || v.len % 2 != 0 || v.len > QP_NAME_MAX || !gm_begins(v, "\\x"))
		return v;
	for (size_t i = 2; i < v.len; i++) {
		if (digit(v.data[i]) < 0)
			return v;
	}
	for (size_t i = 2; i < v.len; i += 2)
		bytes[i / 2 - 1] = (char)(digit(v.data[i]) << 4 | digit(v.data[i + 1]));
	return (struct gearmand_slice){ bytes, v.len / 2 - 1 };
}
