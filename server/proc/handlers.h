/* SPDX-License-Identifier: BSD-3-Clause
 *
 * handlers.h - one function for each type of packet, as the packet table names them, and for other messages.
 *
 * Runs on:  processing thread, called by dispatch.c.
 */
#ifndef GEARMAND_PROC_HANDLERS_H
#define GEARMAND_PROC_HANDLERS_H

#include "base/role.h"

struct msg;
struct msg_packet;
struct msg_store;
struct peer;
struct proc;

/* The packet belongs to the caller; a handler that keeps its body takes a reference. */
typedef void packet_handler_f(struct proc *, struct peer *, struct msg_packet *);

void on_can_do(struct proc *, struct peer *, struct msg_packet *) RUNS_ON(proc_role);
void on_can_do_timeout(struct proc *, struct peer *, struct msg_packet *) RUNS_ON(proc_role);
void on_cant_do(struct proc *, struct peer *, struct msg_packet *) RUNS_ON(proc_role);
void on_reset_abilities(struct proc *, struct peer *, struct msg_packet *) RUNS_ON(proc_role);
void on_pre_sleep(struct proc *, struct peer *, struct msg_packet *) RUNS_ON(proc_role);
void on_grab(struct proc *, struct peer *, struct msg_packet *) RUNS_ON(proc_role);
void on_submit(struct proc *, struct peer *, struct msg_packet *) RUNS_ON(proc_role);
void on_submit_sched(struct proc *, struct peer *, struct msg_packet *) RUNS_ON(proc_role);
void on_submit_epoch(struct proc *, struct peer *, struct msg_packet *) RUNS_ON(proc_role);
void on_submit_reduce(struct proc *, struct peer *, struct msg_packet *) RUNS_ON(proc_role);
void on_work_status(struct proc *, struct peer *, struct msg_packet *) RUNS_ON(proc_role);
void on_work_data(struct proc *, struct peer *, struct msg_packet *) RUNS_ON(proc_role);
void on_work_complete(struct proc *, struct peer *, struct msg_packet *) RUNS_ON(proc_role);
void on_work_fail(struct proc *, struct peer *, struct msg_packet *) RUNS_ON(proc_role);
void on_work_exception(struct proc *, struct peer *, struct msg_packet *) RUNS_ON(proc_role);
void on_get_status(struct proc *, struct peer *, struct msg_packet *) RUNS_ON(proc_role);
void on_get_status_unique(struct proc *, struct peer *, struct msg_packet *) RUNS_ON(proc_role);
void on_echo(struct proc *, struct peer *, struct msg_packet *) RUNS_ON(proc_role);
void on_option(struct proc *, struct peer *, struct msg_packet *) RUNS_ON(proc_role);
void on_set_client_id(struct proc *, struct peer *, struct msg_packet *) RUNS_ON(proc_role);
void on_unexpected(struct proc *, struct peer *, struct msg_packet *) RUNS_ON(proc_role);
void on_text(struct proc *, struct peer *, struct msg_packet *) RUNS_ON(proc_role);

/* Messages that are not packets. */
void on_added(struct proc *, struct msg_store *) RUNS_ON(proc_role); /* ADD with its outcome */
void on_replayed(struct proc *, struct msg_store *) RUNS_ON(proc_role);
void on_store_ours(struct proc *, struct msg *) RUNS_ON(proc_role);
void on_replay_again(struct proc *) RUNS_ON(proc_role); /* it failed; the jobs so far come once more */
void on_replay_end(struct proc *, struct msg *) RUNS_ON(proc_role);
void on_committed(struct proc *, struct msg *) RUNS_ON(proc_role);
void on_store_state(struct proc *, struct msg *) RUNS_ON(proc_role);
void on_graceful(struct proc *) RUNS_ON(proc_role);
void on_shutdown(struct proc *) RUNS_ON(proc_role);
void on_alive(struct proc *) RUNS_ON(proc_role);

#endif
