/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The gear protocol's parser: whatever the sizes of the pieces that bytes come in, the same requests reach the core;
 * and each kind of malformed packet gets what it deserves, in order.
 */
#include <criterion/criterion.h>
#include <unistd.h>

#include "io/conn.h"
#include "tests/unit/io_rig.h"

static struct rig rig;
static int peer;

static void
setup(void)
{
	rig_init(&rig);
	rig.answers_lines = true;
	peer = rig_connect(&rig);
}

static void
teardown(void)
{
	close(peer);
	rig_fini(&rig);
}

TestSuite(gear, .init = setup, .fini = teardown, .timeout = 60);

static void
send_packet(bool response, uint32_t type, const char *const *arg, struct slice data)
{
	struct buf b = { 0 };

	wire_packet(&b, response, type, arg, data);
	rig_write(&rig, peer, buf_slice(&b));
	buf_fini(&b);
}

static void
send_head(uint32_t type, uint32_t size)
{
	char head[PKT_HEAD];

	pkt_head_write(head, false, type, size);
	rig_write(&rig, peer, slice_of(head, sizeof head));
}

static void
expect_refusal(enum wire_error error)
{
	struct msg *m = rig_core(&rig);

	cr_assert(m != NULL);
	cr_assert_eq(m->kind, MSG_REFUSE);
	cr_assert_eq(m->type, error, "%s instead of %s", wire_error_text(m->type), wire_error_text(error));
}

static struct msg_packet *
expect_packet(uint32_t type)
{
	struct msg *m = rig_core(&rig);

	cr_assert(m != NULL, "nothing came");
	cr_assert_eq(m->kind, MSG_PACKET);
	cr_assert_eq(m->type, type, "type %u instead of %u", m->type, type);
	return MSG_AS(msg_packet, m);
}

static void
expect_nothing(void)
{
	cr_assert_null(rig_core(&rig));
}

/* The connection still works. */
static void
expect_alive(void)
{
	send_packet(false, PKT_ECHO_REQ, NO_ARGS, slice_str("still there?"));
	cr_assert(slice_is(expect_packet(PKT_ECHO_REQ)->pkt.data, "still there?"));
	expect_nothing();
}

static void
expect_close(const char *why)
{
	struct msg *m = rig_core(&rig);

	cr_assert(m != NULL);
	cr_assert_eq(m->kind, MSG_CLOSE_ME);
	expect_nothing();
	m = rig_management(&rig);
	cr_assert(m != NULL && m->kind == MSG_LOG);
	cr_assert_not_null(strstr(MSG_AS(msg_log, m)->text, "192.0.2.7:5000"));
	cr_assert_not_null(strstr(MSG_AS(msg_log, m)->text, why));
	cr_assert_null(rig_management(&rig), "one line is enough");
	rig_write(&rig, peer, slice_str("version\n"));
	expect_nothing();
}

/* ---- Pieces ------------------------------------------------------------------------------ */

enum { LARGE = 150000 };

static void
add_stream(struct buf *b, const char *large)
{
	wire_packet(b, false, PKT_CAN_DO, ARGS("resize"), slice_of("", 0));
	buf_add_str(b, "status\r\n");
	wire_packet(b, false, PKT_SUBMIT_JOB, ARGS("resize", "u1"), slice_of("a\0b", 3));
	wire_packet(b, false, PKT_PRE_SLEEP, ARGS("an ignored body"), slice_of("", 0));
	wire_packet(b, false, PKT_SUBMIT_JOB_BG, ARGS("resize", ""), slice_of(large, LARGE));
	buf_add_str(b, "\n");
	wire_packet(b, true, PKT_ECHO_REQ, NO_ARGS, slice_str("with the wrong magic"));
	wire_packet(b, false, PKT_NOOP, ARGS("only the server says so"), slice_of("", 0));
	wire_packet(b, false, PKT_SUBMIT_JOB, ARGS("too few"), slice_of("", 0));
	wire_packet(b, false, PKT_GRAB_JOB, NO_ARGS, slice_of("", 0));
}

