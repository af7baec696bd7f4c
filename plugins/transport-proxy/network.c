/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Lists of networks.
 *
 * Runs on:  any thread; pure.  Owns nothing.
 */
#include "network.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Returns how many bits it has, or 0 for what is no address. */
static unsigned
read_number(const char *text, unsigned char out[16])
{
	static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	if (inet_pton(AF_INET6, text, out) == 1)
		return 128;
	memcpy(out, mapped, sizeof(mapped));
	return inet_pton(AF_INET, text, out + 12) == 1 ? 32 : 0;
}

static bool
network_parse(struct network *n, char *word)
{
	char *slash = strchr(word, '/'), *end;
	unsigned long bits;
	unsigned most;

	if (slash)
		*slash = '\0';
	most = read_number(word, n->address);
	bits = slash ? strtoul(slash + 1, &end, 10) : most;
	if (slash)
		*slash = '/';
	if (most == 0 || bits > most || (slash && (slash[1] < '0' || slash[1] > '9' || *end != '\0')))
		return false;
	n->bits = (unsigned)bits + (128 - most);
	return true;
}

bool
networks_parse(struct networks *all, char *text, const char **bad_r)
{
	for (char *word; (word = strsep(&text, ",")) != NULL; all->count++) {
		bool full = all->count == NETWORKS_MOST;

		*bad_r = full ? NULL : word;
		if (full || !network_parse(&all->at[all->count], word))
			return false;
	}
	return true;
}

static bool
is_in(const struct network *n, const unsigned char address[16])
{
	unsigned whole = n->bits / 8, mask = 0xff00u >> n->bits % 8 & 0xff;

	return memcmp(n->address, address, whole) == 0 &&
	       (mask == 0 || ((n->address[whole] ^ address[whole]) & mask) == 0);
}

bool
networks_have(const struct networks *all, const char *peer)
{
	const char *colon = strrchr(peer, ':');
	bool brackets = peer[0] == '[';
	unsigned char address[16];
	char text[64];

	if (!colon || colon[1] == '/' || peer[0] == '/')
		return true;
	snprintf(text, sizeof(text), "%.*s", (int)(colon - peer - 2 * brackets), peer + brackets);
	if (read_number(text, address) == 0)
		return false;
	for (int i = 0; i < all->count; i++)
		if (is_in(&all->at[i], address))
			return true;
	return false;
}
