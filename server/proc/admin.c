/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The administrative text commands.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 * Sends:    text.  Listings are ended by ".\n"; "OK value" by LF; bare "OK" and "ERR ..." by CR LF, as 1.1
 *           has it and gearadmin expects.
 */
#include "proc/admin.h"

#include <string.h>

#include "proc/cron.h"
#include "proc/ended.h"
#include "proc/func.h"
#include "proc/handle.h"
#include "proc/handlers.h"
#include "proc/job.h"
#include "proc/job_extra.h"
#include "proc/listing.h"
#include "proc/reply.h"
#include "proc/report.h"
#include "proc/rights.h"

static PROC void
unknown_command(struct proc *p, struct peer *peer, struct slice word)
{
	struct buf out = { 0 };

	buf_add_str(&out, "ERR UNKNOWN_COMMAND Unknown+server+command");
	buf_add_escaped(&out, word);
	buf_add_str(&out, "\r\n");
	reply_text(p, peer, &out);
}

static PROC void
do_status(struct proc *p, struct peer *peer, const struct words *words)
{
	(void)words;
	listing_start(p, peer, LIST_STATUS);
}

static PROC void
do_prioritystatus(struct proc *p, struct peer *peer, const struct words *words)
{
	(void)words;
	listing_start(p, peer, LIST_PRIORITIES);
}

static PROC void
do_workers(struct proc *p, struct peer *peer, const struct words *words)
{
	(void)words;
	listing_start(p, peer, LIST_WORKERS);
}

static PROC void
do_counters(struct proc *p, struct peer *peer, const struct words *words)
{
	(void)words;
	report_counters(p, peer);
}

/* Only with a `*` is there more to compare than once through the name. */
static bool
is_costly_pattern(struct slice pattern)
{
	return pattern.len > POLICY_PATTERN_MAX && memchr(pattern.data, '*', pattern.len) != NULL;
}

static PROC void
do_metrics(struct proc *p, struct peer *peer, const struct words *words)
{
	struct slice pattern = words->count >= 2 ? words->at[1] : slice_str("*");
	bool buckets = words->count == 3 && slice_is(words->at[2], "buckets");

	if (words->count > 2 && !buckets)
		admin_incomplete(p, peer, words);
	else if (is_costly_pattern(pattern))
		admin_say(p, peer, "ERR INVALID_ARGUMENTS A+pattern+with+*+has+more+than+255+bytes\r\n");
	else
		listing_metrics(p, peer, pattern, buckets);
}

static PROC void
do_queue(struct proc *p, struct peer *peer, const struct words *words)
{
	(void)words;
	report_queue(p, peer);
}

static PROC void
refuse_command(struct proc *p, struct peer *peer, enum access_right right, struct slice word)
{
	static const char *const answers[] = {
		[ACCESS_NOTHING] = NULL,
		[ACCESS_SEE] = "ERR NOT_ALLOWED The+command+needs+the+right+see\r\n",
		[ACCESS_MANAGE] = "ERR NOT_ALLOWED The+command+needs+the+right+manage\r\n",
		[ACCESS_ADMIN] = "ERR NOT_ALLOWED The+command+needs+the+right+admin\r\n",
	};

	rights_note_refusal(p, peer, right, word);
	admin_say(p, peer, answers[right]);
}

/* They tell more of the machine, and of others, than what is shown to all who may see. */
static PROC void
show_options(struct proc *p, struct peer *peer, const struct words *words)
{
	if (has_right(peer, ACCESS_MANAGE))
		report_options(p, peer);
	else
		refuse_command(p, peer, ACCESS_MANAGE, words->at[1]);
}

static PROC void
do_show(struct proc *p, struct peer *peer, const struct words *words)
{
	if (words->count == 2 && slice_is_nocase(words->at[1], "jobs"))
		listing_start(p, peer, LIST_JOBS);
	else if (words->count == 3 && slice_is_nocase(words->at[1], "unique") && slice_is_nocase(words->at[2], "jobs"))
		listing_start(p, peer, LIST_UNIQUES);
	else if (words->count == 2 && slice_is_nocase(words->at[1], "dead"))
		listing_dead(p, peer, slice_of("", 0));
	else if (words->count == 3 && slice_is_nocase(words->at[1], "dead"))
		listing_dead(p, peer, words->at[2]);
	else if (words->count == 3 && slice_is_nocase(words->at[1], "job"))
		admin_show_job(p, peer, words);
	else if (words->count == 3 && slice_is_nocase(words->at[1], "policy"))
		admin_show_policy(p, peer, words);
	else if (words->count == 2 && slice_is_nocase(words->at[1], "plugins"))
		report_plugins(p, peer);
	else if (words->count == 2 && slice_is_nocase(words->at[1], "options"))
		show_options(p, peer, words);
	else if (words->count == 2 && slice_is_nocase(words->at[1], "running"))
		listing_start(p, peer, LIST_RUNNING);
	else if (words->count == 2 && slice_is_nocase(words->at[1], "cron"))
		cron_report(p, peer);
	else if (words->count == 2 && slice_is_nocase(words->at[1], "functions"))
		listing_start(p, peer, LIST_FUNCTIONS);
	else if (words->count == 1)
		unknown_command(p, peer, words->at[0]);
	else
		admin_say(p, peer, "ERR UNKNOWN_SHOW_ARGUMENTS\r\n");
}

