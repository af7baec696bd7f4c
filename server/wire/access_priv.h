/* SPDX-License-Identifier: BSD-3-Clause
 *
 * access_priv.h - what the files about access rules share: the words of WHO.
 *
 * Any thread; pure.
 */
#ifndef GEARMAND_WIRE_ACCESS_PRIV_H
#define GEARMAND_WIRE_ACCESS_PRIV_H

#include "wire/access.h"

enum condition_kind { CONDITION_NONE, CONDITION_ANY, CONDITION_USER, CONDITION_NETS, CONDITION_CERT, CONDITION_ON };

struct address { /* bytes as they come; IPv4 as IPv6 has it: ::ffff:a.b.c.d */
	uint64_t half[2];
};

struct net {
	struct address address, mask;
	bool is_v4;
};

/* A word of WHO. */
struct condition {
	enum condition_kind kind;
	uint32_t user;     /* USER; ACCESS_NO_USER = any */
	struct slice text; /* CERT: a pattern of tokens, empty = any; ON: the protocol */
	struct net *nets;  /* NETS */
	size_t net_count;
};

/* A connection, made ready for comparing. */
struct subject {
	const struct access_peer *peer;
	struct slice protocol;
	bool has_address, is_v4;
	struct address address;
};

/* Changes the bytes of the word, and views into them.  False with `why` when it is wrong; true with the kind NONE when
 * it is no word of WHO. */
bool condition_read(struct condition *, char *word, size_t len, const struct access_names *, char why[ACCESS_WHY]);
void condition_fini(struct condition *);
void subject_init(struct subject *, const struct access_peer *);
bool condition_matches(const struct condition *, const struct subject *);

/* The line as the file says it. */
struct slice access_line_text(const struct access *, unsigned line);

/* Reads a number of a user, or the name of one. */
bool read_user(struct slice text, const struct access_names *, uint32_t *user_r);
/* "192.0.2.0/24": false when it is none. */
bool read_net(struct slice text, struct net *);
bool is_protocol(struct slice text, const struct access_names *);
/* Is it "KIND=..." with a kind of token that there is? */
bool is_token(struct slice text);

#endif
