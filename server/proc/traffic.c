/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Connections, bytes, errors and refusals by kind; see traffic.h.
 *
 * Runs on:  processing thread.
 * Owns:     the numbers of the I/O threads.
 */
#include "proc/traffic.h"

#include <string.h>

#include "base/mem.h"

static const char *const codes[CODE_COUNT] = {
#define X(name) #name,
	ERROR_CODES(X)
#undef X
};

static const char *const refusals[REFUSED_COUNT] = {
#define X(name) #name,
	REFUSALS(X)
#undef X
};

static const char *const flow_names[FLOWS] = { "bytes_in", "bytes_out", "packets_in", "packets_out" };

void
traffic_init(struct traffic *t, unsigned io_count)
{
	*t = (struct traffic){ .io_count = io_count };
	t->flows = mem_new(io_count * sizeof *t->flows);
	t->arrivals[t->arrivals_count++] = (struct arrivals){ .protocol = "gear" };
}

void
traffic_fini(struct traffic *t)
{
	mem_free(t->flows);
	t->flows = NULL;
}

static struct arrivals *
arrivals_of(struct traffic *t, const char *protocol, bool is_tls)
{
	struct arrivals *a = t->arrivals;

	for (unsigned i = 0; i < t->arrivals_count; i++, a++)
		if (a->is_tls == is_tls && strcmp(a->protocol, protocol) == 0)
			return a;
	if (t->arrivals_count == ARRIVALS_MAX)
		return a - 1;
	t->arrivals_count++;
	*a = (struct arrivals){ .protocol = protocol, .is_tls = is_tls };
	return a;
}

void
traffic_came(struct traffic *t, const char *protocol, bool is_tls)
{
	struct arrivals *a = arrivals_of(t, protocol, is_tls);

	a->now++;
	a->all++;
}

void
traffic_left(struct traffic *t, const char *protocol, bool is_tls)
{
	arrivals_of(t, protocol, is_tls)->now--;
}

void
traffic_counts(struct traffic *t, const struct msg_counts *counts)
{
	uint64_t *flows;

	t->without_descriptors += counts->without_descriptors;
	if (counts->msg.type == 0 || counts->msg.type > t->io_count)
		return;
	flows = t->flows[counts->msg.type - 1];
	flows[BYTES_IN] += counts->by[STAT_bytes_in];
	flows[BYTES_OUT] += counts->by[STAT_bytes_out];
	flows[PACKETS_IN] += counts->by[STAT_packets_in];
	flows[PACKETS_OUT] += counts->by[STAT_packets_out];
}

void
traffic_error(struct traffic *t, const struct msg_reply *m)
{
	const char *code = m->head + PKT_HEAD;
	size_t len = strnlen(code, m->head_len - PKT_HEAD);

	for (int i = 0; i < CODE_COUNT; i++)
		if (slice_is(slice_of(code, len), codes[i]))
			t->errors[i]++;
}

void
traffic_refused(struct traffic *t, enum refusal why)
{
	t->refused[why]++;
}

static void
add_kind(struct buf *out, const char *name, const char *kind, uint64_t value)
{
	buf_add_str(out, "value\t");
	buf_add_str(out, name);
	buf_add_char(out, '.');
	buf_add_str(out, kind);
	buf_add_char(out, '\t');
	buf_add_u64(out, value);
	buf_add_char(out, '\n');
}

static void
add_arrivals(struct buf *out, const struct arrivals *a)
{
	struct buf kind = { 0 };

	buf_add_str(&kind, a->protocol);
	buf_add(&kind, a->is_tls ? ".1" : ".0", sizeof ".1");
	add_kind(out, "connections_now", kind.data, a->now);
	add_kind(out, "connections", kind.data, a->all);
	buf_fini(&kind);
}

static void
add_flows(struct buf *out, unsigned io, const uint64_t *flows)
{
	struct buf kind = { 0 };

	buf_add_str(&kind, "io-");
	buf_add_u64(&kind, io + 1);
	buf_add_char(&kind, '\0');
	for (int i = 0; i < FLOWS; i++)
		add_kind(out, flow_names[i], kind.data, flows[i]);
	buf_fini(&kind);
}

void
traffic_add(const struct traffic *t, uint64_t refused, struct buf *out)
{
	for (unsigned i = 0; i < t->arrivals_count; i++)
		add_arrivals(out, &t->arrivals[i]);
	add_kind(out, "connections_refused", "limit", refused - t->without_descriptors);
	add_kind(out, "connections_refused", "descriptors", t->without_descriptors);
	for (unsigned i = 0; i < t->io_count; i++)
		add_flows(out, i, t->flows[i]);
	for (int i = 0; i < CODE_COUNT; i++)
		add_kind(out, "errors_sent", codes[i], t->errors[i]);
	for (int i = 0; i < REFUSED_COUNT; i++)
		add_kind(out, "refused", refusals[i], t->refused[i]);
}
