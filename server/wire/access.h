/* SPDX-License-Identifier: BSD-3-Clause
 *
 * access.h - who may do what: the lines of an access file.
 *
 * Any thread; pure.  A line is `WHO RIGHTS`, each of them words.  The first line whose WHO matches a connection
 * decides, all words of WHO must match, and where no line matches nothing is allowed.  Empty lines, and lines whose
 * first word begins with `#`, say nothing.
 *
 *   WHO     any · unix[:USER] · net:ADDRESS[/BITS],... · cert[:cn=|dns=|uri=|email=|sha256=PATTERN] · on:PROTOCOL
 *   RIGHTS  submit=PATTERN,... · work=PATTERN,... · one of see, manage, admin · or alone: none, all
 *
 * In a pattern `*` stands for any bytes, `?` for one; a pattern of a list that begins with `!` takes away, wherever it
 * stands.  An IPv4 address in the form of IPv6 is an IPv4 address.
 */
#ifndef GEARMAND_WIRE_ACCESS_H
#define GEARMAND_WIRE_ACCESS_H

#include "base/buf.h"

enum {
	ACCESS_LINES_MAX = 1000,  /* a connection is compared with each */
	ACCESS_PATTERN_MAX = 255, /* bytes */
	ACCESS_WHY = 256,         /* bytes of a sentence */
};

#define ACCESS_NO_USER UINT32_MAX

enum access_right { /* of the first four each includes those before it */
	ACCESS_NOTHING,
	ACCESS_SEE,
	ACCESS_MANAGE,
	ACCESS_ADMIN,
	ACCESS_SUBMIT, /* to a function */
	ACCESS_WORK,   /* on a function */
};

/* A connection, as far as the server knows who it is. */
struct access_peer {
	const char *address; /* numeric; any other text is in no network */
	uint32_t user;       /* of a unix socket: number of the user at the other end; else ACCESS_NO_USER */
	const char *protocol;
	struct slice identity; /* what the transport proved: tokens with a NUL behind each, see access_add_identity() */
};

/* What one line gives. */
struct access_rights {
	unsigned line;           /* its number, from 1; 0 = no line matches */
	enum access_right level; /* the highest of NOTHING, SEE, MANAGE, ADMIN */
	bool submits_all, works_all;
	struct slice submit, work; /* lists of patterns; empty = no function */
	unsigned patterns;         /* in both lists */
	struct slice text;         /* the rights as the file says them */
};

/* What a file may speak of. */
struct access_names {
	bool (*find_user)(const char *name, uint32_t *user_r);
	const char *const *protocols; /* ends with NULL */
};

struct access; /* the lines of a file, with their text */

/* Reads a whole file.  NULL when something is wrong: *line_r is the line (0 = the file as a whole), `why` what. */
struct access *access_new(struct slice text, const struct access_names *, unsigned *line_r, char why[ACCESS_WHY]);
struct access *access_new_default(void); /* what holds without a file */
void access_free(struct access **);
bool access_is_default(const struct access *);
size_t access_count(const struct access *);
/* About how long it takes to judge a connection, in nanoseconds. */
uint64_t access_cost(const struct access *, const struct access_peer *);
unsigned access_cert_line(const struct access *); /* the first that asks for a certificate; 0 = none */

/* The line that decides. */
const struct access_rights *access_judge(const struct access *, const struct access_peer *);
bool access_lets(const struct access_rights *, enum access_right, struct slice function);

/* Adds a token in the form in which rules compare it: names of hosts and fingerprints in small letters, the latter
 * without colons. */
void access_add_identity(struct buf *, struct slice token);

/* Which line decides for a connection of which `words` say who it is, such as net:192.0.2.1, unix:bob, on:http,
 * cert:cn=worker-1: a sentence for people.  False when the words are wrong; then that is the sentence. */
bool access_explain(
    const struct access *, char *const *words, unsigned count, const struct access_names *, struct buf *out);

#endif