static void
expect_stream(const char *large)
{
	struct msg_packet *p = expect_packet(PKT_CAN_DO);

	cr_assert(slice_is(p->pkt.arg[0], "resize"));
	cr_assert(slice_is(expect_packet(PKT_TEXT)->pkt.data, "status\r"));
	p = expect_packet(PKT_SUBMIT_JOB);
	cr_assert_eq(p->pkt.argc, 2);
	cr_assert(slice_is(p->pkt.arg[0], "resize") && slice_is(p->pkt.arg[1], "u1"));
	cr_assert(slice_eq(p->pkt.data, slice_of("a\0b", 3)));
	cr_assert_null(expect_packet(PKT_PRE_SLEEP)->msg.blob);
	p = expect_packet(PKT_SUBMIT_JOB_BG);
	cr_assert(slice_is(p->pkt.arg[1], ""));
	cr_assert(slice_eq(p->pkt.data, slice_of(large, LARGE)));
	cr_assert_eq(p->msg.blob->cap, p->msg.blob->len, "no slack in what a job keeps");
	cr_assert_eq(expect_packet(PKT_TEXT)->pkt.data.len, 0);
	expect_refusal(WIRE_INVALID_MAGIC);
	expect_refusal(WIRE_INVALID_COMMAND);
	expect_refusal(WIRE_TOO_FEW_ARGUMENTS);
	expect_packet(PKT_GRAB_JOB);
	expect_nothing();
}

static char *
large_data(void)
{
	char *large = malloc(LARGE);

	for (int i = 0; i < LARGE; i++)
		large[i] = (char)(i * 7 + i / 256);
	return large;
}

/* `next` says how large the next piece is. */
static void
send_in_pieces(size_t (*next)(void))
{
	struct buf b = { 0 };
	char *large = large_data();
	size_t at = 0;

	add_stream(&b, large);
	while (at < b.len) {
		size_t n = next();

		n = n > b.len - at ? b.len - at : n;
		rig_write(&rig, peer, slice_of(b.data + at, n));
		at += n;
	}
	expect_stream(large);
	buf_fini(&b);
	free(large);
}

static size_t
all_at_once(void)
{
	return 1 << 30;
}

static size_t
one_byte(void)
{
	return 1;
}

static size_t
any_size(void)
{
	return rand() % 3 == 0 ? (size_t)rand() % 40000 + 1 : (size_t)rand() % 40 + 1;
}

Test(gear, stream_in_one_piece)
{
	send_in_pieces(all_at_once);
}

Test(gear, stream_byte_by_byte)
{
	send_in_pieces(one_byte);
}

Test(gear, stream_in_random_pieces)
{
	for (unsigned seed = 1; seed <= 20; seed++) {
		srand(seed);
		send_in_pieces(any_size);
	}
}

/* ---- What is wrong and answered --------------------------------------------------------- */

Test(gear, response_magic_gets_an_error_and_the_connection_goes_on)
{
	send_packet(true, PKT_SUBMIT_JOB, ARGS("f", "u"), slice_str("data"));
	expect_refusal(WIRE_INVALID_MAGIC);
	expect_alive();
}

Test(gear, packets_that_only_the_server_sends_get_an_error)
{
	static const uint32_t types[] = { 5, 6, 8, 10, 11, 17, 19, 20, 24, 27, 31, 40, 42 };

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		send_packet(false, types[i], ARGS("x"), slice_str("some body"));
		expect_refusal(WIRE_INVALID_COMMAND);
	}
	expect_alive();
}

Test(gear, too_few_arguments_get_an_error_and_eat_nothing_of_the_next_packet)
{
	send_head(PKT_SUBMIT_JOB, 0);
	expect_refusal(WIRE_TOO_FEW_ARGUMENTS);
	send_packet(false, PKT_WORK_STATUS, ARGS("H:x:1", "1"), slice_of("", 0));
	expect_refusal(WIRE_TOO_FEW_ARGUMENTS);
	send_head(PKT_WORK_COMPLETE, 5);
	rig_write(&rig, peer, slice_str("H:x:1"));
	expect_refusal(WIRE_TOO_FEW_ARGUMENTS);
	expect_alive();
	cr_assert_eq(rig.counts[STAT_bad_packets], 3);
}

