/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Options become a connection, and its session is set up.
 *
 * Runs on:  the store thread.
 * Owns:     nothing; a connection is its user's.
 *
 * What the command line does not say comes from the option file, group [gearmand], then from the library
 * (MYSQL_PWD, its usual option files).  Everything is bytes: the character set is "binary", so nothing is
 * converted on the way, and a backslash is an escape whatever the server's sql_mode.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <errmsg.h>

#include "queue_mysql.h"

#define PACKET_MOST (1ul << 30) /* of the protocol */

/* Timeouts: an idle session stays, until my_session_ready(); a server that waits for us to read a page of jobs is
 * patient; a lock is waited for briefly, since the host tries again.  Limits on a statement's time are not for us. */
static const char session_sql[] =
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', autocommit = 1, wait_timeout = 31536000,"
    " net_write_timeout = 120, innodb_lock_wait_timeout = 3, sql_select_limit = 18446744073709551615,"
    " sql_safe_updates = 0, sql_big_selects = 1, unique_checks = 1, completion_type = 0"
    " /*M!100101 , max_statement_time = 0 */; SET SESSION TRANSACTION READ WRITE";

/* An option's value; NULL when it has none. */
static const char *
option(const struct my_store *s, const char *name)
{
	const char *value = s->host->option(s->host, name);

	return value == NULL || value[0] == '\0' ? NULL : value;
}

/* ---- Statements ---------------------------------------------------------------------- */

/* The number of the connection's error; there is one. */
static int
error_number(MYSQL *db)
{
	return mysql_errno(db) != 0 ? (int)mysql_errno(db) : CR_UNKNOWN_ERROR;
}

int
my_run(MYSQL *db, const char *sql, size_t len)
{
	int more; /* 0 = there is one more result, less = none, more = failed */

	if (mysql_real_query(db, sql, len) != 0)
		return error_number(db);
	do {
		MYSQL_RES *res = mysql_store_result(db);

		if (res != NULL)
			mysql_free_result(res);
		else if (mysql_errno(db) != 0)
			return error_number(db);
		more = mysql_next_result(db);
	} while (more == 0);
	return more < 0 ? 0 : error_number(db);
}

static bool GEARMAND_PRINTF(3, 0) query(
    struct my_store *s, MYSQL *db, const char *format, va_list args, const char *doing, struct gearmand_error *err)
{
	char *sql = NULL;
	int len = vasprintf(&sql, format, args), rc = -1;

	if (len >= 0)
		rc = mysql_real_query(db, sql, (unsigned long)len);
	else
		s->host->error_set(err, "%s: %s: out of memory", s->where, doing);
	if (len >= 0 && rc != 0)
		my_sentence(s, db, err, doing);
	if (len >= 0)
		free(sql);
	return rc == 0;
}

MYSQL_RES *
my_queryf(struct my_store *s, struct gearmand_error *err, const char *doing, const char *format, ...)
{
	MYSQL_RES *res = NULL;
	va_list args;
	bool is_done;

	va_start(args, format);
	is_done = query(s, s->db, format, args, doing, err);
	va_end(args);
	if (!is_done)
		return NULL;
	res = mysql_store_result(s->db);
	if (res == NULL)
		my_sentence(s, s->db, err, doing);
	return res;
}

bool
my_runf(struct my_store *s, MYSQL *db, struct gearmand_error *err, const char *doing, const char *format, ...)
{
	MYSQL_RES *res;
	va_list args;
	bool is_done;

	va_start(args, format);
	is_done = query(s, db, format, args, doing, err);
	va_end(args);
	if (!is_done)
		return false;
	res = mysql_store_result(db);
	if (res != NULL)
		mysql_free_result(res);
	return true;
}

/* ---- The connection ------------------------------------------------------------------ */

static bool
fail(const struct my_store *s, struct gearmand_error *err, enum gearmand_why why, const char *text, const char *what)
{
	s->host->error_set(err, "%s: %s%s", s->where, text, what);
	err->why = why;
	return false;
}

