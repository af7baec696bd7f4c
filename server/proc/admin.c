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

#include "proc/func.h"
#include "proc/handle.h"
#include "proc/handlers.h"
#include "proc/job.h"
#include "proc/listing.h"
#include "proc/reply.h"
#include "proc/report.h"

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

static PROC void
do_metrics(struct proc *p, struct peer *peer, const struct words *words)
{
	if (words->count > 2)
		admin_incomplete(p, peer, words);
	else
		listing_metrics(p, peer, words->count == 2 ? words->at[1] : slice_str("*"));
}

static PROC void
do_queue(struct proc *p, struct peer *peer, const struct words *words)
{
	(void)words;
	report_queue(p, peer);
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

/* clang-format off */
static const struct {
	const char *word;
	command_f *run;
} commands[] = {
	{ "status", do_status },
	{ "prioritystatus", do_prioritystatus },
	{ "workers", do_workers },
	{ "show", do_show },
	{ "cancel", do_cancel },
	{ "create", do_create },
	{ "drop", do_drop },
	{ "maxqueue", do_maxqueue },
	{ "getpid", do_getpid },
	{ "verbose", do_verbose },
	{ "version", do_version },
	{ "counters", do_counters }, /* ours, and all below */
	{ "queue", do_queue },
	{ "metrics", do_metrics },
	{ "pause", do_pause },
	{ "resume", do_resume },
	{ "kick", do_kick },
	{ "bury", do_bury },
	{ "retry", do_retry },
	{ "follow", do_follow },
	{ "unfollow", do_unfollow },
	{ "purge", do_purge },
	{ "peek", do_peek },
};
/* clang-format on */

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
			commands[i].run(p, peer, &words);
			return;
		}
	}
	unknown_command(p, peer, words.at[0]);
}
