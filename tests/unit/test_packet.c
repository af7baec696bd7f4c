/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Packets: heads, bodies of every type, and what a peer may send instead.
 *
 * The table here is written from the protocol, not from the server's table.  Bodies are
 * copied to memory of exactly their size, so a sanitizer sees a read beyond them.
 */
#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>
#include <gearmand/packet.h>

#include "wire/error_code.h"
#include "wire/packet.h"

#define TOO_FEW   "Packet has too few arguments"
#define TOO_LARGE "Arguments of the packet are too large"

static const struct row {
	uint32_t number;
	const char *name;
	char way; /* q request, s response, b both, - not taken */
	uint32_t args;
	bool data;
} rows[] = {
	{ 1, "CAN_DO", 'q', 1, false },
	{ 2, "CANT_DO", 'q', 1, false },
	{ 3, "RESET_ABILITIES", 'q', 0, false },
	{ 4, "PRE_SLEEP", 'q', 0, false },
	{ 5, "UNUSED", '-', 0, false },
	{ 6, "NOOP", 's', 0, false },
	{ 7, "SUBMIT_JOB", 'q', 2, true },
	{ 8, "JOB_CREATED", 's', 1, false },
	{ 9, "GRAB_JOB", 'q', 0, false },
	{ 10, "NO_JOB", 's', 0, false },
	{ 11, "JOB_ASSIGN", 's', 2, true },
	{ 12, "WORK_STATUS", 'b', 3, false },
	{ 13, "WORK_COMPLETE", 'b', 1, true },
	{ 14, "WORK_FAIL", 'b', 1, false },
	{ 15, "GET_STATUS", 'q', 1, false },
	{ 16, "ECHO_REQ", 'q', 0, true },
	{ 17, "ECHO_RES", 's', 0, true },
	{ 18, "SUBMIT_JOB_BG", 'q', 2, true },
	{ 19, "ERROR", 's', 2, false },
	{ 20, "STATUS_RES", 's', 5, false },
	{ 21, "SUBMIT_JOB_HIGH", 'q', 2, true },
	{ 22, "SET_CLIENT_ID", 'q', 1, false },
	{ 23, "CAN_DO_TIMEOUT", 'q', 2, false },
	{ 24, "ALL_YOURS", '-', 0, false },
	{ 25, "WORK_EXCEPTION", 'b', 1, true },
	{ 26, "OPTION_REQ", 'q', 1, false },
	{ 27, "OPTION_RES", 's', 1, false },
	{ 28, "WORK_DATA", 'b', 1, true },
	{ 29, "WORK_WARNING", 'b', 1, true },
	{ 30, "GRAB_JOB_UNIQ", 'q', 0, false },
	{ 31, "JOB_ASSIGN_UNIQ", 's', 3, true },
	{ 32, "SUBMIT_JOB_HIGH_BG", 'q', 2, true },
	{ 33, "SUBMIT_JOB_LOW", 'q', 2, true },
	{ 34, "SUBMIT_JOB_LOW_BG", 'q', 2, true },
	{ 35, "SUBMIT_JOB_SCHED", 'q', 7, true },
	{ 36, "SUBMIT_JOB_EPOCH", 'q', 3, true },
	{ 37, "SUBMIT_REDUCE_JOB", 'q', 3, true },
	{ 38, "SUBMIT_REDUCE_JOB_BACKGROUND", 'q', 3, true },
	{ 39, "GRAB_JOB_ALL", 'q', 0, false },
	{ 40, "JOB_ASSIGN_ALL", 's', 4, true },
	{ 41, "GET_STATUS_UNIQUE", 'q', 1, false },
	{ 42, "STATUS_RES_UNIQUE", 's', 6, false },
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static char *copy;
static const char *why;
static struct pkt pkt;

static enum pkt_verdict
split_at(uint32_t type, const void *body, size_t n)
{
	enum wire_error error;
	bool whole = pkt_split(type, slice_of(body, n), &pkt, &error);

	why = whole ? NULL : wire_error_text(error);
	return whole ? PKT_OK : PKT_BAD;
}

static enum pkt_verdict
split(uint32_t type, const void *body, size_t n)
{
	free(copy);
	copy = malloc(n);
	if (n > 0)
		memcpy(copy, body, n);
	return split_at(type, copy, n);
}

/* A body as a literal; the literal's own NUL is no part of it. */
#define SPLIT(type, literal) split(PKT_##type, literal, sizeof(literal) - 1)

#define EXPECT_BAD(verdict, sentence) \
	do { \
		cr_assert_eq(verdict, PKT_BAD); \
		cr_assert_str_eq(why, sentence); \
	} while (0)

#define EXPECT_SLICE(s, literal) \
	cr_assert(slice_eq(s, slice_of(literal, sizeof(literal) - 1)), "got '%.*s'", (int)(s).len, (s).data)

static void
tear_down(void)
{
	free(copy);
}

TestSuite(packet, .fini = tear_down);

static enum pkt_way
way_of(char c)
{
	return c == 'q' ? PKT_WAY_REQ : c == 's' ? PKT_WAY_RES : c == 'b' ? PKT_WAY_BOTH : PKT_WAY_NONE;
}

Test(packet, the_table_is_the_protocol)
{
	cr_assert_eq((int)PKT_TYPES, (int)ROWS + 1);
	for (uint32_t i = 0; i < ROWS; i++) {
		const struct row *r = &rows[i];
		const struct pkt_info *info = pkt_info(r->number);

		cr_assert_not_null(info, "%s is missing", r->name);
		cr_assert_str_eq(info->name, r->name);
		cr_assert_eq(info->way, way_of(r->way), "%s", r->name);
		cr_assert_eq(info->args, r->args, "%s", r->name);
		cr_assert_eq(info->last == PKT_LAST_OPAQUE, r->data, "%s", r->name);
		cr_assert_eq(info->last == PKT_LAST_NOTHING, r->args == 0 && !r->data, "%s", r->name);
	}
}

Test(packet, numbers_for_modules_are_the_servers)
{
	static const char path[] = TOP_SRCDIR "/sdk/include/gearmand/packet.h";
	char line[512], name[64];
	unsigned number, seen = 0;
	FILE *f;

	f = fopen(path, "r");
	cr_assert_not_null(f, "%s cannot be read", path);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, " GEARMAND_%63[A-Z_] = %u", name, &number) != 2 || number == GEARMAND_ATTEMPT_VOID)
			continue;
		cr_assert_str_eq(name, number == 0 ? "TEXT" : pkt_info(number)->name);
		seen++;
	}
	fclose(f);
	cr_assert_geq(seen, 24u, "only %u of its numbers were understood", seen);
	cr_assert_eq((int)GEARMAND_SUBMIT_JOB_EPOCH, (int)PKT_SUBMIT_JOB_EPOCH);
	cr_assert_eq((int)GEARMAND_TEXT, (int)PKT_TEXT);
}

