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
	bool ok = true, is_read;

	if (sent != 1)
		return connection_failed(s);
	if (!send_all(s, limit_ms))
		return false;
	deadline = deadline_of(s, limit_ms);
	while ((is_read = next_result(s, deadline, &r)) && r != NULL) {
		if (!is_good(r) && ok) {
			qp_fault_result(s, r);
			ok = false;
		}
		PQclear(last);
		last = r;
	}
	ok = ok && is_read;
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

static bool GEARMAND_PRINTF(3, 0)
    ask_printed(struct qp_store *s, int64_t limit_ms, const char *format, va_list args, PGresult **r_r)
{
	char *sql = NULL;
	bool ok;

	GM_CHECK(vasprintf(&sql, format, args) >= 0);
	ok = exchange_all(s, PQsendQuery(s->conn, sql), limit_ms, r_r);
	free(sql);
	return ok;
}

bool
qp_askf(struct qp_store *s, int64_t limit_ms, const char *format, ...)
{
	va_list args;
	bool ok;

	va_start(args, format);
	ok = ask_printed(s, limit_ms, format, args, NULL);
	va_end(args);
	return ok;
}

PGresult *
qp_rows(struct qp_store *s, int64_t limit_ms, const char *format, ...)
{
	PGresult *r = NULL;
	va_list args;

	va_start(args, format);
	(void)ask_printed(s, limit_ms, format, args, &r);
	va_end(args);
	return r;
}

/* All of a store's statements have the same parameters. */
bool
qp_prepare(struct qp_store *s, const char *statement, const char *sql)
{
	enum { TEXTS = 1009, BYTEAS = 1001, INT4S = 1007, INT8S = 1016 }; /* arrays */
	static const Oid types[QP_PARAM_COUNT] = { TEXTS, TEXTS, TEXTS, TEXTS, INT4S, BYTEAS, INT8S, TEXTS, BYTEAS,
		INT4S, INT8S };

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
	PGresult *r = NULL;
	bool is_read;

	while ((is_read = next_result(s, INT64_MAX, &r)) && r != NULL && PQresultStatus(r) != PGRES_SINGLE_TUPLE) {
		if (!is_good(r)) {
			qp_fault_result(s, r);
			*ok_r = false;
		}
		PQclear(r);
	}
	*ok_r = *ok_r && is_read;
	return is_read ? r : NULL;
}
