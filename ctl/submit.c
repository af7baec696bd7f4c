/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `submit`: hands a job to a server, and prints its result as it comes.
 *
 * Runs on:  the only thread.
 * Owns:     the packet that is sent; of a result no more than a read is in memory.
 *
 * Of several servers the first one that can be reached gets the job.
 */
#include <errno.h>
#include <unistd.h>

#include "ask.h"
#include "base/check.h"
#include "base/mem.h"
#include "options.h"
#include "runs.h"
#include "table.h"
#include "text.h"
#include "wire/packet.h"

/* A packet that is no result must be whole before it is looked at, and is short. */
enum { READ_AT_ONCE = 65536, SHORT_BODY_MAX = 65536 };

struct submit {
	struct link link;
	const struct options *options;
	bool background;
	char *handle;       /* once it is known */
	uint32_t left;      /* of the data of a result, still to come */
	uint32_t left_type; /* what it is the data of */
	bool failed;        /* the job, or its submission; link.why has a sentence */
};

/* ---- what is sent */

static void
add_arg(struct buf *out, const char *arg)
{
	buf_add(out, arg, strlen(arg) + 1);
}

static bool
add_input(struct buf *out)
{
	ssize_t n;

	while ((n = read(STDIN_FILENO, buf_room(out, READ_AT_ONCE), READ_AT_ONCE)) != 0) {
		if (n < 0 && errno != EINTR) {
			perror("gearmanctl: standard input");
			return false;
		}
		out->len += n > 0 ? (size_t)n : 0;
		if (out->len > UINT32_MAX) {
			fputs("gearmanctl: standard input is longer than a packet can be\n", stderr);
			return false;
		}
	}
	return true;
}

static uint32_t
packet_type(const struct options *o)
{
	static const uint32_t types[2][3] = { { PKT_SUBMIT_JOB_HIGH, PKT_SUBMIT_JOB, PKT_SUBMIT_JOB_LOW },
		{ PKT_SUBMIT_JOB_HIGH_BG, PKT_SUBMIT_JOB_BG, PKT_SUBMIT_JOB_LOW_BG } };

	return o->when > 0 ? PKT_SUBMIT_JOB_EPOCH : types[o->background][o->priority];
}

static bool
make_packet(struct buf *out, const struct options *o, char **words, unsigned count)
{
	static const char exceptions[] = "exceptions";
	size_t head;

	pkt_head_write(buf_room(out, PKT_HEAD), false, PKT_OPTION_REQ, sizeof exceptions - 1);
	out->len += PKT_HEAD;
	buf_add_str(out, exceptions);
	head = out->len;
	buf_room(out, PKT_HEAD);
	out->len += PKT_HEAD;
	add_arg(out, words[0]);
	add_arg(out, o->unique == NULL ? "" : o->unique);
	if (o->when > 0) {
		buf_add_u64(out, o->when);
		buf_add_char(out, '\0');
	}
	if (count > 1)
		buf_add_str(out, words[1]);
	else if (!add_input(out))
		return false;
	pkt_head_write(out->data + head, false, packet_type(o), (uint32_t)(out->len - head - PKT_HEAD));
	return true;
}

/* ---- what comes back */

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
job_failed(struct submit *s, const char *sentence)
{
	snprintf(s->link.why, sizeof s->link.why, "%s", sentence);
	s->failed = true;
	return TAKE_DONE;
}

static enum link_verdict
end_of_data(struct submit *s)
{
	if (s->left_type == PKT_WORK_COMPLETE)
		return TAKE_DONE;
	if (s->left_type == PKT_WORK_EXCEPTION)
		return job_failed(s, "the worker threw an exception");
	return TAKE_PROGRESS;
}

static enum link_verdict
take_data(struct submit *s, struct slice in, size_t *used)
{
	size_t n = in.len < s->left ? in.len : s->left;

	print_data(s->left_type, slice_of(in.data, n));
	*used += n;
	s->left -= (uint32_t)n;
	return s->left == 0 ? end_of_data(s) : TAKE_MORE;
}

static enum link_verdict
no_packet_of_a_server(struct submit *s)
{
	link_fail(&s->link, "this is not the answer of a Gearman server");
	return TAKE_BAD;
}

/* The handle in front of a result, then its data as they come.  There is no result before JOB_CREATED. */
static enum link_verdict
begin_data(struct submit *s, const struct pkt_head *head, struct slice body, size_t *used)
{
	size_t seen = body.len < head->size ? body.len : head->size;
	const char *nul = seen == 0 ? NULL : memchr(body.data, '\0', seen <= HANDLE_MAX ? seen : HANDLE_MAX + 1);

	if (s->handle == NULL)
		return no_packet_of_a_server(s);
	if (nul == NULL)
		return seen < head->size && seen <= HANDLE_MAX ? TAKE_MORE : no_packet_of_a_server(s);
	*used += PKT_HEAD + (size_t)(nul - body.data) + 1;
	s->left = head->size - (uint32_t)(nul - body.data) - 1;
	s->left_type = head->type;
	return s->left == 0 ? end_of_data(s) : TAKE_PROGRESS;
}

