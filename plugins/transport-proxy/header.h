/* SPDX-License-Identifier: BSD-3-Clause
 *
 * header.h - the header that a proxy sends in front of a connection: PROXY protocol, versions 1 and 2.
 *
 * Runs on:  any thread; pure.  Owns nothing.
 */
#ifndef TRANSPORT_PROXY_HEADER_H
#define TRANSPORT_PROXY_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include <gearmand/slice.h>

/* A header of version 2 may announce 64 KiB.  Proxies send some hundred bytes. */
enum { HEADER_MOST = 4096 };

enum header_verdict {
	HEADER_MORE, /* what is there may become a header */
	HEADER_BAD,  /* this is no header; *why_r is a static sentence */
	HEADER_DONE
};

struct header {
	size_t len;    /* bytes of the header */
	bool has_peer; /* false: the proxy speaks for itself, or does not know; the socket's address stays */
	char address[64], port[8];
};

enum header_verdict header_parse(struct gearmand_slice, struct header *, const char **why_r);

#endif
