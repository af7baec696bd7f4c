/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What peers may do, and time: each step tells the model first, then the core.
 *
 * Runs on:  the test's thread.
 * Owns:     nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "tests/model/stage.h"

void
send_words(int peer, enum pkt_type type, const char *const *words)
{
	struct msg_packet *m = msg_new_sized(MSG_PACKET, t.model->peers[peer].number, sizeof *m);
	unsigned args = type == PKT_TEXT ? 0 : pkt_info(type)->args;
	bool opaque = type != PKT_TEXT && pkt_info(type)->last == PKT_LAST_OPAQUE;
	struct buf body = { 0 };
	enum wire_error why;

	for (unsigned i = 0; words[i] != NULL; i++) {
		buf_add_str(&body, words[i]);
		if (i + 1 < args || (opaque && i + 1 == args))
			buf_add_char(&body, '\0');
	}
	m->msg.type = (uint16_t)type;
	m->msg.blob = blob_copy(buf_slice(&body));
	if (type == PKT_TEXT)
		m->pkt.data = blob_slice(m->msg.blob);
	else if (!pkt_split(type, blob_slice(m->msg.blob), &m->pkt, &why))
		wrong("a packet of ours", "to be right", wire_error_text(why));
	buf_fini(&body);
	turn(&m->msg);
}

int
some_peer(void)
{
	for (int tries = 0; tries < 50; tries++) {
		int i = (int)draw(PEERS);

		if (t.model->peers[i].used && !t.model->peers[i].gone)
			return i;
	}
	return -1;
}

void
step_new_peer(void)
{
	for (int i = 0; i < PEERS; i++) {
		struct msg_conn *m;

		if (t.model->peers[i].used)
			continue;
		note("arrives:", i, 0, 0);
		m = msg_new_sized(MSG_PEER_NEW, ++t.next_peer, sizeof *m);
		strcpy(m->address, "127.0.0.1");
		model_peer_new(t.model, i, t.next_peer);
		turn(&m->msg);
		return;
	}
}

void
step_gone(int peer)
{
	note("hangs up:", peer, 0, 0);
	model_peer_gone(t.model, peer);
	turn(msg_new(MSG_PEER_GONE, t.model->peers[peer].number));
}

static int
live_jobs(void)
{
	int n = 0;

	for (int i = 0; i < JOBS; i++)
		n += t.model->jobs[i].state != M_FREE;
	return n;
}

void
step_submit(int peer)
{
	static const enum pkt_type types[3][2] = {
		{ PKT_SUBMIT_JOB_HIGH, PKT_SUBMIT_JOB_HIGH_BG },
		{ PKT_SUBMIT_JOB, PKT_SUBMIT_JOB_BG },
		{ PKT_SUBMIT_JOB_LOW, PKT_SUBMIT_JOB_LOW_BG },
	};
	struct submission s = {
		.func = (int)draw(FUNCS),
		.unique = (int)draw(UNIQUES),
		.data = (int)draw(8),
		.priority = (int)draw(3),
		.background = draw(2) == 0,
	};
	bool epoch = draw(8) == 0;
	char data[16], due[24];

	if (live_jobs() > LIVE_JOBS)
		return;
	snprintf(data, sizeof data, "d%d", s.data);
	note("submits:", peer, s.func * 100 + s.unique, s.priority * 10 + s.background);
	if (epoch) {
		s.background = true;
		s.priority = GEARMAND_NORMAL;
		s.due = t.model->wall_s + (int64_t)draw(5);
		snprintf(due, sizeof due, "%lld", (long long)s.due);
	}
	model_submit(t.model, peer, &s);
	if (epoch)
		SEND(peer, PKT_SUBMIT_JOB_EPOCH, model_func(s.func), model_unique(s.unique), due, data);
	else
		SEND(peer, types[s.priority][s.background], model_func(s.func), model_unique(s.unique), data);
}

/* Asleep for sure, and there is work. */
static bool
sleeps_beside_work(int peer)
{
	const struct mpeer *p = &t.model->peers[peer];

	return p->used && p->asleep && !p->unsure && model_has_work_for(t.model, peer);
}

void
step_ability(int peer)
{
	int func = (int)draw(FUNCS), limit = draw(2) == 0 ? 1000 + func : 0;
	char ms[16];

	note("ability:", peer, func, limit);
	if (draw(3) > 0) {
		model_can_do(t.model, peer, func, limit);
		snprintf(ms, sizeof ms, "%d", limit);
		SEND(peer, PKT_CAN_DO_TIMEOUT, model_func(func), ms);
		/* For work of other functions somebody else may be on the way; and a gate may wake it a little later.
		 */
		if (sleeps_beside_work(peer) && model_has_ready(t.model, func) && !t.has_policies)
			wrong("CAN_DO while asleep beside work", "NOOP", NULL);
	} else if (draw(10) == 0) {
		model_reset(t.model, peer);
		SEND(peer, PKT_RESET_ABILITIES);
	} else {
		model_cant_do(t.model, peer, func);
		SEND(peer, PKT_CANT_DO, model_func(func));
	}
}