static enum link_verdict
take_created(struct submit *s, struct slice handle)
{
	if (s->handle != NULL || handle.len == 0)
		return no_packet_of_a_server(s);
	s->handle = mem_dup(handle.data, handle.len);
	link_wait_forever(&s->link);
	return s->background ? TAKE_DONE : TAKE_PROGRESS;
}

static enum link_verdict
take_error(struct submit *s, const struct pkt *pkt)
{
	char why[sizeof s->link.why];

	snprintf(why, sizeof why, "%.*s: %.*s", pkt->arg[0].len > 64 ? 64 : (int)pkt->arg[0].len, pkt->arg[0].data,
	    pkt->arg[1].len > 160 ? 160 : (int)pkt->arg[1].len, pkt->arg[1].data);
	return job_failed(s, why);
}

static enum link_verdict
take_short(struct submit *s, const struct pkt_head *head, struct slice body, size_t *used)
{
	enum wire_error error;
	struct pkt pkt;

	if (head->size > SHORT_BODY_MAX)
		return no_packet_of_a_server(s);
	if (body.len < head->size)
		return TAKE_MORE;
	*used += PKT_HEAD + head->size;
	if (!pkt_split(head->type, slice_of(body.data, head->size), &pkt, &error))
		return no_packet_of_a_server(s);
	switch (head->type) {
	case PKT_JOB_CREATED:
		return take_created(s, pkt.arg[0]);
	case PKT_WORK_FAIL:
		return s->handle == NULL ? no_packet_of_a_server(s) : job_failed(s, "the job failed");
	case PKT_ERROR:
		return take_error(s, &pkt);
	case PKT_WORK_STATUS:
	case PKT_OPTION_RES:
		return TAKE_PROGRESS;
	default:
		return no_packet_of_a_server(s);
	}
}

static enum link_verdict
take_packet(struct submit *s, struct slice in, size_t *used)
{
	struct pkt_head head;
	enum pkt_verdict verdict = pkt_head_parse(in, &head);
	struct slice body;

	if (verdict == PKT_MORE)
		return TAKE_MORE;
	if (verdict == PKT_BAD || !head.is_response)
		return no_packet_of_a_server(s);
	body = slice_of(in.data + PKT_HEAD, in.len - PKT_HEAD);
	if (head.type == PKT_WORK_DATA || head.type == PKT_WORK_WARNING || head.type == PKT_WORK_COMPLETE ||
	    head.type == PKT_WORK_EXCEPTION)
		return begin_data(s, &head, body, used);
	return take_short(s, &head, body, used);
}

static enum link_verdict
submit_take(struct link *link)
{
	struct submit *s = CONTAINER_OF(link, struct submit, link);
	enum link_verdict verdict = TAKE_PROGRESS;
	size_t taken = 0;

	while (verdict == TAKE_PROGRESS) {
		struct slice rest = slice_of(link->in.data + taken, link->in.len - taken);

		if (rest.len == 0)
			break;
		verdict = s->left > 0 ? take_data(s, rest, &taken) : take_packet(s, rest, &taken);
	}
	if (taken > 0)
		buf_drop(&link->in, taken);
	return verdict;
}

/* ---- the whole */

static int
submit_report(const struct submit *s, const struct command *c)
{
	struct table *table;

	if (s->link.state == LINK_FAILED || s->failed) {
		report(s->link.target, s->link.why);
		return s->failed ? CTL_REFUSED : CTL_FAILED;
	}
	if (s->background) {
		table = table_for(s->options, c);
		table_row(table, s->link.target->name, (struct slice[]){ slice_str(s->handle) });
		table_free(&table);
	}
	return CTL_OK;
}

/* False: it could not be reached, so the next one may be asked. */
static bool
submit_to(struct submit *s, const struct target *target, struct buf *packet)
{
	bool reached;

	s->link.out = *packet;
	*packet = (struct buf){ 0 };
	link_start(&s->link, target, s->options->timeout, submit_take);
	while (links_turn((struct link *[]){ &s->link }, 1, -1, 0))
		;
	reached = s->link.reached;
	if (!reached) {
		*packet = s->link.out;
		s->link.out = (struct buf){ 0 };
	}
	return reached;
}

int
submit_run(const struct options *o, const struct command *c, char **words, unsigned count)
{
	struct submit s = { .options = o, .background = o->background || o->when > 0 };
	struct buf packet = { 0 };
	int status = CTL_USAGE;
	bool done = false;

	if (o->when > 0 && o->priority != PRIORITY_NORMAL)
		fputs("gearmanctl: a job with --when has no --priority\n", stderr);
	else if (make_packet(&packet, o, words, count)) {
		for (unsigned i = 0; i < o->targets.count && !done; i++) {
			done = submit_to(&s, &o->targets.at[i], &packet);
			status = submit_report(&s, c);
			link_fini(&s.link);
		}
	}
	buf_fini(&packet);
	mem_free(s.handle);
	return status;
}
