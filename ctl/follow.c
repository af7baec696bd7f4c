/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `follow`: what becomes of a job that is there already, until it ends.
 *
 * Runs on:  the only thread.
 * Owns:     nothing beside its link.
 *
 * Of several servers each is asked until one knows the job.
 */
#include <string.h>

#include "ask.h"
#include "base/check.h"
#include "base/mem.h"
#include "options.h"
#include "result.h"
#include "runs.h"

struct follow {
	struct result result;
	const char *handle;
	bool unknown; /* to this server */
};

static bool
why_begins(const struct follow *f, const char *with)
{
	return strncmp(f->result.link.why, with, strlen(with)) == 0;
}

/* The answer to the command; packets follow.  A job that has ended well is no failure where its result is not kept. */
static enum link_verdict
follow_line(struct result *r, struct slice in, size_t *used)
{
	struct follow *f = CONTAINER_OF(r, struct follow, result);
	struct answer answer = { .shape = ANSWER_VALUE };
	struct slice line;
	size_t n;
	enum answer_verdict got = answer_next(&answer, in, &n, &line);

	if (got == ANSWER_MORE)
		return TAKE_MORE;
	*used += n;
	if (got == ANSWER_ERR) {
		ask_keep_refusal(&r->link, line);
		f->unknown = why_begins(f, "UNKNOWN_JOB");
		r->failed = !why_begins(f, "NOT_KEPT");
		return TAKE_DONE;
	}
	if (got != ANSWER_ROW)
		return result_is_bad(r);
	r->take_line = NULL;
	r->handle = mem_dup(f->handle, strlen(f->handle));
	link_wait_forever(&r->link);
	return TAKE_PROGRESS;
}

static bool
make_request(struct buf *out, const char *handle)
{
	result_ask_exceptions(out);
	buf_add_str(out, "follow job");
	if (!ask_add_word(out, handle))
		return false;
	buf_add_str(out, "\r\n");
	return true;
}

/* A server that does not know it is told of when none does. */
static int
follow_at(const struct options *o, unsigned at, char *handle, const struct buf *request, bool *known_r)
{
	struct follow f = { .result = { .shows_progress = true, .take_line = follow_line }, .handle = handle };
	int status;

	buf_add_slice(&f.result.link.out, buf_slice(request));
	link_start(&f.result.link, &o->targets.at[at], o->timeout, result_take);
	while (links_turn((struct link *[]){ &f.result.link }, 1, -1, 0))
		;
	status = result_status(&f.result);
	*known_r = f.result.link.reached && !f.unknown;
	if (f.result.link.why[0] != '\0' && (!f.unknown || at + 1 == o->targets.count))
		report(f.result.link.target, f.result.link.why);
	result_fini(&f.result);
	return status;
}

int
follow_run(const struct options *o, const struct command *c, char **words, unsigned count)
{
	struct buf request = { 0 };
	int status = CTL_USAGE, worst = 0;
	bool known = false;

	(void)c;
	(void)count;
	if (make_request(&request, words[0])) {
		for (unsigned i = 0; i < o->targets.count && !known; i++) {
			status = follow_at(o, i, words[0], &request, &known);
			worst = status > worst ? status : worst;
		}
		status = known ? status : worst;
	}
	buf_fini(&request);
	return status;
}
