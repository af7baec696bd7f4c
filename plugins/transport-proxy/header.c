/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The header of the PROXY protocol, text (version 1) and binary (version 2).
 *
 * Runs on:  any thread; pure.  Owns nothing.
 *
 * Version 1 is a line: "PROXY TCP4 192.0.2.7 198.51.100.1 56324 4730\r\n", at most 107 bytes with its end.  Version 2:
 *
 *   12 bytes of signature, 4 bits version (2), 4 bits command (0 LOCAL, 1 PROXY), 1 byte family and kind,
 *   2 bytes length; then so many bytes: addresses, and behind them values with a type and a length each (TLV)
 *
 * The values are walked, since a length that does not fit shows that the header is broken, and the checksum among them
 * is looked at.  What else they say is of no use here.
 */
#include "header.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { LINE_MOST = 107, FIXED = 16, TLV_HEAD = 3, TLV_CRC32C = 3, UNIX_PATH = 108 };

static const char signature[12] = "\r\n\r\n\0\r\nQUIT\n";

static enum header_verdict
header_bad(const char **why_r, const char *why)
{
	*why_r = why;
	return HEADER_BAD;
}

/* ---- Version 1 --------------------------------------------------------------------------- */

static bool
is_port(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	unsigned n = 0;

	if (digits == 0 || digits > 5 || text[digits] != '\0' || (digits > 1 && text[0] == '0'))
		return false;
	for (; *text; text++)
		n = n * 10 + (unsigned)(*text - '0');
	return n <= 65535;
}

/* "TCP4 192.0.2.7 198.51.100.1 56324 4730"; changes the text. */
static bool
read_words(char *text, struct header *h)
{
	char *words[5], *at = text;
	unsigned char address[16];
	int family;

	for (int i = 0; i < 5; i++)
		words[i] = at ? strsep(&at, " ") : NULL;
	if (!words[4] || at)
		return false;
	family = strcmp(words[0], "TCP4") == 0 ? AF_INET : AF_INET6;
	if (family == AF_INET6 && strcmp(words[0], "TCP6") != 0)
		return false;
	if (inet_pton(family, words[2], address) != 1 || inet_pton(family, words[1], address) != 1 ||
	    !is_port(words[3]) || !is_port(words[4]))
		return false;
	h->has_peer = inet_ntop(family, address, h->address, sizeof(h->address)) != NULL;
	snprintf(h->port, sizeof(h->port), "%s", words[3]);
	return true;
}

static enum header_verdict
parse_line(struct gearmand_slice in, struct header *h, const char **why_r)
{
	char text[LINE_MOST + 1];
	size_t look = in.len < LINE_MOST ? in.len : LINE_MOST;
	const char *lf = memchr(in.data, '\n', look);
	size_t len = lf ? (size_t)(lf - in.data) : look;

	if (!lf && look < LINE_MOST)
		return HEADER_MORE;
	if (!lf || len < 7 || in.data[len - 1] != '\r')
		return header_bad(why_r, "its line does not end in CR LF");
	h->len = len + 1;
	len -= 7; /* of "PROXY " and the CR */
	memcpy(text, in.data + 6, len);
	text[len] = '\0';
	if (memchr(text, '\0', len) || (strncmp(text, "UNKNOWN", 7) != 0 && !read_words(text, h)))
		return header_bad(why_r, "its line is malformed");
	if (!h->has_peer && text[7] != '\0' && text[7] != ' ')
		return header_bad(why_r, "its line is malformed");
	return HEADER_DONE;
}

/* ---- Version 2 --------------------------------------------------------------------------- */

static size_t
number(const unsigned char *at)
{
	return (size_t)at[0] << 8 | at[1];
}

