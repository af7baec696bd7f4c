/* SPDX-License-Identifier: BSD-3-Clause
 *
 * stats.h - the server's counters: one table makes the enum and the names.
 *
 * The processing core owns the totals.  I/O threads count in an array of their own and
 * send it along (MSG_COUNTS) at the end of a pass that counted something.
 */
#ifndef GEARMAND_CROSS_STATS_H
#define GEARMAND_CROSS_STATS_H

struct gearmand_counter;

/*    name                     meaning */
/* clang-format off */
#define STATS(X) \
	X(jobs_submitted,          "submissions that made a new job") \
	X(jobs_coalesced,          "submissions that joined a job by its unique") \
	X(jobs_assigned,           "jobs given to a worker") \
	X(jobs_completed,          "jobs that ended with WORK_COMPLETE") \
	X(jobs_failed,             "jobs that ended with WORK_FAIL or WORK_EXCEPTION") \
	X(jobs_timed_out,          "attempts ended by CAN_DO_TIMEOUT") \
	X(jobs_lost,               "attempts that came to nothing: the worker went, gave the function up or was out of time, or failed where the policy tries again") \
	X(jobs_dropped,            "jobs given up: retry limit, cancelled, or no client left that wants them") \
	X(jobs_expired,            "jobs given up: they waited longer than the policy allows") \
	X(jobs_buried,             "jobs given up and put on the dead list") \
	X(cron_runs,               "times that a cron line of the policy file had its job submitted") \
	X(ended_forgotten,         "jobs that had ended and were forgotten before their time: --status-max-bytes") \
	X(jobs_stored,             "jobs stored") \
	X(jobs_replayed,           "jobs taken over from the store at start") \
	X(store_commits,           "batches of changes committed to the store") \
	X(store_refused,           "submissions that the store refused for good") \
	X(store_timeouts,          "submissions that waited too long for the store") \
	X(wakeups,                 "NOOP packets sent") \
	X(connections,             "connections accepted") \
	X(connections_refused,     "connections closed at once: too many, or out of descriptors") \
	X(packets_in,              "packets and text lines taken") \
	X(packets_out,             "packets sent") \
	X(bytes_in,                "bytes read from sockets") \
	X(bytes_out,               "bytes written to sockets") \
	X(errors_sent,             "ERROR packets sent") \
	X(packets_too_large,       "packets over --max-packet") \
	X(lines_too_long,          "text lines over --max-line") \
	X(bad_packets,             "packets with a wrong head or too few arguments") \
	X(slow_readers,            "connections closed: they did not read their output") \
	X(reads_paused,            "times a connection was not read for a while: too much waited behind it") \
	X(refused_full,            "refused: --max-jobs, --max-memory, --max-storing, maxqueue, --max-functions, --max-abilities") \
	X(refused_access,          "refused: the access rules do not allow it") \
	X(log_lost,                "log lines dropped because the log could not keep up")
/* clang-format on */

enum statistic {
#define X(name, meaning) STAT_##name,
	STATS(X)
#undef X
	    STAT_COUNT
};

/* Numbers from STAT_COUNT on belong to modules. */
enum { STAT_MODULES_MAX = 64, STAT_ALL = STAT_COUNT + STAT_MODULES_MAX };

const char *stat_name(unsigned); /* one below stats_used() */
unsigned stats_used(void);
/* At start-up: adds what a module counts, as MODULE_NAME, and returns the number of the first; 0 = no room.  `counters`
 * ends with a name of NULL, or is NULL. */
unsigned stats_add(const char *module, const struct gearmand_counter *counters);

#endif