/* ---- Heads ------------------------------------------------------------------------- */

#define HEAD(literal) pkt_head_parse(slice_of(literal, sizeof(literal) - 1), &head)

Test(packet, a_head_is_magic_type_and_size)
{
	struct pkt_head head;

	cr_assert_eq(HEAD("\0REQ\0\0\0\x07\0\0\x01\x02"), PKT_OK);
	cr_assert(!head.is_response && head.type == PKT_SUBMIT_JOB && head.size == 0x102);
	cr_assert_eq(HEAD("\0RES\0\0\0\x08\0\0\0\0 what follows is not looked at"), PKT_OK);
	cr_assert(head.is_response && head.type == PKT_JOB_CREATED && head.size == 0);
}

Test(packet, a_head_in_parts_needs_more)
{
	struct pkt_head head;
	const char whole[] = "\0REQ\0\0\0\x07\0\0\0\0";

	for (size_t n = 0; n < PKT_HEAD; n++)
		cr_assert_eq(pkt_head_parse(slice_of(whole, n), &head), PKT_MORE);
}

Test(packet, a_wrong_magic_is_bad)
{
	struct pkt_head head;

	cr_assert_eq(HEAD("\0REX\0\0\0\x07\0\0\0\0"), PKT_BAD);
	cr_assert_eq(HEAD("\0req\0\0\0\x07\0\0\0\0"), PKT_BAD);
	cr_assert_eq(HEAD("\0\0\0\0\0\0\0\0\0\0\0\0"), PKT_BAD);
	cr_assert_eq(HEAD("xREQ\0\0\0\x07\0\0\0\0"), PKT_BAD);
	cr_assert_eq(HEAD("GET / HTTP/1.0"), PKT_BAD);
}

Test(packet, type_and_size_are_unsigned)
{
	struct pkt_head head;

	cr_assert_eq(HEAD("\0REQ\x80\0\0\0\xff\xff\xff\xff"), PKT_OK);
	cr_assert(head.type == 0x80000000u && head.size == 0xffffffffu);
}

