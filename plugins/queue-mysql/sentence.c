/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Error numbers of MySQL and MariaDB, as a sentence for the operator and as what the server does next.
 *
 * Runs on:  the store thread.
 * Owns:     nothing.
 *
 * The numbers are written out: the two libraries name different parts of them.
 */
#include "queue_mysql.h"

/* AGAIN: the connection is well, the world is not.  BROKEN: only a new connection can help, perhaps to another
 * server.  What is not listed passes, and breaks. */
#define AGAIN(code, phrase) \
	{ \
		code, GEARMAND_WHY_PASSING, GEARMAND_COMMIT_AGAIN, phrase \
	}
#define FULL(code, phrase) \
	{ \
		code, GEARMAND_WHY_PASSING, GEARMAND_COMMIT_FULL, phrase \
	}
#define BROKEN(code, phrase) \
	{ \
		code, GEARMAND_WHY_PASSING, GEARMAND_COMMIT_BROKEN, phrase \
	}
#define LASTING(code) \
	{ \
		code, GEARMAND_WHY_LASTING, GEARMAND_COMMIT_BROKEN, "" \
	}

/* clang-format off */
static const struct gm_cause causes[] = {
	AGAIN(1205, "a row is locked by another transaction"),
	AGAIN(3572, "a row is locked by another transaction"),
	AGAIN(1213, "deadlock with another transaction"),
	AGAIN(3, ""), AGAIN(1026, ""), AGAIN(1030, ""), /* a file cannot be written; the storage engine fails */
	AGAIN(1037, "the server is out of memory"), AGAIN(1038, "the server is out of memory"),
	AGAIN(1041, "the server is out of memory"),
	AGAIN(1180, ""), AGAIN(1613, ""), AGAIN(1637, ""), /* the commit failed; rolled back; too many transactions */
	AGAIN(1317, "somebody interrupted the query"), AGAIN(1969, ""), AGAIN(3024, ""),
	FULL(20, "the server's disk is full"), FULL(1021, "the server's disk is full"),
	FULL(1114, "the table is full: no room on the server's disk, or in its table space"),
	BROKEN(1290, ""), /* an option forbids it: read-only */
	BROKEN(1792, "the server is read-only"), BROKEN(1836, "the server is read-only"),
	BROKEN(1047, ""), /* this node of a cluster is not ready */
	/* Rights and names; of the client: character set, TLS, plug-ins. */
	LASTING(1044), LASTING(1045), LASTING(1049), LASTING(1054), LASTING(1059), LASTING(1064), LASTING(1071),
	LASTING(1075), LASTING(1103), LASTING(1142), LASTING(1143), LASTING(1227), LASTING(1231), LASTING(1251),
	LASTING(1347), LASTING(1524), LASTING(1698), LASTING(3118), LASTING(4151),
	LASTING(2019), LASTING(2026), LASTING(2058), LASTING(2059), LASTING(2061),
	{ 0, GEARMAND_WHY_PASSING, GEARMAND_COMMIT_BROKEN, NULL }
};

/* Values that a column, an index, a constraint or a trigger does not take. */
static const int finals[] = { 1048, 1062, 1118, 1153, 1216, 1264, 1265, 1292, 1301, 1364, 1366, 1406, 1452, 1526, 1644,
	2020, 3819, 4025 };
/* clang-format on */

bool
my_is_final(int code)
{
	for (size_t i = 0; i < GM_COUNT(finals); i++) {
		if (finals[i] == code)
			return true;
	}
	return false;
}

enum gearmand_commit
my_outcome(MYSQL *db, int code)
{
	if (code == 1030 && strstr(mysql_error(db), "No space left") != NULL)
		return GEARMAND_COMMIT_FULL;
	return my_is_final(code) ? GEARMAND_COMMIT_AGAIN : gm_cause_of(causes, code)->outcome;
}

bool
my_fail(const struct my_store *s, MYSQL *db, struct gearmand_error *err, const char *doing)
{
	int code = (int)mysql_errno(db);
	const struct gm_cause *cause = gm_cause_of(causes, code);
	const char *phrase = cause->phrase != NULL && cause->phrase[0] != '\0' ? cause->phrase : mysql_error(db);

	return gm_fail(err, my_is_final(code) ? GEARMAND_WHY_LASTING : cause->why, "%s: %s: %s (error %d)", s->where,
	    doing, phrase, code);
}
