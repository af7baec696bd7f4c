/* SPDX-License-Identifier: BSD-3-Clause
 *
 * target.h - a server that the operator named: HOST, HOST:PORT, [IPV6]:PORT or unix:PATH.  Pure.
 */
#ifndef GEARMANCTL_TARGET_H
#define GEARMANCTL_TARGET_H

#include <stdbool.h>

struct target {
	char *name; /* as messages and columns show it */
	char *host; /* NULL: a unix socket */
	char *port;
	char *path; /* of a unix socket, or NULL */
};

struct targets {
	struct target *at;
	unsigned count;
};

/* Adds what `text` names; False: *why_r is a static sentence. */
bool targets_add(struct targets *, const char *text, const char **why_r);
/* The same for a list with commas. */
bool targets_add_list(struct targets *, const char *text, const char **why_r);
void targets_fini(struct targets *);

#endif