Test(packet, a_written_head_is_read_back)
{
	static const uint32_t numbers[] = { 0, 1, 42, 0x01020304, 0x7fffffff, 0x80000000, 0xffffffff };
	char out[PKT_HEAD];
	struct pkt_head head;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		pkt_head_write(out, i % 2 == 0, numbers[i], ~numbers[i]);
		cr_assert_eq(pkt_head_parse(slice_of(out, sizeof(out)), &head), PKT_OK);
		cr_assert(head.is_response == (i % 2 == 0) && head.type == numbers[i] && head.size == ~numbers[i]);
	}
	pkt_head_write(out, true, 0x01020304, 0x05060708);
	cr_assert_arr_eq(out, "\0RES\1\2\3\4\5\6\7\x08", PKT_HEAD);
}

/* ---- Bodies, well formed ----------------------------------------------------------- */

/* "A1", NUL, "A2", NUL ... and "the data" or not; returns its length. */
static size_t
body_of(const struct row *r, char *out)
{
	size_t n = 0;

	for (uint32_t i = 0; i < r->args; i++) {
		out[n++] = 'A';
		out[n++] = (char)('1' + i);
		if (r->data || i + 1 < r->args)
			out[n++] = '\0';
	}
	if (r->data)
		n += (size_t)sprintf(out + n, "the data");
	return n;
}

Test(packet, every_type_comes_apart_into_its_arguments)
{
	char body[64];

	for (uint32_t i = 0; i < ROWS; i++) {
		const struct row *r = &rows[i];

		cr_assert_eq(split(r->number, body, body_of(r, body)), PKT_OK, "%s", r->name);
		cr_assert_null(why);
		cr_assert_eq(pkt.type, r->number);
		cr_assert_eq(pkt.argc, r->args, "%s", r->name);
		for (uint32_t a = 0; a < r->args; a++) {
			const char want[] = { 'A', (char)('1' + a), '\0' };

			cr_assert(slice_is(pkt.arg[a], want), "%s argument %u", r->name, a);
		}
		cr_assert(slice_is(pkt.data, r->data ? "the data" : ""), "%s", r->name);
	}
}

Test(packet, every_type_takes_empty_arguments)
{
	static const char zeros[8];

	for (uint32_t i = 0; i < ROWS; i++) {
		const struct row *r = &rows[i];
		size_t nuls = r->data ? r->args : r->args == 0 ? 0 : r->args - 1;

		cr_assert_eq(split(r->number, zeros, nuls), PKT_OK, "%s", r->name);
		cr_assert_eq(pkt.argc, r->args);
		for (uint32_t a = 0; a < r->args; a++)
			cr_assert_eq(pkt.arg[a].len, 0);
		cr_assert_eq(pkt.data.len, 0);
	}
}

Test(packet, data_may_hold_anything)
{
	cr_assert_eq(SPLIT(SUBMIT_JOB, "resize\0cat\0\0\xff\0x"), PKT_OK);
	EXPECT_SLICE(pkt.arg[0], "resize");
	EXPECT_SLICE(pkt.arg[1], "cat");
	EXPECT_SLICE(pkt.data, "\0\xff\0x");
	cr_assert_eq(SPLIT(ECHO_REQ, "\0\0"), PKT_OK);
	EXPECT_SLICE(pkt.data, "\0\0");
}

Test(packet, the_last_text_argument_is_all_that_is_left)
{
	cr_assert_eq(SPLIT(CAN_DO, "a\0b"), PKT_OK);
	EXPECT_SLICE(pkt.arg[0], "a\0b");
	cr_assert_eq(SPLIT(CAN_DO, "resize\0"), PKT_OK);
	EXPECT_SLICE(pkt.arg[0], "resize\0");
	cr_assert_eq(SPLIT(WORK_STATUS, "H:x:y\0n\0d\0z"), PKT_OK);
	EXPECT_SLICE(pkt.arg[2], "d\0z");
}

Test(packet, extra_arguments_are_part_of_the_data)
{
	cr_assert_eq(SPLIT(WORK_COMPLETE, "H:x:1\0more\0and more"), PKT_OK);
	cr_assert_eq(pkt.argc, 1u);
	EXPECT_SLICE(pkt.data, "more\0and more");
}

Test(packet, types_without_arguments_ignore_a_body)
{
	cr_assert_eq(SPLIT(PRE_SLEEP, "what is this"), PKT_OK);
	cr_assert(pkt.argc == 0 && pkt.data.len == 0);
}

