/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What threads share: blobs, messages, the loop, the log; test_mbox.c has mailboxes.  (Many threads at once:
 * tests/stress.)
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <unistd.h>

#include <gearmand/plugin.h>

#include "base/mem.h"
#include "cross/log.h"
#include "cross/loop.h"
#include "cross/msg.h"

/* ---- Blobs ---------------------------------------------------------------------------------- */

Test(blob, grows_as_bytes_are_added)
{
	struct blob *b = blob_new(0);
	struct slice piece = slice_str("0123456789");

	for (int i = 0; i < 1000; i++)
		cr_assert(blob_add(&b, piece));
	cr_assert_eq(b->len, 10000);
	cr_assert(memcmp(b->data + 9990, piece.data, 10) == 0);
	blob_unref(&b);
	cr_assert_null(b);
}

Test(blob, reserve_leaves_no_slack)
{
	struct blob *b = blob_copy(slice_str("abc"));

	cr_assert_eq(b->cap, 3);
	cr_assert(blob_reserve(&b, 1000));
	cr_assert_eq(b->cap, 1000);
	cr_assert(blob_reserve(&b, 10), "never shrinks");
	cr_assert_eq(b->cap, 1000);
	cr_assert(slice_is(blob_slice(b), "abc"));
	blob_unref(&b);
}

Test(blob, past_4_gib_it_is_refused_and_unchanged)
{
	struct blob *b = blob_copy(slice_str("abc"));

	cr_assert_not(blob_add(&b, slice_of("", UINT32_MAX)));
	cr_assert_not(blob_reserve(&b, (size_t)UINT32_MAX + 1));
	cr_assert_null(blob_new((size_t)UINT32_MAX + 1));
	cr_assert(slice_is(blob_slice(b), "abc"));
	blob_unref(&b);
}

Test(blob, lives_as_long_as_its_last_reference)
{
	struct blob *b = blob_copy(slice_str("abc")), *other = blob_ref(b), *none = NULL;

	blob_unref(&b);
	cr_assert(slice_is(blob_slice(other), "abc"));
	blob_unref(&other);
	blob_unref(&none);
	cr_assert_null(blob_ref(NULL));
	cr_assert_eq(blob_slice(NULL).len, 0);
}

/* ---- Messages ------------------------------------------------------------------------------- */

Test(msg, reply_holds_arguments_inline_and_refers_to_data)
{
	struct blob *b = blob_copy(slice_str("payload"));
	struct msg_reply *r = msg_reply_new(PKT_JOB_ASSIGN, 7, 6 + 2);
	struct msg *m = &r->msg;

	msg_reply_arg(r, slice_str("H:x:1"), false);
	msg_reply_arg(r, slice_str("f"), false);
	msg_reply_data(r, b, slice_of(b->data + 3, 4));
	cr_assert_eq(r->head_len, PKT_HEAD + 8);
	cr_assert(memcmp(r->head + PKT_HEAD, "H:x:1\0f", 8) == 0);
	cr_assert_eq(b->refs, 2);
	cr_assert(slice_is(r->data, "load"));
	msg_free(&m);
	cr_assert_null(m);
	cr_assert_eq(b->refs, 1);
	blob_unref(&b);
}

Test(msg, reply_without_data_holds_no_blob)
{
	struct blob *b = blob_copy(slice_str("payload"));
	struct msg *m = &msg_reply_new(PKT_NOOP, 7, 0)->msg;

	msg_reply_data(MSG_AS(msg_reply, m), b, slice_of(b->data, 0));
	cr_assert_null(m->blob);
	msg_free(&m);
	blob_unref(&b);
}

Test(msg, socket_of_an_undelivered_connection_is_closed)
{
	struct msg_conn *conn = msg_new_sized(MSG_CONN, 1, sizeof *conn);
	struct msg *m = &conn->msg;
	int fd[2], made = pipe(fd);

	cr_assert_eq(made, 0);
	conn->fd = fd[0];
	msg_free(&m);
	cr_assert_eq(fcntl(fd[0], F_GETFD), -1);
	close(fd[1]);
}

Test(msg, everything_but_the_head_is_zero)
{
	struct msg_store *s = msg_new_sized(MSG_ADD, 3, sizeof *s + 10);
	struct msg *m = &s->msg;

	cr_assert_eq(m->peer, 3);
	cr_assert(s->job == NULL && s->reason == NULL && s->text[9] == 0 && s->data.len == 0);
	s->reason = mem_dup("why", 3);
	msg_free(&m);
}

