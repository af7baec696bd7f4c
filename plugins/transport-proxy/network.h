/* SPDX-License-Identifier: BSD-3-Clause
 *
 * network.h - who is trusted: a list of networks, "192.0.2.0/24,2001:db8::/32,198.51.100.7".
 *
 * Runs on:  parse at start-up, has on any thread.  The caller owns all of it.
 */
#ifndef TRANSPORT_PROXY_NETWORK_H
#define TRANSPORT_PROXY_NETWORK_H

#include <stdbool.h>

enum { NETWORKS_MOST = 64 };

struct networks {
	int count;
	struct network {
		unsigned char address[16]; /* IPv4 as ::ffff:a.b.c.d */
		unsigned bits;
	} at[NETWORKS_MOST];
};

/* False: *bad_r is the word that is no network, or NULL when there are too many of them.  Changes `text`. */
bool networks_parse(struct networks *, char *text, const char **bad_r);
/* `peer` as the server names it: "192.0.2.1:4730", "[::1]:4730".  The path of a unix socket is in every network: who
 * may open it is a matter of its mode. */
bool networks_have(const struct networks *, const char *peer);

#endif
