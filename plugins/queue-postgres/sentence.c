/* SPDX-License-Identifier: BSD-3-Clause
 *
 * PostgreSQL's error codes, as a sentence for the operator and as what the host does next.
 *
 * Runs on:  the store thread.
 * Owns:     nothing.
 */
#include "queue_postgres.h"

/* AGAIN: the session is well, the world is not.  The first that fits counts; of the others we know nothing, and
 * start anew. */
/* clang-format off */
static const struct {
	const char *state; /* or a class of them */
	enum gearmand_why why;
	enum gearmand_commit outcome;
	bool is_data;       /* it is the fault of a row, and of no other */
	const char *phrase; /* behind the server's own words */
} causes[] = {
	{ "57014", GEARMAND_WHY_PASSING, GEARMAND_COMMIT_AGAIN, false, "" }, /* statement timeout */
	{ "55P03", GEARMAND_WHY_PASSING, GEARMAND_COMMIT_AGAIN, false, " (another session has locked the table)" },
	{ "40", GEARMAND_WHY_PASSING, GEARMAND_COMMIT_AGAIN, false, "" },    /* deadlock and the like */
	{ "53100", GEARMAND_WHY_PASSING, GEARMAND_COMMIT_FULL, false, "" },  /* the disk is full */
	{ "53", GEARMAND_WHY_PASSING, GEARMAND_COMMIT_AGAIN, false, "" },    /* memory, connections */
	{ "P0", GEARMAND_WHY_PASSING, GEARMAND_COMMIT_AGAIN, true, "" },     /* what a trigger raises */
	{ "38", GEARMAND_WHY_PASSING, GEARMAND_COMMIT_BROKEN, true, "" },    /* likewise, in other languages */
	{ "39", GEARMAND_WHY_PASSING, GEARMAND_COMMIT_BROKEN, true, "" },
	{ "25006", GEARMAND_WHY_PASSING, GEARMAND_COMMIT_BROKEN, false, " (the server is read-only, is it a standby?)" },
	{ "28", GEARMAND_WHY_LASTING, GEARMAND_COMMIT_BROKEN, false, "" },   /* password, pg_hba.conf */
	{ "3D", GEARMAND_WHY_LASTING, GEARMAND_COMMIT_BROKEN, false, "" },   /* no such database */
	{ "3F", GEARMAND_WHY_LASTING, GEARMAND_COMMIT_BROKEN, false, "" },   /* no such schema */
	{ "42P01", GEARMAND_WHY_PASSING, GEARMAND_COMMIT_BROKEN, false, "" }, /* table dropped: open makes it */
	{ "42", GEARMAND_WHY_LASTING, GEARMAND_COMMIT_BROKEN, false, "" },   /* rights, types */
	{ "0A", GEARMAND_WHY_LASTING, GEARMAND_COMMIT_BROKEN, false, "" },
	{ "0L", GEARMAND_WHY_LASTING, GEARMAND_COMMIT_BROKEN, false, "" },
	{ "0P", GEARMAND_WHY_LASTING, GEARMAND_COMMIT_BROKEN, false, "" },
	{ "22", GEARMAND_WHY_LASTING, GEARMAND_COMMIT_BROKEN, true, "" },    /* values, encodings */
	{ "23", GEARMAND_WHY_LASTING, GEARMAND_COMMIT_BROKEN, true, "" },    /* constraints */
	{ "44000", GEARMAND_WHY_PASSING, GEARMAND_COMMIT_BROKEN, true, "" }, /* a view's */
	{ "54000", GEARMAND_WHY_PASSING, GEARMAND_COMMIT_BROKEN, true, "" }, /* limits */
	{ "", GEARMAND_WHY_PASSING, GEARMAND_COMMIT_BROKEN, false, "" },
};
/* clang-format on */

static size_t
cause_of(const struct qp_store *s)
{
	size_t i = 0;

	while (!qp_fault_is(s, causes[i].state))
		i++;
	return i;
}

bool
qp_fault_is(const struct qp_store *s, const char *state)
{
	return strncmp(s->fault.state, state, strlen(state)) == 0;
}

