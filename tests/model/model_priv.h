/* SPDX-License-Identifier: BSD-3-Clause
 *
 * model_priv.h - what the files of the model share.
 */
#ifndef GEARMAND_TESTS_MODEL_PRIV_H
#define GEARMAND_TESTS_MODEL_PRIV_H

#include "tests/model/model.h"

/* The peer should hear this, after all it should hear already. */
struct mhear *model_hear(struct model *, int peer, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The job is gone, from the store too. */
void model_end(struct model *, int job, bool completed);
void model_cancel_job(struct model *, int job); /* who listens hears that it failed, and it is gone */
void model_tell_failed(struct model *, const struct mjob *, const int *counts);
bool model_has_clients(const struct mjob *);
bool model_is_wanted(const struct mjob *);
void model_must(bool what, const char *text);
void model_tell_store(struct model *, enum mtold, int job);
/* It changes, later than the last time; where a store may be told of it. */
void model_changes(const struct model *, struct mjob *);
bool model_is_in_store(const struct model *, const struct mjob *); /* or may be */
bool model_is_alive(const struct mjob *);                          /* it has its unique */
/* The store is told of the job once more, as it is now; then it may be tried again. */
void model_store_again(struct model *, int job);
void model_place_again(struct model *, struct mjob *);
void model_ready(struct model *, struct mjob *);           /* it is READY from now on, the last of its queue */
int model_make(struct model *, const struct submission *); /* a NEW job; its number */
void model_queue(struct model *, struct mjob *);           /* the same, or DELAYED when its time has not come */
void model_end_if_unwanted(struct model *, int job);
/* What this peer hears first is open no longer: jobs whose JOB_CREATED goes out now are to be placed. */
void model_release(struct model *, int peer);
void model_place(struct model *);
void model_queue_timeouts(struct model *);                   /* who has waited too long for the store hears so */
void model_lose_jobs_of(struct model *, int peer, int func); /* the worker has that function's jobs no longer */
void model_lose_all(struct model *, int peer);
/* An attempt came to nothing. */
void model_lose(struct model *, int job, enum mloss why);
bool model_ends_by(const struct model *, const struct mjob *, enum mloss why);
void model_give_up(struct model *, int job, bool keep);
void model_not_kicked(struct model *, struct mjob *); /* the store refused to have it again */
void model_trim_dead(struct model *);
void model_answer_purges(struct model *);
int model_next_ready(const struct model *, int func, int priority); /* -1 when there is none */
void model_forget_number(struct model *, uint64_t number);
void model_expire(struct model *); /* what has waited too long */
void model_ended(struct model *, const struct mjob *, bool completed);
void model_forget_ended(struct model *); /* those whose time is over */
const struct mended *model_find_ended(const struct model *, uint64_t number);
const struct mended *model_find_ended_unique(const struct model *, int unique);

#endif
