/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A worker reports on a job: progress, data, and its one end.
 *
 * Runs on:  processing thread.
 * Owns:     nothing; ends jobs.
 * Sends:    the report to everybody who listens to the job; ERROR to a worker that does not have it; REMOVE to the
 * store.
 */
#include "proc/client.h"
#include "proc/func.h"
#include "proc/handle.h"
#include "proc/handlers.h"
#include "proc/job.h"
#include "proc/job_extra.h"
#include "proc/peer.h"
#include "proc/reply.h"
#include "proc/result.h"
#include "proc/retry.h"

/* The job, if this peer works on it; else NULL, and the peer has been told so. */
static PROC struct job *
own_job(struct proc *p, struct peer *peer, struct slice handle, enum wire_error otherwise)
{
	struct job *job = job_find(p, handle);

	if (job != NULL && job->extra->worker == peer)
		return job;
	reply_error(p, peer, otherwise);
	return NULL;
}

/* The same packet to one client: arguments inline, the data not copied. */
static PROC void
forward_to(struct proc *p, struct peer *client, const struct msg_packet *packet)
{
	const struct pkt *pkt = &packet->pkt;
	bool has_data = pkt_info(packet->msg.type)->last == PKT_LAST_OPAQUE;
	struct msg_reply *reply;
	struct msg *m;
	size_t arg_bytes = 0;

	for (uint32_t i = 0; i < pkt->argc; i++)
		arg_bytes += pkt->arg[i].len + 1;
	reply = msg_reply_new((enum pkt_type)packet->msg.type, peer_number(client), arg_bytes);
	for (uint32_t i = 0; i < pkt->argc; i++)
		msg_reply_arg(reply, pkt->arg[i], !has_data && i + 1 == pkt->argc);
	if (has_data)
		msg_reply_data(reply, packet->msg.blob, pkt->data);
	m = &reply->msg;
	peer_send(p, client, &m);
}

static PROC void
forward_to_all(struct proc *p, const struct client *list, const struct msg_packet *packet)
{
	for (const struct client *client = list; client != NULL; client = client->next) {
		answer_of(p, client);
		forward_to(p, client->peer, packet);
	}
	p->asking = NULL;
}

static PROC void
forward(struct proc *p, const struct job *job, const struct msg_packet *packet)
{
	forward_to_all(p, job->extra->clients, packet);
	forward_to_all(p, job->extra->followers, packet);
}

/* For those who ask when it has ended. */
static PROC void
keep_result(struct proc *p, struct job *job, struct slice data)
{
	uint64_t most = job->func->policy->keep_result;

	if (most > 0 && job->background)
		result_add(p, &job_extra(p, job)->result, data, most);
}

void
on_work_data(struct proc *p, struct peer *peer, struct msg_packet *packet)
{
	struct job *job = own_job(p, peer, packet->pkt.arg[0], WIRE_JOB_GONE);

	if (job == NULL)
		return;
	forward(p, job, packet);
	if (packet->msg.type == PKT_WORK_DATA) {
		keep_result(p, job, packet->pkt.data);
		if (job->extra->result != NULL)
			job->extra->result->pieces_len = blob_slice(job->extra->result->bytes).len;
	}
}

/* Kept modulo 2^32, as 1.1 does: "-5" is asked for as 4294967291. */
void
on_work_status(struct proc *p, struct peer *peer, struct msg_packet *packet)
{
	struct job *job = own_job(p, peer, packet->pkt.arg[0], WIRE_JOB_NOT_FOUND);
	int64_t numerator, denominator;

	if (job == NULL)
		return;
	if (!slice_to_i64_lenient(packet->pkt.arg[1], &numerator) ||
	    !slice_to_i64_lenient(packet->pkt.arg[2], &denominator)) {
		reply_error(p, peer, WIRE_NUMBER_TOO_LARGE);
		return;
	}
	job_extra(p, job)->numerator = (uint32_t)numerator;
	job_extra(p, job)->denominator = (uint32_t)denominator;
	forward(p, job, packet);
}

void
on_work_complete(struct proc *p, struct peer *peer, struct msg_packet *packet)
{
	struct job *job = own_job(p, peer, packet->pkt.arg[0], WIRE_JOB_NOT_FOUND);

	if (job == NULL)
		return;
	forward(p, job, packet);
	count(p, STAT_jobs_completed);
	keep_result(p, job, packet->pkt.data);
	job_end(p, job, OUTCOME_COMPLETED);
}

/* Some workers send WORK_FAIL right behind their WORK_EXCEPTION; an ERROR would end them. */
static PROC bool
just_excepted(struct proc *p, struct peer *peer, struct slice handle)
{
	struct handle_text text;

	if (peer->excepted == 0)
		return false;
	handle_write(p, peer->excepted, peer->excepted_prefix, &text);
	if (handle.len > 0 && handle.data[handle.len - 1] == '\0')
		handle.len--;
	peer->excepted = 0;
	return slice_eq(handle, slice_of(text.at, text.len));
}

void
on_work_fail(struct proc *p, struct peer *peer, struct msg_packet *packet)
{
	struct slice handle = packet->pkt.arg[0];
	struct job *job;

	if (handle.len > HANDLE_MAX + 1) {
		reply_error(p, peer, WIRE_FAIL_HANDLE_TOO_LARGE);
		return;
	}
	if (just_excepted(p, peer, handle))
		return;
	job = own_job(p, peer, handle, WIRE_JOB_NOT_FOUND);
	if (job == NULL)
		return;
	forward_to_all(p, job->extra->clients, packet);
	if (job_ends_by(job, POLICY_FAIL))
		forward_to_all(p, job->extra->followers, packet);
	job_failed(p, job, POLICY_FAIL);
}

/* Who did not ask for exceptions hears of a failure. */
static PROC void
forward_exception(struct proc *p, const struct job *job, const struct client *list, const struct msg_packet *packet)
{
	struct handle_text handle;

	job_handle(p, job, &handle);
	for (const struct client *client = list; client != NULL; client = client->next) {
		answer_of(p, client);
		if (client->peer->exceptions)
			forward_to(p, client->peer, packet);
		else
			reply_arg(p, client->peer, PKT_WORK_FAIL, slice_of(handle.at, handle.len));
	}
	p->asking = NULL;
}

void
on_work_exception(struct proc *p, struct peer *peer, struct msg_packet *packet)
{
	struct job *job = own_job(p, peer, packet->pkt.arg[0], WIRE_JOB_GONE_EXCEPTION);

	if (job == NULL)
		return;
	forward_exception(p, job, job->extra->clients, packet);
	if (job_ends_by(job, POLICY_EXCEPTION))
		forward_exception(p, job, job->extra->followers, packet);
	job_set_error(p, job, packet->pkt.data);
	peer->excepted = job_number(job);
	peer->excepted_prefix = job->prefix;
	job_failed(p, job, POLICY_EXCEPTION);
}
