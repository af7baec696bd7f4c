/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The MySQL queue: background jobs in a table of a MySQL or MariaDB server.
 *
 * Runs on:  the store thread.
 * Owns:     the store: one connection, and with it one lock, from open to close.
 */
#include "queue_mysql.h"

#define STORE_MAGIC 0x71796d74u /* "qymt" */

enum { PACKET_SPARE = 1024, PACKET_LEAST = 16384 };

/* What the library keeps per thread. */
static _Thread_local bool thread_is_ready;

struct my_store *
my_store_of(void *store)
{
	if (!thread_is_ready)
		thread_is_ready = mysql_thread_init() == 0;
	return GM_STORE(struct my_store, store, STORE_MAGIC);
}

static void
my_close(void **store)
{
	struct my_store *s;

	if (*store == NULL)
		return;
	s = my_store_of(*store);
	*store = NULL;
	my_lease_release(s);
	if (s->db != NULL)
		mysql_close(s->db);
	gm_bytes_free(&s->sql);
	free(s->database);
	s->host->release(s->table);
	s->host->release(s->order);
	s->host->release(s->dead_table);
	s->magic = 0;
	s->host->release(s);
	if (thread_is_ready)
		mysql_thread_end();
	thread_is_ready = false;
}

char *
my_quoted_name(const struct gearmand_host *host, const char *name)
{
	char *quoted = host->allocate(2 * strlen(name) + 3), *q = quoted;

	*q++ = '`';
	for (; *name != '\0'; name++) {
		if (*name == '`')
			*q++ = '`';
		*q++ = *name;
	}
	*q = '`';
	return quoted;
}

static void
name_place(struct my_store *s, const char *database, const char *on, unsigned port)
{
	char tail[16] = "";

	if (port != 0)
		snprintf(tail, sizeof(tail), ":%u", port);
	snprintf(s->where, sizeof(s->where), "mysql table %.64s.%.64s on %.100s%s",
	    database != NULL && database[0] != '\0' ? database : "?", s->name,
	    on != NULL && on[0] != '\0' ? on : "localhost", tail);
}

/* Where we are, which the option file may have said, too, and what the database takes. */
static bool
ask_settings(struct my_store *s, struct gearmand_error *err)
{
	MYSQL_RES *res;
	MYSQL_ROW row;
	unsigned long packet;

	if (!my_ask(s, s->db, &res, err, "asking for its settings",
		"SELECT DATABASE(), @@max_allowed_packet, @@innodb_flush_log_at_trx_commit"))
		return false;
	row = mysql_fetch_row(res);
	if (row == NULL || row[0] == NULL) {
		mysql_free_result(res);
		return gm_fail(err, GEARMAND_WHY_LASTING,
		    "the mysql queue needs --mysql-db=NAME, the database that has the table");
	}
	packet = strtoul(row[1], NULL, 10);
	s->packet_max = (packet < PACKET_LEAST ? PACKET_LEAST : packet) - PACKET_SPARE;
	s->database = strdup(row[0]);
	GM_CHECK(s->database != NULL);
	name_place(s, s->database, s->db->unix_socket != NULL ? s->db->unix_socket : s->db->host,
	    s->db->unix_socket != NULL ? 0 : s->db->port);
	if (strcmp(row[2], "1") != 0)
		s->host->log(s->host, GEARMAND_LOG_WARNING,
		    "%s: innodb_flush_log_at_trx_commit is %s: a crash of the server may lose jobs of the last "
		    "second; with 1 it loses none",
		    s->where, row[2]);
	mysql_free_result(res);
	return true;
}

static bool
open_connection(struct my_store *s, struct gearmand_error *err)
{
	const char *host = s->host->option(s->host, "mysql-host"), *path = s->host->option(s->host, "mysql-socket");

	if (s->name == NULL || s->name[0] == '\0')
		return gm_fail(err, GEARMAND_WHY_LASTING, "--mysql-table needs a name");
	s->table = my_quoted_name(s->host, s->name);
	s->order = my_quoted_name(s->host, "seq");
	name_place(s, s->host->option(s->host, "mysql-db"), host != NULL && host[0] != '\0' ? host : path, 0);
	s->db = my_connect(s, false, err);
	if (s->db == NULL)
		gm_standby_away(s->standby);
	return s->db != NULL;
}

