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

/* The texts of libpq quote what they complain about, which may be part of a password with a blank in it. */
static bool
check_conninfo(const char *conninfo, struct gearmand_error *err)
{
	char *text = NULL, safe[200];
	PQconninfoOption *options = PQconninfoParse(conninfo, &text);
	bool quoted = false;
	size_t n = 0;

	PQconninfoFree(options);
	for (const char *p = text == NULL ? "out of memory" : text; *p != '\0' && n < sizeof(safe) - 4; p++) {
		if (*p == '"') {
			quoted = !quoted;
			n += (size_t)sprintf(safe + n, "%s", quoted ? "..." : "");
		} else if (!quoted && *p != '\n') {
			safe[n++] = *p;
		}
	}
	PQfreemem(text);
	return options != NULL || gm_fail(err, GEARMAND_WHY_LASTING,
				      "--libpq-conninfo is not a connection string of PostgreSQL: %.*s", (int)n, safe);
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

/* Of a connection like the store's; `host` and `port` NULL: as the operator says. */
struct parameters {
	const char *keyword[GM_COUNT(defaults) + 4], *value[GM_COUNT(defaults) + 4];
};

static struct parameters
parameters_of(const struct qp_store *s, const char *host, const char *port)
{
	struct parameters p;
	int n = 0;

	for (size_t i = 0; i < GM_COUNT(defaults); i++) {
		if (defaults[i].variable == NULL || getenv(defaults[i].variable) == NULL) {
			p.keyword[n] = defaults[i].keyword;
			p.value[n++] = defaults[i].value;
		}
	}
	p.keyword[n] = "dbname"; /* is taken apart, and wins over what is before it */
	p.value[n++] = or_empty(s->host->option(s->host, "libpq-conninfo"));
	p.keyword[n] = host == NULL ? NULL : "host";
	p.value[n++] = host;
	p.keyword[n] = port == NULL ? NULL : "port";
	p.value[n++] = port;
	p.keyword[n] = p.value[n] = NULL;
	return p;
}

/* A server that is stopped does not answer; one that has no room for another connection, or knows us not, does. */
bool
qp_is_there(struct qp_store *s)
{
	struct parameters p = parameters_of(s, PQhost(s->conn), PQport(s->conn));

	return PQpingParams(p.keyword, p.value, 1) != PQPING_NO_RESPONSE;
}

/* Only libpq's blocking way tries one host after the other, each with its time; and only a connection that is begun
 * can be told to give codes with its errors.  So one is begun, told, and begun anew. */
static bool
connect_to(struct qp_store *s, struct gearmand_error *err)
{
	struct parameters p = parameters_of(s, NULL, NULL);

	s->conn = PQconnectStartParams(p.keyword, p.value, 1);
	if (s->conn == NULL)
		qp_fault_text(s, "", "out of memory");
	else {
		PQsetErrorVerbosity(s->conn, PQERRORS_VERBOSE);
		PQsetNoticeReceiver(s->conn, on_notice, s);
		PQreset(s->conn);
		name_place(s);
		if (PQstatus(s->conn) == CONNECTION_OK && PQsetnonblocking(s->conn, 1) == 0)
			return true;
		qp_fault_connection(s, PQerrorMessage(s->conn));
	}
	qp_fail(s, err, "connecting");
	if (s->conn != NULL && PQconnectionNeedsPassword(s->conn))
		err->why = GEARMAND_WHY_LASTING;
	return false;
}

/* ---- The session ----------------------------------------------------------------------------- */

/* Those of them that this server knows.  Text passes unchanged, so that names are the bytes that gearmand 1.1 stored. A
 * server's crash must not take what was acknowledged.  The database lets go of the lock when our machine is gone, or
 * frozen. */
#define SETTINGS \
	"SELECT set_config(v.name, v.value, false), current_setting('transaction_read_only') FROM (VALUES" \
	" ('client_encoding', current_setting('server_encoding')), ('standard_conforming_strings', 'on')," \
	" ('client_min_messages', 'warning'), ('default_transaction_isolation', 'read committed')," \
	" ('statement_timeout', '0'), ('lock_timeout', '%lld'), ('jit', 'off')," \
	" ('synchronous_commit', coalesce(nullif('%s', ''), nullif(current_setting('synchronous_commit'), 'off'), " \
	"'on'))," \
	" ('tcp_keepalives_idle', '10'), ('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '3')," \
	" ('idle_in_transaction_session_timeout', '%lld'), ('idle_session_timeout', '%lld')" \
	") AS v(name, value) JOIN pg_settings USING (name)"

static bool
set_session(struct qp_store *s, struct gearmand_error *err)
{
	static const char *const levels[] = { "", "off", "local", "remote_write", "on", "remote_apply" };
	const char *level = or_empty(s->host->option(s->host, "libpq-synchronous-commit"));
	long long silence_ms = s->host->option_number(s->host, "libpq-session-timeout") * 1000;
	bool is_read_only;
	PGresult *r;
	size_t i = 0;

	while (i < GM_COUNT(levels) && strcmp(levels[i], level) != 0)
		i++;
	if (i == GM_COUNT(levels))
		return gm_fail(err, GEARMAND_WHY_LASTING,
		    "--libpq-synchronous-commit must be off, local, remote_write, on or remote_apply, not \"%s\"",
		    level);
	s->text = qp_text_of(PQparameterStatus(s->conn, "server_encoding"));
	r = qp_rows(s, QP_IN_TIME, SETTINGS, (long long)s->limit_ms, level, silence_ms, silence_ms);
	is_read_only = r != NULL && PQntuples(r) > 0 && strcmp(PQgetvalue(r, 0, 1), "on") == 0;
	if (is_read_only)
		qp_fault_text(s, "25006", "no jobs can be stored");
	PQclear(r);
	return (r != NULL && !is_read_only) || qp_fail(s, err, "preparing the session");
}

bool
qp_connect(struct qp_store *s, struct gearmand_error *err)
{
	snprintf(s->place, sizeof(s->place), "PostgreSQL");
	if (s->given == NULL || s->given[0] == '\0')
		return gm_fail(err, GEARMAND_WHY_LASTING, "--libpq-table needs a name");
	if (!check_conninfo(or_empty(s->host->option(s->host, "libpq-conninfo")), err) || !connect_to(s, err))
		return false;
	if (PQserverVersion(s->conn) < SERVER_VERSION_NEEDED)
		return gm_fail(err, GEARMAND_WHY_LASTING, "%s: PostgreSQL 10 or newer is needed, this is %s", s->place,
		    or_empty(PQparameterStatus(s->conn, "server_version")));
	return set_session(s, err);
}