static bool
set_tls(struct my_store *s, MYSQL *db, struct gearmand_error *err)
{
	const char *ca = option(s, "mysql-ssl-ca"), *cert = option(s, "mysql-ssl-cert"),
		   *key = option(s, "mysql-ssl-key");
	const char *files[] = { ca, cert, key };

	for (int i = 0; i < 3; i++) {
		if (files[i] != NULL && access(files[i], R_OK) != 0)
			return fail(s, err, GEARMAND_WHY_LASTING, "this file for TLS cannot be read: ", files[i]);
	}
	if ((cert == NULL) != (key == NULL))
		return fail(s, err, GEARMAND_WHY_LASTING, "--mysql-ssl-cert and --mysql-ssl-key go together", "");
	s->needs_tls = ca != NULL || cert != NULL || s->host->option_number(s->host, "mysql-ssl") != 0;
	if (!s->needs_tls)
		return true;
	mysql_options(db, MYSQL_OPT_SSL_CA, ca);
	mysql_options(db, MYSQL_OPT_SSL_CERT, cert);
	mysql_options(db, MYSQL_OPT_SSL_KEY, key);
#ifdef MARIADB_PACKAGE_VERSION_ID
	{
		my_bool on = 1, verify = ca != NULL;

		mysql_options(db, MYSQL_OPT_SSL_ENFORCE, &on);
		mysql_options(db, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
	}
#else
	{
		unsigned mode = ca != NULL ? SSL_MODE_VERIFY_IDENTITY : SSL_MODE_REQUIRED;

		mysql_options(db, MYSQL_OPT_SSL_MODE, &mode);
	}
#endif
	return true;
}

static bool
set_options(struct my_store *s, MYSQL *db, bool is_patient, struct gearmand_error *err)
{
	const char *file = option(s, "mysql-defaults-file");
	unsigned seconds = (unsigned)s->host->option_number(s->host, "mysql-timeout"), off = 0;
	unsigned long packet = PACKET_MOST;

	if (file != NULL && access(file, R_OK) != 0)
		return fail(s, err, GEARMAND_WHY_LASTING, "the option file cannot be read: ", file);
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
is_local(const char *host)
{
	return host == NULL || strcmp(host, "localhost") == 0;
}

static bool
establish(struct my_store *s, MYSQL *db, struct gearmand_error *err)
{
	const char *host = option(s, "mysql-host"), *socket_path = option(s, "mysql-socket");

	if (socket_path != NULL && !is_local(host))
		return fail(s, err, GEARMAND_WHY_LASTING,
		    "--mysql-socket is for a server on this host; leave --mysql-host out", "");
	if (mysql_real_connect(db, host, option(s, "mysql-user"), s->host->option(s->host, "mysql-password"),
		option(s, "mysql-db"), (unsigned)s->host->option_number(s->host, "mysql-port"), socket_path,
		CLIENT_MULTI_STATEMENTS) == NULL) {
		my_sentence(s, db, err, "connecting");
		return false;
	}
	/* MariaDB's library goes on in the clear when the server knows no TLS and no certificate is asked for. */
	if (s->needs_tls && mysql_get_ssl_cipher(db) == NULL)
		return fail(
		    s, err, GEARMAND_WHY_LASTING, "connecting: TLS is required, and the server does not offer it", "");
	if (my_run(db, session_sql, strlen(session_sql)) == 0)
		return true;
	my_sentence(s, db, err, "setting up the session");
	return false;
}

/* From now on we are heard from every few seconds.  When that ends, because our machine is gone or frozen or the
 * network is cut, the server has to end the session, and its lock with it: only so can another take over. */
bool
my_session_ready(struct my_store *s, struct gearmand_error *err)
{
	long long seconds = s->host->option_number(s->host, "mysql-session-timeout");

	return my_runf(s, s->db, err, "setting up the session",
	    "SET SESSION wait_timeout = %lld, net_read_timeout = %lld", seconds, seconds);
}

MYSQL *
my_connect(struct my_store *s, bool is_patient, struct gearmand_error *err)
{
	MYSQL *db = mysql_init(NULL);

	if (db == NULL) {
		fail(s, err, GEARMAND_WHY_PASSING, "out of memory", "");
		return NULL;
	}
	if (!set_options(s, db, is_patient, err) || !establish(s, db, err)) {
		mysql_close(db);
		return NULL;
	}
	return db;
}
