/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Error numbers of MySQL and MariaDB, as a sentence for the operator and as what the host does next.
 *
 * Runs on:  the store thread.
 * Owns:     nothing.
 *
 * The numbers are written out: the two libraries name different parts of them.
 */
#include <stdio.h>
#include <string.h>

#include "queue_mysql.h"

/* AGAIN: the connection is well, the world is not.  BROKEN: only a new connection can help, perhaps to another
 * server.  FINAL: the fault is one row's, and will not go away.  What is not listed passes, and breaks. */
enum act { AGAIN, BROKEN, FINAL };

static const struct {
	unsigned code;
	enum gearmand_why why;
	enum act act;
	const char *phrase; /* NULL: what the server says, which is clear enough */
} causes[] = {
	{ 1205, GEARMAND_WHY_PASSING, AGAIN, "a row is locked by another transaction" },
	{ 1213, GEARMAND_WHY_PASSING, AGAIN, "deadlock with another transaction" },
	{ 3572, GEARMAND_WHY_PASSING, AGAIN, "a row is locked by another transaction" },
	{ 1613, GEARMAND_WHY_PASSING, AGAIN, NULL }, /* an XA transaction was rolled back */
	{ 3, GEARMAND_WHY_PASSING, AGAIN, NULL },    /* a file cannot be written */
	{ 1021, GEARMAND_WHY_PASSING, AGAIN, "the server's disk is full" },
	{ 1026, GEARMAND_WHY_PASSING, AGAIN, NULL },
	{ 1030, GEARMAND_WHY_PASSING, AGAIN, NULL }, /* the storage engine fails; no room, say */
	{ 1037, GEARMAND_WHY_PASSING, AGAIN, "the server is out of memory" },
	{ 1038, GEARMAND_WHY_PASSING, AGAIN, "the server is out of memory" },
	{ 1041, GEARMAND_WHY_PASSING, AGAIN, "the server is out of memory" },
	{ 1114, GEARMAND_WHY_PASSING, AGAIN, "the table is full: no room on the server's disk, or in its table space" },
	{ 1180, GEARMAND_WHY_PASSING, AGAIN, NULL }, /* the commit failed */
	{ 1317, GEARMAND_WHY_PASSING, AGAIN, "somebody interrupted the query" },
	{ 1637, GEARMAND_WHY_PASSING, AGAIN, NULL }, /* too many transactions */
	{ 1969, GEARMAND_WHY_PASSING, AGAIN, NULL }, /* max_statement_time */
	{ 3024, GEARMAND_WHY_PASSING, AGAIN, NULL },
	{ 1290, GEARMAND_WHY_PASSING, BROKEN, NULL }, /* an option forbids it: read-only */
	{ 1792, GEARMAND_WHY_PASSING, BROKEN, "the server is read-only" },
	{ 1836, GEARMAND_WHY_PASSING, BROKEN, "the server is read-only" },
	{ 1047, GEARMAND_WHY_PASSING, BROKEN, NULL }, /* this node of a cluster is not ready */
	{ 1044, GEARMAND_WHY_LASTING, BROKEN, NULL }, /* rights and names */
	{ 1045, GEARMAND_WHY_LASTING, BROKEN, NULL },
	{ 1049, GEARMAND_WHY_LASTING, BROKEN, NULL },
	{ 1054, GEARMAND_WHY_LASTING, BROKEN, NULL },
	{ 1059, GEARMAND_WHY_LASTING, BROKEN, NULL },
	{ 1064, GEARMAND_WHY_LASTING, BROKEN, NULL },
	{ 1071, GEARMAND_WHY_LASTING, BROKEN, NULL },
	{ 1075, GEARMAND_WHY_LASTING, BROKEN, NULL },
	{ 1103, GEARMAND_WHY_LASTING, BROKEN, NULL },
	{ 1142, GEARMAND_WHY_LASTING, BROKEN, NULL },
	{ 1143, GEARMAND_WHY_LASTING, BROKEN, NULL },
	{ 1227, GEARMAND_WHY_LASTING, BROKEN, NULL },
	{ 1231, GEARMAND_WHY_LASTING, BROKEN, NULL },
	{ 1251, GEARMAND_WHY_LASTING, BROKEN, NULL },
	{ 1347, GEARMAND_WHY_LASTING, BROKEN, NULL },
	{ 1524, GEARMAND_WHY_LASTING, BROKEN, NULL },
	{ 1698, GEARMAND_WHY_LASTING, BROKEN, NULL },
	{ 3118, GEARMAND_WHY_LASTING, BROKEN, NULL },
	{ 4151, GEARMAND_WHY_LASTING, BROKEN, NULL },
	{ 2019, GEARMAND_WHY_LASTING, BROKEN, NULL }, /* the client's: character set, TLS, plug-ins */
	{ 2026, GEARMAND_WHY_LASTING, BROKEN, NULL },
	{ 2058, GEARMAND_WHY_LASTING, BROKEN, NULL },
	{ 2059, GEARMAND_WHY_LASTING, BROKEN, NULL },
	{ 2061, GEARMAND_WHY_LASTING, BROKEN, NULL },
	{ 1048, GEARMAND_WHY_LASTING, FINAL, NULL }, /* values that a column, index or constraint does not take */
	{ 1062, GEARMAND_WHY_LASTING, FINAL, NULL },
	{ 1118, GEARMAND_WHY_LASTING, FINAL, NULL },
	{ 1153, GEARMAND_WHY_LASTING, FINAL, NULL },
	{ 1216, GEARMAND_WHY_LASTING, FINAL, NULL },
	{ 1264, GEARMAND_WHY_LASTING, FINAL, NULL },
	{ 1265, GEARMAND_WHY_LASTING, FINAL, NULL },
	{ 1292, GEARMAND_WHY_LASTING, FINAL, NULL },
	{ 1301, GEARMAND_WHY_LASTING, FINAL, NULL },
	{ 1364, GEARMAND_WHY_LASTING, FINAL, NULL },
	{ 1366, GEARMAND_WHY_LASTING, FINAL, NULL },
	{ 1406, GEARMAND_WHY_LASTING, FINAL, NULL },
	{ 1452, GEARMAND_WHY_LASTING, FINAL, NULL },
	{ 1526, GEARMAND_WHY_LASTING, FINAL, NULL },
	{ 1644, GEARMAND_WHY_LASTING, FINAL, NULL },
	{ 2020, GEARMAND_WHY_LASTING, FINAL, NULL },
	{ 3819, GEARMAND_WHY_LASTING, FINAL, NULL },
	{ 4025, GEARMAND_WHY_LASTING, FINAL, NULL },
};

