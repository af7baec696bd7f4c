/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `submit`: hands a job to a server, and prints its result as it comes.
 *
 * Runs on:  the only thread.
 * Owns:     the packet that is sent.
 *
 * Of several servers the first one that can be reached gets the job.
 */
#include <errno.h>
#include <unistd.h>

#include "ask.h"
#include "options.h"
#include "result.h"
#include "runs.h"
#include "table.h"
#include "wire/packet.h"

enum { READ_AT_ONCE = 65536 };

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
	size_t head;

	result_ask_exceptions(out);
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

/* ---- the whole */

static int
submit_report(const struct result *r, const struct options *o, const struct command *c)
{
	int status = result_status(r);
	struct table *table;

	if (status != CTL_OK) {
		report(r->link.target, r->link.why);
	} else if (r->background) {
		table = table_for(o, c);
		table_row(table, r->link.target->name, (struct slice[]){ slice_str(r->handle) });
		table_free(&table);
	}
	return status;
}

/* False: it could not be reached, so the next one may be asked. */
static bool
submit_to(struct result *r, const struct options *o, const struct target *target, struct buf *packet)
{
	bool reached;

	r->link.out = *packet;
	*packet = (struct buf){ 0 };
	link_start(&r->link, target, o->timeout, result_take);
	while (links_turn((struct link *[]){ &r->link }, 1, -1, 0))
		;
	reached = r->link.reached;
	if (!reached) {
		*packet = r->link.out;
		r->link.out = (struct buf){ 0 };
	}
	return reached;
}

int
submit_run(const struct options *o, const struct command *c, char **words, unsigned count)
{
	struct buf packet = { 0 };
	int status = CTL_USAGE;
	bool done = false;

	if (o->when > 0 && o->priority != PRIORITY_NORMAL)
		fputs("gearmanctl: a job with --when has no --priority\n", stderr);
	else if (make_packet(&packet, o, words, count)) {
		for (unsigned i = 0; i < o->targets.count && !done; i++) {
			struct result r = { .background = o->background || o->when > 0 };

			done = submit_to(&r, o, &o->targets.at[i], &packet);
			status = submit_report(&r, o, c);
			result_fini(&r);
		}
	}
	buf_fini(&packet);
	return status;
}
