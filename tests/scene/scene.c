/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The stage; see scene.h.
 *
 * Runs on:  the test's thread.
 * Owns:     struct scene.
 */
#include "tests/scene/scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "wire/access.h"
#include "wire/policy.h"
#include "cross/msg.h"

#include <gearmand/plugin.h>

struct scene {
	struct proc *proc;
	struct instant now;
	struct outbox out;
	struct list said;                /* to peers, in order */
	struct list changes;             /* to the store, not looked at */
	uint64_t removed, removed_bytes; /* REMOVEs that were looked at, and are not committed */
	struct list adding;              /* ADDs on their way back */
	struct list batch;               /* what comes in one turn, while it is gathered */
	bool gathers;
	const struct service *service; /* of the next peer */
	int peers;
	uint64_t tag;
};

static bool
option(const char *options, const char *name, int64_t *value_r)
{
	size_t len = strlen(name);

	for (const char *at = options; (at = strstr(at, name)) != NULL; at += len) {
		if ((at == options || at[-1] == ' ') && (at[len] == '=' || at[len] == ' ' || at[len] == '\0')) {
			*value_r = at[len] == '=' ? strtoll(at + len + 1, NULL, 10) : 1;
			return true;
		}
	}
	return false;
}

static int64_t
number(const char *options, const char *name, int64_t otherwise)
{
	int64_t value = otherwise;

	option(options, name, &value);
	return value;
}

static void
configure(struct proc_config *cfg, const char *o)
{
	cfg->job_retries = (uint32_t)number(o, "--job-retries", 0);
	cfg->dead_max = (uint64_t)number(o, "--dead-max", 10000);
	cfg->dead_max_bytes = (uint64_t)number(o, "--dead-max-bytes", 64 << 20);
	cfg->dead_keep = number(o, "--dead-keep", 0) * 1000000000;
	cfg->status_max_bytes = (uint64_t)number(o, "--status-max-bytes", 1 << 20);
	cfg->wakeups = (uint32_t)number(o, "--wakeups", 0);
	cfg->strict_order = number(o, "--strict-order", 0) != 0;
	cfg->exceptions = number(o, "--exceptions", 0) != 0;
	cfg->timeout_requeues = number(o, "--timeout-requeues", 0) != 0;
	cfg->adds_at_shutdown = number(o, "--adds-at-shutdown", 0) != 0;
	cfg->durable = number(o, "--durable", 0) != 0 || cfg->adds_at_shutdown;
	cfg->queue_timeout = number(o, "--queue-timeout", 10000) * 1000000;
	cfg->max_jobs = (uint64_t)number(o, "--max-jobs", 0);
	cfg->max_memory = (uint64_t)number(o, "--max-memory", 0);
	cfg->max_functions = (uint64_t)number(o, "--max-functions", 0);
	cfg->max_abilities = (uint64_t)number(o, "--max-abilities", 0);
	cfg->max_storing = (uint64_t)number(o, "--max-storing", 0);
	cfg->pause_held = (uint64_t)number(o, "--pause-held", 0);
	cfg->max_held = (uint64_t)number(o, "--max-held", 0);
	cfg->io_count = (unsigned)number(o, "--io", 1);
}

struct scene *
scene_new(const char *options)
{
	struct scene *s = mem_new(sizeof *s);
	struct proc_config cfg = {
		.handle_prefix = "H:test",
		.first_handle = 1,
		.version = "0.1.0",
		.verbose = "ERROR",
		.pid = 4711,
		.log_level = GEARMAND_LOG_DEBUG,
		.seed = "not random at all, for a test..",
	};

	configure(&cfg, options);
	role_take(&proc_role);
	s->proc = proc_new(&cfg);
	s->now = (struct instant){ .mono = 1000000000, .wall = 1700000000LL * 1000000000 };
	outbox_init(&s->out, cfg.io_count);
	list_init(&s->said);
	list_init(&s->changes);
	list_init(&s->adding);
	list_init(&s->batch);
	return s;
}

struct proc *
scene_core(struct scene *s)
{
	return s->proc;
}

static nsec_t
run(struct scene *s, struct msg *m)
{
	nsec_t due;

	role_assume(&proc_role);
	if (m != NULL)
		list_push(&s->batch, &m->link);
	if (s->gathers)
		return NEVER;
	due = proc_turn(s->proc, &s->batch, s->now, &s->out);
	for (unsigned i = 0; i < s->out.io_count; i++)
		list_splice(&s->said, &s->out.io[i]);
	list_splice(&s->changes, &s->out.store);
	proc_audit(s->proc);
	return due;
}

