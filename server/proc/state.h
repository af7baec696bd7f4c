/* SPDX-License-Identifier: BSD-3-Clause
 *
 * state.h - everything the core knows, for the files of proc/ only.
 *
 * Runs on:  processing thread.
 * Owns:     all peers, functions, jobs and open replies; they go by the tables here.
 */
#ifndef GEARMAND_PROC_STATE_H
#define GEARMAND_PROC_STATE_H

#include "base/buf.h"
#include "base/hash.h"
#include "base/heap.h"
#include "base/list.h"
#include "cross/msg.h"
#include "cross/stats.h"
#include "proc/proc.h"
#include "proc/tally.h"
#include "proc/traffic.h"
#include "wire/access.h"
#include "wire/policy.h"

/* Before a function definition: it runs on the processing thread (see base/role.h). */
#define PROC RUNS_ON(proc_role)

enum { PRIORITIES = 3 }; /* enum gearmand_priority */

struct prefix { /* of handles; ours is number 0, others came with replayed jobs */
	struct hash_node by_text;
	uint16_t number;
	uint8_t len;
	char text[];
};

/* What refuses things when it is reached: name, what is refused.  The first line in the log is an ERROR, once. */
/* clang-format off */
#define BOUNDS(X) \
	X(MEMORY,    "--max-memory", "submissions and abilities") \
	X(STORING,   "--max-storing", "submissions") \
	X(JOBS,      "--max-jobs", "submissions") \
	X(QUEUE,     "the maxqueue of a function", "submissions") \
	X(CLIENTS,   "the number of clients that may wait for a job", "submissions") \
	X(FUNCTIONS, "--max-functions", "new functions") \
	X(ABILITIES, "--max-abilities", "further abilities of a worker")
/* clang-format on */

enum bound {
#define X(name, text, refused) BOUND_##name,
	BOUNDS(X)
#undef X
	    BOUND_COUNT
};

struct proc {
	uint32_t magic;
	struct proc_config cfg;
	char *version_text, *verbose_text, *plugins_text, *options_text, *queue_text; /* backing of cfg's strings */
	struct instant now;                                                           /* of this turn */
	struct outbox *out;                                                           /* of this turn */
	const struct peer *asking; /* the peer whose request is at hand, and ... */
	uint64_t tag;              /* ... its tag: what is said to that peer answers it */
	size_t spent;              /* in this turn; see fair.h */

	uint64_t secret;                     /* for hashes of our own numbers, of which peers may choose some */
	struct hash peers;                   /* struct peer by number */
	struct list peer_list;               /* the same, by number */
	struct hash abilities;               /* struct ability by (peer, function) */
	struct hash funcs;                   /* struct func by name */
	struct list idle_funcs;              /* functions that nobody uses, longest idle first */
	struct hash handles;                 /* struct job by handle */
	struct hash data_keys;               /* struct job by (function, data), where the data is the unique */
	struct hash twins;                   /* struct twin by (function, unique) */
	struct hash uniques;                 /* newest struct job by unique alone */
	struct list ready_funcs[PRIORITIES]; /* functions with a READY job of that priority */
	size_t ready_count[PRIORITIES];      /* how many */

	struct heap limits;       /* RUNNING jobs with a time limit; monotonic */
	struct heap delays;       /* DELAYED jobs; wall clock */
	struct heap rewakes;      /* functions whose jobs wait while workers sleep; monotonic */
	struct heap gates;        /* struct func.gate; monotonic */
	struct heap expiries;     /* struct func.expiry; monotonic */
	struct list opened;       /* functions whose sleepers may be woken at the end of this turn */
	struct list waiting;      /* slots that wait for the store, oldest first */
	struct list paused;       /* peers that are not read: too much waits for the store */
	struct list listings;     /* struct maker: long answers of functions and peers that go on at once */
	struct list job_listings; /* the same, of jobs */
	struct list makers;       /* those that wait for their turn in the order of replies, or for their peer */
	uint32_t line;            /* number of the newest line of a worker; see ability.line */
	struct heap owing;        /* struct debt: peers whose packets cost more than their share; monotonic */
	struct list leaving;      /* peers that have jobs to lose, or are gone and to be forgotten */

	struct policies *policies;        /* never NULL */
	struct policies *former_policies; /* NULL, or while some functions still have theirs of these ... */
	struct policies *next_policies;   /* NULL, or what comes after that */
	struct hash_walk reload;          /* ... in funcs */
	struct crons *crons;              /* never NULL */

	struct access *access;        /* never NULL */
	struct access *former_access; /* NULL, or while some peers still have their rights of it ... */
	struct access *next_access;   /* NULL, or what comes after that */
	struct hash_walk rejudge;     /* ... in peers */
	uint8_t access_number;        /* another one with each change of the rules; never 0 */
	struct hash withdrawn;        /* struct withdrawn by number of the peer; see ability.c */

