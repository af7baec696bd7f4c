/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What keeps a PostgreSQL queue from being opened is a sentence, says whether waiting may help, and never tells a
 * password.
 *
 * Runs on:  one process per test.
 * Owns:     a table per test; roles and schemas with the process's number in their names.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/plugins/postgres_fixture.h"

/* The same connection as another: "user=secret password=x". */
static void
connect_as(struct queue *q, const char *more)
{
	char conninfo[400];

	snprintf(conninfo, sizeof(conninfo), "%s %s", q->db, more);
	fake_host_set(&q->host, "libpq-conninfo", conninfo);
}

static void
connect_by_port(struct queue *q, const char *more)
{
	const char *port = strstr(q->db, "port=");
	char conninfo[400];

	snprintf(conninfo, sizeof(conninfo), "host=127.0.0.1 %.*s dbname=jobs %s", (int)strcspn(port, " "), port, more);
	fake_host_set(&q->host, "libpq-conninfo", conninfo);
}

/* "%P" stands for this process. */
static void
sql_here(struct queue *q, const char *format)
{
	char sql[1024], *at;

	snprintf(sql, sizeof(sql), "%s", format);
	while ((at = strstr(sql, "%P")) != NULL) {
		char rest[1024], number[16];

		snprintf(rest, sizeof(rest), "%s", at + 2);
		snprintf(number, sizeof(number), "%ld", (long)getpid());
		snprintf(at, sizeof(sql) - (size_t)(at - sql), "%s%s", number, rest);
	}
	queue_sql(q, sql);
}

static const char *
here(const char *name)
{
	static char text[64];

	snprintf(text, sizeof(text), "%s%ld", name, (long)getpid());
	return text;
}

/* ---- The connection ---------------------------------------------------------------------------- */

Test(postgres_open, a_connection_string_that_is_none_is_told_without_what_may_be_a_password)
{
	struct queue *q = queue_new();

	connect_as(q, "password=correct horse battery=staple");
	queue_expect_no_open(q, "--libpq-conninfo is not a connection string", GEARMAND_WHY_LASTING);
	connect_as(q, "password=a battery=staple");
	queue_expect_no_open(q, "invalid connection option ...", GEARMAND_WHY_LASTING);
	cr_expect_null(strstr(q->err.text, "battery"), "%s", q->err.text);
	queue_free(&q);
}

Test(postgres_open, nobody_at_the_address_may_pass)
{
	struct queue *q = queue_new();

	fake_host_set(&q->host, "libpq-conninfo", "host=127.0.0.1 port=1 dbname=jobs");
	queue_expect_no_open(q, "port 1 failed: ", GEARMAND_WHY_PASSING);
	fake_host_set(&q->host, "libpq-conninfo", "host=/no/such/folder dbname=jobs");
	queue_expect_no_open(q, "PostgreSQL database \"jobs\" at /no/such/folder:", GEARMAND_WHY_PASSING);
	queue_free(&q);
}

Test(postgres_open, a_missing_database_and_role_are_lasting)
{
	struct queue *q = queue_new();

	connect_as(q, "dbname=nosuch");
	queue_expect_no_open(q, "database \"nosuch\" does not exist", GEARMAND_WHY_LASTING);
	cr_expect_null(strstr(q->err.text, "3D000"), "%s", q->err.text);
	cr_expect_null(strstr(q->err.text, "LOCATION"), "%s", q->err.text);
	connect_as(q, "user=nobody_known");
	queue_expect_no_open(q, "role \"nobody_known\" does not exist", GEARMAND_WHY_LASTING);
	queue_free(&q);
}

Test(postgres_open, a_wrong_password_is_lasting_and_not_told)
{
	struct queue *q = queue_opened(); /* makes gearmand_lock */

	queue_close(q);
	queue_sql(q,
	    "DROP TABLE %T, %D; CREATE ROLE secret LOGIN PASSWORD 'right'; GRANT ALL ON SCHEMA public TO secret; "
	    "GRANT SELECT, INSERT, UPDATE ON gearmand_lock TO secret");
	connect_by_port(q, "user=secret password=wr0ng");
	queue_expect_no_open(q, "password authentication failed for user \"secret\"", GEARMAND_WHY_LASTING);
	cr_expect_null(strstr(q->err.text, "wr0ng"), "%s", q->err.text);
	connect_by_port(q, "user=secret passfile=/dev/null");
	queue_expect_no_open(q, "no password supplied", GEARMAND_WHY_LASTING);
	connect_by_port(q, "user=secret password=right");
	cr_expect(queue_open(q), "%s", q->err.text);
	queue_close(q);
	setenv("PGPASSWORD", "right", 1);
	connect_by_port(q, "user=secret");
	cr_expect(queue_open(q), "%s", q->err.text);
	queue_close(q);
	unsetenv("PGPASSWORD");
	queue_sql(q, "DROP TABLE %T; DROP OWNED BY secret; DROP ROLE secret");
	queue_free(&q);
}

