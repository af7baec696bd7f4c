/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a peer leaves: jobs that it worked on, jobs that it waits for.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 */
#include "proc/leaving.h"

#include "proc/client.h"
#include "proc/job.h"
#include "proc/peer.h"
#include "proc/retry.h"

enum { LET_GO_PER_TURN = 512 };

static PROC void
lose_job(struct proc *p, struct peer *peer)
{
	struct list *node = list_first(&peer->lost);

	job_attempt_lost(p, LIST_ENTRY(node, struct job, link), POLICY_LOST);
}

static PROC void
wait_no_more(struct proc *p, struct peer *peer)
{
	struct client *client = LIST_ENTRY(list_first(&peer->waits_for), struct client, of_peer);
	struct job *job = client->job;

	client_free(p, &client);
	job_settle(p, job);
}

/* What one peer brought in may be a million jobs: they are let go of in parts.  True when all are. */
bool
peer_let_go(struct proc *p, struct peer *peer)
{
	for (int n = 0; n < LET_GO_PER_TURN; n++, p->spent++) {
		if (peer->gone && !list_is_empty(&peer->waits_for))
			wait_no_more(p, peer);
		else if (!list_is_empty(&peer->lost))
			lose_job(p, peer);
		else
			return true;
	}
	return false;
}

void
peer_loses_jobs(struct proc *p, struct peer *peer)
{
	if (!peer_let_go(p, peer) && !list_is_linked(&peer->in_leaving))
		list_push(&p->leaving, &peer->in_leaving);
}