Test(stats, those_of_modules_come_behind_the_servers_with_the_modules_name)
{
	const struct gearmand_counter counters[] = { { "opened", "" }, { "refused", "" }, { NULL, NULL } };
	struct gearmand_counter many[STAT_MODULES_MAX] = { { NULL, NULL } };

	cr_assert_str_eq(stat_name(STAT_bytes_in), "bytes_in");
	cr_assert_eq(stats_add("none", NULL), STAT_COUNT);
	cr_assert_eq(stats_add("proxy", counters), STAT_COUNT);
	cr_assert_eq(stats_used(), STAT_COUNT + 2);
	cr_assert_str_eq(stat_name(STAT_COUNT + 1), "proxy_refused");
	for (int i = 0; i < STAT_MODULES_MAX - 1; i++)
		many[i].name = "n";
	cr_assert_eq(stats_add("many", many), 0, "there is no room for all");
}

/* ---- The loop ------------------------------------------------------------------------------------- */

struct passenger {
	struct loop *loop;
	nsec_t due;
	int turns;
	bool never_ends;
};

static bool
until_due(void *self, nsec_t *due_r)
{
	struct passenger *p = self;

	p->turns++;
	if (clock_mono() >= p->due)
		loop_stop(p->loop);
	else if (p->due < *due_r)
		*due_r = p->due;
	return p->never_ends;
}

Test(loop, rider_gets_a_turn_when_it_is_due, .timeout = 60)
{
	struct passenger p = { .loop = loop_new(), .due = clock_mono() + 20000000 };

	loop_add_rider(p.loop, (struct rider){ until_due, &p });
	loop_run(p.loop);
	cr_assert_leq(p.turns, 20, "it sleeps in between");
	loop_free(&p.loop);
}

Test(loop, rider_that_always_has_more_to_do_does_not_stop_the_others, .timeout = 60)
{
	struct passenger busy = { .due = NEVER, .never_ends = true };
	struct passenger p = { .loop = loop_new(), .due = clock_mono() + 2000000 };

	loop_add_rider(p.loop, (struct rider){ until_due, &busy });
	loop_add_rider(p.loop, (struct rider){ until_due, &p });
	loop_run(p.loop);
	cr_assert_gt(p.turns, 0);
	loop_free(&p.loop);
}

/* ---- The log -------------------------------------------------------------------------------------- */

static struct waker *log_waker;
static struct mbox *log_box;
static struct list lines;

static void
open_log(void)
{
	list_init(&lines);
	log_waker = waker_new(false);
	log_box = mbox_new(log_waker);
	waker_bind(log_waker);
	log_start(log_box, GEARMAND_LOG_WARNING);
}

static void
close_log(void)
{
	log_start(NULL, GEARMAND_LOG_WARNING);
	msg_free_all(&lines);
	mbox_free(&log_box);
	waker_free(&log_waker);
}

static const struct msg_log *
next_line(void)
{
	struct list *node;

	if (list_is_empty(&lines))
		mbox_take(log_box, &lines);
	node = list_first(&lines);
	return node == NULL ? NULL : MSG_AS(msg_log, MSG(node));
}

static void
drop_line(void)
{
	struct msg *m = MSG(list_pop(&lines));

	msg_free(&m);
}

TestSuite(log, .init = open_log, .fini = close_log);

Test(log, line_carries_level_thread_and_time)
{
	log_thread("proc");
	log_post(GEARMAND_LOG_ERROR, "%s is %d", "it", 7);
	cr_assert_str_eq(next_line()->text, "it is 7");
	cr_assert_str_eq(next_line()->thread, "proc");
	cr_assert_eq(next_line()->level, GEARMAND_LOG_ERROR);
	cr_assert_gt(next_line()->wall, 0);
}

Test(log, what_is_not_wanted_is_not_sent)
{
	log_post(GEARMAND_LOG_INFO, "chatter");
	cr_assert_null(next_line());
	cr_assert(log_wants(GEARMAND_LOG_WARNING));
	cr_assert_not(log_wants(GEARMAND_LOG_NOTICE));
}

Test(log, long_line_is_cut)
{
	char *text = mem_new(10001);

	memset(text, 't', 10000);
	log_post(GEARMAND_LOG_ERROR, "%s", text);
	cr_assert_eq(strlen(next_line()->text), 4095);
	drop_line();
	log_post_text(GEARMAND_LOG_ERROR, slice_str(text));
	cr_assert_eq(strlen(next_line()->text), 4095);
	mem_free(text);
}

Test(log, flood_is_cut_and_counted)
{
	enum { KEPT = 10000 };
	struct list kept;

	for (int i = 0; i < KEPT + 5; i++)
		log_post(GEARMAND_LOG_ERROR, "line %d", i);
	list_init(&kept);
	mbox_take(log_box, &kept);
	cr_assert_str_eq(MSG_AS(msg_log, MSG(kept.prev))->text, "line 9999");
	msg_free_all(&kept);
	log_post(GEARMAND_LOG_ERROR, "again");
	cr_assert_str_eq(next_line()->text, "5 log lines were dropped: the log could not keep up");
	drop_line();
	cr_assert_str_eq(next_line()->text, "again");
	cr_assert_eq(log_lost(), 5);
	cr_assert_eq(log_lost(), 0);
}