void
step_grab(int peer)
{
	enum pkt_type type = draw(2) == 0 ? PKT_GRAB_JOB : PKT_GRAB_JOB_UNIQ;

	note("grabs:", peer, 0, 0);
	model_grab(t.model, peer, type);
	send_words(peer, type, (const char *const[]){ NULL });
}

void
step_sleep(int peer)
{
	note("sleeps:", peer, 0, 0);
	t.model->peers[peer].asleep = true;
	t.model->peers[peer].unsure = false;
	SEND(peer, PKT_PRE_SLEEP);
	if (sleeps_beside_work(peer) && !t.has_policies)
		wrong("PRE_SLEEP beside work", "NOOP", NULL);
}

uint64_t
some_number(int peer)
{
	int start = (int)draw(JOBS);

	if (t.model->ended_count > 0 && draw(30) == 0)
		return t.model->ended[draw((uint64_t)t.model->ended_count)].number;
	for (int i = 0; i < JOBS; i++) {
		const struct mjob *job = &t.model->jobs[(start + i) % JOBS];

		if (job->state == M_RUNNING && (job->worker == peer || draw(10) == 0))
			return job->number;
		if (job->state != M_FREE && draw(400) == 0)
			return job->number;
	}
	return t.model->next_number + 7;
}

void
step_report(int peer)
{
	static const enum pkt_type types[] = { PKT_WORK_COMPLETE, PKT_WORK_COMPLETE, PKT_WORK_FAIL, PKT_WORK_EXCEPTION,
		PKT_WORK_DATA, PKT_WORK_WARNING, PKT_WORK_STATUS };
	enum pkt_type type = types[draw(sizeof types / sizeof *types)];
	uint64_t number = some_number(peer);
	int value = (int)draw(100);
	char handle[TEXT], data[16], num[16];

	snprintf(handle, sizeof handle, "H:model:%llu", (unsigned long long)number);
	snprintf(data, sizeof data, "d%d", value);
	snprintf(num, sizeof num, "%d", value);
	note("reports:", peer, (long)type, (long)number);
	model_report(t.model, peer, (int)type, number, value);
	if (type == PKT_WORK_STATUS)
		SEND(peer, type, handle, num, "100");
	else if (type == PKT_WORK_FAIL)
		SEND(peer, type, handle);
	else
		SEND(peer, type, handle, data);
}

void
step_ask(int peer)
{
	uint64_t number = some_number(peer);
	int unique = (int)draw(UNIQUES);
	char handle[TEXT], line[TEXT + 16];

	snprintf(handle, sizeof handle, "H:model:%llu", (unsigned long long)number);
	note("asks:", peer, (long)number, unique);
	switch (draw(12)) {
	case 0:
	case 1:
	case 2:
		model_get_status(t.model, peer, number);
		SEND(peer, PKT_GET_STATUS, handle);
		break;
	case 3:
	case 4:
		model_get_status_unique(t.model, peer, unique);
		SEND(peer, PKT_GET_STATUS_UNIQUE, model_unique(unique));
		break;
	case 5:
		model_exceptions(t.model, peer);
		SEND(peer, PKT_OPTION_REQ, "exceptions");
		break;
	case 6:
		model_echo(t.model, peer, unique);
		SEND(peer, PKT_ECHO_REQ, (char[]){ 'd', (char)('0' + unique), '\0' });
		break;
	case 7:
	case 8:
	case 9:
		snprintf(line, sizeof line, "follow job %s", handle);
		model_follow(t.model, peer, number);
		SEND(peer, PKT_TEXT, line);
		break;
	case 10:
		snprintf(line, sizeof line, "unfollow job %s", handle);
		model_unfollow(t.model, peer, number);
		SEND(peer, PKT_TEXT, line);
		break;
	default:
		snprintf(line, sizeof line, "cancel job %s", handle);
		model_cancel(t.model, peer, number);
		SEND(peer, PKT_TEXT, line);
	}
}

/* ---- Time ---- */

void
pass_time(int64_t ms)
{
	t.now.mono += ms * 1000000;
	t.now.wall += ms / 1000 * 1000000000;
	model_time(t.model, ms);
	turn(NULL);
}

static bool
somebody_sleeps_beside_work(void)
{
	for (int i = 0; i < PEERS; i++)
		if (sleeps_beside_work(i))
			return true;
	return false;
}

/* No worker may sleep beside work once the wake-ups have had time to widen.  A job that becomes due on the way
 * begins with one wake-up of its own, so there is a second chance. */
void
step_time(void)
{
	note("time", 0, 0, 0);
	if (draw(10) == 0) {
		pass_time((int64_t)draw(3) * 1000);
		return;
	}
	for (int i = 0; i < 6; i++)
		pass_time(12);
	for (int i = 0; i < 12 && somebody_sleeps_beside_work(); i++)
		pass_time(12);
	if (somebody_sleeps_beside_work())
		wrong("sleeping beside work", "NOOP", NULL);
}