Test(gear, packet_over_the_limit_gets_an_error_at_once_and_is_passed_over)
{
	uint32_t size = (uint32_t)rig.config.max_packet + 1;
	char *body = calloc(1, size);

	send_head(PKT_ECHO_REQ, size);
	expect_refusal(WIRE_PACKET_TOO_LARGE);
	rig_write(&rig, peer, slice_of(body, size));
	expect_alive();
	cr_assert_eq(rig.counts[STAT_packets_too_large], 1);
	free(body);
}

Test(gear, announced_size_alone_takes_no_memory_to_speak_of)
{
	struct conn *c;

	send_head(PKT_ECHO_REQ, (uint32_t)rig.config.max_packet);
	rig_write(&rig, peer, slice_str("x"));
	c = CONTAINER_OF(hash_next(&rig.io->conns, &(struct hash_walk){ 0 }), struct conn, by_number);
	cr_assert_leq(c->body->blob->cap, BODY_FIRST_BYTES);
	expect_nothing();
}

/* ---- The bound of all bodies -------------------------------------------------------------- */

static void
allow_bodies(size_t requests, size_t results)
{
	rig.io->config.max_bodies[false] = blob_bytes() + requests;
	rig.io->config.max_bodies[true] = blob_bytes() + results;
}

static void
send_part(int fd, uint32_t type, uint32_t size, size_t part)
{
	char head[PKT_HEAD], *bytes = calloc(1, part);

	pkt_head_write(head, false, type, size);
	rig_write(&rig, fd, slice_of(head, sizeof head));
	rig_write(&rig, fd, slice_of(bytes, part));
	free(bytes);
}

Test(gear, announced_body_that_does_not_fit_is_refused_at_once_and_passed_over)
{
	allow_bodies(200000, 400000);
	send_part(peer, PKT_ECHO_REQ, 300000, 300000);
	expect_refusal(WIRE_BODIES_FULL);
	expect_alive();
	send_part(peer, PKT_WORK_COMPLETE, 300000, 300000);
	expect_packet(PKT_WORK_COMPLETE);
	cr_assert_eq(rig.counts[STAT_refused_full], 1);
}

Test(gear, bodies_on_their_way_share_a_bound_and_the_largest_makes_room)
{
	enum { PEERS = 10, SIZE = 900000 };
	size_t before = blob_bytes(), refused = 0;
	bool first_refused = false;
	int fd[PEERS];
	struct msg *m;

	allow_bodies(SIZE, SIZE);
	for (int i = 0; i < PEERS; i++)
		fd[i] = rig_connect(&rig);
	for (int i = 0; i < PEERS; i++) {
		send_part(fd[i], PKT_ECHO_REQ, SIZE, i == 0 ? SIZE - 1 : SIZE / PEERS);
		cr_assert_leq(blob_bytes(), before + SIZE);
	}
	rig_write(&rig, fd[0], slice_str("x"));
	for (; (m = rig_core(&rig)) != NULL; refused++) {
		cr_assert(m->kind == MSG_REFUSE && m->type == WIRE_BODIES_FULL);
		first_refused |= m->peer == 2;
	}
	cr_assert(first_refused && refused < PEERS / 2, "%zu refused", refused);
	cr_assert_not_null(strstr(MSG_AS(msg_log, rig_management(&rig))->text, "packets are refused"));
	cr_assert_null(rig_management(&rig), "one line is enough");
	for (int i = 0; i < PEERS; i++)
		close(fd[i]);
	while (rig_core(&rig) != NULL)
		;
	cr_assert_eq(blob_bytes(), before, "what is gone takes nothing");
}

Test(gear, data_of_the_unique_minus_is_hashed_here)
{
	struct msg_packet *p;

	memset(rig.io->config.hash_key, 7, sizeof rig.io->config.hash_key);
	send_packet(false, PKT_SUBMIT_JOB_HIGH, ARGS("f", "-"), slice_str("data"));
	p = expect_packet(PKT_SUBMIT_JOB_HIGH);
	cr_assert_eq(p->data_hash, hash_bytes(slice_str("data"), rig.io->config.hash_key));
	send_packet(false, PKT_SUBMIT_JOB_HIGH, ARGS("f", "u"), slice_str("data"));
	cr_assert_eq(expect_packet(PKT_SUBMIT_JOB_HIGH)->data_hash, 0);
}