bool
qp_fault_is_data(const struct qp_store *s)
{
	return causes[cause_of(s)].is_data;
}

void
qp_fault_text(struct qp_store *s, const char *state, const char *text)
{
	size_t n;

	snprintf(s->fault.state, sizeof(s->fault.state), "%s", state);
	snprintf(s->fault.text, sizeof(s->fault.text), "%s", text);
	for (n = 0; s->fault.text[n] != '\0'; n++) {
		if (s->fault.text[n] == '\n' || s->fault.text[n] == '\t')
			s->fault.text[n] = ' ';
	}
	while (n > 0 && s->fault.text[n - 1] == ' ')
		s->fault.text[--n] = '\0';
}

void
qp_fault_result(struct qp_store *s, const PGresult *r)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);

	if (text == NULL)
		text = PQresultErrorMessage(r);
	qp_fault_text(s, state == NULL ? "" : state, text[0] == '\0' ? "an answer that is not understood" : text);
}

/* ---- A connection that did not come about, or came to an end ----------------------------------- */

/* libpq has a text only.  Verbose, it reads `... failed: FATAL:  28P01: password ...`, one line for each host that was
 * tried, and lines that tell more about it.  Takes the code out of the line; "" = it has none. */
static void
take_state(char *line, char state[6])
{
	int end;

	for (char *p = strstr(line, ":  "); p != NULL; p = strstr(p + 1, ":  ")) {
		end = 0;
		if (sscanf(p, ":  %5[0-9A-Z]: %n", state, &end) == 1 && end == (int)strlen(":  28P01: ")) {
			memmove(p + 2, p + end, strlen(p + end) + 1);
			return;
		}
	}
	state[0] = '\0';
}

static bool
is_more(const char *line)
{
	static const char *const labels[] = { "\t", "LOCATION:", "DETAIL:", "HINT:", "CONTEXT:" };

	for (size_t i = 0; i < GM_COUNT(labels); i++) {
		if (strncmp(line, labels[i], strlen(labels[i])) == 0)
			return true;
	}
	return line[0] == '\0';
}

/* Of several hosts, the first that may come to serve counts.  For a connection that ended, the server's last words. */
void
qp_fault_connection(struct qp_store *s, const char *text)
{
	char copy[2048], all[sizeof(s->fault.text)] = "", state[6], first[6] = "";
	bool decided = false;
	char *rest = copy;
	size_t at = 0;

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
		if (is_more(line))
			continue;
		take_state(line, state);
		if (at < sizeof(all))
			at += (size_t)snprintf(all + at, sizeof(all) - at, "%s%s", at == 0 ? "" : "; ", line);
		qp_fault_text(s, state, "");
		if (!decided)
			memcpy(first, state, sizeof(first));
		decided = decided || causes[cause_of(s)].why == GEARMAND_WHY_PASSING;
	}
	qp_fault_text(s, first, all);
}

/* ---- What comes of it ------------------------------------------------------------------------ */

bool
qp_fail(const struct qp_store *s, struct gearmand_error *err, const char *doing)
{
	size_t i = cause_of(s);

	return gm_fail(err, causes[i].why, "%s: %s: %s%s", s->place, doing, s->fault.text, causes[i].phrase);
}

bool
qp_fail_table(const struct qp_store *s, struct gearmand_error *err, const char *doing)
{
	char text[200];

	snprintf(text, sizeof(text), "%s table \"%.130s\"", doing, s->given);
	return qp_fail(s, err, text);
}

bool
qp_fail_why(const struct qp_store *s, struct gearmand_error *err, enum gearmand_why why, const char *what)
{
	return gm_fail(err, why, "%s: table \"%.130s\" %s", s->place, s->given, what);
}

enum gearmand_commit
qp_outcome(const struct qp_store *s)
{
	if (PQtransactionStatus(s->conn) != PQTRANS_IDLE)
		return GEARMAND_COMMIT_BROKEN;
	return causes[cause_of(s)].outcome;
}
