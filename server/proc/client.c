/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A peer waits for a job: it is in the lists of both.
 *
 * Runs on:  processing thread.
 * Owns:     struct client.
 */
#include "proc/client.h"

#include "base/mem.h"
#include "proc/job.h"
#include "proc/job_extra.h"
#include "proc/peer.h"

static PROC void
add_to(struct proc *p, struct client **list, struct job *job, struct peer *peer)
{
	struct client *client = mem_new(sizeof *client);

	CHECK(job->extra->client_count < JOB_CLIENTS_MAX);
	job_extra(p, job)->client_count++;
	p->memory += sizeof *client;
	client->job = job;
	client->peer = peer;
	client->tag = p->asking == peer ? p->tag : 0;
	client->back = list;
	client->next = *list;
	if (client->next != NULL)
		client->next->back = &client->next;
	*list = client;
	list_init(&client->of_peer);
	list_push(&peer->waits_for, &client->of_peer);
}

void
client_add(struct proc *p, struct job *job, struct peer *peer)
{
	add_to(p, &job_extra(p, job)->clients, job, peer);
}

void
client_follow(struct proc *p, struct job *job, struct peer *peer)
{
	add_to(p, &job_extra(p, job)->followers, job, peer);
}

void
client_free(struct proc *p, struct client **client_p)
{
	struct client *client = *client_p;

	*client_p = NULL;
	job_extra(p, client->job)->client_count--;
	p->memory -= sizeof *client;
	*client->back = client->next;
	if (client->next != NULL)
		client->next->back = client->back;
	list_remove(&client->of_peer);
	job_extra_tidy(p, client->job);
	mem_free(client);
}
