/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The connection, and the settings of its session.
 *
 * Runs on:  the store thread.
 * Owns:     nothing; the connection is the store's.
 *
 * What the operator gives goes to libpq as it is, with all its ways: several hosts, services, password files, TLS.
 * The connection string is never logged: it may hold a password.
 */
#include "queue_postgres.h"

/* Older than this has no set-returning functions in step. */
#define SERVER_VERSION_NEEDED 100000

/* For what the operator does not say.  A host that is gone is given up in time; of several hosts the one that can
 * write is found. */
static const struct {
	const char *keyword, *variable, *value;
} defaults[] = {
	{ "connect_timeout", "PGCONNECT_TIMEOUT", "10" },
	{ "target_session_attrs", "PGTARGETSESSIONATTRS", "read-write" },
	{ "keepalives_idle", NULL, "30" },
	{ "keepalives_interval", NULL, "10" },
	{ "keepalives_count", NULL, "3" },
	{ "fallback_application_name", NULL, "gearmand" },
};

enum { DEFAULT_COUNT = sizeof(defaults) / sizeof(*defaults) };

/* The texts of libpq quote what they complain about, which may be part of a password with a blank in it. */
static bool
bad_conninfo(struct gearmand_error *err, const char *text)
{
	char safe[200];
	size_t n = 0;
	bool quoted = false;

	for (; *text != '\0' && n < sizeof(safe) - 4; text++) {
		if (*text == '"') {
			quoted = !quoted;
			n += (size_t)snprintf(safe + n, 4, "%s", quoted ? "..." : "");
		} else if (!quoted && *text != '\n') {
			safe[n++] = *text;
		}
	}
	safe[n] = '\0';
	return gm_fail(
	    err, GEARMAND_WHY_LASTING, "--libpq-conninfo is not a connection string of PostgreSQL: %s", safe);
}

static bool
check_conninfo(const char *conninfo, struct gearmand_error *err)
{
	char *text = NULL;
	PQconninfoOption *options = PQconninfoParse(conninfo, &text);

	if (options == NULL)
		bad_conninfo(err, text == NULL ? "out of memory" : text);
	PQconninfoFree(options);
	PQfreemem(text);
	return options != NULL;
}

static const char *
or_empty(const char *text)
{
	return text == NULL ? "" : text;
}

static void
name_place(struct qp_store *s)
{
	const char *host = or_empty(PQhost(s->conn)), *port = or_empty(PQport(s->conn));

	snprintf(s->place, sizeof(s->place), "PostgreSQL database \"%.64s\" at %.200s:%.8s", or_empty(PQdb(s->conn)),
	    host[0] == '\0' ? "(no host)" : host, port);
}

static void
on_notice(void *store, const PGresult *r)
{
	const struct qp_store *s = store;
	const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);

	if (text != NULL)
		s->host->log(s->host, GEARMAND_LOG_NOTICE, "%s: %s", s->place, text);
}

/* Only libpq's blocking way tries one host after the other, each with its time; and only a connection that is begun
 * can be told to give codes with its errors.  So one is begun, told, and begun anew. */
static bool
connect_to(struct qp_store *s, const char *conninfo, struct gearmand_error *err)
{
	const char *keywords[DEFAULT_COUNT + 2], *values[DEFAULT_COUNT + 2];
	int n = 0;

	for (int i = 0; i < DEFAULT_COUNT; i++) {
		if (defaults[i].variable == NULL || getenv(defaults[i].variable) == NULL) {
			keywords[n] = defaults[i].keyword;
			values[n++] = defaults[i].value;
		}
	}
	keywords[n] = "dbname"; /* is taken apart, and wins over what is before it */
	values[n++] = conninfo;
	keywords[n] = values[n] = NULL;
	s->conn = PQconnectStartParams(keywords, values, 1);
	if (s->conn == NULL)
		qp_fault_text(s, "", "out of memory");
	else {
		PQsetErrorVerbosity(s->conn, PQERRORS_VERBOSE);
		PQsetNoticeReceiver(s->conn, on_notice, s);
		PQreset(s->conn);
		name_place(s);
		if (PQstatus(s->conn) == CONNECTION_OK)
			return true;
		qp_fault_connection(s, PQerrorMessage(s->conn));
	}
	qp_fail(s, err, "connecting");
	if (s->conn != NULL && PQconnectionNeedsPassword(s->conn))
		err->why = GEARMAND_WHY_LASTING;
	return false;
}