Test(postgres_open, of_several_hosts_the_one_that_serves_is_found)
{
	struct queue *q = queue_new();
	char conninfo[400], dir[128];
	int port;

	cr_assert_eq(sscanf(q->db, "host=%127s port=%d", dir, &port), 2);
	snprintf(conninfo, sizeof(conninfo),
	    "host=/no/such/folder,127.0.0.1,%s port=5432,1,%d user=gearman dbname=jobs", dir, port);
	fake_host_set(&q->host, "libpq-conninfo", conninfo);
	cr_expect(queue_open(q), "%s", q->err.text);
	cr_expect_eq(queue_add(q, "f", "u", "1"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	queue_free(&q);
}

Test(postgres_open, a_server_that_may_only_be_read_may_pass)
{
	struct queue *q = queue_new();

	connect_as(q, "target_session_attrs=any options='-c default_transaction_read_only=on'");
	queue_expect_no_open(q, "the server is read-only, is it a standby?", GEARMAND_WHY_PASSING);
	connect_as(q, "options='-c default_transaction_read_only=on'");
	queue_expect_no_open(q, "session is read-only", GEARMAND_WHY_PASSING);
	queue_free(&q);
}

Test(postgres_open, what_a_commit_waits_for_is_the_databases_choice_but_not_nothing)
{
	struct queue *q = queue_opened();
	struct gearmand_change c = an_add(a_job(S("tell"), S("u"), S("")));
	const char *const given[][2] = { { "", "for on" }, { "off", "for off" }, { "local", "for local" } };

	queue_sql(q, "CREATE OR REPLACE FUNCTION tell_level() RETURNS trigger LANGUAGE plpgsql AS "
		     "$$ BEGIN RAISE EXCEPTION 'for %', current_setting('synchronous_commit'); END $$; "
		     "CREATE TRIGGER tell BEFORE INSERT ON %T FOR EACH ROW EXECUTE FUNCTION tell_level()");
	connect_as(q, "options='-c synchronous_commit=off'");
	for (int i = 0; i < 3; i++) {
		queue_close(q);
		if (given[i][0][0] != '\0')
			fake_host_set(&q->host, "libpq-synchronous-commit", given[i][0]);
		cr_assert(queue_open(q), "%s", q->err.text);
		cr_assert_eq(queue_commit(q, &c, 1), GEARMAND_COMMIT_DONE, "%s", q->err.text);
		cr_assert_not_null(c.reason);
		cr_expect_not_null(strstr(c.reason, given[i][1]), "%s", c.reason);
		fake_host_changes_clear(&c, 1);
	}
	queue_close(q);
	fake_host_set(&q->host, "libpq-synchronous-commit", "maybe");
	queue_expect_no_open(
	    q, "must be off, local, remote_write, on or remote_apply, not \"maybe\"", GEARMAND_WHY_LASTING);
	queue_free(&q);
}

/* ---- The table ----------------------------------------------------------------------------------- */

Test(postgres_open, a_table_has_any_name)
{
	const char *const given[] = { "my-queue", "Queue", "it's", "select", "x y", "gr\xc3\xb6\xc3\x9f!", "%s%n",
		"\"with \"\"quotes\"\" and.dots\"" };
	struct queue *q = queue_new();

	for (size_t i = 0; i < sizeof(given) / sizeof(*given); i++) {
		fake_host_set(&q->host, "libpq-table", given[i]);
		cr_assert(queue_open(q), "%s: %s", given[i], q->err.text);
		cr_expect_eq(queue_add(q, "f", given[i], "1"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
		queue_reopen_and_replay(q);
		cr_expect_eq(q->seen_count, 1, "%s", given[i]);
		queue_close(q);
	}
	fake_host_set(&q->host, "libpq-table", "queue");
	queue_sql(q,
	    "DROP TABLE \"my-queue\", \"Queue\", \"it's\", \"select\", \"x y\", \"gr\xc3\xb6\xc3\x9f!\", \"%s%n\", "
	    "\"with \"\"quotes\"\" and.dots\"");
	queue_free(&q);
}

Test(postgres_open, a_table_may_be_in_a_schema)
{
	struct queue *q = queue_opened();
	char name[80];

	queue_add(q, "f", "public", "1");
	queue_close(q);
	snprintf(name, sizeof(name), "%s.jobs", here("app"));
	fake_host_set(&q->host, "libpq-table", name);
	queue_expect_no_open(q, "does not exist", GEARMAND_WHY_LASTING);
	sql_here(q, "CREATE SCHEMA app%P");
	cr_assert(queue_open(q), "%s", q->err.text);
	queue_add(q, "f", "app", "1");
	cr_expect_str_eq(queue_content(q), "f/app=1");
	sql_here(q, "DROP TABLE app%P.jobs, app%P.jobs_dead, app%P.gearmand_lock; DROP SCHEMA app%P");
	queue_free(&q);
}

Test(postgres_open, a_name_that_is_none_is_a_sentence)
{
	const char *const given[] = { ".", "a.", ".b", "a.b.c", "\"a", "\"a\"b", "\"\"",
		"more_than_63_bytes_which_the_server_would_cut_and_so_make_two_tables_one" };
	struct queue *q = queue_new();

	for (size_t i = 0; i < sizeof(given) / sizeof(*given); i++) {
		fake_host_set(&q->host, "libpq-table", given[i]);
		queue_expect_no_open(q, "a name has 1 to 63 bytes", GEARMAND_WHY_LASTING);
	}
	fake_host_set(&q->host, "libpq-table", "");
	queue_expect_no_open(q, "--libpq-table needs a name", GEARMAND_WHY_LASTING);
	fake_host_set(&q->host, "libpq-table", "queue");
	queue_free(&q);
}

Test(postgres_open, what_is_no_queue_is_lasting)
{
	static const struct {
		const char *sql, *sentence;
	} tables[] = {
		{ "CREATE VIEW %T AS SELECT 1 AS unique_key", "is not a table" },
		{ "CREATE TABLE %T (a INT)", "is not a gearmand queue: it lacks columns" },
		{ "CREATE TABLE %T (unique_key TEXT, function_name TEXT, priority INT, data TEXT, when_to_run INT, "
		  "UNIQUE (unique_key, function_name))",
		    "column data is not of type BYTEA" },
		{ "CREATE TABLE %T (unique_key TEXT, function_name TEXT, priority INT, data BYTEA, tenant INT NOT "
		  "NULL, "
		  "UNIQUE (unique_key, function_name))",
		    "takes no job until its column \"tenant\", which is not a queue's, has a DEFAULT or may be NULL" },
		{ "CREATE TABLE %T (unique_key TEXT, function_name TEXT, priority INT, data BYTEA, part INT DEFAULT 0)"
		  " PARTITION BY LIST (part)",
		    "needs a unique index, CREATE UNIQUE INDEX ON public.queue_" },
	};
	struct queue *q = queue_new();

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		queue_sql(q, tables[i].sql);
		queue_expect_no_open(q, tables[i].sentence, GEARMAND_WHY_LASTING);
		queue_sql(q, i == 0 ? "DROP VIEW %T" : "DROP TABLE %T");
	}
	queue_free(&q);
}

/* ---- Rights -------------------------------------------------------------------------------------- */

Test(postgres_open, missing_rights_are_lasting_and_the_least_that_is_needed_is_enough)
{
	struct queue *q = queue_new();
	char user[80];

	sql_here(q, "CREATE ROLE poor%P LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC");
	snprintf(user, sizeof(user), "user=%s", here("poor"));
	connect_as(q, user);
	queue_expect_no_open(q, "permission denied for schema public", GEARMAND_WHY_LASTING);
	fake_host_set(&q->host, "libpq-conninfo", q->db);
	cr_assert(queue_open(q), "%s", q->err.text);
	queue_close(q);
	connect_as(q, user);
	queue_expect_no_open(q, "using table gearmand_lock: permission denied", GEARMAND_WHY_LASTING);
	sql_here(q, "GRANT SELECT, INSERT, UPDATE ON gearmand_lock TO poor%P");
	queue_expect_no_open(q, "permission denied for table", GEARMAND_WHY_LASTING);
	sql_here(q, "GRANT SELECT, INSERT, UPDATE ON %T TO poor%P");
	queue_expect_no_open(q, "permission denied for table", GEARMAND_WHY_LASTING);
	sql_here(q, "GRANT DELETE ON %T TO poor%P");
	queue_expect_no_open(q, "permission denied for table", GEARMAND_WHY_LASTING);
	sql_here(q, "GRANT SELECT, INSERT, DELETE ON %D TO poor%P");
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_expect_eq(queue_add(q, "f", "u", "1"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_str_eq(queue_content(q), "f/u=1");
	queue_close(q);
	sql_here(q, "DROP OWNED BY poor%P; DROP ROLE poor%P");
	queue_free(&q);
}

/* ---- One server ---------------------------------------------------------------------------------- */

Test(postgres_open, a_second_server_is_refused_however_it_names_the_table)
{
	struct queue *q = queue_opened(), *other = queue_new();
	char name[64];

	other->host.table.identity = "fedcba9876543210fedcba9876543210";
	queue_expect_no_open(other, "is in use by another gearmand", GEARMAND_WHY_IN_USE);
	snprintf(name, sizeof(name), "public.\"queue_%ld\"", (long)getpid());
	fake_host_set(&other->host, "libpq-table", name);
	queue_expect_no_open(other, "is in use by another gearmand", GEARMAND_WHY_IN_USE);
	cr_expect_eq(queue_add(q, "f", "u", "1"), GEARMAND_COMMIT_DONE, "the first goes on: %s", q->err.text);
	queue_close(q);
	cr_expect(queue_open(other), "%s", other->err.text);
	queue_close(other);
	queue_fini(other);
	free(other);
	queue_free(&q);
}

Test(postgres_open, two_tables_are_two_queues)
{
	struct queue *q = queue_opened(), *other = queue_new();

	fake_host_set(&other->host, "libpq-table", here("other"));
	cr_assert(queue_open(other), "%s", other->err.text);
	queue_add(q, "f", "u", "1");
	cr_expect_str_eq(queue_content(other), "");
	cr_expect_str_eq(queue_content(q), "f/u=1");
	queue_free(&other);
	queue_free(&q);
}
