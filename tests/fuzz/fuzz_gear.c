/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The gear protocol's parser, twice: the same bytes in one piece and in pieces of any size must become the
 * same messages to the core.  The first byte of an input seeds the sizes of the pieces.
 *
 * Runs on:  one thread, which plays all classes.  No byte goes through a socket.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "cross/log.h"
#include "io/conn.h"
#include "tests/unit/io_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* All that the core is told, as one text.  The time of a schedule is left out: it depends on the clock. */
static void
tell_slice(struct buf *b, struct slice s)
{
	buf_add_u64(b, s.len);
	buf_add_char(b, ':');
	buf_add_slice(b, s);
}

static void
tell(struct buf *b, const struct msg *m)
{
	const struct msg_packet *p = MSG_AS(msg_packet, m);

	buf_add_u64(b, m->kind);
	buf_add_char(b, '/');
	buf_add_u64(b, m->type);
	if (m->kind != MSG_PACKET)
		return;
	CHECK(p->pkt.argc <= PKT_ARGS_MAX);
	for (uint32_t i = 0; i < p->pkt.argc; i++)
		tell_slice(b, p->pkt.arg[i]);
	tell_slice(b, p->pkt.data);
}

static uint32_t
next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static struct conn *
only_conn(struct rig *r)
{
	struct hash_node *node = hash_next(&r->io->conns, &(struct hash_walk){ 0 });

	return CONTAINER_OF(node, struct conn, by_number);
}

/* `seed` 0: in one piece. */
static struct buf
parse(struct slice in, uint32_t seed)
{
	struct rig rig;
	struct buf told = { 0 };
	struct conn *c;
	struct msg *m;
	int peer;

	rig_init(&rig);
	log_start(NULL, GEARMAND_LOG_FATAL);
	rig.answers_lines = true;
	rig.config.max_packet = 600;
	rig.config.max_line = 80;
	peer = rig_connect(&rig);
	role_assume(&io_role);
	c = only_conn(&rig);
	while (in.len > 0 && c->life == CONN_OPEN) {
		size_t n = seed == 0 ? in.len : 1 + next_random(&seed) % (next_random(&seed) % 4 == 0 ? 200 : 5);

		n = n > in.len ? in.len : n;
		conn_present(c, slice_of(in.data, n));
		while (c->text_open && c->life == CONN_OPEN)
			rig_pass(&rig);
		CHECK(c->life != CONN_OPEN || c->rest.len < 80);
		in = slice_of(in.data + n, in.len - n);
	}
	while ((m = rig_core(&rig)) != NULL)
		tell(&told, m);
	close(peer);
	rig_fini(&rig);
	return told;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, pieces;

	if (size < 2)
		return 0;
	whole = parse(slice_of(data + 1, size - 1), 0);
	pieces = parse(slice_of(data + 1, size - 1), data[0] + 1u);
	CHECK(slice_eq(buf_slice(&whole), buf_slice(&pieces)));
	buf_fini(&whole);
	buf_fini(&pieces);
	return 0;
}