/* VERB job HANDLE, where nothing may stand behind the handle. */
static PROC void
do_with_job(struct proc *p, struct peer *peer, const struct words *words, unsigned most, command_f *run)
{
	if (words->count < 3 || words->count > most || !slice_is_nocase(words->at[1], "job"))
		admin_incomplete(p, peer, words);
	else
		run(p, peer, words);
}

static PROC void
do_kick(struct proc *p, struct peer *peer, const struct words *words)
{
	if (words->count == 3 && slice_is_nocase(words->at[1], "job"))
		admin_kick_job(p, peer, words);
	else
		do_kick_function(p, peer, words);
}

static PROC void
do_bury(struct proc *p, struct peer *peer, const struct words *words)
{
	do_with_job(p, peer, words, 3, admin_bury_job);
}

static PROC void
do_retry(struct proc *p, struct peer *peer, const struct words *words)
{
	do_with_job(p, peer, words, 4, admin_retry_job);
}

static PROC void
do_follow(struct proc *p, struct peer *peer, const struct words *words)
{
	if (words->count == 2 && slice_is_nocase(words->at[1], "next"))
		admin_follow_next(p, peer);
	else
		do_with_job(p, peer, words, 3, admin_follow_job);
}

static PROC void
do_unfollow(struct proc *p, struct peer *peer, const struct words *words)
{
	do_with_job(p, peer, words, 3, admin_unfollow_job);
}

static PROC void
do_cancel(struct proc *p, struct peer *peer, const struct words *words)
{
	struct job *job;

	if (words->count == 4 && slice_is_nocase(words->at[1], "unique")) {
		do_cancel_unique(p, peer, words);
		return;
	}
	if (words->count < 3) {
		unknown_command(p, peer, words->at[0]);
		return;
	}
	if (words->count > 3 || !slice_is_nocase(words->at[1], "job")) {
		admin_say(p, peer, "ERR UNKNOWN_ERROR\r\n");
		return;
	}
	job = admin_job(p, peer, words);
	if (job != NULL)
		admin_cancel(p, peer, job);
}

static PROC void
do_create(struct proc *p, struct peer *peer, const struct words *words)
{
	struct func *func;

	if (words->count != 3 || !slice_is_nocase(words->at[1], "function")) {
		admin_incomplete(p, peer, words);
		return;
	}
	func = admin_func(p, peer, words->at[2]);
	if (func == NULL)
		return;
	func->kept = true;
	list_remove(&func->in_idle);
	admin_say(p, peer, "OK\r\n");
}

/* Case is ignored here and nowhere else, as in 1.1; each function that matches has its line. */
static PROC void
do_drop(struct proc *p, struct peer *peer, const struct words *words)
{
	if (words->count != 3 || !slice_is_nocase(words->at[1], "function"))
		admin_incomplete(p, peer, words);
	else
		listing_drop(p, peer, words->at[2]);
}

static uint64_t
limit_of(struct slice word)
{
	int64_t value;

	return slice_to_i64_lenient(word, &value) && value > 0 ? (uint64_t)value : 0;
}

/* One number is for all priorities; several are high, normal, low; what is not said is no limit. */
static PROC void
do_maxqueue(struct proc *p, struct peer *peer, const struct words *words)
{
	struct func *func;
	bool limited = false;

	if (words->count < 2) {
		admin_incomplete(p, peer, words);
		return;
	}
	func = admin_func(p, peer, words->at[1]);
	if (func == NULL)
		return;
	for (unsigned i = 0; i < PRIORITIES; i++) {
		unsigned at = words->count == 3 ? 2 : 2 + i;

		func->max[i] = at < words->count ? limit_of(words->at[at]) : 0;
		limited = limited || func->max[i] > 0;
	}
	if (limited) {
		func->kept = true;
		list_remove(&func->in_idle);
	}
	admin_say(p, peer, "OK\r\n");
}

static PROC void
say_value(struct proc *p, struct peer *peer, const char *value)
{
	struct buf out = { 0 };

	buf_add_str(&out, "OK ");
	buf_add_str(&out, value);
	buf_add_char(&out, '\n');
	reply_text(p, peer, &out);
}

