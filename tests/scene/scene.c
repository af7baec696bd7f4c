/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The stage; see scene.h.
 *
 * Runs on:  the test's thread.
 * Owns:     struct scene.
 */
#include "tests/scene/scene_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "wire/access.h"
#include "wire/policy.h"
#include "cross/msg.h"

#include <gearmand/plugin.h>

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
	cfg->keeps_dead = number(o, "--keeps-dead", 0) != 0;
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
	list_init(&s->done);
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
	msg_free_all(&s->done);
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
