/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a server sends of a job, as it comes.
 *
 * Runs on:  the only thread.
 * Owns:     the link and the handle, see result.h; of a result no more than a read is in memory.
 */
#include "result.h"

#include <stdio.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "options.h"
#include "text.h"
#include "wire/packet.h"

/* A packet that is no result must be whole before it is looked at, and is short. */
enum { SHORT_BODY_MAX = 65536 };

void
result_ask_exceptions(struct buf *out)
{
	static const char exceptions[] = "exceptions";

	pkt_head_write(buf_room(out, PKT_HEAD), false, PKT_OPTION_REQ, sizeof exceptions - 1);
	out->len += PKT_HEAD;
	buf_add_str(out, exceptions);
}

static void
print_data(uint32_t type, struct slice data)
{
	FILE *to = type == PKT_WORK_DATA || type == PKT_WORK_COMPLETE ? stdout : stderr;
	struct buf shown = { 0 };

	if (isatty(fileno(to))) {
		text_add_shown(&shown, data, true);
		data = buf_slice(&shown);
	}
	if (data.len > 0)
		fwrite(data.data, 1, data.len, to);
	fflush(to);
	buf_fini(&shown);
}

static enum link_verdict
job_failed(struct result *r, const char *sentence)
{
	snprintf(r->link.why, sizeof r->link.why, "%s", sentence);
	r->failed = true;
	return TAKE_DONE;
}

static enum link_verdict
end_of_data(struct result *r)
{
	if (r->left_type == PKT_WORK_COMPLETE)
		return TAKE_DONE;
	if (r->left_type == PKT_WORK_EXCEPTION)
		return job_failed(r, "the worker threw an exception");
	return TAKE_PROGRESS;
}

static enum link_verdict
take_data(struct result *r, struct slice in, size_t *used)
{
	size_t n = in.len < r->left ? in.len : r->left;

	print_data(r->left_type, slice_of(in.data, n));
	*used += n;
	r->left -= (uint32_t)n;
	return r->left == 0 ? end_of_data(r) : TAKE_MORE;
}

enum link_verdict
result_is_bad(struct result *r)
{
	link_fail(&r->link, "this is not the answer of a Gearman server");
	return TAKE_BAD;
}

/* The handle in front of a result, then its data as they come.  There is no result before JOB_CREATED. */
static enum link_verdict
begin_data(struct result *r, const struct pkt_head *head, struct slice body, size_t *used)
{
	size_t seen = body.len < head->size ? body.len : head->size;
	const char *nul = seen == 0 ? NULL : memchr(body.data, '\0', seen <= HANDLE_MAX ? seen : HANDLE_MAX + 1);

	if (r->handle == NULL)
		return result_is_bad(r);
	if (nul == NULL)
		return seen < head->size && seen <= HANDLE_MAX ? TAKE_MORE : result_is_bad(r);
	*used += PKT_HEAD + (size_t)(nul - body.data) + 1;
	r->left = head->size - (uint32_t)(nul - body.data) - 1;
	r->left_type = head->type;
	return r->left == 0 ? end_of_data(r) : TAKE_PROGRESS;
}

static enum link_verdict
take_created(struct result *r, struct slice handle)
{
	if (r->handle != NULL || handle.len == 0)
		return result_is_bad(r);
	r->handle = mem_dup(handle.data, handle.len);
	link_wait_forever(&r->link);
	return r->background ? TAKE_DONE : TAKE_PROGRESS;
}

static enum link_verdict
take_error(struct result *r, const struct pkt *pkt)
{
	char why[sizeof r->link.why];

	snprintf(why, sizeof why, "%.*s: %.*s", pkt->arg[0].len > 64 ? 64 : (int)pkt->arg[0].len, pkt->arg[0].data,
	    pkt->arg[1].len > 160 ? 160 : (int)pkt->arg[1].len, pkt->arg[1].data);
	return job_failed(r, why);
}

static void
print_progress(const struct result *r, const struct pkt *pkt)
{
	struct buf line = { 0 };

	if (!r->shows_progress)
		return;
	text_add_shown(&line, pkt->arg[1], false);
	buf_add_char(&line, '/');
	text_add_shown(&line, pkt->arg[2], false);
	buf_add_char(&line, '\n');
	fwrite(line.data, 1, line.len, stderr);
	buf_fini(&line);
}

static enum link_verdict
take_short(struct result *r, const struct pkt_head *head, struct slice body, size_t *used)
{
	enum wire_error error;
	struct pkt pkt;

	if (head->size > SHORT_BODY_MAX)
		return result_is_bad(r);
	if (body.len < head->size)
		return TAKE_MORE;
	*used += PKT_HEAD + head->size;
	if (!pkt_split(head->type, slice_of(body.data, head->size), &pkt, &error))
		return result_is_bad(r);
	switch (head->type) {
	case PKT_JOB_CREATED:
		return take_created(r, pkt.arg[0]);
	case PKT_WORK_FAIL:
		return r->handle == NULL ? result_is_bad(r) : job_failed(r, "the job failed");
	case PKT_ERROR:
		return take_error(r, &pkt);
	case PKT_WORK_STATUS:
		print_progress(r, &pkt);
		return TAKE_PROGRESS;
	case PKT_OPTION_RES:
		return TAKE_PROGRESS;
	default:
		return result_is_bad(r);
	}
}

static enum link_verdict
take_packet(struct result *r, struct slice in, size_t *used)
{
	struct pkt_head head;
	enum pkt_verdict verdict = pkt_head_parse(in, &head);
	struct slice body;

	if (verdict == PKT_MORE)
		return TAKE_MORE;
	if (verdict == PKT_BAD || !head.is_response)
		return result_is_bad(r);
	body = slice_of(in.data + PKT_HEAD, in.len - PKT_HEAD);
	if (head.type == PKT_WORK_DATA || head.type == PKT_WORK_WARNING || head.type == PKT_WORK_COMPLETE ||
	    head.type == PKT_WORK_EXCEPTION)
		return begin_data(r, &head, body, used);
	return take_short(r, &head, body, used);
}

enum link_verdict
result_take(struct link *link)
{
	struct result *r = CONTAINER_OF(link, struct result, link);
	enum link_verdict verdict = TAKE_PROGRESS;
	size_t taken = 0;

	while (verdict == TAKE_PROGRESS) {
		struct slice rest = slice_of(link->in.data + taken, link->in.len - taken);

		if (rest.len == 0)
			break;
		if (r->left > 0)
			verdict = take_data(r, rest, &taken);
		else if (r->take_line != NULL && rest.data[0] != '\0')
			verdict = r->take_line(r, rest, &taken);
		else
			verdict = take_packet(r, rest, &taken);
	}
	if (taken > 0)
		buf_drop(&link->in, taken);
	return verdict;
}

int
result_status(const struct result *r)
{
	return r->failed ? CTL_REFUSED : r->link.state == LINK_FAILED ? CTL_FAILED : CTL_OK;
}

void
result_fini(struct result *r)
{
	link_fini(&r->link);
	mem_free(r->handle);
	r->handle = NULL;
}
