/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Options become a connection, and its session is set up; statements.
 *
 * Runs on:  the store thread.
 * Owns:     nothing; a connection is its user's.
 *
 * What the command line does not say comes from the option file, group [gearmand], then from the library
 * (MYSQL_PWD, its usual option files).  Everything is bytes: the character set is "binary", so nothing is
 * converted on the way, and a backslash is an escape whatever the server's sql_mode.
 */
#include <errmsg.h>

#include "queue_mysql.h"

#define PACKET_MOST (1ul << 30) /* of the protocol */

/* Timeouts: an idle session stays, until my_session_ready(); a server that waits for us to read a page of jobs is
 * patient; a lock is waited for briefly, since the host tries again.  What limits or changes the statements of people
 * is not for us: a catalogue that is read in part, say, would be mended anew at each start. */
static const char session_sql[] =
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', autocommit = 1, wait_timeout = 31536000,"
    " net_write_timeout = 120, innodb_lock_wait_timeout = 3, sql_select_limit = 18446744073709551615,"
    " sql_safe_updates = 0, sql_big_selects = 1, unique_checks = 1, completion_type = 0"
    " /*M!100101 , max_statement_time = 0 */; SET SESSION TRANSACTION READ WRITE";

/* ---- Statements ---------------------------------------------------------------------- */

int
my_run(MYSQL *db, const char *sql, size_t len)
{
	int more = 0; /* 0 = there is one more result, less = none, more = failed */
	MYSQL_RES *res;

	if (mysql_real_query(db, sql, len) != 0)
		more = 1;
	while (more == 0) {
		res = mysql_store_result(db);
		more = res == NULL && mysql_errno(db) != 0 ? 1 : mysql_next_result(db);
		mysql_free_result(res);
	}
	return more < 0 ? 0 : mysql_errno(db) != 0 ? (int)mysql_errno(db) : CR_UNKNOWN_ERROR;
}

bool
my_ask(struct my_store *s, MYSQL *db, MYSQL_RES **res_r, struct gearmand_error *err, const char *doing,
    const char *format, ...)
{
	MYSQL_RES *res = NULL;
	char *sql = NULL;
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&sql, format, args);
	va_end(args);
	if (res_r != NULL)
		*res_r = NULL;
	if (len < 0)
		return gm_fail(err, GEARMAND_WHY_PASSING, "%s: %s: out of memory", s->where, doing);
	if (mysql_real_query(db, sql, (unsigned long)len) == 0)
		res = mysql_store_result(db);
	free(sql);
	if (mysql_errno(db) != 0)
		return my_fail(s, db, err, doing);
	if (res_r != NULL)
		*res_r = res;
	else
		mysql_free_result(res);
	return true;
}

/* ---- The connection ------------------------------------------------------------------ */

/* An option's value; NULL when it has none. */
static const char *
option_of(const struct my_store *s, const char *name)
{
	const char *value = s->host->option(s->host, name);

	return value == NULL || value[0] == '\0' ? NULL : value;
}

