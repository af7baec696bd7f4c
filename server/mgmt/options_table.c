/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The options of the core: one row each, for the parser, the help and the manual's test.
 *
 * Runs on:  main thread at start-up.
 * Owns:     nothing; constants.
 *
 * Names, letters and meanings are those of gearmand 1.1; what 1.1 does not have is below "Limits" and
 * says so in gearmand(8).
 */
#include "config.h"

#include <stddef.h>
#include <string.h>

#include "mgmt/options_priv.h"

#define PLACE(member)   offsetof(struct settings, member)
#define NOWHERE         OPTION_NO_PLACE
#define INT32_MAX_TEXT  "2147483647"
#define UINT32_MAX_TEXT "4294967295"

/* clang-format off */
#define SWITCH(name_, help_) { .name = (name_), .type = GEARMAND_OPT_SWITCH, .help = (help_) }
#define VALUE(name_, type_, dflt_, value_, help_) \
	{ .name = (name_), .type = (type_), .dflt = (dflt_), .value_name = (value_), .help = (help_) }
#define NUMBER(name_, dflt_, min_, max_, help_) \
	{ .name = (name_), .type = GEARMAND_OPT_INT, .dflt = (dflt_), .min = (min_), .max = (max_), .help = (help_) }
#define SIZE(name_, dflt_, min_, max_, help_) \
	{ .name = (name_), .type = GEARMAND_OPT_SIZE, .dflt = (dflt_), .min = (min_), .max = (max_), .help = (help_) }
/* clang-format on */
#define TEXT GEARMAND_OPT_STRING
#define PATH GEARMAND_OPT_PATH

