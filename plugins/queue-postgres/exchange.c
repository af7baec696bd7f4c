/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A question and its answers, with an end to waiting.
 *
 * Runs on:  the store thread.
 * Owns:     the answers until they are handed over.
 *
 * libpq's own blocking calls wait for ever on a server that is stopped, or behind a network that is gone.  Where nobody
 * can say how long an answer takes, as when all jobs are sorted, the server is asked over another connection, from time
 * to time, whether it is there.
 *
 * The server says that a statement is complete *before* it commits it; that the commit failed comes after.  So all
 * answers are read, up to the server's "ready", and any failure among them is a failure.
 */
#include <poll.h>

#include "queue_postgres.h"

/* The server's own limit comes first, so that it can say so.  Any progress begins the time anew: that much data takes
 * long on its way is not the server's fault. */
enum { GRACE_MS = 2000 };

static bool
connection_failed(struct qp_store *s)
{
	const char *text = PQerrorMessage(s->conn);

	qp_fault_connection(s, text[0] == '\0' ? "the connection is lost" : text);
	return false;
}

/* False: nothing comes, or no connection is left. */
static bool
await_socket(struct qp_store *s, short events, enum qp_patience patience)
{
	struct pollfd p = { .fd = PQsocket(s->conn), .events = events };
	int n;

	if (p.fd < 0)
		return connection_failed(s);
	do
		n = poll(&p, 1, (int)s->limit_ms + GRACE_MS);
	while ((n < 0 && errno == EINTR) || (n == 0 && patience == QP_PATIENT && qp_is_there(s)));
	if (n > 0)
		return (p.revents & POLLIN) == 0 || PQconsumeInput(s->conn) == 1 || connection_failed(s);
	qp_fault_text(s, "", n == 0 ? "the server does not answer" : "poll failed");
	return false;
}

static bool
send_all(struct qp_store *s, enum qp_patience patience)
{
	int more;

	while ((more = PQflush(s->conn)) == 1) {
		if (!await_socket(s, POLLIN | POLLOUT, patience))
			return false;
	}
	return more == 0 || connection_failed(s);
}

/* *r_r NULL: no more. */
static bool
next_result(struct qp_store *s, enum qp_patience patience, PGresult **r_r)
{
	while (PQisBusy(s->conn)) {
		/* When the connection is gone, what came before it says why. */
		if (!await_socket(s, POLLIN, patience) && PQstatus(s->conn) == CONNECTION_OK)
			return false;
		if (PQstatus(s->conn) != CONNECTION_OK)
			break;
	}
	*r_r = PQgetResult(s->conn);
	return true;
}

/* Reads all answers; the last one.  `row_f` gets rows that come one by one. */
static PGresult *
exchange(struct qp_store *s, int sent, enum qp_patience patience, qp_row_f *row_f, void *arg)
{
	PGresult *r = NULL, *last = NULL;
	bool ok = true, is_read;

	if (sent != 1)
		connection_failed(s);
	if (sent != 1 || !send_all(s, patience))
		return NULL;
	while ((is_read = next_result(s, patience, &r)) && r != NULL) {
		ExecStatusType status = PQresultStatus(r);

		if (status == PGRES_SINGLE_TUPLE) {
			row_f(arg, r);
		} else if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && ok) {
			qp_fault_result(s, r);
			ok = false;
		}
		PQclear(last);
		last = r;
	}
	ok = ok && is_read;
	if (ok && PQstatus(s->conn) != CONNECTION_OK)
		ok = connection_failed(s);
	if (ok)
		return last;
	PQclear(last);
	return NULL;
}

bool
qp_is_done(PGresult *r)
{
	PQclear(r);
	return r != NULL;
}

PGresult *
qp_rows(struct qp_store *s, enum qp_patience patience, const char *format, ...)
{
	char *sql = NULL;
	PGresult *r;
	va_list args;

	va_start(args, format);
	GM_CHECK(vasprintf(&sql, format, args) >= 0);
	va_end(args);
	r = exchange(s, PQsendQuery(s->conn, sql), patience, NULL, NULL);
	free(sql);
	return r;
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
	return qp_is_done(
	    exchange(s, PQsendQueryPrepared(s->conn, statement, QP_PARAM_COUNT, values, lengths, formats, 1),
		QP_IN_TIME, NULL, NULL));
}

bool
qp_stream(struct qp_store *s, const char *sql, qp_row_f *row_f, void *arg)
{
	int sent = PQsendQuery(s->conn, sql) == 1 && PQsetSingleRowMode(s->conn) == 1;

	return qp_is_done(exchange(s, sent, QP_PATIENT, row_f, arg));
}