Test(gear, arguments_of_8192_bytes_are_taken_and_one_more_is_not)
{
	char *name = malloc(8194);

	memset(name, 'n', 8194);
	name[8192] = '\0';
	send_packet(false, PKT_CAN_DO, ARGS(name), slice_of("", 0));
	cr_assert_eq(expect_packet(PKT_CAN_DO)->pkt.arg[0].len, 8192);
	name[8192] = 'n';
	name[8193] = '\0';
	send_packet(false, PKT_CAN_DO, ARGS(name), slice_of("", 0));
	expect_refusal(WIRE_ARGUMENT_TOO_LARGE);
	send_packet(false, PKT_SUBMIT_JOB, ARGS(name, "u"), slice_str("data"));
	expect_refusal(WIRE_ARGUMENT_TOO_LARGE);
	expect_alive();
	free(name);
}

Test(gear, schedule_that_no_clock_shows_gets_an_error)
{
	send_packet(false, PKT_SUBMIT_JOB_SCHED, ARGS("f", "u", "61", "", "", "", ""), slice_str("data"));
	expect_refusal(WIRE_BAD_SCHEDULE);
	expect_alive();
}

Test(gear, schedule_becomes_a_time)
{
	int64_t now = clock_wall() / 1000000000, at;

	send_packet(false, PKT_SUBMIT_JOB_SCHED, ARGS("f", "u", "*", "", "", "", ""), slice_str("data"));
	at = expect_packet(PKT_SUBMIT_JOB_SCHED)->run_at;
	cr_assert_gt(at, now);
	cr_assert_eq(at % 60, 0);
}

/* ---- What is wrong and ends the connection --------------------------------------------------- */

Test(gear, wrong_magic_closes_with_one_line)
{
	rig_write(&rig, peer, slice_of("\0XXX\0\0\0\1\0\0\0\0", 12));
	expect_close("magic");
}

Test(gear, type_0_closes)
{
	send_head(0, 0);
	expect_close("unknown type");
}

Test(gear, type_43_closes)
{
	send_head(43, 0);
	expect_close("unknown type");
}

Test(gear, type_with_the_sign_bit_closes)
{
	send_head(0x80000000u, 0);
	expect_close("unknown type");
}

Test(gear, largest_type_closes)
{
	send_head(UINT32_MAX, UINT32_MAX);
	expect_close("unknown type");
}

Test(gear, line_may_fill_its_bound_and_no_more)
{
	size_t max = rig.config.max_line;
	char *line = malloc(max);

	memset(line, 'l', max);
	line[max - 1] = '\n';
	rig_write(&rig, peer, slice_of(line, max));
	cr_assert_eq(expect_packet(PKT_TEXT)->pkt.data.len, max - 1);
	line[max - 1] = 'l';
	rig_write(&rig, peer, slice_of(line, max - 1));
	expect_nothing();
	rig_write(&rig, peer, slice_str("l"));
	free(line);
	expect_close("too long");
}

Test(gear, what_came_before_a_bad_packet_comes_first)
{
	struct buf b = { 0 };

	wire_packet(&b, false, PKT_ECHO_REQ, NO_ARGS, slice_str("one"));
	wire_packet(&b, true, PKT_ECHO_REQ, NO_ARGS, slice_str("two"));
	wire_packet(&b, false, PKT_ECHO_REQ, NO_ARGS, slice_str("three"));
	buf_add(&b, "\0BAD........", 12);
	rig_write(&rig, peer, buf_slice(&b));
	buf_fini(&b);
	cr_assert(slice_is(expect_packet(PKT_ECHO_REQ)->pkt.data, "one"));
	expect_refusal(WIRE_INVALID_MAGIC);
	cr_assert(slice_is(expect_packet(PKT_ECHO_REQ)->pkt.data, "three"));
	expect_close("magic");
}