/* Plays management. */
static void
answer_crons(struct scene *s)
{
	struct list asked;

	list_init(&asked);
	LIST_EACH_SAFE(node, &s->out.mgmt) {
		if (MSG(node)->kind != MSG_CRON)
			continue;
		list_remove(node);
		list_push(&asked, node);
	}
	for (struct list *node; (node = list_pop(&asked)) != NULL;) {
		struct msg_cron *m = MSG_AS(msg_cron, MSG(node));

		cr_assert(sched_next_run(&m->sched, m->after, &m->next));
		run(s, &m->msg);
	}
}

void
scene_gather(struct scene *s)
{
	s->gathers = true;
}

nsec_t
scene_turn(struct scene *s)
{
	s->gathers = false;
	return run(s, NULL);
}

void
scene_post(struct scene *s, struct msg *m)
{
	run(s, m);
}

void
scene_policies(struct scene *s, const char *file)
{
	struct msg_policies *m = msg_new_sized(MSG_POLICIES, 0, sizeof *m);
	struct policy base;
	char why[POLICY_WHY];
	unsigned line;

	policy_default(&base);
	m->policies = policies_new(slice_str(file), &base, &line, why);
	cr_assert(m->policies != NULL, "line %u: %s", line, why);
	for (size_t i = 0; i < policies_count(m->policies); i++) {
		const struct policy *policy = policies_at(m->policies, i);
		int64_t first;

		if (policy->cron.text.len > 0 && sched_next_run(&policy->cron.when, s->now.wall / 1000000000, &first))
			policies_plan(m->policies, i, policy->payload, first);
	}
	run(s, &m->msg);
}

static bool
find_bob(const char *name, uint32_t *user_r)
{
	*user_r = 1000;
	return strcmp(name, "bob") == 0;
}

void
scene_access(struct scene *s, const char *file)
{
	static const char *const protocols[] = { "gear", "module", NULL };
	static const struct access_names names = { find_bob, protocols };
	struct msg_access *m = msg_new_sized(MSG_ACCESS, 0, sizeof *m);
	char why[ACCESS_WHY];
	unsigned line;

	m->access = access_new(slice_str(file), &names, &line, why);
	cr_assert(m->access != NULL, "line %u: %s", line, why);
	run(s, &m->msg);
}

void
scene_free(struct scene **s_p)
{
	struct scene *s = *s_p;

	*s_p = NULL;
	run(s, NULL);
	proc_free(&s->proc);
	msg_free_all(&s->said);
	msg_free_all(&s->changes);
	msg_free_all(&s->adding);
	outbox_fini(&s->out);
	mem_free(s);
}

static void
module_send(void *conn, const struct gearmand_packet *packet)
{
	(void)conn;
	(void)packet;
}

int
scene_module_peer(struct scene *s)
{
	static const struct gearmand_protocol_ops ops = { .send = module_send };
	static const struct service service = { .name = "module", .protocol = &ops };

	s->service = &service;
	scene_peer(s);
	s->service = NULL;
	return s->peers;
}

int
scene_peer_as(struct scene *s, struct msg_conn *m)
{
	s->peers++;
	m->msg.peer = (uint64_t)s->peers;
	m->io = (uint16_t)((unsigned)s->peers % s->out.io_count);
	m->service = s->service;
	m->fd = 100 + s->peers;
	run(s, &m->msg);
	return s->peers;
}

int
scene_peer(struct scene *s)
{
	struct msg_conn *m = msg_new_sized(MSG_PEER_NEW, 0, sizeof *m);

	strcpy(m->address, "127.0.0.1");
	return scene_peer_as(s, m);
}

int
scene_worker(struct scene *s, const char *function)
{
	int worker = scene_peer(s);

	tell(s, worker, CAN_DO, function);
	return worker;
}

void
scene_hangup(struct scene *s, int peer)
{
	run(s, msg_new(MSG_PEER_GONE, (uint64_t)peer));
}

void
scene_wait(struct scene *s, int64_t ms)
{
	s->now.mono += ms * 1000000;
	s->now.wall += ms * 1000000;
	run(s, NULL);
	answer_crons(s);
}

void
scene_stand_still(struct scene *s, int64_t ms)
{
	s->now.late = true;
	scene_wait(s, ms);
	s->now.late = false;
}

