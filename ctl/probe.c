/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `ping` and `health`: does a server answer, and is it well?
 *
 * Runs on:  the only thread.
 * Owns:     what each server said.
 */
#include <stdlib.h>
#include <time.h>

#include "ask.h"
#include "base/check.h"
#include "base/mem.h"
#include "options.h"
#include "runs.h"
#include "table.h"
#include "wire/packet.h"

/* ---- ping: an ECHO_REQ and its answer */

struct ping {
	struct link link;
	int64_t started, took; /* microseconds */
};

static const char ping_data[] = "gearmanctl";

static int64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static enum link_verdict
ping_take(struct link *link)
{
	struct ping *ping = CONTAINER_OF(link, struct ping, link);
	struct slice in = buf_slice(&link->in), want = slice_of(ping_data, sizeof ping_data);
	struct pkt_head head;
	enum pkt_verdict verdict = pkt_head_parse(in, &head);

	if (verdict == PKT_MORE)
		return TAKE_MORE;
	if (verdict == PKT_OK && head.is_response && head.type == PKT_ECHO_RES && head.size == want.len) {
		if (in.len < PKT_HEAD + want.len)
			return TAKE_MORE;
		if (slice_eq(slice_of(in.data + PKT_HEAD, want.len), want)) {
			ping->took = now_us() - ping->started;
			return TAKE_DONE;
		}
	}
	link_fail(link, "this is not the answer of a Gearman server");
	return TAKE_BAD;
}

static void
ping_start(struct ping *ping, const struct target *target, int64_t timeout)
{
	pkt_head_write(buf_room(&ping->link.out, PKT_HEAD), false, PKT_ECHO_REQ, sizeof ping_data);
	ping->link.out.len += PKT_HEAD;
	buf_add(&ping->link.out, ping_data, sizeof ping_data);
	ping->started = now_us();
	link_start(&ping->link, target, timeout, ping_take);
}

static int
ping_report(const struct ping *ping, struct table *table)
{
	struct buf text = { 0 };

	if (ping->link.state == LINK_FAILED) {
		report(ping->link.target, ping->link.why);
		return CTL_FAILED;
	}
	buf_add_i64(&text, ping->took);
	table_row(table, ping->link.target->name, (struct slice[]){ buf_slice(&text) });
	buf_fini(&text);
	return CTL_OK;
}

int
ping_run(const struct options *o, const struct command *c, char **words, unsigned count)
{
	unsigned n = o->targets.count;
	struct ping *pings = mem_new(n * sizeof *pings);
	struct link **links = mem_new(n * sizeof *links);
	struct table *table = table_for(o, c);
	int worst = CTL_OK;

	(void)words;
	(void)count;
	for (unsigned i = 0; i < n; i++) {
		links[i] = &pings[i].link;
		ping_start(&pings[i], &o->targets.at[i], o->timeout);
	}
	while (links_turn(links, n, -1, 0))
		;
	for (unsigned i = 0; i < n; i++) {
		int status = ping_report(&pings[i], table);

		worst = status > worst ? status : worst;
		link_fini(&pings[i].link);
	}
	table_free(&table);
	mem_free(links);
	mem_free(pings);
	return worst;
}

/* ---- health: what `queue` says.  A gearmand 1.1 does not know it, and is well when it says so. */

struct health {
	char state[32], error[128];
};

static void
keep_text(char *to, size_t room, struct slice text)
{
	size_t len = text.len < room - 1 ? text.len : room - 1;

	memcpy(to, text.data, len);
	to[len] = '\0';
}

struct healths {
	const struct ask *asks;
	struct health *of; /* one for each of asks */
};

static void
on_queue_row(void *user, const struct ask *ask, const struct slice *cells)
{
	struct healths *all = user;
	struct health *health = &all->of[ask - all->asks];

	if (slice_is(cells[0], "state"))
		keep_text(health->state, sizeof health->state, cells[1]);
	else if (slice_is(cells[0], "last_error"))
		keep_text(health->error, sizeof health->error, cells[1]);
}

static int
health_report(const struct ask *ask, const struct health *health, struct table *table)
{
	static const char *const good[] = { "none", "well", "slow" };
	const char *state = ask->refused || health->state[0] == '\0' ? "answers" : health->state;
	bool is_good = strcmp(state, "answers") == 0;
	char why[256];

	if (ask->link.state == LINK_FAILED) {
		report(ask->link.target, ask->link.why);
		return CTL_FAILED;
	}
	table_row(table, ask->link.target->name, (struct slice[]){ slice_str(state) });
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		is_good = is_good || strcmp(state, good[i]) == 0;
	if (is_good)
		return CTL_OK;
	snprintf(why, sizeof why, "the queue is %s%s%s", state, health->error[0] == '\0' ? "" : ": ", health->error);
	report(ask->link.target, why);
	return CTL_REFUSED;
}

int
health_run(const struct options *o, const struct command *c, char **words, unsigned count)
{
	unsigned n = o->targets.count, used;
	const struct command *queue = command_find((char *[]){ (char[]){ "queue" } }, 1, &used);
	struct ask *asks = mem_new(n * sizeof *asks);
	struct healths all = { asks, mem_new(n * sizeof *all.of) };
	struct table *table = table_for(o, c);
	int worst = CTL_OK;

	(void)words;
	(void)count;
	CHECK(queue != NULL);
	asks_start(asks, &o->targets, queue, queue->text, o->timeout, on_queue_row, &all);
	while (asks_turn(asks, n, -1, 0))
		;
	for (unsigned i = 0; i < n; i++) {
		int status = health_report(&asks[i], &all.of[i], table);

		worst = status > worst ? status : worst;
	}
	table_free(&table);
	asks_fini(asks, n);
	mem_free(asks);
	mem_free(all.of);
	return worst;
}