const struct option_row option_rows[] = {
	/* General */
	{ GROUP_GENERAL, 'h', OPTION_LINE_ONLY, PLACE(help), NULL, SWITCH("help", "print this help and exit") },
	{ GROUP_GENERAL, 'V', OPTION_LINE_ONLY, PLACE(version), NULL, SWITCH("version", "print the version and exit") },
	{ GROUP_GENERAL, 0, OPTION_LINE_ONLY | OPTION_HIDDEN, PLACE(check_args), NULL,
	    SWITCH("check-args", "check command line and configuration file and exit") },
	{ GROUP_GENERAL, 0, OPTION_LINE_ONLY, NOWHERE, NULL,
	    VALUE("check-access", PATH, NULL, "FILE",
		"print which line of this access file decides for the connection that further words describe, and "
		"exit") },
	{ GROUP_GENERAL, 0, OPTION_EARLY, PLACE(config_file), NULL,
	    VALUE("config-file", PATH, GEARMAND_CONFIG_FILE, "FILE", "read more options from this file") },
	{ GROUP_GENERAL, 0, OPTION_EARLY, NOWHERE, NULL,
	    VALUE("config-dir", PATH, NULL, "DIRECTORY",
		"read the files *.conf of this directory behind the configuration file, in the order of their names") },
	{ GROUP_GENERAL, 'd', 0, PLACE(daemon), NULL,
	    SWITCH("daemon", "go to the background once the server is ready") },
	{ GROUP_GENERAL, 'u', 0, PLACE(user), NULL,
	    VALUE("user", TEXT, NULL, "NAME", "run as this user; for root only") },
	{ GROUP_GENERAL, 'P', 0, PLACE(pid_file), NULL,
	    VALUE("pid-file", PATH, GEARMAND_PID_FILE, "FILE", "file that holds the process number") },
	{ GROUP_GENERAL, 'l', OPTION_LAST_WINS, PLACE(log_file), NULL,
	    VALUE("log-file", PATH, GEARMAND_LOG_FILE, "FILE", "file for log lines, \"stderr\" or \"none\"") },
	{ GROUP_GENERAL, 0, 0, PLACE(syslog), NULL, SWITCH("syslog", "write log lines to syslog, too") },
	{ GROUP_GENERAL, 0, 0, PLACE(verbose), NULL,
	    VALUE("verbose", OPTION_TYPE_LEVEL, "NOTICE", "LEVEL",
		"least level that is logged: FATAL, ALERT, CRITICAL, ERROR, WARNING, NOTICE, INFO or DEBUG") },
	{ GROUP_GENERAL, 0, 0, PLACE(coredump), NULL, SWITCH("coredump", "leave a core file after a crash") },
	{ GROUP_GENERAL, 'f', 0, PLACE(file_descriptors), NULL,
	    NUMBER("file-descriptors", NULL, "0", INT32_MAX_TEXT,
		"open files and connections to allow; unset leaves the limit as it is") },

	/* Listening */
	{ GROUP_LISTENING, 'L', OPTION_REPEATABLE, PLACE(listen), NULL,
	    VALUE("listen", TEXT, NULL, "ADDRESS",
		"address, host name, \"unix:/path\" or \"*\" for all to listen on; may be given several times; unset "
		"is loopback") },
	{ GROUP_LISTENING, 'p', 0, PLACE(port), "GEARMAND_PORT",
	    VALUE("port", GEARMAND_OPT_PORT, "4730", NULL, "port, as number or service name; 0 is any free port") },
	{ GROUP_LISTENING, 'b', 0, PLACE(backlog), NULL,
	    NUMBER("backlog", "-1", "-" INT32_MAX_TEXT, INT32_MAX_TEXT,
		"connections that the kernel may hold before they are accepted; -1 is as many as the system allows") },
	{ GROUP_LISTENING, 0, 0, PLACE(unix_owner), NULL,
	    VALUE("unix-owner", TEXT, NULL, "USER[:GROUP]",
		"owner of \"unix:\" sockets; unset is the user that the server runs as") },
	{ GROUP_LISTENING, 0, 0, PLACE(unix_mode), NULL,
	    VALUE("unix-mode", TEXT, "0660", "MODE",
		"file mode of \"unix:\" sockets: 0660 is for owner and group, 0666 for all") },
	{ GROUP_LISTENING, 0, 0, PLACE(keepalive), NULL,
	    SWITCH(
		"keepalive", "accepted for gearmand 1.1's sake, without effect: idle connections are always probed") },
	{ GROUP_LISTENING, 0, 0, PLACE(keepalive_idle), NULL,
	    NUMBER("keepalive-idle", "120", "-1", "32767",
		"seconds of silence after which the kernel probes a connection; 0 is never, -1 the system's choice") },
	{ GROUP_LISTENING, 0, 0, PLACE(keepalive_interval), NULL,
	    NUMBER("keepalive-interval", "30", "-1", "32767", "seconds between probes; -1 is the system's choice") },
	{ GROUP_LISTENING, 0, 0, PLACE(keepalive_count), NULL,
	    NUMBER(
		"keepalive-count", "4", "-1", "127", "lost probes that end a connection; -1 is the system's choice") },

	{ GROUP_LISTENING, 0, 0, PLACE(access_file), NULL,
	    VALUE("access-file", PATH, NULL, "FILE",
		"file that says who may submit, work, see, manage and administer; SIGHUP reads it anew") },

	/* Threads and jobs */
	{ GROUP_JOBS, 't', 0, PLACE(threads), NULL,
	    NUMBER("threads", "0", "0", "1024",
		"0: one thread for everything; 1: listening, and the rest; 2: listening, I/O, processing; N: N-1 of "
		"them for I/O") },
	{ GROUP_JOBS, 'j', 0, PLACE(job_retries), NULL,
	    NUMBER("job-retries", "0", "-1", UINT32_MAX_TEXT,
		"lost attempts after which a job is dropped; 0 and -1 are no limit") },
	{ GROUP_JOBS, 0, 0, PLACE(policy_file), NULL,
	    VALUE("policy-file", PATH, NULL, "FILE",
		"file that says, by function, how often and when a job is tried again; SIGHUP reads it anew") },
	{ GROUP_JOBS, 0, 0, PLACE(dead_keep), NULL,
	    NUMBER("dead-keep", "15552000", "0", "315360000",
		"seconds that a job which was given up stays on the dead list; 0 is for ever") },
	{ GROUP_JOBS, 0, 0, PLACE(dead_max), NULL,
	    NUMBER("dead-max", "10000", "0", UINT32_MAX_TEXT, "jobs on the dead list; the oldest leave first") },
	{ GROUP_JOBS, 0, 0, PLACE(dead_max_bytes), NULL,
	    SIZE("dead-max-bytes", "64M", "0", NULL, "bytes that these jobs may take") },
	{ GROUP_JOBS, 0, 0, PLACE(status_keep), NULL,
	    NUMBER("status-keep", "0", "0", "315360000",
		"seconds for which clients can ask how a job ended, where the policy file says nothing else") },
	{ GROUP_JOBS, 0, 0, PLACE(status_max_bytes), NULL,
	    SIZE("status-max-bytes", "64M", "0", NULL,
		"bytes that jobs which have ended may take, with their results") },
	{ GROUP_JOBS, 'w', 0, PLACE(worker_wakeup), NULL,
	    NUMBER("worker-wakeup", "0", "0", UINT32_MAX_TEXT,
		"workers to wake for each job; 0 wakes as many as are needed") },
	{ GROUP_JOBS, 'R', 0, PLACE(round_robin), NULL,
	    SWITCH("round-robin", "serve the functions of a worker in turn; this is the default, see --strict-order") },
	{ GROUP_JOBS, 0, 0, PLACE(strict_order), NULL,
	    SWITCH("strict-order", "serve the functions of a worker in the order it registered them") },
	{ GROUP_JOBS, 0, 0, PLACE(exceptions), NULL,
	    SWITCH("exceptions", "send exceptions to all clients, not only to those that asked") },
	{ GROUP_JOBS, 0, 0, PLACE(timeout_requeues), NULL,
	    SWITCH("timeout-requeues",
		"queue foreground jobs again when a worker's time is up, instead of failing them") },
	{ GROUP_JOBS, 0, 0, PLACE(job_handle_prefix), NULL,
	    VALUE("job-handle-prefix", TEXT, NULL, "TEXT",
		"beginning of every job handle, at most 42 bytes; unset is \"H:\" and the host's name") },
	{ GROUP_JOBS, 0, 0, PLACE(hashtable_buckets), NULL,
	    NUMBER("hashtable-buckets", "991", "0", UINT32_MAX_TEXT,
		"accepted for gearmand 1.1's sake, without effect: tables grow by themselves") },
	{ GROUP_JOBS, 0, 0, PLACE(shutdown_timeout), NULL,
	    NUMBER("shutdown-timeout", "3600", "0", INT32_MAX_TEXT,
		"seconds that a graceful shutdown waits for jobs to end; 0 is for ever") },

	/* Limits */
	{ GROUP_LIMITS, 0, 0, PLACE(max_packet), NULL, SIZE("max-packet", "256M", "1K", "4095M", "largest packet") },
	{ GROUP_LIMITS, 0, 0, PLACE(max_line), NULL,
	    SIZE("max-line", "8192", "64", "16M", "longest line of an administrative command") },
	{ GROUP_LIMITS, 0, 0, PLACE(max_output), NULL,
	    SIZE("max-output", "64M", "64K", "1T", "bytes that may wait for a slow reader before it is disconnected") },
	{ GROUP_LIMITS, 0, 0, PLACE(max_connections), NULL,
	    NUMBER("max-connections", "0", "0", INT32_MAX_TEXT,
		"connections at a time; 0 is as many as open files allow") },
	{ GROUP_LIMITS, 0, 0, PLACE(max_jobs), NULL,
	    NUMBER("max-jobs", "100000000", "0", UINT32_MAX_TEXT, "jobs at a time; 0 is no limit") },
	{ GROUP_LIMITS, 0, 0, PLACE(max_memory), NULL,
	    SIZE("max-memory", "0", "0", NULL, "bytes that jobs may take in memory; 0 is 75 % of the machine's") },
	{ GROUP_LIMITS, 0, 0, PLACE(max_functions), NULL,
	    NUMBER("max-functions", "100000", "0", UINT32_MAX_TEXT, "functions known at a time; 0 is no limit") },
	{ GROUP_LIMITS, 0, 0, PLACE(max_abilities), NULL,
	    NUMBER("max-abilities", "10000", "0", UINT32_MAX_TEXT, "functions of one worker; 0 is no limit") },
	{ GROUP_LIMITS, 0, 0, PLACE(max_storing), NULL,
	    SIZE("max-storing", "64M", "64K", NULL,
		"bytes waiting for the store before submitters are not read, or get ERROR if it is unwell") },

	/* Modules */
	{ GROUP_MODULES, 'q', 0, PLACE(queue_type), NULL,
	    VALUE("queue-type", TEXT, "builtin", "NAME",
		"module that keeps background jobs; \"builtin\" is memory only") },
	{ GROUP_MODULES, 0, 0, PLACE(queue_timeout), NULL,
	    NUMBER("queue-timeout", "10", "1", "86400",
		"seconds that a submission waits for the store before it is answered with ERROR") },
	{ GROUP_MODULES, 0, 0, PLACE(queue_wait), NULL,
	    SWITCH("queue-wait", "when the store is down at start, wait for it instead of failing") },
	{ GROUP_MODULES, 0, 0, PLACE(standby), NULL,
	    SWITCH("standby",
		"when another server has the store, wait and take over when it ends; --queue-wait is implied") },
	{ GROUP_MODULES, 0, OPTION_REPEATABLE, PLACE(transports), NULL,
	    VALUE("transport", TEXT, NULL, "NAME", "transport module to load; may be given several times") },
	{ GROUP_MODULES, 'r', OPTION_REPEATABLE, PLACE(protocols), NULL,
	    VALUE("protocol", TEXT, NULL, "NAME",
		"protocol module to load beside the gear protocol; may be given several times") },
	{ GROUP_MODULES, 0, OPTION_EARLY | OPTION_REPEATABLE, PLACE(plugin_dirs), NULL,
	    VALUE("plugin-dir", PATH, NULL, "DIRECTORY",
		"directory to find modules in; may be given several times; unset is GEARMAND_PLUGIN_PATH, "
		"else " GEARMAND_PLUGIN_DIR) },
	{ GROUP_MODULES, 0, OPTION_LINE_ONLY, PLACE(list_plugins), NULL,
	    SWITCH("list-plugins", "print a table of all modules and exit") },

	/* TLS */
	{ GROUP_TLS, 0, OPTION_STAND_IN, PLACE(ssl), NULL,
	    SWITCH("ssl", "speak TLS on the port of the Gearman protocol; it loads the module transport-tls") },
	{ GROUP_TLS, 0, OPTION_STAND_IN, NOWHERE, "GEARMAND_CA_CERTIFICATE",
	    VALUE("ssl-ca-file", PATH, GEARMAND_SYSCONFDIR "/ssl/certs/gearmand-ca.pem", "FILE",
		"certificates of the authorities whose clients are trusted (PEM)") },
	{ GROUP_TLS, 0, OPTION_STAND_IN, NOWHERE, "GEARMAND_SERVER_PEM",
	    VALUE("ssl-certificate", PATH, GEARMAND_SYSCONFDIR "/ssl/certs/gearmand.pem", "FILE",
		"the server's certificate, and those of its issuers behind it (PEM)") },
	{ GROUP_TLS, 0, OPTION_STAND_IN, NOWHERE, "GEARMAND_SERVER_KEY",
	    VALUE("ssl-key", PATH, GEARMAND_SYSCONFDIR "/ssl/certs/gearmand.key", "FILE",
		"the server's private key (PEM)") },
	{ 0 }
};

