/* SPDX-License-Identifier: BSD-3-Clause
 *
 * WHO in an access rule: the words that say which connections are meant.
 *
 * Runs on:  any thread; pure.
 * Owns:     the networks of a condition.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "wire/access_priv.h"
#include "wire/policy.h"

enum { ADDRESS_MOST = 64, USER_MOST = 256, MAPPED_BITS = 96, ALL_BITS = 128, SHOWN_MOST = 60 };

static const uint8_t mapped[MAPPED_BITS / 8] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static const struct token_kind {
	const char *name;
	bool any_case; /* small letters are what is compared */
	bool colons;   /* which may stand between the digits */
} token_kinds[] = {
	{ "cn=", false, false },
	{ "dns=", true, false },
	{ "uri=", false, false },
	{ "email=", false, false },
	{ "sha256=", true, true },
};

enum { TOKEN_KINDS = sizeof token_kinds / sizeof *token_kinds };

static bool
begins_with(struct slice s, const char *with)
{
	size_t len = strlen(with);

	return s.len >= len && memcmp(s.data, with, len) == 0;
}

static struct slice
behind(struct slice s, size_t n)
{
	return slice_of(s.data + n, s.len - n);
}

/* ---- Networks ---------------------------------------------------------------------------------- */

/* Returns how many bits the address has, or 0 for what is none. */
static unsigned
read_address(const char *text, struct address *out)
{
	uint8_t bytes[16];
	unsigned bits = ALL_BITS;

	if (inet_pton(AF_INET6, text, bytes) != 1) {
		memcpy(bytes, mapped, sizeof mapped);
		bits = inet_pton(AF_INET, text, bytes + sizeof mapped) == 1 ? ALL_BITS - MAPPED_BITS : 0;
	}
	memcpy(out, bytes, sizeof bytes);
	return bits;
}

static bool
is_mapped(const struct address *address)
{
	return memcmp(address, mapped, sizeof mapped) == 0;
}

static void
make_mask(struct address *mask, unsigned bits)
{
	uint8_t bytes[16] = { 0 };

	memset(bytes, 0xff, bits / 8);
	if (bits % 8 > 0)
		bytes[bits / 8] = (uint8_t)(0xff00u >> bits % 8);
	memcpy(mask, bytes, sizeof bytes);
}

/* A network of IPv6 that has room for all IPv4 addresses does not mean them. */
bool
read_net(struct slice text, struct net *net)
{
	const char *slash = text.len == 0 ? NULL : memchr(text.data, '/', text.len);
	size_t len = slash == NULL ? text.len : (size_t)(slash - text.data);
	char address[ADDRESS_MOST];
	uint64_t bits;
	unsigned most;

	if (len == 0 || len >= sizeof address)
		return false;
	memcpy(address, text.data, len);
	address[len] = '\0';
	most = read_address(address, &net->address);
	bits = most;
	if (most == 0 || (slash != NULL && !slice_to_u64(behind(text, len + 1), most, &bits)))
		return false;
	bits += ALL_BITS - most;
	net->is_v4 = bits >= MAPPED_BITS && is_mapped(&net->address);
	make_mask(&net->mask, (unsigned)bits);
	return true;
}

static bool
net_has(const struct net *net, const struct subject *s)
{
	uint64_t differs = 0;

	for (int i = 0; i < 2; i++)
		differs |= (net->address.half[i] ^ s->address.half[i]) & net->mask.half[i];
	return differs == 0 && net->is_v4 == s->is_v4;
}

static bool
read_nets(struct condition *c, struct slice text, char *why)
{
	struct slice rest = text, one;

	while (rest.data != NULL) {
		one = slice_split(rest, ',', &rest);
		c->nets = mem_grow(c->nets, (c->net_count + 1) * sizeof *c->nets);
		if (!read_net(one, &c->nets[c->net_count++])) {
			snprintf(why, ACCESS_WHY, "net:%.*s is no network, such as 192.0.2.0/24 or 2001:db8::/32",
			    (int)(one.len < SHOWN_MOST ? one.len : SHOWN_MOST), one.data);
			return false;
		}
	}
	return true;
}

/* ---- Users, certificates, protocols ------------------------------------------------------------ */

bool
read_user(struct slice text, const struct access_names *names, uint32_t *user_r)
{
	char name[USER_MOST];
	uint64_t number;

	if (slice_to_u64(text, ACCESS_NO_USER - 1, &number)) {
		*user_r = (uint32_t)number;
		return true;
	}
	if (text.len == 0 || text.len >= sizeof name)
		return false;
	memcpy(name, text.data, text.len);
	name[text.len] = '\0';
	return names->find_user(name, user_r) && *user_r != ACCESS_NO_USER;
}

