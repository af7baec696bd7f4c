/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The log: what a line looks like, and that neither opening nor adding waits for anybody.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cross/mbox.h"
#include "cross/msg.h"
#include "mgmt/logfile.h"

static char folder[] = "/tmp/gearmand-unit.XXXXXX";
static char path[64], moved[64];
static struct waker *waker;
static struct mbox *mgmt;
static struct gearmand_error err;

static void
setup(void)
{
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/log", folder);
	snprintf(moved, sizeof moved, "%s/moved", folder);
	waker = waker_new(false);
	waker_bind(waker);
	mgmt = mbox_new(waker);
	setenv("TZ", "UTC", 1);
}

static void
teardown(void)
{
	mbox_free(&mgmt);
	waker_release(waker);
	waker_free(&waker);
	unlink(path);
	unlink(moved);
	rmdir(folder);
}

TestSuite(logfile, .init = setup, .fini = teardown);

static bool
add(struct logfile *l, const char *text)
{
	struct msg_log *line = msg_new_sized(MSG_LOG, 0, sizeof *line + strlen(text) + 1);
	struct msg *m = &line->msg;

	line->level = GEARMAND_LOG_NOTICE;
	line->wall = INT64_C(1000000000123456789);
	strcpy(line->thread, "main");
	strcpy(line->text, text);
	return logfile_add(l, &m);
}

static void
assert_file(const char *name, const char *want)
{
	static char text[16384];
	FILE *in = fopen(name, "r");

	cr_assert_not_null(in);
	text[fread(text, 1, sizeof text - 1, in)] = '\0';
	fclose(in);
	cr_assert_str_eq(text, want);
}

#define HEAD " NOTICE 2001-09-09 01:46:40.123456 [  main ] "

Test(logfile, a_line_has_level_time_and_thread_and_stays_a_line)
{
	struct logfile *l = logfile_open(path, false, mgmt, &err);

	cr_assert(add(l, "one") && add(l, "two\nthree\x1b"));
	cr_assert(logfile_close(&l));
	assert_file(path, HEAD "one\n" HEAD "two\\x0Athree\\x1B\n");
}

Test(logfile, a_line_is_cut_at_4095_bytes)
{
	struct logfile *l = logfile_open(path, false, mgmt, &err);
	char text[5001], want[sizeof HEAD + 4096 + 1];

	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	snprintf(want, sizeof want, "%s%.4095s\n", HEAD, text);
	cr_assert(add(l, text));
	cr_assert(logfile_close(&l));
	assert_file(path, want);
}

Test(logfile, reopening_goes_on_in_a_new_file_and_keeps_the_old_one_when_it_fails)
{
	struct logfile *l = logfile_open(path, false, mgmt, &err);

	cr_assert(add(l, "old"));
	cr_assert_eq(rename(path, moved), 0);
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_assert_not(logfile_reopen(l, &err));
	cr_assert_not_null(strstr(err.text, "again (Is a directory)"), "%s", err.text);
	cr_assert(add(l, "old still"));
	cr_assert_eq(rmdir(path), 0);
	cr_assert(logfile_reopen(l, &err));
	cr_assert(add(l, "new"));
	cr_assert(logfile_close(&l));
	assert_file(moved, HEAD "old\n" HEAD "old still\n");
	assert_file(path, HEAD "new\n");
}

Test(logfile, a_file_that_cannot_be_opened_is_a_sentence)
{
	cr_assert_null(logfile_open("/dev/null/log", false, mgmt, &err));
	cr_assert_str_eq(err.text, "Could not open log file \"/dev/null/log\" (Not a directory)");
}

Test(logfile, lines_that_a_full_disk_does_not_take_are_counted)
{
	struct logfile *l = logfile_open("/dev/full", false, mgmt, &err);
	struct list heard, *node;
	uint64_t lost = 0;

	cr_assert(add(l, "one") && add(l, "two"));
	cr_assert(logfile_close(&l));
	list_init(&heard);
	mbox_take(mgmt, &heard);
	while ((node = list_pop(&heard)) != NULL) {
		struct msg *m = MSG(node);

		cr_assert_eq(m->kind, MSG_LOG_LOST);
		lost += MSG_AS(msg_text, m)->number;
		msg_free(&m);
	}
	cr_assert_eq(lost, 2);
}

/* As many long ones as the pipe takes, the batch in hand, and those that wait. */
Test(logfile, a_fifo_without_a_reader_is_opened_and_bounds_what_waits)
{
	struct logfile *l;
	unsigned taken = 0;
	char first[sizeof HEAD + 600], text[601];
	int reader;

	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';

	cr_assert_eq(mkfifo(path, 0600), 0);
	l = logfile_open(path, false, mgmt, &err);
	cr_assert_not_null(l, "%s", err.text);
	while (add(l, text)) {
		taken++;
		cr_assert_lt(taken, 100000, "nothing bounds it");
	}
	cr_assert_geq(taken, 4096);
	reader = open(path, O_RDONLY);
	cr_assert_eq(read(reader, first, sizeof first - 1), (ssize_t)sizeof first - 1);
	cr_assert_eq(memcmp(first, HEAD "x", sizeof HEAD), 0);
	cr_assert_not(logfile_close(&l), "it does not wait for a reader for ever");
	close(reader);
}