const struct option_row *
option_row_find(const char *name)
{
	for (const struct option_row *row = option_rows; row->decl.name != NULL; row++)
		if (strcmp(row->decl.name, name) == 0)
			return row;
	return NULL;
}

/* Options by their beginning, and whose they are. */
static const struct {
	const char *prefix, *home;
} homes[] = {
#define HOME(module) "it belongs to the module " module ", which is not there; package gearmand-" module " has it"
	{ "--libsqlite3-", HOME("queue-sqlite") },
	{ "--store-queue-on-shutdown", HOME("queue-sqlite") },
	{ "--libpq-", HOME("queue-postgres") },
	{ "--mysql-", HOME("queue-mysql") },
	{ "--libmemcached-", HOME("queue-memcached") },
	{ "--libtokyocabinet-", HOME("queue-tokyo") },
	{ "--http-ssl-", HOME("transport-tls") },
	{ "--monitor-ssl-", HOME("transport-tls") },
	{ "--ssl-listen", HOME("transport-tls") },
	{ "--ssl-verify", HOME("transport-tls") },
	{ "--ssl-min-version", HOME("transport-tls") },
	{ "--ssl-cipher", HOME("transport-tls") },
	{ "--ssl-crl-file", HOME("transport-tls") },
	{ "--ssl-handshake-timeout", HOME("transport-tls") },
	{ "--http-", HOME("proto-http") },
	{ "--redis-", "it belongs to the module queue-redis, which the SDK has as an example to be built" },
	{ "--libdrizzle-",
	    "it belongs to the drizzle queue of gearmand 1.1, for which there is no module here; --mysql-host "
	    "and the like are options of queue-mysql" },
#undef HOME
};

const char *
option_home(const struct option_set *set, const char *word)
{
	for (size_t i = 0; i < sizeof homes / sizeof homes[0]; i++) {
		size_t len = strlen(homes[i].prefix);
		bool is_loaded = false;

		if (strncmp(word, homes[i].prefix, len) != 0)
			continue;
		for (unsigned o = 0; o < set->count; o++)
			is_loaded |= strncmp(set->at[o].row.decl.name, homes[i].prefix + 2, len - 2) == 0;
		return is_loaded ? NULL : homes[i].home;
	}
	return NULL;
}