/* ---- The session ----------------------------------------------------------------------------- */

/* Text passes unchanged, so that names are the bytes that gearmand 1.1 stored. */
static bool
set_encoding(struct qp_store *s)
{
	const char *encoding = PQparameterStatus(s->conn, "server_encoding");

	s->text = qp_text_of(encoding);
	return encoding == NULL || qp_askf(s, s->limit_ms, "SET client_encoding TO '%s'", encoding);
}

/* A server's crash must not take what was acknowledged. */
static bool
set_durability(struct qp_store *s, struct gearmand_error *err)
{
	static const char *const levels[] = { "off", "local", "remote_write", "on", "remote_apply" };
	const char *want = s->host->option(s->host, "libpq-synchronous-commit");

	for (size_t i = 0; want != NULL && i < sizeof(levels) / sizeof(*levels); i++) {
		if (strcmp(levels[i], want) == 0)
			return qp_askf(s, s->limit_ms, "SET synchronous_commit TO %s", want) ||
			       qp_fail(s, err, "preparing the session");
	}
	if (want != NULL)
		return gm_fail(err, GEARMAND_WHY_LASTING,
		    "--libpq-synchronous-commit must be off, local, remote_write, on or remote_apply, not \"%s\"",
		    want);
	return qp_ask(s,
		   "SELECT set_config('synchronous_commit', 'on', false)"
		   " WHERE current_setting('synchronous_commit') = 'off'",
		   s->limit_ms) ||
	       qp_fail(s, err, "preparing the session");
}

static bool
set_session(struct qp_store *s)
{
	int64_t silence_ms = s->host->option_number(s->host, "libpq-session-timeout") * 1000;

	return set_encoding(s) &&
	       qp_askf(s, s->limit_ms,
		   "SET standard_conforming_strings TO on; SET client_min_messages TO warning;"
		   "SET default_transaction_isolation TO 'read committed';"
		   "SET statement_timeout TO 0; SET lock_timeout TO %lld",
		   (long long)s->limit_ms) &&
	       /* Those of them that this server knows: to let go of the lock when our machine is gone, or frozen. */
	       qp_askf(s, s->limit_ms,
		   "SELECT set_config(v.name, v.value, false) FROM (VALUES "
		   "('tcp_keepalives_idle', '10'), ('tcp_keepalives_interval', '5'), "
		   "('tcp_keepalives_count', '3'), ('idle_in_transaction_session_timeout', '%lld'), "
		   "('idle_session_timeout', '%lld'), ('jit', 'off')"
		   ") AS v(name, value) JOIN pg_settings USING (name)",
		   (long long)silence_ms, (long long)silence_ms);
}

static bool
check_writable(struct qp_store *s, struct gearmand_error *err)
{
	PGresult *r = qp_rows(s, s->limit_ms, "SHOW transaction_read_only");
	bool is_read_only = r != NULL && PQntuples(r) == 1 && strcmp(PQgetvalue(r, 0, 0), "on") == 0;

	if (is_read_only)
		qp_fault_text(s, "25006", "no jobs can be stored");
	if (is_read_only || r == NULL)
		qp_fail(s, err, "connecting");
	PQclear(r);
	return r != NULL && !is_read_only;
}

bool
qp_connect(struct qp_store *s, struct gearmand_error *err)
{
	const char *conninfo = or_empty(s->host->option(s->host, "libpq-conninfo"));

	snprintf(s->place, sizeof(s->place), "PostgreSQL");
	if (!check_conninfo(conninfo, err) || !connect_to(s, conninfo, err))
		return false;
	if (PQserverVersion(s->conn) < SERVER_VERSION_NEEDED)
		return gm_fail(err, GEARMAND_WHY_LASTING, "%s: PostgreSQL 10 or newer is needed, this is %s", s->place,
		    or_empty(PQparameterStatus(s->conn, "server_version")));
	if (PQsetnonblocking(s->conn, 1) != 0) {
		qp_fault_text(s, "", PQerrorMessage(s->conn));
		return qp_fail(s, err, "connecting");
	}
	return check_writable(s, err) && (set_session(s) || qp_fail(s, err, "preparing the session")) &&
	       set_durability(s, err);
}