static PROC void
do_getpid(struct proc *p, struct peer *peer, const struct words *words)
{
	struct buf out = { 0 };

	(void)words;
	buf_add_str(&out, "OK ");
	buf_add_i64(&out, p->cfg.pid);
	buf_add_char(&out, '\n');
	reply_text(p, peer, &out);
}

static PROC void
do_verbose(struct proc *p, struct peer *peer, const struct words *words)
{
	(void)words;
	say_value(p, peer, p->cfg.verbose);
}

static PROC void
do_version(struct proc *p, struct peer *peer, const struct words *words)
{
	(void)words;
	say_value(p, peer, p->cfg.version);
}

static PROC void
do_whoami(struct proc *p, struct peer *peer, const struct words *words)
{
	(void)words;
	report_whoami(p, peer);
}

/* Whose own job a command may be about: then it needs no right beside. */
enum own { OWN_NOT, OWN_WORKER, OWN_SUBMITTER };

/* clang-format off */
static const struct command {
	const char *word;
	command_f *run;
	enum access_right right;
	enum own own;
} commands[] = {
	{ "status", do_status, ACCESS_SEE, OWN_NOT },
	{ "prioritystatus", do_prioritystatus, ACCESS_SEE, OWN_NOT },
	{ "workers", do_workers, ACCESS_SEE, OWN_NOT },
	{ "show", do_show, ACCESS_SEE, OWN_SUBMITTER },
	{ "cancel", do_cancel, ACCESS_MANAGE, OWN_WORKER },
	{ "create", do_create, ACCESS_ADMIN, OWN_NOT },
	{ "drop", do_drop, ACCESS_ADMIN, OWN_NOT },
	{ "maxqueue", do_maxqueue, ACCESS_ADMIN, OWN_NOT },
	{ "getpid", do_getpid, ACCESS_SEE, OWN_NOT },
	{ "verbose", do_verbose, ACCESS_SEE, OWN_NOT },
	{ "version", do_version, ACCESS_NOTHING, OWN_NOT },
	{ "counters", do_counters, ACCESS_SEE, OWN_NOT }, /* ours, and all below */
	{ "queue", do_queue, ACCESS_SEE, OWN_NOT },
	{ "metrics", do_metrics, ACCESS_SEE, OWN_NOT },
	{ "pause", do_pause, ACCESS_MANAGE, OWN_NOT },
	{ "resume", do_resume, ACCESS_MANAGE, OWN_NOT },
	{ "kick", do_kick, ACCESS_MANAGE, OWN_NOT },
	{ "bury", do_bury, ACCESS_MANAGE, OWN_WORKER },
	{ "retry", do_retry, ACCESS_MANAGE, OWN_WORKER },
	{ "follow", do_follow, ACCESS_MANAGE, OWN_SUBMITTER },
	{ "unfollow", do_unfollow, ACCESS_MANAGE, OWN_SUBMITTER },
	{ "purge", do_purge, ACCESS_MANAGE, OWN_NOT },
	{ "peek", do_peek, ACCESS_MANAGE, OWN_NOT },
	{ "whoami", do_whoami, ACCESS_NOTHING, OWN_NOT },
};
/* clang-format on */

/* A worker may say what is to become of a job that it has.  Who may submit a job may see it and hear of it, as by
 * joining it, and of one that is gone that it is. */
static PROC bool
is_own(struct proc *p, struct peer *peer, enum own own, const struct words *words)
{
	bool is_job = words->count >= 3 && slice_is_nocase(words->at[1], "job");
	const struct job *job = is_job ? job_find(p, words->at[2]) : NULL;
	const struct ended *ended = is_job && job == NULL ? ended_find(p, words->at[2]) : NULL;

	if (own == OWN_WORKER)
		return job != NULL && job->extra->worker == peer;
	if (own != OWN_SUBMITTER)
		return false;
	if (ended != NULL)
		return may_submit(p, peer, ended->function, NULL);
	if (job == NULL)
		return (is_job || (words->count == 2 && slice_is_nocase(words->at[1], "next"))) &&
		       may_submit_some(peer);
	return may_submit(p, peer, func_name(job->func), job->func);
}

static PROC bool
may_command(struct proc *p, struct peer *peer, const struct command *command, const struct words *words)
{
	if (has_right(peer, command->right) || is_own(p, peer, command->own, words))
		return true;
	refuse_command(p, peer, command->right, slice_str(command->word));
	return false;
}

void
on_text(struct proc *p, struct peer *peer, struct msg_packet *packet)
{
	struct words words;

	words_split(packet->pkt.data, &words);
	if (words.count > WORDS_MAX) {
		admin_say(p, peer, "ERR INVALID_ARGUMENTS Too+many+arguments\r\n");
		return;
	}
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		if (slice_is_nocase(words.at[0], commands[i].word)) {
			if (may_command(p, peer, &commands[i], &words))
				commands[i].run(p, peer, &words);
			return;
		}
	}
	unknown_command(p, peer, words.at[0]);
}
