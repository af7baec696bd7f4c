/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Clients ask: how far is a job, and what may this connection do.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 * Sends:    STATUS_RES, STATUS_RES_UNIQUE, OPTION_RES or ERROR.
 */
#include <string.h>

#include "proc/ended.h"
#include "proc/handle.h"
#include "proc/handlers.h"
#include "proc/job.h"
#include "proc/job_extra.h"
#include "proc/key.h"
#include "proc/peer.h"
#include "proc/reply.h"
#include "proc/rights.h"

enum { NUMBER_BYTES = 20 };

static void
add_number(struct msg_reply *reply, uint64_t number, bool last)
{
	char text[NUMBER_BYTES];

	msg_reply_arg(reply, slice_of(text, u64_to_text(text, number)), last);
}

struct standing { /* what is said of a job; all 0 when it is not known */
	bool known, running;
	uint64_t numerator, denominator, clients;
};

/* A job that has ended is not known, but how it ended is: all of it is done, or none. */
static PROC struct standing
standing_of(const struct job *job, const struct ended *ended)
{
	if (job != NULL && job->state != JOB_BURIED)
		return (struct standing){ true, job->state == JOB_RUNNING, job->extra->numerator,
			job->extra->denominator, job->extra->client_count };
	if (job == NULL && ended == NULL)
		return (struct standing){ 0 };
	return (struct standing){ .numerator = job == NULL && ended->outcome == OUTCOME_COMPLETED, .denominator = 1 };
}

static PROC void
send_status(struct proc *p, struct peer *peer, enum pkt_type type, struct slice name, struct standing it)
{
	struct msg_reply *reply = msg_reply_new(type, peer_number(peer), name.len + 1 + 5 * (NUMBER_BYTES + 1));
	struct msg *m = &reply->msg;
	bool with_clients = type == PKT_STATUS_RES_UNIQUE;

	msg_reply_arg(reply, name, false);
	add_number(reply, it.known, false);
	add_number(reply, it.running, false);
	add_number(reply, it.numerator, false);
	add_number(reply, it.denominator, !with_clients);
	if (with_clients)
		add_number(reply, it.clients, true);
	peer_send(p, peer, &m);
}

/* Who may submit jobs, of whatever function, may ask how far they are. */
static PROC bool
may_ask(struct proc *p, struct peer *peer, const char *packet)
{
	if (may_submit_some(peer) || has_right(peer, ACCESS_SEE))
		return true;
	rights_note_refusal(p, peer, ACCESS_SEE, slice_str(packet));
	reply_error(p, peer, WIRE_MAY_NOT_ASK);
	return false;
}

void
on_get_status(struct proc *p, struct peer *peer, struct msg_packet *packet)
{
	struct slice handle = slice_without_nul(packet->pkt.arg[0]);
	const struct job *job;

	if (!may_ask(p, peer, "GET_STATUS"))
		return;
	if (handle.len > HANDLE_MAX) {
		reply_error(p, peer, WIRE_HANDLE_TOO_LARGE);
		return;
	}
	job = job_find(p, handle);
	send_status(p, peer, PKT_STATUS_RES, handle, standing_of(job, job == NULL ? ended_find(p, handle) : NULL));
}

void
on_get_status_unique(struct proc *p, struct peer *peer, struct msg_packet *packet)
{
	struct slice unique = slice_without_nul(packet->pkt.arg[0]);
	const struct job *job;

	if (!may_ask(p, peer, "GET_STATUS_UNIQUE"))
		return;
	if (unique.len > UNIQUE_MAX) {
		reply_error(p, peer, WIRE_UNIQUE_TOO_LARGE);
		return;
	}
	job = unique_find(p, unique);
	send_status(p, peer, PKT_STATUS_RES_UNIQUE, unique,
	    standing_of(job, job == NULL ? ended_find_unique(p, unique) : NULL));
}

void
on_option(struct proc *p, struct peer *peer, struct msg_packet *packet)
{
	if (!slice_is_nocase(slice_without_nul(packet->pkt.arg[0]), "exceptions")) {
		reply_error(p, peer, WIRE_UNKNOWN_OPTION);
		return;
	}
	peer->exceptions = true;
	reply_arg(p, peer, PKT_OPTION_RES, packet->pkt.arg[0]);
}
