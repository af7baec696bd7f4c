/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Files read again on SIGHUP, and what modules show; see reload.h.
 *
 * Runs on:  main thread.
 * Owns:     nothing.
 */
#include "reload.h"

#include "cross/log.h"
#include "cross/mbox.h"
#include "cross/msg.h"
#include "mgmt/access_file.h"
#include "mgmt/plugins.h"
#include "mgmt/policy_file.h"
#include "mgmt/settings.h"
#include "wire/policy.h"

void
reload_policies(const struct settings *s, struct mbox *proc)
{
	const char *path = s->policy_file;
	const struct policy base = policy_of_options(s->job_retries, s->status_keep);
	struct gearmand_error err = { .text = "" };
	struct msg_policies *m;
	struct msg *msg;

	if (path == NULL || path[0] == '\0')
		return;
	m = msg_new_sized(MSG_POLICIES, 0, sizeof *m);
	msg = &m->msg;
	m->policies = policy_file_read(path, &base, &err);
	if (m->policies == NULL) {
		log_post(GEARMAND_LOG_ERROR, "%s; the policies stay as they were", err.text);
		msg_free(&msg);
		return;
	}
	log_post(GEARMAND_LOG_NOTICE, "policies read from %s: %zu", path, policies_count(m->policies));
	mbox_post(proc, &msg);
}

void
reload_access(const struct settings *s, const struct plugins *plugins, struct mbox *proc, time_t *read_at)
{
	struct gearmand_error err = { .text = "" };
	const char *path = s->access_file;
	struct access *access;
	struct msg_access *m;
	struct msg *msg;
	char when[32];

	if (path == NULL)
		return;
	access = access_file_load(path, plugins, &err);
	if (access == NULL) {
		strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", localtime(read_at));
		log_post(GEARMAND_LOG_ERROR, "%s; the rules read at %s stay", err.text, when);
		return;
	}
	*read_at = time(NULL);
	m = msg_new_sized(MSG_ACCESS, 0, sizeof *m);
	m->access = access;
	msg = &m->msg;
	mbox_post(proc, &msg);
}

void
reload_shown(struct plugins *plugins, struct mbox *proc)
{
	struct msg_counts *counts = msg_new_sized(MSG_COUNTS, 0, sizeof *counts);
	struct msg *m = &counts->msg;

	if (plugins_take_shown(plugins, counts->by))
		mbox_post(proc, &m);
	else
		msg_free(&m);
}