Test(packet, a_reduce_submit_has_three_arguments_or_an_empty_fourth)
{
	static const uint32_t types[] = { PKT_SUBMIT_REDUCE_JOB, PKT_SUBMIT_REDUCE_JOB_BACKGROUND };

	for (int i = 0; i < 2; i++) {
		cr_assert_eq(split(types[i], "f\0u\0r\0data", 10), PKT_OK);
		cr_assert_eq(pkt.argc, 3u);
		EXPECT_SLICE(pkt.arg[2], "r");
		EXPECT_SLICE(pkt.data, "data");

		cr_assert_eq(split(types[i], "f\0u\0r\0\0data", 11), PKT_OK);
		cr_assert_eq(pkt.argc, 4u);
		EXPECT_SLICE(pkt.arg[2], "r");
		EXPECT_SLICE(pkt.arg[3], "");
		EXPECT_SLICE(pkt.data, "data");

		cr_assert_eq(split(types[i], "f\0u\0r\0", 6), PKT_OK);
		cr_assert(pkt.argc == 3 && pkt.data.len == 0);
		cr_assert_eq(split(types[i], "f\0u\0r\0\0", 7), PKT_OK);
		cr_assert(pkt.argc == 4 && pkt.data.len == 0);
		cr_assert_eq(split(types[i], "f\0u\0r\0\0\0data", 12), PKT_OK);
		EXPECT_SLICE(pkt.data, "\0data");
		EXPECT_BAD(split(types[i], "f\0u\0r", 5), TOO_FEW);
	}
	cr_assert_eq(SPLIT(SUBMIT_JOB_EPOCH, "f\0u\0t\0\0data"), PKT_OK);
	cr_assert_eq(pkt.argc, 3u, "only reduce submits have a fourth");
	EXPECT_SLICE(pkt.data, "\0data");
}

/* ---- Bodies, malformed ------------------------------------------------------------- */

Test(packet, a_type_that_is_in_no_table_is_bad)
{
	static const uint32_t types[] = { 0, 43, 44, 0x7fffffff, 0x80000000, 0xffffffff };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		cr_assert_null(pkt_info(types[i]));
		EXPECT_BAD(split(types[i], "a\0b", 3), "Command not expected");
	}
}

Test(packet, every_type_with_one_nul_too_few_is_bad)
{
	for (uint32_t i = 0; i < ROWS; i++) {
		const struct row *r = &rows[i];
		size_t nuls = r->data ? r->args : r->args == 0 ? 0 : r->args - 1;

		for (size_t less = 0; less < nuls; less++) {
			static const char zeros[8];
			char body[16] = "";

			EXPECT_BAD(split(r->number, zeros, less), TOO_FEW);
			body[less] = 'x'; /* not ended, and the packet is over */
			EXPECT_BAD(split(r->number, body, less + 1), TOO_FEW);
		}
	}
}

Test(packet, the_search_for_a_nul_ends_with_the_packet)
{
	/* What follows in the receive buffer would complete each of them. */
	static const char buffer[] = "H:x:1\0\0\0\0\0\0\0\0\0";

	EXPECT_BAD(split_at(PKT_WORK_COMPLETE, buffer, 5), TOO_FEW);
	EXPECT_BAD(split_at(PKT_SUBMIT_JOB, buffer, 0), TOO_FEW);
	EXPECT_BAD(split_at(PKT_SUBMIT_JOB, buffer, 6), TOO_FEW);
	EXPECT_BAD(split_at(PKT_WORK_STATUS, buffer, 6), TOO_FEW);
	EXPECT_BAD(SPLIT(WORK_STATUS, "H:x:1\0n"), TOO_FEW);
}

static char big[PKT_ARG_BYTES_MAX * 2];

Test(packet, arguments_may_take_so_much_and_no_more)
{
	memset(big, 'n', sizeof(big));
	cr_assert_eq(split(PKT_CAN_DO, big, PKT_ARG_BYTES_MAX), PKT_OK);
	cr_assert_eq(pkt.arg[0].len, (size_t)PKT_ARG_BYTES_MAX);
	EXPECT_BAD(split(PKT_CAN_DO, big, PKT_ARG_BYTES_MAX + 1), TOO_LARGE);
	EXPECT_BAD(split(PKT_SUBMIT_JOB, big, sizeof(big)), TOO_LARGE);

	/* Two arguments, their NULs included. */
	big[3] = big[PKT_ARG_BYTES_MAX - 1] = '\0';
	cr_assert_eq(split(PKT_SUBMIT_JOB, big, sizeof(big)), PKT_OK);
	cr_assert_eq(pkt.arg[1].len, (size_t)PKT_ARG_BYTES_MAX - 5);
	cr_assert_eq(pkt.data.len, sizeof(big) - PKT_ARG_BYTES_MAX);
	big[PKT_ARG_BYTES_MAX - 1] = 'n';
	big[PKT_ARG_BYTES_MAX] = '\0';
	EXPECT_BAD(split(PKT_SUBMIT_JOB, big, sizeof(big)), TOO_LARGE);

	/* The last one of a text packet. */
	cr_assert_eq(split(PKT_CAN_DO_TIMEOUT, big, PKT_ARG_BYTES_MAX), PKT_OK);
	EXPECT_BAD(split(PKT_CAN_DO_TIMEOUT, big, PKT_ARG_BYTES_MAX + 1), TOO_LARGE);
	EXPECT_BAD(split(PKT_SUBMIT_JOB, big, PKT_ARG_BYTES_MAX), TOO_FEW);
}