static const struct token_kind *
token_kind_of(struct slice text)
{
	for (size_t i = 0; i < TOKEN_KINDS; i++)
		if (begins_with(text, token_kinds[i].name))
			return &token_kinds[i];
	return NULL;
}

bool
is_token(struct slice text)
{
	const struct token_kind *kind = token_kind_of(text);

	return kind != NULL && text.len > strlen(kind->name);
}

/* Returns the new length. */
static size_t
fold_token(char *bytes, size_t len)
{
	const struct token_kind *kind = token_kind_of(slice_of(bytes, len));
	size_t to = 0;

	for (size_t at = 0; kind != NULL && kind->any_case && at < len; at++) {
		char c = bytes[at];

		if (c == ':' && kind->colons)
			continue;
		bytes[to++] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
	}
	return to > 0 ? to : len;
}

void
access_add_identity(struct buf *out, struct slice token)
{
	size_t start = out->len;

	buf_add_slice(out, token);
	out->len = start + fold_token(out->data + start, token.len);
	buf_add_char(out, '\0');
}

bool
is_protocol(struct slice text, const struct access_names *names)
{
	for (const char *const *at = names->protocols; *at != NULL; at++)
		if (slice_is(text, *at))
			return true;
	return false;
}

static bool
has_token(struct slice identity, struct slice pattern)
{
	while (identity.len > 0) {
		struct slice token = slice_split(identity, '\0', &identity);

		if (token.len > 0 && (pattern.len == 0 || pattern_matches(pattern, token)))
			return true;
	}
	return false;
}

/* ---- A condition --------------------------------------------------------------------------------- */

static bool
wrong(char *why, struct slice word, const char *what)
{
	snprintf(why, ACCESS_WHY, "%.*s: %s", (int)(word.len < SHOWN_MOST ? word.len : SHOWN_MOST), word.data, what);
	return false;
}

static bool
read_cert(struct condition *c, char *word, size_t len, char *why)
{
	const size_t head = sizeof "cert:" - 1;
	struct slice text = slice_of(word + head, len - head);

	if (!is_token(text))
		return wrong(why, slice_of(word, len), "expected cn=, dns=, uri=, email= or sha256= and a pattern");
	if (len > ACCESS_PATTERN_MAX)
		return wrong(why, slice_of(word, len), "the pattern has more than 255 bytes");
	c->text = slice_of(word + head, fold_token(word + head, len - head));
	return true;
}

bool
condition_read(struct condition *c, char *word, size_t len, const struct access_names *names, char why[ACCESS_WHY])
{
	struct slice s = slice_of(word, len);

	*c = (struct condition){ .kind = CONDITION_NONE, .user = ACCESS_NO_USER };
	if (slice_is(s, "any")) {
		c->kind = CONDITION_ANY;
	} else if (slice_is(s, "unix")) {
		c->kind = CONDITION_USER;
	} else if (begins_with(s, "unix:")) {
		c->kind = CONDITION_USER;
		return read_user(behind(s, 5), names, &c->user) || wrong(why, s, "this system has no such user");
	} else if (begins_with(s, "net:")) {
		c->kind = CONDITION_NETS;
		return read_nets(c, behind(s, 4), why);
	} else if (slice_is(s, "cert")) {
		c->kind = CONDITION_CERT;
	} else if (begins_with(s, "cert:")) {
		c->kind = CONDITION_CERT;
		return read_cert(c, word, len, why);
	} else if (begins_with(s, "on:")) {
		c->kind = CONDITION_ON;
		c->text = behind(s, 3);
		return is_protocol(c->text, names) || wrong(why, s, "no protocol has this name");
	}
	return true;
}

void
condition_fini(struct condition *c)
{
	mem_free(c->nets);
}

void
subject_init(struct subject *s, const struct access_peer *peer)
{
	s->peer = peer;
	s->protocol = slice_str(peer->protocol);
	s->has_address = peer->user == ACCESS_NO_USER && read_address(peer->address, &s->address) != 0;
	s->is_v4 = s->has_address && is_mapped(&s->address);
}

static bool
in_some_net(const struct condition *c, const struct subject *s)
{
	for (size_t i = 0; s->has_address && i < c->net_count; i++)
		if (net_has(&c->nets[i], s))
			return true;
	return false;
}

bool
condition_matches(const struct condition *c, const struct subject *s)
{
	switch (c->kind) {
	case CONDITION_ANY:
		return true;
	case CONDITION_USER:
		return s->peer->user != ACCESS_NO_USER && (c->user == ACCESS_NO_USER || c->user == s->peer->user);
	case CONDITION_NETS:
		return in_some_net(c, s);
	case CONDITION_CERT:
		return has_token(s->peer->identity, c->text);
	case CONDITION_ON:
		return slice_eq(c->text, s->protocol);
	case CONDITION_NONE:
		break;
	}
	return false;
}
