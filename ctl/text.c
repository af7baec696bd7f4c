/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Nothing that a server sends may move the cursor, set a title or type for the operator.
 *
 * Runs on:  the only thread; pure but for the locale.
 * Owns:     nothing.
 */
#include <stdio.h>
#include <wchar.h>
#include <wctype.h>

#include "text.h"

static unsigned
add_hex(struct buf *out, char byte)
{
	char hex[8];

	buf_add(out, hex, (size_t)snprintf(hex, sizeof hex, "\\x%02X", (unsigned)(unsigned char)byte));
	return 4;
}

/* Marks of direction would show a name as another one. */
static bool
turns_direction(wchar_t c)
{
	return c == 0x61C || c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

unsigned
text_add_shown(struct buf *out, struct slice s, bool lines)
{
	unsigned columns = 0;

	for (size_t at = 0; at < s.len;) {
		mbstate_t state = { 0 };
		wchar_t c = 0;
		size_t n = mbrtowc(&c, s.data + at, s.len - at, &state);
		bool whole = n > 0 && n <= s.len - at;

		if (lines && (s.data[at] == '\n' || s.data[at] == '\t')) {
			buf_add_char(out, s.data[at++]);
		} else if (whole && iswprint((wint_t)c) && !turns_direction(c) && wcwidth(c) >= 0) {
			buf_add(out, s.data + at, n);
			columns += (unsigned)wcwidth(c);
			at += n;
		} else {
			for (n = whole ? n : 1; n > 0; n--)
				columns += add_hex(out, s.data[at++]);
		}
	}
	return columns;
}
