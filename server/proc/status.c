/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Clients ask: how far is a job, and what may this connection do.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 * Sends:    STATUS_RES, STATUS_RES_UNIQUE, OPTION_RES or ERROR.
 */
#include <string.h>

#include "proc/handle.h"
#include "proc/handlers.h"
#include "proc/job.h"
#include "proc/job_extra.h"
#include "proc/key.h"
#include "proc/peer.h"
#include "proc/reply.h"

enum { NUMBER_BYTES = 20 };

static void
add_number(struct msg_reply *reply, uint64_t number, bool last)
{
	char text[NUMBER_BYTES];

	msg_reply_arg(reply, slice_of(text, u64_to_text(text, number)), last);
}

static PROC void
send_status(struct proc *p, struct peer *peer, enum pkt_type type, struct slice name, const struct job *job)
{
	struct msg_reply *reply = msg_reply_new(type, peer->number, name.len + 1 + 5 * (NUMBER_BYTES + 1));
	struct msg *m = &reply->msg;
	bool with_clients = type == PKT_STATUS_RES_UNIQUE;

	msg_reply_arg(reply, name, false);
	if (job != NULL && job->state == JOB_BURIED)
		job = NULL;
	add_number(reply, job != NULL, false);
	add_number(reply, job != NULL && job->state == JOB_RUNNING, false);
	add_number(reply, job == NULL ? 0 : job->extra->numerator, false);
	add_number(reply, job == NULL ? 0 : job->extra->denominator, !with_clients);
	if (with_clients)
		add_number(reply, job == NULL ? 0 : job->extra->client_count, true);
	peer_send(p, peer, &m);
}

void
on_get_status(struct proc *p, struct peer *peer, struct msg_packet *packet)
{
	struct slice handle = slice_without_nul(packet->pkt.arg[0]);

	if (handle.len > HANDLE_MAX)
		reply_error(p, peer, WIRE_HANDLE_TOO_LARGE);
	else
		send_status(p, peer, PKT_STATUS_RES, handle, job_find(p, handle));
}

void
on_get_status_unique(struct proc *p, struct peer *peer, struct msg_packet *packet)
{
	struct slice unique = slice_without_nul(packet->pkt.arg[0]);

	if (unique.len > UNIQUE_MAX)
		reply_error(p, peer, WIRE_UNIQUE_TOO_LARGE);
	else
		send_status(p, peer, PKT_STATUS_RES_UNIQUE, unique, unique_find(p, unique));
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
