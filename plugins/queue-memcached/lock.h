/* SPDX-License-Identifier: BSD-3-Clause
 *
 * lock.h - the lock of a prefix, shared by the files that take, renew and check it.
 *
 * Runs on:  the store thread; renew.c has a thread of its own.
 * Owns:     nothing.
 *
 * The item <prefix>lock says who has it, and counts its renewals: "id lease count pid started machine host".  It
 * expires unless it is renewed.  The item <prefix>owner says who had the lock last, and stays.
 */
#ifndef LOCK_H
#define LOCK_H

#include "queue_memcached.h"

/* Bytes of a process's id, and of the longest text of the item. */
enum { MC_ID = 32, MC_LOCK_TEXT = 320 };

#define MC_MISSED "another gearmand has had it meanwhile, and may have left jobs in it"

/* What the item says. */
struct mc_holder {
	bool is_there;
	char id[MC_ID + 1], host[65];
	int lease;
	uint64_t count, cas;
	struct mc_process process;
};

/* ---- lock.c ---- */
void mc_holder_read(const struct mc_value *, struct mc_holder *);
bool mc_is_other(const struct mc_claim *, const struct mc_holder *);
/* Takes the lock if it is free, renews it if it is ours.  *done_r false: `h` has it, or somebody was faster. */
enum mc_state mc_lock_try(struct mc_pool *, struct mc_link *, struct mc_claim *, struct mc_holder *h, bool *done_r);
/* Sends this line; its answer must be one of the two.  *first_r: it is the first. */
enum mc_state mc_lock_say(struct mc_pool *, struct mc_link *, const char *verb, const char *key, const char *rest,
    const char *one, const char *other, bool *first_r);

/* ---- renew.c ---- */
struct mc_renewer *mc_renewer_start(struct mc_store *);
void mc_renewer_stop(struct mc_store *, struct mc_renewer **);

/* ---- owner.c ---- */

/* After the lock was taken.  False: another server has had it since this process had it. */
bool mc_owner_become(struct mc_store *, struct gearmand_error *);
/* Puts our name there. */
enum mc_state mc_owner_write(struct mc_store *);
bool mc_owner_is_us(const struct mc_store *, const struct mc_value *);
/* This process closes a store that is broken, and will open it again without reading what is there; or it does not. */
void mc_owner_comes_back(bool);

#endif