/* Castagnoli's, with the four bytes of the checksum itself at `hole` as 0. */
static uint32_t
crc32c(const unsigned char *bytes, size_t len, size_t hole)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len; i++) {
		crc ^= i - hole < 4 ? 0 : bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

/* NULL, or what is wrong with the values from `at` to the end. */
static const char *
check_values(const unsigned char *header, size_t at, size_t end)
{
	while (at < end) {
		size_t from = at + TLV_HEAD;
		size_t len = from <= end ? number(header + at + 1) : 0;

		if (from > end || len > end - from)
			return "the length of one of its values does not fit";
		if (header[at] == TLV_CRC32C &&
		    (len != 4 || crc32c(header, end, from) !=
				     (uint32_t)(number(header + from) << 16 | number(header + from + 2))))
			return "its checksum is wrong";
		at = from + len;
	}
	return NULL;
}

/* A path with bytes that have no place in a log line is as good as none. */
static void
read_path(const unsigned char *path, struct header *h)
{
	size_t len = strnlen((const char *)path, UNIX_PATH);

	for (size_t i = 0; i < len; i++)
		if (path[i] <= ' ' || path[i] > '~')
			return;
	h->has_peer = len > 0;
	snprintf(h->address, sizeof(h->address), "%.*s", (int)len, (const char *)path);
}

static void
read_address(const unsigned char *at, unsigned kind, struct header *h)
{
	bool is_v4 = kind == 0x11;

	if (kind == 0x31) {
		read_path(at, h);
		return;
	}
	h->has_peer = inet_ntop(is_v4 ? AF_INET : AF_INET6, at, h->address, sizeof(h->address)) != NULL;
	snprintf(h->port, sizeof(h->port), "%u", (unsigned)number(at + (is_v4 ? 8 : 32)));
}

/* Bytes of both addresses; for datagrams they are there, too, but mean nothing here. */
static int
address_bytes(unsigned kind)
{
	static const int bytes[] = { 0, 12, 36, 2 * UNIX_PATH };

	if (kind == 0)
		return 0;
	return kind >> 4 >= 1 && kind >> 4 <= 3 && ((kind & 15) == 1 || (kind & 15) == 2) ? bytes[kind >> 4] : -1;
}

static enum header_verdict
parse_binary(struct gearmand_slice in, struct header *h, const char **why_r)
{
	const unsigned char *bytes = (const unsigned char *)in.data;
	const char *why;
	int addresses;

	if (in.len < FIXED)
		return HEADER_MORE;
	addresses = address_bytes(bytes[13]);
	h->len = FIXED + number(bytes + 14);
	if (bytes[12] != 0x20 && bytes[12] != 0x21)
		return header_bad(why_r, "its version or its command is unknown");
	if (addresses < 0)
		return header_bad(why_r, "its kind of address is unknown");
	if (h->len > HEADER_MOST)
		return header_bad(why_r, "it is longer than this server reads");
	if (bytes[12] == 0x20) /* LOCAL: whatever follows is to be passed over */
		return in.len < h->len ? HEADER_MORE : HEADER_DONE;
	if (h->len < FIXED + (size_t)addresses)
		return header_bad(why_r, "it is too short for its addresses");
	if (in.len < h->len)
		return HEADER_MORE;
	why = check_values(bytes, FIXED + (size_t)addresses, h->len);
	if (why)
		return header_bad(why_r, why);
	if ((bytes[13] & 15) == 1)
		read_address(bytes + FIXED, bytes[13], h);
	return HEADER_DONE;
}

/* ---- Either -------------------------------------------------------------------------------- */

static bool
may_begin(struct gearmand_slice in, const char *with, size_t len)
{
	return memcmp(in.data, with, in.len < len ? in.len : len) == 0;
}

enum header_verdict
header_parse(struct gearmand_slice in, struct header *h, const char **why_r)
{
	*h = (struct header){ 0 };
	if (in.len == 0)
		return HEADER_MORE;
	if (may_begin(in, signature, sizeof(signature)))
		return parse_binary(in, h, why_r);
	if (may_begin(in, "PROXY ", 6))
		return in.len < 6 ? HEADER_MORE : parse_line(in, h, why_r);
	return header_bad(why_r, "it does not begin as one");
}