void
scene_set_clock(struct scene *s, int64_t seconds)
{
	s->now.wall = seconds * 1000000000;
	run(s, NULL);
	answer_crons(s);
}

void
tell_bytes(struct scene *s, int peer, enum pkt_type type, struct slice body)
{
	struct msg_packet *m = msg_new_sized(MSG_PACKET, (uint64_t)peer, sizeof *m);
	enum wire_error why;

	m->msg.type = (uint16_t)type;
	m->tag = s->tag;
	m->msg.blob = blob_copy(body);
	if (type == PKT_TEXT)
		m->pkt.data = blob_slice(m->msg.blob);
	else
		cr_assert(pkt_split(type, blob_slice(m->msg.blob), &m->pkt, &why));
	run(s, &m->msg);
}

void
tell_(struct scene *s, int peer, enum pkt_type type, const char *const *words)
{
	struct buf body = { 0 };
	unsigned args = type == PKT_TEXT ? 0 : pkt_info(type)->args;
	bool opaque = type != PKT_TEXT && pkt_info(type)->last == PKT_LAST_OPAQUE;

	for (unsigned i = 0; words[i] != NULL; i++) {
		buf_add_str(&body, words[i]);
		if (i + 1 < args || (opaque && i + 1 == args))
			buf_add_char(&body, '\0');
	}
	tell_bytes(s, peer, type, buf_slice(&body));
	buf_fini(&body);
}

static struct msg *
next_said(struct scene *s, int peer)
{
	LIST_EACH_SAFE(node, &s->said) {
		struct msg *m = MSG(node);

		if (m->peer == (uint64_t)peer) {
			list_remove(node);
			return m;
		}
	}
	return NULL;
}

struct msg_reply *
next_reply(struct scene *s, int peer)
{
	struct msg *m = next_said(s, peer);

	return m == NULL ? NULL : MSG_AS(msg_reply, m);
}

void
scene_set_tag(struct scene *s, uint64_t tag)
{
	s->tag = tag;
}

void
expect_tag_(struct scene *s, int peer, uint64_t tag, const char *file, int line)
{
	struct msg *m = next_said(s, peer);

	cr_assert(m != NULL && m->kind == MSG_REPLY, "%s:%d: peer %d: nothing was said", file, line, peer);
	cr_assert_eq(MSG_AS(msg_reply, m)->tag, tag, "%s:%d: tag %llu", file, line,
	    (unsigned long long)MSG_AS(msg_reply, m)->tag);
	msg_free(&m);
}

static void
describe(struct buf *out, const struct msg *m)
{
	const struct msg_reply *reply = MSG_AS(msg_reply, m);

	if (m == NULL || m->kind != MSG_REPLY) {
		buf_add_str(out, m == NULL ? "silence" : "message of kind ");
		if (m != NULL)
			buf_add_u64(out, m->kind);
	} else {
		buf_add_str(out, m->type == PKT_TEXT ? "TEXT" : pkt_info(m->type)->name);
		buf_add_char(out, ' ');
		buf_add_escaped(out, slice_of(reply->head + PKT_HEAD, reply->head_len - PKT_HEAD));
		buf_add_char(out, '|');
		buf_add_escaped(out, reply->data);
	}
	buf_add_char(out, '\0');
}

/* Body of the reply against the wanted words; "*" takes everything up to its end. */
static bool
matches(const struct msg_reply *reply, enum pkt_type type, const char *const *words)
{
	struct buf body = { 0 };
	unsigned args = pkt_info(type)->args;
	bool opaque = pkt_info(type)->last == PKT_LAST_OPAQUE, same = true;
	size_t at = 0;

	buf_add(&body, reply->head + PKT_HEAD, reply->head_len - PKT_HEAD);
	buf_add_slice(&body, reply->data);
	for (unsigned i = 0; same && words[i] != NULL; i++) {
		bool has_nul = i + 1 < args || (opaque && i + 1 == args);
		const char *end = has_nul && at < body.len ? memchr(body.data + at, '\0', body.len - at) : NULL;
		size_t len = end != NULL ? (size_t)(end - body.data) - at : body.len - at;

		same = (!has_nul || end != NULL) &&
		       (strcmp(words[i], "*") == 0 || slice_is(slice_of(body.data + at, len), words[i]));
		at += len + has_nul;
	}
	same = same && at == body.len;
	buf_fini(&body);
	return same;
}