static bool
my_open(const struct gearmand_host *host, struct gearmand_opening *opening, void **store_r, struct gearmand_error *err)
{
	struct my_store *s;
	void *store;

	if (opening->memory == NULL) {
		if (mysql_library_init(0, NULL, NULL) != 0)
			return gm_fail(
			    err, GEARMAND_WHY_PASSING, "the mysql queue: the client library cannot be initialised");
		opening->memory = host->allocate(sizeof(*s->standby));
	}
	store = s = host->allocate(sizeof(*s));
	s->magic = STORE_MAGIC;
	s->host = host;
	s->standby = opening->memory;
	s->is_first = opening->is_first;
	s->name = host->option(host, "mysql-table");
	(void)my_store_of(s);
	if (!open_connection(s, err) || !ask_settings(s, err) || !my_own(s, err) || !my_schema_open(s, err) ||
	    !my_session_ready(s, err)) {
		my_close(&store);
		return false;
	}
	s->standby->saw_owner = false;
	*store_r = s;
	return true;
}

static const char *const host_aliases[] = { "libdrizzle-host", NULL };
static const char *const port_aliases[] = { "libdrizzle-port", NULL };
static const char *const socket_aliases[] = { "libdrizzle-uds", NULL };
static const char *const user_aliases[] = { "libdrizzle-user", NULL };
static const char *const password_aliases[] = { "libdrizzle-password", NULL };
static const char *const db_aliases[] = { "libdrizzle-db", NULL };
static const char *const table_aliases[] = { "libdrizzle-table", NULL };

static const struct gearmand_option my_options[] = {
	{ "mysql-host", GEARMAND_OPT_STRING, .value_name = "HOST", .aliases = host_aliases,
	    .help = "server; localhost, which is the default, means a Unix socket" },
	{ "mysql-port", GEARMAND_OPT_PORT, .aliases = port_aliases, .help = "port of the server, when it is not 3306" },
	{ "mysql-socket", GEARMAND_OPT_PATH, .aliases = socket_aliases,
	    .help = "path of the Unix socket of a server on this host" },
	{ "mysql-user", GEARMAND_OPT_STRING, .value_name = "NAME", .aliases = user_aliases,
	    .help = "user to log in as; by default the user that this server runs as" },
	{ "mysql-password", GEARMAND_OPT_STRING, .value_name = "TEXT", .aliases = password_aliases, .secret = true,
	    .help = "password; better in the option file, or in the environment as MYSQL_PWD" },
	{ "mysql-db", GEARMAND_OPT_STRING, .value_name = "NAME", .aliases = db_aliases,
	    .help = "database that has the table" },
	{ "mysql-table", GEARMAND_OPT_STRING, .dflt = "gearman_queue", .value_name = "NAME", .aliases = table_aliases,
	    .help = "table that holds the jobs; made when missing" },
	{ "mysql-defaults-file", GEARMAND_OPT_PATH,
	    .help = "option file of MySQL; its group [gearmand] has what the command line does not say" },
	{ "mysql-timeout", GEARMAND_OPT_INT, .dflt = "30", .min = "1", .max = "3600", .value_name = "SECONDS",
	    .help = "seconds after which a server that does not answer is given up" },
	{ "libdrizzle-mysql", GEARMAND_OPT_SWITCH,
	    .help = "taken for the sake of old command lines: this module speaks MySQL's protocol anyway" },
	{ "mysql-cluster", GEARMAND_OPT_SWITCH,
	    .help = "lock the table for all nodes of a cluster; Galera is known by itself" },
	{ "mysql-session-timeout", GEARMAND_OPT_INT, .dflt = "15", .min = "6", .max = "86400", .value_name = "SECONDS",
	    .help = "seconds without a sign of this server after which the database gives its table to another" },
	{ "mysql-ssl", GEARMAND_OPT_SWITCH, .help = "talk over TLS or not at all" },
	{ "mysql-ssl-ca", GEARMAND_OPT_PATH,
	    .help = "certificates of the authorities that vouch for the server; without it any certificate is taken" },
	{ "mysql-ssl-cert", GEARMAND_OPT_PATH, .help = "certificate to show to the server" },
	{ "mysql-ssl-key", GEARMAND_OPT_PATH, .help = "key of that certificate" }, { 0 }
};

static const char *const my_aliases[] = { "mariadb", "libmysqlclient", "drizzle", "libdrizzle", NULL };

static const struct gearmand_queue_ops my_ops = {
	.size = sizeof(struct gearmand_queue_ops),
	.open = my_open,
	.replay = my_replay,
	.commit = my_commit,
	.close = my_close,
	.check = my_check,
	.forget = gm_forget,
	.keeps_dead = true,
};

GEARMAND_QUEUE_PLUGIN(
    "mysql", my_aliases, "0.1.0", "keeps background jobs in a MySQL or MariaDB table", my_options, &my_ops);
