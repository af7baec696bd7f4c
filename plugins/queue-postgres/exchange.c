/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A question and its answers, with an end to waiting.
 *
 * Runs on:  the store thread.
 * Owns:     the answers until they are handed over.
 *
 * libpq's own blocking calls wait for ever on a server that is stopped, or behind a network that is gone.
 *
 * The server says that a statement is complete *before* it commits it; that the commit failed comes after.  So all
 * answers are read, up to the server's "ready", and any failure among them is a failure.
 */
#include <poll.h>

#include "queue_postgres.h"

/* The server's own limit comes first, so that it can say so. */
#define GRACE_MS 2000

static int64_t
deadline_of(const struct qp_store *s, int64_t limit_ms)
{
	return limit_ms == 0 ? INT64_MAX : s->host->monotonic() + (limit_ms + GRACE_MS) * 1000000;
}

static bool
connection_failed(struct qp_store *s)
{
	const char *text = PQerrorMessage(s->conn);

	qp_fault_connection(s, text[0] == '\0' ? "the connection is lost" : text);
	return false;
}

/* False: too late, or no connection. */
static bool
await_socket(struct qp_store *s, short events, int64_t deadline)
{
	struct pollfd p = { .fd = PQsocket(s->conn), .events = events };
	int64_t left = deadline - s->host->monotonic();
	int n, ms = deadline == INT64_MAX ? -1 : left <= 0 ? 0 : (int)(left / 1000000 + 1);

	if (p.fd < 0)
		return connection_failed(s);
	do
		n = poll(&p, 1, ms);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		return (p.revents & POLLIN) == 0 || PQconsumeInput(s->conn) == 1 || connection_failed(s);
	qp_fault_text(s, "", n == 0 ? "the server does not answer" : "poll failed");
	return false;
}

/* The time that much data takes on its way is not the server's: any progress will do. */
static bool
send_all(struct qp_store *s, int64_t limit_ms)
{
	int more;

	while ((more = PQflush(s->conn)) == 1) {
		if (!await_socket(s, POLLIN | POLLOUT, deadline_of(s, limit_ms)))
			return false;
	}
	return more == 0 || connection_failed(s);
}

/* *r_r NULL: no more. */
static bool
next_result(struct qp_store *s, int64_t deadline, PGresult **r_r)
{
	while (PQisBusy(s->conn)) {
		/* When the connection is gone, what came before it says why. */
		if (!await_socket(s, POLLIN, deadline) && PQstatus(s->conn) == CONNECTION_OK)
			return false;
		if (PQstatus(s->conn) != CONNECTION_OK)
			break;
	}
	*r_r = PQgetResult(s->conn);
	return true;
}

static bool
is_good(const PGresult *r)
{
	ExecStatusType status = PQresultStatus(r);

	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_SINGLE_TUPLE;
}

/* Reads all answers; the last one is handed over where it is wanted. */
static bool
exchange_all(struct qp_store *s, int sent, int64_t limit_ms, PGresult **last_r)
{
	PGresult *r = NULL, *last = NULL;
	int64_t deadline;
	bool ok = true;

	if (sent != 1)
		return connection_failed(s);
	if (!send_all(s, limit_ms))
		return false;
	deadline = deadline_of(s, limit_ms);
	for (;;) {
		if (!next_result(s, deadline, &r)) {
			ok = false;
			break;
		}
		if (r == NULL)
			break;
		if (!is_good(r) && ok) {
			qp_fault_result(s, r);
			ok = false;
		}
		PQclear(last);
		last = r;
	}
	if (ok && PQstatus(s->conn) != CONNECTION_OK)
		ok = connection_failed(s);
	if (ok && last_r != NULL)
		*last_r = last;
	else
		PQclear(last);
	return ok;
}

bool
qp_ask(struct qp_store *s, const char *sql, int64_t limit_ms)
{
	return exchange_all(s, PQsendQuery(s->conn, sql), limit_ms, NULL);
}

bool
qp_askf(struct qp_store *s, int64_t limit_ms, const char *format, ...)
{
	va_list args;
	char *sql = NULL;
	bool ok;

	va_start(args, format);
	GM_CHECK(vasprintf(&sql, format, args) >= 0);
	va_end(args);
	ok = qp_ask(s, sql, limit_ms);
	free(sql);
	return ok;
}

PGresult *
qp_rows(struct qp_store *s, int64_t limit_ms, const char *format, ...)
{
	PGresult *r = NULL;
	va_list args;
	char *sql = NULL;

	va_start(args, format);
	GM_CHECK(vasprintf(&sql, format, args) >= 0);
	va_end(args);
	if (!exchange_all(s, PQsendQuery(s->conn, sql), limit_ms, &r))
		r = NULL;
	free(sql);
	return r;
}

/* All of a store's statements have the same parameters. */
bool
qp_prepare(struct qp_store *s, const char *statement, const char *sql)
{
	enum { TEXTS = 1009, BYTEAS = 1001, INT4S = 1007, INT8S = 1016 }; /* arrays */
	static const Oid types[QP_PARAM_COUNT] = { [QP_GONE_UNIQUE] = TEXTS,
		[QP_GONE_FUNCTION] = TEXTS,
		[QP_UNIQUE] = TEXTS,
		[QP_FUNCTION] = TEXTS,
		[QP_PRIORITY] = INT4S,
		[QP_DATA] = BYTEAS,
		[QP_WHEN] = INT8S,
		[QP_HANDLE] = TEXTS,
		[QP_REDUCER] = BYTEAS,
		[QP_FLAGS] = INT4S,
		[QP_ADDED] = INT8S };

	return exchange_all(s, PQsendPrepare(s->conn, statement, sql, QP_PARAM_COUNT, types), s->limit_ms, NULL);
}

bool
qp_run(struct qp_store *s, const char *statement)
{
	const char *values[QP_PARAM_COUNT];
	int lengths[QP_PARAM_COUNT], formats[QP_PARAM_COUNT];

	for (int i = 0; i < QP_PARAM_COUNT; i++) {
		values[i] = s->param[i].data;
		lengths[i] = (int)s->param[i].len;
		formats[i] = 1;
	}
	return exchange_all(
	    s, PQsendQueryPrepared(s->conn, statement, QP_PARAM_COUNT, values, lengths, formats, 1), s->limit_ms, NULL);
}

bool
qp_stream(struct qp_store *s, const char *sql)
{
	return (PQsendQuery(s->conn, sql) == 1 && PQsetSingleRowMode(s->conn) == 1 && send_all(s, 0)) ||
	       connection_failed(s);
}

PGresult *
qp_stream_next(struct qp_store *s, bool *ok_r)
{
	PGresult *r;

	for (;;) {
		if (!next_result(s, INT64_MAX, &r)) {
			*ok_r = false;
			return NULL;
		}
		if (r == NULL)
			return NULL;
		if (PQresultStatus(r) == PGRES_SINGLE_TUPLE)
			return r;
		if (!is_good(r)) {
			qp_fault_result(s, r);
			*ok_r = false;
		}
		PQclear(r);
	}
}
