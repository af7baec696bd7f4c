/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Any bytes as a stream of packets: what comes out of a body is inside it, and put together
 * again it is the body.
 *
 * Runs on:  one thread; keeps nothing between inputs.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "wire/error_code.h"
#include "wire/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* `part` begins where the last one ended, and is ended by a NUL or not.  Moves on behind it. */
static void
expect_next(struct slice *rest, struct slice part, bool ended)
{
	CHECK(part.data == rest->data && part.len <= rest->len);
	*rest = slice_of(rest->data + part.len, rest->len - part.len);
	if (ended) {
		CHECK(rest->len > 0 && rest->data[0] == '\0' && memchr(part.data, '\0', part.len) == NULL);
		*rest = slice_of(rest->data + 1, rest->len - 1);
	}
}

static void
expect_whole(const struct pkt_info *info, const struct pkt *pkt, struct slice body)
{
	bool is_reduce = pkt->type == PKT_SUBMIT_REDUCE_JOB || pkt->type == PKT_SUBMIT_REDUCE_JOB_BACKGROUND;
	bool has_data = info->last == PKT_LAST_OPAQUE;
	struct slice rest = body;

	CHECK(pkt->argc == info->args || (is_reduce && pkt->argc == 4 && pkt->arg[3].len == 0));
	for (uint32_t i = 0; i < pkt->argc; i++)
		expect_next(&rest, pkt->arg[i], has_data || i + 1 < pkt->argc);
	CHECK(info->way == PKT_WAY_RES ||
	      body.len - rest.len <= PKT_ARG_BYTES_MAX + 1); /* the NUL of a fourth reduce argument is one more */
	if (has_data)
		expect_next(&rest, pkt->data, false);
	else
		CHECK(pkt->data.len == 0);
	CHECK(rest.len == 0);
}

static void
expect_sound(uint32_t type, struct slice body)
{
	const struct pkt_info *info = pkt_info(type);
	enum wire_error why = WIRE_ERROR_COUNT;
	struct pkt pkt;

	if (!pkt_split(type, body, &pkt, &why))
		CHECK(info == NULL ? why == WIRE_INVALID_COMMAND
				   : why == WIRE_TOO_FEW_ARGUMENTS || why == WIRE_ARGUMENT_TOO_LARGE);
	else if (info->last != PKT_LAST_NOTHING)
		expect_whole(info, &pkt, body);
	else
		CHECK(pkt.argc == 0 && pkt.data.len == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct pkt_head head;

	while (pkt_head_parse(in, &head) == PKT_OK) {
		char again[PKT_HEAD];

		pkt_head_write(again, head.is_response, head.type, head.size);
		CHECK(memcmp(again, in.data, PKT_HEAD) == 0);
		in = slice_of(in.data + PKT_HEAD, in.len - PKT_HEAD);

		size_t body = head.size < in.len ? head.size : in.len;

		/* Most types a fuzzer thinks of are in no table; fold them into it. */
		expect_sound(head.type, slice_of(in.data, body));
		expect_sound(head.type % (PKT_TYPES + 1), slice_of(in.data, body));
		in = slice_of(in.data + body, in.len - body);
	}
	return 0;
}