void
expect_(struct scene *s, int peer, enum pkt_type type, const char *const *words, const char *file, int line)
{
	struct msg *m = next_said(s, peer);
	struct buf said = { 0 };
	bool right = m != NULL && m->kind == MSG_REPLY && m->type == type && matches(MSG_AS(msg_reply, m), type, words);

	describe(&said, m);
	cr_assert(right, "%s:%d: peer %d: expected %s %s, got %s", file, line, peer, pkt_info(type)->name,
	    words[0] == NULL ? "" : words[0], said.data);
	buf_fini(&said);
	msg_free(&m);
}

void
expect_kind_(struct scene *s, int peer, enum msg_kind kind, const char *file, int line)
{
	struct msg *m = next_said(s, peer);
	struct buf said = { 0 };

	describe(&said, m);
	cr_assert(m != NULL && m->kind == kind, "%s:%d: peer %d: got %s", file, line, peer, said.data);
	buf_fini(&said);
	msg_free(&m);
}

void
expect_silence_(struct scene *s, int peer, const char *file, int line)
{
	struct msg *m = next_said(s, peer);
	struct buf said = { 0 };

	describe(&said, m);
	cr_assert(m == NULL, "%s:%d: peer %d: expected silence, got %s", file, line, peer, said.data);
	buf_fini(&said);
}

void
ask_(struct scene *s, int peer, const char *line, const char *answer, const char *file, int at)
{
	tell_(s, peer, PKT_TEXT, (const char *const[]){ line, NULL });
	expect_text_(s, peer, answer, line, file, at);
}

void
expect_text_(struct scene *s, int peer, const char *answer, const char *line, const char *file, int at)
{
	struct msg_reply *reply;
	struct buf text = { 0 };

	reply = next_reply(s, peer);
	cr_assert(reply != NULL && reply->msg.type == PKT_TEXT, "%s:%d: no text", file, at);
	buf_add(&text, reply->head + PKT_HEAD, reply->head_len - PKT_HEAD);
	buf_add_slice(&text, reply->data);
	buf_add_char(&text, '\0');
	cr_assert_str_eq(text.data, answer, "%s:%d: `%s` was answered with `%s`", file, at, line, text.data);
	buf_fini(&text);
	struct msg *m = &reply->msg;
	msg_free(&m);
}

/* A listing that owes is paused meanwhile. */
int
read_listing(struct scene *s, int peer, int *turns_r, struct buf *text)
{
	bool is_end = false;
	int lines = 0;

	for (*turns_r = 1; !is_end && *turns_r < 1000; ++*turns_r) {
		struct msg *m = next_said(s, peer);

		if (m == NULL) {
			scene_wait(s, 1);
			continue;
		}
		if (m->kind == MSG_REPLY || m->kind == MSG_PART) {
			struct slice part = MSG_AS(msg_reply, m)->data;

			cr_assert(m->kind == MSG_REPLY || part.len <= 128 << 10, "a part of %zu bytes", part.len);
			for (size_t i = 0; i < part.len; i++)
				lines += part.data[i] == '\n';
			if (text != NULL)
				buf_add_slice(text, part);
		}
		is_end = m->kind == MSG_REPLY && m->type == PKT_TEXT;
		if (m->kind == MSG_PART)
			scene_post(s, msg_new(MSG_PART_TAKEN, (uint64_t)peer));
		msg_free(&m);
	}
	cr_assert(is_end, "the listing has no end");
	return lines;
}

static void
take_removal(struct scene *s, struct msg **m)
{
	s->removed++;
	s->removed_bytes += remove_bytes(MSG_AS(msg_store, *m));
	msg_free(m);
}

void
expect_change_(
    struct scene *s, enum msg_kind kind, const char *function, const char *unique, const char *file, int line)
{
	struct list *node = list_pop(&s->changes);
	struct msg_store *change = node == NULL ? NULL : MSG_AS(msg_store, MSG(node));
	struct msg *m = change == NULL ? NULL : &change->msg;

	cr_assert(change != NULL && change->msg.kind == kind, "%s:%d: another change, or none", file, line);
	cr_assert(slice_is(change->function, function), "%s:%d: function %.*s", file, line, (int)change->function.len,
	    change->function.data);
	cr_assert(strcmp(unique, "*") == 0 || slice_is(change->unique, unique), "%s:%d: unique %.*s", file, line,
	    (int)change->unique.len, change->unique.data);
	if (kind == MSG_ADD)
		list_push(&s->adding, node);
	else
		take_removal(s, &m);
}

