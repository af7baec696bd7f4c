/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Somebody asks what an access file comes to: which line decides for a connection that words describe.
 *
 * Runs on:  any thread; pure.
 * Owns:     nothing.
 */
#include <stdio.h>
#include <string.h>

#include "wire/access_priv.h"

struct asked {
	struct access_peer peer;
	char address[64];
	char protocol[64];
	struct buf identity;
};

static bool
keep(char *room, size_t size, struct slice text)
{
	return text.len < size && snprintf(room, size, "%.*s", (int)text.len, text.data) > 0;
}

static bool
take_asked(struct asked *a, const char *word, const struct access_names *names)
{
	struct slice rest, s = slice_str(word), head = slice_split(s, ':', &rest);
	struct net net;

	if (rest.data == NULL)
		return false;
	if (slice_is(head, "net"))
		return memchr(rest.data, '/', rest.len) == NULL && read_net(rest, &net) &&
		       keep(a->address, sizeof a->address, rest);
	if (slice_is(head, "unix"))
		return read_user(rest, names, &a->peer.user);
	if (slice_is(head, "on"))
		return is_protocol(rest, names) && keep(a->protocol, sizeof a->protocol, rest);
	if (!slice_is(head, "cert") || !is_token(rest))
		return false;
	access_add_identity(&a->identity, rest);
	return true;
}

static void
say_asked(struct asked *a, const struct access *access, struct buf *out)
{
	const struct access_rights *rights;

	a->peer.address = a->address;
	a->peer.protocol = a->protocol[0] == '\0' ? "gear" : a->protocol;
	a->peer.identity = buf_slice(&a->identity);
	rights = access_judge(access, &a->peer);
	if (rights->line == 0) {
		buf_add_str(out, "no line matches: nothing is allowed");
		return;
	}
	buf_add_str(out, "line ");
	buf_add_u64(out, rights->line);
	buf_add_str(out, ": ");
	buf_add_escaped(out, access_line_text(access, rights->line));
}

bool
access_explain(
    const struct access *access, char *const *words, unsigned count, const struct access_names *names, struct buf *out)
{
	struct asked a = { .peer.user = ACCESS_NO_USER };
	bool good = true;

	for (unsigned i = 0; good && i < count; i++) {
		good = take_asked(&a, words[i], names);
		if (good)
			continue;
		buf_add_str(out, words[i]);
		buf_add_str(out, ": expected net:ADDRESS, unix:USER, on:PROTOCOL, or cert: and cn=, dns=, uri=, email= "
				 "or sha256= with a text");
	}
	if (good)
		say_asked(&a, access, out);
	buf_fini(&a.identity);
	return good;
}