enum { CAUSE_COUNT = sizeof(causes) / sizeof(*causes) };

/* CAUSE_COUNT: not listed. */
static size_t
find(unsigned code)
{
	size_t i = 0;

	while (i < CAUSE_COUNT && causes[i].code != code)
		i++;
	return i;
}

enum gearmand_why
my_why(unsigned code)
{
	size_t i = find(code);

	return i < CAUSE_COUNT ? causes[i].why : GEARMAND_WHY_PASSING;
}

enum gearmand_commit
my_outcome(unsigned code)
{
	size_t i = find(code);

	return i < CAUSE_COUNT && causes[i].act != BROKEN ? GEARMAND_COMMIT_AGAIN : GEARMAND_COMMIT_BROKEN;
}

bool
my_is_final(unsigned code)
{
	size_t i = find(code);

	return i < CAUSE_COUNT && causes[i].act == FINAL;
}

void
my_sentence(const struct my_store *s, MYSQL *db, struct gearmand_error *err, const char *doing)
{
	unsigned code = mysql_errno(db);
	size_t i = find(code);
	const char *phrase = i < CAUSE_COUNT ? causes[i].phrase : NULL;

	s->host->error_set(
	    err, "%s: %s: %s (error %u)", s->where, doing, phrase != NULL ? phrase : mysql_error(db), code);
	err->why = my_why(code);
}