void
expect_no_change(struct scene *s)
{
	cr_assert(list_is_empty(&s->changes), "a change was posted");
}

static void
answer_adds(struct scene *s, enum gearmand_outcome outcome, const char *reason)
{
	struct msg_text *end;
	struct list *node;

	LIST_EACH_SAFE(at, &s->changes) {
		struct msg *m = MSG(at);

		list_remove(at);
		if (m->kind == MSG_ADD)
			list_push(&s->adding, at);
		else
			take_removal(s, &m);
	}
	while ((node = list_pop(&s->adding)) != NULL) {
		struct msg_store *m = MSG_AS(msg_store, MSG(node));

		m->outcome = (uint8_t)outcome;
		m->reason = reason == NULL ? NULL : mem_dup(reason, strlen(reason));
		run(s, &m->msg);
	}
	end = msg_text_new(MSG_COMMITTED, slice_of("", 0));
	end->number = s->removed;
	end->bytes = s->removed_bytes;
	s->removed = s->removed_bytes = 0;
	run(s, &end->msg);
}

void
store_commit(struct scene *s)
{
	answer_adds(s, GEARMAND_STORED, NULL);
}

void
store_refuse(struct scene *s, const char *reason)
{
	answer_adds(s, GEARMAND_REFUSED, reason);
}

void
store_says(struct scene *s, const char *trouble)
{
	run(s, &msg_text_new(MSG_STORE_STATE, slice_str(trouble))->msg);
}

static void
read_answer(struct scene *s, int peer, const char *line, struct buf *text)
{
	struct msg_reply *reply;
	struct msg *m;

	tell(s, peer, TEXT, line);
	reply = next_reply(s, peer);
	cr_assert(reply != NULL && reply->msg.type == PKT_TEXT, "no text");
	buf_add(text, reply->head + PKT_HEAD, reply->head_len - PKT_HEAD);
	buf_add_slice(text, reply->data);
	buf_add_char(text, '\0');
	m = &reply->msg;
	msg_free(&m);
}

bool
answer_has(struct scene *s, int peer, const char *line, const char *part)
{
	struct buf text = { 0 };
	bool has;

	read_answer(s, peer, line, &text);
	has = strstr(text.data, part) != NULL;
	buf_fini(&text);
	return has;
}

uint64_t
scene_counter(struct scene *s, int peer, const char *name)
{
	struct buf text = { 0 };
	const char *at;
	uint64_t n;

	read_answer(s, peer, "counters", &text);
	at = strstr(text.data, name);
	cr_assert_not_null(at, "no counter %s", name);
	n = strtoull(at + strlen(name), NULL, 10);
	buf_fini(&text);
	return n;
}

bool
scene_logged(struct scene *s, const char *part)
{
	LIST_EACH_SAFE(node, &s->out.mgmt) {
		struct msg *m = MSG(node);

		if (m->kind == MSG_LOG && strstr(MSG_AS(msg_log, m)->text, part) != NULL) {
			list_remove(node);
			msg_free(&m);
			return true;
		}
	}
	return false;
}

void
store_replay(struct scene *s, const char *function, const char *unique, const char *data, const char *handle)
{
	struct msg_store *m = msg_new_sized(MSG_REPLAYED, 0, sizeof *m + strlen(handle) + 1);
	struct buf body = { 0 };

	buf_add(&body, function, strlen(function) + 1);
	buf_add(&body, unique, strlen(unique) + 1);
	buf_add_str(&body, data);
	m->msg.blob = blob_copy(buf_slice(&body));
	m->function = slice_of(m->msg.blob->data, strlen(function));
	m->unique = slice_of(m->function.data + m->function.len + 1, strlen(unique));
	m->data = slice_of(m->unique.data + m->unique.len + 1, strlen(data));
	strcpy(m->text, handle);
	m->handle = slice_str(m->text);
	m->priority = GEARMAND_NORMAL;
	buf_fini(&body);
	run(s, &m->msg);
}

bool
scene_management_got(struct scene *s, enum msg_kind kind)
{
	LIST_EACH_SAFE(node, &s->out.mgmt) {
		struct msg *m = MSG(node);

		if (m->kind == kind) {
			list_remove(node);
			msg_free(&m);
			return true;
		}
	}
	return false;
}
