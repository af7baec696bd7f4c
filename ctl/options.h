/* SPDX-License-Identifier: BSD-3-Clause
 *
 * options.h - what the command line and GEARMAN_SERVER say.
 */
#ifndef GEARMANCTL_OPTIONS_H
#define GEARMANCTL_OPTIONS_H

#include <stdint.h>
#include <stdio.h>

#include "commands.h"
#include "secure.h"
#include "target.h"

/* Exit statuses; of several servers the highest counts. */
enum { CTL_OK = 0, CTL_REFUSED = 1, CTL_USAGE = 2, CTL_FAILED = 3 };

/*    id          short  name          argument             of which command, help */
/* clang-format off */
#define OPTIONS(X) \
	X(HOST,       'H', "host",       "SERVER",            NULL,     "HOST, HOST:PORT, [IPV6]:PORT or unix:PATH; again for more servers") \
	X(TIMEOUT,    't', "timeout",    "SECONDS",           NULL,     "for connecting, and for an answer to come (default 5)") \
	X(JSON,       'j', "json",       NULL,                NULL,     "an array of objects on standard output") \
	X(YES,        'y', "yes",        NULL,                NULL,     "do not ask before something is destroyed") \
	X(BACKGROUND, 'b', "background", NULL,                "submit", "print the job's handle and do not wait for it") \
	X(PRIORITY,   'p', "priority",   "high|normal|low",   "submit", "the job's priority (default normal)") \
	X(UNIQUE,     'u', "unique",     "KEY",               "submit", "join the job that has this key, when there is one") \
	X(WHEN,       'w', "when",       "TIME",              "submit", "run it at a Unix time, or in +N seconds, +Nm, +Nh, +Nd; in the background") \
	X(INTERVAL,   'i', "interval",   "SECONDS",           "top",    "time between two looks (default 2)") \
	X(SSL,        'S', "ssl",        NULL,                NULL,     "speak TLS, except with unix sockets; each of the four options below implies it") \
	X(CA,         'A', "ssl-ca-file", "FILE",             NULL,     "authorities that a server's certificate must come from (GEARMAND_CA_CERTIFICATE)") \
	X(CERT,       'C', "ssl-certificate", "FILE",         NULL,     "the certificate that is shown to servers (GEARMAN_CLIENT_PEM)") \
	X(KEY,        'K', "ssl-key",    "FILE",              NULL,     "its private key (GEARMAN_CLIENT_KEY); by default in the same file") \
	X(INSECURE,   'k', "ssl-insecure", NULL,              NULL,     "take any server: its certificate is not looked at") \
	X(HELP,       'h', "help",       NULL,                NULL,     "this text") \
	X(VERSION,    'V', "version",    NULL,                NULL,     "the version of this command")
/* clang-format on */

enum option_id {
#define X(id, letter, name, arg, of, help) OPTION_##id,
	OPTIONS(X)
#undef X
	    OPTION_COUNT
};

enum priority { PRIORITY_HIGH, PRIORITY_NORMAL, PRIORITY_LOW };

struct options {
	struct targets targets;
	int64_t timeout;  /* milliseconds */
	int64_t interval; /* milliseconds */
	bool json, yes, background;
	bool ssl;
	struct secure_settings secure;
	enum priority priority;
	const char *unique; /* NULL: none */
	uint64_t when;      /* Unix time; 0: at once */
	bool help, version;
	unsigned given; /* 1 << option_id */
};

/* Reads all options, wherever they stand among the words; *words_r is the first of those left in argv.  False: it has
 * said why. */
bool options_read(struct options *, int argc, char **argv, int *words_r);
/* Are all that were given options of this command?  False: it has said which is not. */
bool options_fit(const struct options *, const struct command *);
void options_help(FILE *);
void options_fini(struct options *);

#endif