static bool
set_tls(struct my_store *s, MYSQL *db, struct gearmand_error *err)
{
	const char *ca = option_of(s, "mysql-ssl-ca"), *cert = option_of(s, "mysql-ssl-cert"),
		   *key = option_of(s, "mysql-ssl-key"), *files[] = { ca, cert, key };

	for (int i = 0; i < 3; i++) {
		if (files[i] != NULL && access(files[i], R_OK) != 0)
			return gm_fail(
			    err, GEARMAND_WHY_LASTING, "%s: this file for TLS cannot be read: %s", s->where, files[i]);
	}
	if ((cert == NULL) != (key == NULL))
		return gm_fail(err, GEARMAND_WHY_LASTING, "--mysql-ssl-cert and --mysql-ssl-key go together");
	s->needs_tls = ca != NULL || cert != NULL || s->host->option_number(s->host, "mysql-ssl") != 0;
	if (!s->needs_tls)
		return true;
	mysql_options(db, MYSQL_OPT_SSL_CA, ca);
	mysql_options(db, MYSQL_OPT_SSL_CERT, cert);
	mysql_options(db, MYSQL_OPT_SSL_KEY, key);
#ifdef MARIADB_PACKAGE_VERSION_ID
	my_bool on = 1, verify = ca != NULL;

	mysql_options(db, MYSQL_OPT_SSL_ENFORCE, &on);
	mysql_options(db, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
#else
	unsigned mode = ca != NULL ? SSL_MODE_VERIFY_IDENTITY : SSL_MODE_REQUIRED;

	mysql_options(db, MYSQL_OPT_SSL_MODE, &mode);
#endif
	return true;
}

static bool
set_options(struct my_store *s, MYSQL *db, bool is_patient, struct gearmand_error *err)
{
	const char *file = option_of(s, "mysql-defaults-file");
	unsigned seconds = (unsigned)s->host->option_number(s->host, "mysql-timeout"), off = 0;
	unsigned long packet = PACKET_MOST;

	if (file != NULL && access(file, R_OK) != 0)
		return gm_fail(err, GEARMAND_WHY_LASTING, "%s: the option file cannot be read: %s", s->where, file);
	if (file != NULL)
		mysql_options(db, MYSQL_READ_DEFAULT_FILE, file);
	mysql_options(db, MYSQL_READ_DEFAULT_GROUP, "gearmand");
	mysql_options(db, MYSQL_SET_CHARSET_NAME, "binary");
	mysql_options(db, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
	mysql_options(db, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet);
	mysql_options(db, MYSQL_OPT_LOCAL_INFILE, &off); /* a server could ask for any file of ours */
	if (!is_patient) {
		mysql_options(db, MYSQL_OPT_READ_TIMEOUT, &seconds);
		mysql_options(db, MYSQL_OPT_WRITE_TIMEOUT, &seconds);
	}
	return set_tls(s, db, err);
}

static bool
establish(struct my_store *s, MYSQL *db, struct gearmand_error *err)
{
	const char *host = option_of(s, "mysql-host"), *path = option_of(s, "mysql-socket");

	if (path != NULL && host != NULL && strcmp(host, "localhost") != 0)
		return gm_fail(err, GEARMAND_WHY_LASTING,
		    "%s: --mysql-socket is for a server on this host; leave --mysql-host out", s->where);
	if (mysql_real_connect(db, host, option_of(s, "mysql-user"), s->host->option(s->host, "mysql-password"),
		option_of(s, "mysql-db"), (unsigned)s->host->option_number(s->host, "mysql-port"), path,
		CLIENT_MULTI_STATEMENTS) == NULL)
		return my_fail(s, db, err, "connecting");
	/* MariaDB's library goes on in the clear when the server knows no TLS and no certificate is asked for. */
	if (s->needs_tls && mysql_get_ssl_cipher(db) == NULL)
		return gm_fail(err, GEARMAND_WHY_LASTING,
		    "%s: connecting: TLS is required, and the server does not offer it", s->where);
	return my_run(db, session_sql, strlen(session_sql)) == 0 || my_fail(s, db, err, "setting up the session");
}

/* From now on we are heard from every few seconds.  When that ends, because our machine is gone or frozen or the
 * network is cut, the server has to end the session, and its lock with it: only so can another take over. */
bool
my_session_ready(struct my_store *s, struct gearmand_error *err)
{
	long long seconds = s->host->option_number(s->host, "mysql-session-timeout");

	return my_ask(s, s->db, NULL, err, "setting up the session",
	    "SET SESSION wait_timeout = %lld, net_read_timeout = %lld", seconds, seconds);
}

MYSQL *
my_connect(struct my_store *s, bool is_patient, struct gearmand_error *err)
{
	MYSQL *db = mysql_init(NULL);

	if (db == NULL) {
		gm_fail(err, GEARMAND_WHY_PASSING, "%s: out of memory", s->where);
	} else if (!set_options(s, db, is_patient, err) || !establish(s, db, err)) {
		mysql_close(db);
		db = NULL;
	}
	return db;
}