Test(packet, arguments_of_what_the_server_sends_may_be_longer)
{
	memset(big, 'n', sizeof(big));
	memcpy(big, "H:host:1", 9); /* its NUL too */
	big[9 + PKT_ARG_BYTES_MAX] = '\0';
	cr_assert_eq(split(PKT_JOB_ASSIGN, big, sizeof(big)), PKT_OK);
	cr_assert_eq(pkt.arg[1].len, (size_t)PKT_ARG_BYTES_MAX);
	cr_assert_eq(split(PKT_ERROR, big, sizeof(big)), PKT_OK);
	cr_assert_eq(pkt.arg[1].len, sizeof(big) - 9);
}

Test(packet, data_is_not_bounded_here)
{
	const size_t n = (size_t)1 << 20;
	char *body = calloc(1, n);

	memcpy(body, "f\0u\0", 4);
	cr_assert_eq(split(PKT_SUBMIT_JOB_BG, body, n), PKT_OK);
	cr_assert_eq(pkt.data.len, n - 4);
	cr_assert_eq(split(PKT_ECHO_REQ, body, n), PKT_OK);
	cr_assert_eq(pkt.data.len, n);
	free(body);
}

Test(packet, why_is_the_text_of_an_error)
{
	cr_assert_eq(SPLIT(SUBMIT_JOB, ""), PKT_BAD);
	cr_assert_eq(why, wire_error_text(WIRE_TOO_FEW_ARGUMENTS));
	cr_assert_eq(split(PKT_SUBMIT_JOB, memset(big, 'n', sizeof(big)), sizeof(big)), PKT_BAD);
	cr_assert_eq(why, wire_error_text(WIRE_ARGUMENT_TOO_LARGE));
	cr_assert_eq(split(43, "", 0), PKT_BAD);
	cr_assert_eq(why, wire_error_text(WIRE_INVALID_COMMAND));
}

/* ---- Errors ------------------------------------------------------------------------ */

Test(error_code, what_clients_of_1_1_know_stays_byte_for_byte)
{
	static const struct {
		enum wire_error error;
		const char *code, *text;
	} known[] = {
		{ WIRE_INVALID_MAGIC, "INVALID_MAGIC", "Request magic expected" },
		{ WIRE_INVALID_COMMAND, "INVALID_COMMAND", "Command not expected" },
		{ WIRE_UNIQUE_TOO_LARGE, "ARGUMENT_TOO_LARGE", "Unique value too large" },
		{ WIRE_QUEUE_FULL, "QUEUE_ERROR", "Job queue is full" },
		{ WIRE_QUEUE_FAILED, "QUEUE_ERROR", "QUEUE_ERROR" },
		{ WIRE_NO_MEMORY, "QUEUE_ERROR", "MEMORY_ALLOCATION_FAILURE" },
		{ WIRE_UNKNOWN_OPTION, "UNKNOWN_OPTION", "Server does not recognize given option" },
		{ WIRE_JOB_GONE, "JOB_NOT_FOUND", "Job does not exist on server" },
		{ WIRE_JOB_NOT_FOUND, "JOB_NOT_FOUND", "Job given in work result not found" },
		{ WIRE_JOB_GONE_EXCEPTION, "JOB_NOT_FOUND", "An exception was received for a job that does not exist" },
		{ WIRE_FAIL_HANDLE_TOO_LARGE, "ARGUMENT_TOO_LARGE",
		    "Error occurred due to GEARMAND_JOB_HANDLE_SIZE being too small from snprintf" },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		cr_assert_str_eq(wire_error_code(known[i].error), known[i].code);
		cr_assert_str_eq(wire_error_text(known[i].error), known[i].text);
	}
}

Test(error_code, each_has_a_code_and_a_text)
{
	for (unsigned i = 0; i < WIRE_ERROR_COUNT; i++) {
		const char *code = wire_error_code((enum wire_error)i);

		cr_assert_gt(strlen(code), 0u);
		cr_assert_eq(strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"), strlen(code), "%s", code);
		cr_assert_gt(strlen(wire_error_text((enum wire_error)i)), 0u);
	}
}
