/* SPDX-License-Identifier: BSD-3-Clause
 *
 * settings.h - everything that command line, configuration file and environment say.
 *
 * Runs on:  main thread at start-up; only read after that.
 * Owns:     its strings.
 *
 * Each option is one row of the table in options_table.c: long and short name, type, default, range,
 * help sentence and the member it fills.  Parsing, checks, `--help` and the manual's test all come
 * from there.  What modules declare is parsed the same way.
 */
#ifndef GEARMAND_MGMT_SETTINGS_H
#define GEARMAND_MGMT_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/level.h"

struct text_list { /* values of a repeatable option, in order */
	char **at;
	unsigned count;
};

struct settings {
	/* Process. */
	bool daemon, coredump, syslog, check_args, help, version, list_plugins;
	bool daemon_is_ignored; /* it was asked for, but a service manager waits for this very process */
	char *log_file, *pid_file, *user, *config_file;
	bool pid_file_given;      /* else a pid file that cannot be written is not an error */
	int64_t file_descriptors; /* 0 = leave */
	enum gearmand_level verbose;
	/* Listening. */
	struct text_list listen; /* empty = loopback */
	char *port;              /* number or service name */
	int64_t backlog;         /* negative = as the system allows */
	char *unix_owner;        /* "user", "user:group"; NULL = the one that it runs as */
	char *unix_mode;         /* octal digits */
	char *access_file;       /* NULL = none */
	bool keepalive;          /* without effect */
	int64_t keepalive_idle, keepalive_interval, keepalive_count; /* seconds, seconds, probes; -1 = the system's */
	/* Threads and core. */
	int64_t threads;     /* 0 = one for all classes; 1, 2, N: see gearmand(8) */
	int64_t job_retries; /* -1 and 0 = no limit */
	char *policy_file;   /* NULL = none */
	int64_t dead_keep;   /* seconds; 0 = for ever */
	int64_t dead_max, dead_max_bytes;
	int64_t status_keep; /* seconds that ended jobs are known; 0 = none */
	int64_t status_max_bytes;
	int64_t worker_wakeup;
	bool round_robin, strict_order, exceptions, timeout_requeues;
	char *job_handle_prefix;   /* NULL = H:<host name> */
	int64_t hashtable_buckets; /* taken and ignored: tables grow */
	int64_t shutdown_timeout;  /* seconds a graceful shutdown may take; 0 = no bound */
	/* Bounds; sizes in bytes. */
	int64_t max_packet, max_line, max_output, max_connections, max_jobs, max_functions, max_abilities, max_storing;
	int64_t max_memory; /* 0 on the command line has become 75 % of the machine's */
	/* Modules. */
	char *queue_type;            /* "builtin" or "none" = memory only; see settings_in_memory() */
	int64_t queue_timeout;       /* seconds */
	bool queue_wait;             /* for a store that is down at start */
	bool standby;                /* ... and for one that another server has */
	struct text_list protocols;  /* -r, repeatable */
	struct text_list transports; /* --transport, repeatable; with --ssl "tls" too */
	bool ssl;
	struct text_list plugin_dirs;
};

struct option_set;
struct plugins;

enum settings_verdict {
	SETTINGS_RUN,  /* start the server */
	SETTINGS_DONE, /* --help, --version, --check-args or --list-plugins did all there was to do: exit status 0 */
	SETTINGS_BAD   /* a sentence is on stderr: exit status 1 */
};

/* Finds and loads modules, then reads command line, environment and configuration file, in
 * this order of weight.  With RUN the queue, the protocols and the transport that were asked
 * for are there (plugins_find() does not fail); else both outputs are NULL. */
enum settings_verdict settings_read(int argc, char **argv, struct settings **settings_r, struct plugins **plugins_r);
bool settings_in_memory(const struct settings *); /* no queue module */
const struct option_set *settings_options(const struct settings *);
void settings_free(struct settings **); /* takes, after plugins_free(); NULL is fine */

#endif