	struct hash prefixes;      /* struct prefix by text */
	struct prefix **prefix_at; /* the same by number */
	uint64_t next_handle;
	uint64_t last_func;            /* number of the newest function */
	int64_t first_rank, last_rank; /* see ability.rank */
	uint64_t
	    memory;                  /* bytes of all that peers make grow: jobs, also dead ones that wait for the store,
					those who wait for them, functions, abilities, changes for the store, jobs that have ended */
	uint64_t func_memory;        /* of that, functions and abilities */
	uint64_t storing;            /* bytes of what waits for the store: jobs and other changes */
	uint64_t held;               /* bytes of replies behind open ones, of all peers */
	nsec_t refused[BOUND_COUNT]; /* monotonic: when this bound refused something last; 0 = said: there is room */
	uint64_t background;         /* jobs with a background owner */
	struct list dead;            /* struct job.link: DEAD jobs whose ADD is still under way */
	struct list buried;          /* struct job_extra.in_buried: the dead list, longest there first */
	uint64_t buried_count, buried_bytes;
	struct hash ended;         /* struct ended by handle ... */
	struct hash ended_uniques; /* ... by unique, the newest ... */
	struct list ended_by_age;  /* ... oldest first ... */
	struct heap ended_ends;    /* ... and by the time when it is forgotten; monotonic */
	uint64_t ended_bytes;      /* what they take */
	uint64_t gathering;        /* what results of running jobs take that are to be kept */
	bool replaying;            /* REPLAY_END has not come yet */
	bool graceful, shut, idle_told;
	struct buf store_trouble;  /* why the store is unwell; empty = it is well */
	struct buf store_error;    /* the last trouble it had, also when it is well again */
	nsec_t store_since;        /* wall clock: when it became what it is; 0 = not known yet */
	uint64_t adding, removing; /* changes on their way into the store: ADDs, others */
	nsec_t store_heard;        /* monotonic, while changes wait: since when the store has said nothing */
	bool store_slow;           /* that is long ago */
	bool store_is_full;        /* its trouble is want of room */
	uint64_t removed;          /* changes but ADDs that it has done, ever; they are done in order */
	struct list cancels;       /* slots that wait for a removal, oldest first */
	struct list purges;        /* struct purge: the first one is at work */
	struct list purged;        /* ... that wait for a removal, oldest first */
	struct list placing; /* struct job.link: jobs that waited for earlier ones of their connection no longer */
	uint64_t counts[STAT_ALL];
	struct histogram histograms[HISTOGRAM_COUNT];
	struct tally folded; /* of functions that are no more ... */
	struct spread folded_spread;
	struct traffic traffic;
};

enum { PROC_MAGIC = 0x50524f43 };

static inline nsec_t
earlier(nsec_t a, nsec_t b)
{
	return a < b ? a : b;
}

static inline void
count(struct proc *p, enum statistic which)
{
	p->counts[which]++;
}

static inline void
count_func_memory(struct proc *p, int64_t bytes)
{
	p->memory += (uint64_t)bytes;
	p->func_memory += (uint64_t)bytes;
}

/* Are background jobs stored at once?  Else, if at all, at shutdown. */
static inline bool
goes_through_store(const struct proc *p)
{
	return p->cfg.durable && !p->cfg.adds_at_shutdown;
}

/* The store is unwell, or a commit takes long. */
static inline bool
store_is_in_trouble(const struct proc *p)
{
	return p->store_trouble.len > 0 || p->store_slow;
}

/* Removals wait for the store in memory: while so much waits there shall be no more that can be put off. */
static inline bool
store_is_behind(const struct proc *p)
{
	return p->cfg.max_storing > 0 && p->storing > p->cfg.max_storing / 2;
}

/* Is there room for so much more of what peers make grow? */
static inline bool
has_memory(const struct proc *p, size_t bytes)
{
	return p->cfg.max_memory == 0 || p->memory + bytes < p->cfg.max_memory;
}

/* Says in the log that the bound has begun to refuse, or does so no longer.  Returns `room`. */
bool bound_changes(struct proc *, enum bound, bool room) RUNS_ON(proc_role);

/* Call for all that a bound lets in or refuses; returns `room`. */
static inline PROC bool
bound_note(struct proc *p, enum bound bound, bool room)
{
	return room && p->refused[bound] == 0 ? true : bound_changes(p, bound, room);
}

/* A line for the log; the management thread writes it.  Asks cfg.log_level itself. */
void proc_log(struct proc *, enum gearmand_level, const struct buf *) RUNS_ON(proc_role);

#endif
