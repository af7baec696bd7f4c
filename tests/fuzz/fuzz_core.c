/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fuzz target: the whole core.  The input is a history: which peer does what, what the store answers,
 * how time goes by.  After every turn the audit must hold.
 *
 * Runs on:  the fuzzer's thread, which plays the processing class.
 * Owns:     the core, and the changes that the store has not answered.
 *
 * The first byte chooses the settings; then each operation is one byte (high half: what, low half:
 * which peer) and what it needs.  A packet is a type byte, a length byte and that many body bytes;
 * short names make it likely that peers meet at the same function, unique and handle.
 */
#include <string.h>

#include "base/mem.h"
#include "cross/msg.h"
#include "proc/proc.h"

#include <gearmand/plugin.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FUZZ_PEERS = 16 };

static struct proc *core;
static struct outbox out;
static struct list changes;
static struct instant now;
static uint64_t numbers[FUZZ_PEERS]; /* 0 = not connected */
static uint64_t last_number;

static uint8_t
take(const uint8_t **at, const uint8_t *end)
{
	return *at < end ? *(*at)++ : 0;
}

static void
turn(struct msg *m)
{
	struct list batch;

	list_init(&batch);
	if (m != NULL)
		list_push(&batch, &m->link);
	role_assume(&proc_role);
	proc_turn(core, &batch, now, &out);
	proc_audit(core);
	msg_free_all(&out.io[0]);
	msg_free_all(&out.mgmt);
	list_splice(&changes, &out.store);
}

static void
connect_peer(unsigned peer)
{
	struct msg_conn *m;

	if (numbers[peer] != 0)
		return;
	numbers[peer] = ++last_number;
	m = msg_new_sized(MSG_PEER_NEW, numbers[peer], sizeof *m);
	strcpy(m->address, "127.0.0.1");
	turn(&m->msg);
}

static void
packet(unsigned peer, const uint8_t **at, const uint8_t *end)
{
	uint32_t type = take(at, end) % PKT_TYPES;
	size_t len = take(at, end);
	struct msg_packet *m = msg_new_sized(MSG_PACKET, numbers[peer], sizeof *m);
	struct msg *mm = &m->msg;
	enum wire_error why;

	if (len > (size_t)(end - *at))
		len = (size_t)(end - *at);
	m->msg.type = (uint16_t)type;
	m->msg.blob = blob_copy(slice_of((const char *)*at, len));
	m->run_at = now.wall / 1000000000 + (int64_t)len;
	*at += len;
	if (type == PKT_TEXT)
		m->pkt.data = blob_slice(m->msg.blob);
	else if (!pkt_split(type, blob_slice(m->msg.blob), &m->pkt, &why)) {
		msg_free(&mm);
		return;
	}
	turn(&m->msg);
}

static void
answer(unsigned how_many, bool refuse)
{
	struct list *node;

	while (how_many-- > 0 && (node = list_pop(&changes)) != NULL) {
		struct msg *m = MSG(node);

		if (m->kind == MSG_REMOVE) {
			msg_free(&m);
			continue;
		}
		MSG_AS(msg_store, m)->outcome = refuse ? GEARMAND_REFUSED : GEARMAND_STORED;
		turn(m);
	}
}

/* A row that a module might hand over; whatever it holds. */
static void
replay(const uint8_t **at, const uint8_t *end)
{
	size_t function = take(at, end) % 8, unique = take(at, end) % 72, rest = take(at, end) % 8;
	struct msg_store *m = msg_new_sized(MSG_REPLAYED, 0, sizeof *m + 64);
	char body[96] = { 0 };

	for (size_t i = 0; i < function + unique + rest + 2; i++)
		body[i] = (char)(i == function || i == function + 1 + unique ? 0 : take(at, end));
	m->msg.blob = blob_copy(slice_of(body, function + unique + rest + 2));
	m->function = slice_of(m->msg.blob->data, function);
	m->unique = slice_of(m->msg.blob->data + function + 1, unique);
	m->data = slice_of(m->msg.blob->data + function + unique + 2, rest);
	m->flags = take(at, end) % 3;
	m->priority = take(at, end) % 5;
	m->run_at = take(at, end) % 4 == 0 ? now.wall / 1000000000 + 3 : 0;
	memcpy(m->text, "H:f:", 4);
	m->text[4] = (char)take(at, end);
	m->handle = slice_of(m->text, 5);
	m->reducer = slice_of(m->text, rest);
	turn(&m->msg);
}

static void
operation(const uint8_t **at, const uint8_t *end)
{
	uint8_t op = take(at, end);
	unsigned peer = op & 15;
	struct msg *m;

	switch (op >> 4) {
	case 0:
		connect_peer(peer);
		break;
	case 1:
		if (numbers[peer] != 0)
			turn(msg_new(MSG_PEER_GONE, numbers[peer]));
		numbers[peer] = 0;
		break;
	case 2:
		answer(peer + 1, false);
		break;
	case 3:
		answer(peer + 1, true);
		break;
	case 4:
		now.mono += (nsec_t)peer * 100000000;
		now.wall += (nsec_t)peer * 100000000;
		turn(NULL);
		break;
	case 5:
		replay(at, end);
		break;
	case 6:
		m = msg_new_sized(peer == 0 ? MSG_GRACEFUL : MSG_REFUSE, numbers[peer], sizeof(struct msg_refuse));
		m->type = WIRE_INVALID_MAGIC;
		if (peer == 0 || numbers[peer] != 0)
			turn(m);
		else
			msg_free(&m);
		break;
	case 7:
		if (numbers[peer] != 0)
			turn(msg_new(MSG_CLOSE_ME, numbers[peer]));
		break;
	default:
		connect_peer(peer);
		packet(peer, at, end);
	}
}

static void
start(uint8_t settings)
{
	struct proc_config cfg = {
		.handle_prefix = "H:f",
		.first_handle = 1,
		.job_retries = settings & 1 ? 2 : 0,
		.wakeups = settings & 2 ? 1 : 0,
		.strict_order = (settings & 4) != 0,
		.durable = (settings & 8) != 0,
		.adds_at_shutdown = (settings & 24) == 24,
		.timeout_requeues = (settings & 32) != 0,
		.max_functions = settings & 64 ? 3 : 0,
		.max_storing = settings & 128 ? 500 : 0,
		.queue_timeout = 500000000,
		.log_level = GEARMAND_LOG_DEBUG,
		.version = "0",
		.verbose = "DEBUG",
		.io_count = 1,
	};

	core = proc_new(&cfg);
	outbox_init(&out, 1);
	list_init(&changes);
	memset(numbers, 0, sizeof numbers);
	last_number = 0;
	now = (struct instant){ .mono = 1000000000, .wall = 1700000000LL * 1000000000 };
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *at = data, *end = data + size;

	role_take(&proc_role);
	start(take(&at, end));
	while (at < end)
		operation(&at, end);
	turn(msg_new(MSG_SHUTDOWN, 0));
	proc_free(&core);
	msg_free_all(&changes);
	outbox_fini(&out);
	return 0;
}
