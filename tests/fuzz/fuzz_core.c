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
 * short names make it likely that peers meet at the same function, unique and handle.  Policies, access rules and
 * commands are made of a few words each.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "cross/msg.h"
#include "proc/proc.h"
#include "wire/access.h"
#include "wire/policy.h"

#include <gearmand/plugin.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FUZZ_PEERS = 16 };

static struct proc *core;
static struct outbox out;
static struct list changes, crons;
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
	LIST_EACH_SAFE(node, &out.mgmt) {
		if (MSG(node)->kind != MSG_CRON)
			continue;
		list_remove(node);
		list_push(&crons, node);
	}
	msg_free_all(&out.mgmt);
	list_splice(&changes, &out.store);
}

/* Management's answers are a minute late, and more. */
static void
answer_crons(void)
{
	struct list *node;

	while ((node = list_pop(&crons)) != NULL) {
		struct msg_cron *m = MSG_AS(msg_cron, MSG(node));

		m->next = m->after + 60 + (int64_t)m->line;
		turn(&m->msg);
	}
}

static void
connect_peer(unsigned peer)
{
	struct msg_conn *m;

	if (numbers[peer] != 0)
		return;
	numbers[peer] = ++last_number;
	m = msg_new_sized(MSG_PEER_NEW, numbers[peer], sizeof *m);
	strcpy(m->address, peer < FUZZ_PEERS / 2 ? "127.0.0.1" : "192.0.2.1");
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

		if (m->kind != MSG_ADD) {
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
	m->flags = take(at, end) % 7;
	m->attempts = m->flags & GEARMAND_JOB_DEAD ? 2 : 0;
	m->changed_at = m->flags & GEARMAND_JOB_DEAD ? now.wall / 1000000000 - 1 : 0;
	m->expires_at = m->priority == 1 ? now.wall / 1000000000 + 1 : 0;
	m->priority = take(at, end) % 5;
	m->run_at = take(at, end) % 4 == 0 ? now.wall / 1000000000 + 3 : 0;
	memcpy(m->text, "H:f:", 4);
	m->text[4] = (char)take(at, end);
	m->handle = slice_of(m->text, 5);
	m->reducer = slice_of(m->text, rest);
	turn(&m->msg);
}

/* What operators say: lines of a policy file, each for one name or for all. */
static void
read_policies(const uint8_t **at, const uint8_t *end)
{
	static const char *const settings[] = { "attempts=1", "attempts=2", "retry-on=fail,exception",
		"retry-on=timeout", "delay=300ms", "delay=1s jitter=100", "dead=drop", "expire=500ms", "expire=1s",
		"run-limit=200ms", "running=0", "running=1", "rate=5/s", "rate=1/m burst=3", "maxqueue=2,0,1",
		"keep-state=1s", "keep-state=2s keep-result=9", "keep-state=1h keep-result=1K", "cron=\"* * * * *\"" };
	struct msg_policies *m = msg_new_sized(MSG_POLICIES, 0, sizeof *m);
	struct msg *mm = &m->msg;
	struct buf file = { 0 };
	char why[POLICY_WHY];
	struct policy base;
	unsigned line;

	for (unsigned lines = 1 + take(at, end) % 3; lines > 0; lines--) {
		buf_add_char(&file, "*fg?"[take(at, end) % 4]);
		for (unsigned words = take(at, end) % 5; words > 0; words--) {
			buf_add_char(&file, ' ');
			buf_add_str(&file, settings[take(at, end) % (sizeof settings / sizeof *settings)]);
		}
		buf_add_char(&file, '\n');
	}
	policy_default(&base);
	m->policies = policies_new(buf_slice(&file), &base, &line, why);
	buf_fini(&file);
	if (m->policies == NULL) {
		msg_free(&mm);
		return;
	}
	for (size_t i = 0; i < policies_count(m->policies); i++)
		if (policies_at(m->policies, i)->cron.text.len > 0)
			policies_plan(m->policies, i, slice_of("data", 4), now.wall / 1000000000 + 1);
	turn(mm);
}

/* ... and of an access file. */
static void
read_rules(const uint8_t **at, const uint8_t *end)
{
	static const char *const who[] = { "any", "net:127.0.0.0/8", "net:192.0.2.0/24", "unix" };
	static const char *const rights[] = { "all", "none", "submit=*", "submit=f see", "work=*", "work=f",
		"work=*,!g manage", "submit=?,!f work=g* admin" };
	static const char *const protocols[] = { "gear", NULL };
	static const struct access_names names = { NULL, protocols };
	struct msg_access *m = msg_new_sized(MSG_ACCESS, 0, sizeof *m);
	struct buf file = { 0 };
	char why[ACCESS_WHY];
	unsigned line;

	for (unsigned lines = 1 + take(at, end) % 3; lines > 0; lines--) {
		buf_add_str(&file, who[take(at, end) % (sizeof who / sizeof *who)]);
		buf_add_char(&file, ' ');
		buf_add_str(&file, rights[take(at, end) % (sizeof rights / sizeof *rights)]);
		buf_add_char(&file, '\n');
	}
	m->access = access_new(buf_slice(&file), &names, &line, why);
	CHECK(m->access != NULL);
	buf_fini(&file);
	turn(&m->msg);
}

/* ... and commands. */
static void
manage(const uint8_t **at, const uint8_t *end)
{
	static const char *const commands[] = { "pause f", "pause f 1", "pause g", "resume f", "resume g", "kick f",
		"kick f 1", "purge f", "purge f dead", "purge g ready", "peek f dead", "show dead", "show functions",
		"show cron", "cancel unique f u", "kick job H:f:", "bury job H:f:", "retry job H:f:", "cancel job H:f:",
		"show job H:f:", "follow job H:f:", "whoami", "show running", "peek f running", "peek job H:f:" };
	const char *command = commands[take(at, end) % (sizeof commands / sizeof *commands)];
	uint8_t number = take(at, end);
	struct msg_packet *m;
	char line[64];

	connect_peer(0);
	m = msg_new_sized(MSG_PACKET, numbers[0], sizeof *m);
	snprintf(line, sizeof line, command[strlen(command) - 1] == ':' ? "%s%u" : "%s", command, number);
	m->msg.type = PKT_TEXT;
	m->msg.blob = blob_copy(slice_str(line));
	m->pkt.data = blob_slice(m->msg.blob);
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
		if (peer == 15) {
			read_policies(at, end);
			break;
		}
		m = msg_new_sized(peer == 0 ? MSG_GRACEFUL : MSG_REFUSE, numbers[peer], sizeof(struct msg_refuse));
		m->type = WIRE_INVALID_MAGIC;
		if (peer == 0 || numbers[peer] != 0)
			turn(m);
		else
			msg_free(&m);
		break;
	case 7:
		if (peer == 15)
			manage(at, end);
		else if (peer == 14)
			read_rules(at, end);
		else if (numbers[peer] != 0)
			turn(msg_new(MSG_CLOSE_ME, numbers[peer]));
		break;
	default:
		connect_peer(peer);
		packet(peer, at, end);
	}
	answer_crons();
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
		.keeps_dead = (settings & 32) == 0,
		.timeout_requeues = (settings & 32) != 0,
		.max_functions = settings & 64 ? 3 : 0,
		.max_storing = settings & 128 ? 500 : 0,
		.queue_timeout = 500000000,
		.dead_max = 4,
		.dead_max_bytes = 10000,
		.dead_keep = 5000000000,
		.status_max_bytes = 1000,
		.log_level = GEARMAND_LOG_DEBUG,
		.version = "0",
		.verbose = "DEBUG",
		.io_count = 1,
	};

	core = proc_new(&cfg);
	outbox_init(&out, 1);
	list_init(&changes);
	list_init(&crons);
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
	msg_free_all(&crons);
	outbox_fini(&out);
	return 0;
}
