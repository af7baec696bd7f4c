/* SPDX-License-Identifier: BSD-3-Clause
 *
 * handlers.h - one function per kind of request, as the packet table names them.
 *
 * Runs on:  processing thread, called by dispatch.c.
 */
#ifndef GEARMAND_PROC_HANDLERS_H
#define GEARMAND_PROC_HANDLERS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/role.h"
#include "base/slice.h"
#include "cross/mbox.h"
#include "wire/error_code.h"

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
void proc_dispatch(struct proc *, struct msg **) RUNS_ON(proc_role); /* takes */
/* What was set aside and may be looked at now; returns when more may be, or NEVER. */
nsec_t proc_dispatch_owed(struct proc *) RUNS_ON(proc_role);
void on_added(struct proc *, struct msg_store *) RUNS_ON(proc_role); /* ADD with its outcome */
void on_replayed(struct proc *, struct msg_store *) RUNS_ON(proc_role);
void on_replay_again(struct proc *) RUNS_ON(proc_role); /* it failed; the jobs so far come once more */
void on_replay_end(struct proc *, struct msg *) RUNS_ON(proc_role);
void on_committed(struct proc *, struct msg *) RUNS_ON(proc_role);
void on_store_state(struct proc *, struct msg *) RUNS_ON(proc_role);
/* Says so when a commit takes long; returns when to look again, or NEVER. */
nsec_t store_watch(struct proc *) RUNS_ON(proc_role);
/* It is unwell, or a commit takes long. */
bool store_is_in_trouble(const struct proc *) RUNS_ON(proc_role);
/* The error's text, and the store's trouble behind it; to be freed. */
struct buf store_error_text(const struct proc *, enum wire_error) RUNS_ON(proc_role);
void on_graceful(struct proc *) RUNS_ON(proc_role);
void on_shutdown(struct proc *) RUNS_ON(proc_role);

enum listing_kind { LIST_STATUS, LIST_PRIORITIES, LIST_WORKERS, LIST_DROP, LIST_JOBS, LIST_UNIQUES };

/* Everything that time alone brings about. */
void timers_run(struct proc *) RUNS_ON(proc_role);
nsec_t timers_due(struct proc *) RUNS_ON(proc_role); /* when it must be called again, or NEVER */
/* A part of what is being listed; true while more can be made at once. */
bool listings_run(struct proc *) RUNS_ON(proc_role);
/* The answer comes when the listing is complete; until then the peer's later replies wait behind it. */
void listing_start(struct proc *, struct peer *, enum listing_kind) RUNS_ON(proc_role);
/* The functions of that name, in any case, are dropped; the answer has a line for each. */
void listing_drop(struct proc *, struct peer *, struct slice name) RUNS_ON(proc_role);
void listing_counters(struct proc *, struct peer *) RUNS_ON(proc_role);
void listing_queue(struct proc *, struct peer *) RUNS_ON(proc_role);
void listings_drop(struct proc *) RUNS_ON(proc_role); /* all, at the end */

#endif
