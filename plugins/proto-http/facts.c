/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the core says of a job, and the same as JSON.
 *
 * Runs on:  any thread; pure functions.
 * Owns:     nothing.
 */
#include "facts.h"

#include "asks.h"
#include "text.h"

enum fact { TEXT, NUMBER, FLAG };

/* The members of the object in their order; one that the core does not tell is null.  docs/openapi.json has the same.
 */
static const struct {
	const char *name;
	enum fact form;
} members[] = {
	{ "handle", TEXT },
	{ "function", TEXT },
	{ "unique", TEXT },
	{ "state", TEXT },
	{ "priority", TEXT },
	{ "background", FLAG },
	{ "stored", FLAG },
	{ "bytes", NUMBER },
	{ "attempts", NUMBER },
	{ "clients", NUMBER },
	{ "numerator", NUMBER },
	{ "denominator", NUMBER },
	{ "due", NUMBER },
	{ "ready_since", NUMBER },
	{ "expires", NUMBER },
	{ "dead_since", NUMBER },
	{ "started", NUMBER },
	{ "ended", NUMBER },
	{ "worker", TEXT },
	{ "worker_address", TEXT },
	{ "error", TEXT },
	{ "result_bytes", NUMBER },
	{ "result_is_cut", FLAG },
};

struct gearmand_slice
web_fact(struct gearmand_slice facts, const char *name)
{
	size_t len = strlen(name);

	while (facts.len > 0) {
		const char *lf = memchr(facts.data, '\n', facts.len);
		size_t n = lf ? (size_t)(lf - facts.data) : facts.len;

		if (n > len && facts.data[len] == '\t' && memcmp(facts.data, name, len) == 0)
			return (struct gearmand_slice){ facts.data + len + 1, n - len - 1 };
		n += lf != NULL;
		facts = (struct gearmand_slice){ facts.data + n, facts.len - n };
	}
	return (struct gearmand_slice){ "", 0 };
}

bool
web_state_lives(struct gearmand_slice state)
{
	return gm_is(state, "storing") || gm_is(state, "delayed") || gm_is(state, "ready") || gm_is(state, "running");
}

static void
add_member(struct gm_bytes *out, enum fact form, struct gearmand_slice value)
{
	uint64_t number;

	if (form == FLAG && value.len > 0)
		gm_add_text(out, gm_is(value, "yes") ? "true" : "false");
	else if (form == NUMBER && web_number_read(value, INT64_MAX, &number))
		gm_addf(out, "%llu", (unsigned long long)number);
	else if (form == TEXT && value.len > 0)
		web_json_string(out, value);
	else
		gm_add_text(out, "null");
}

void
web_facts_json(struct gm_bytes *out, struct gearmand_slice facts, struct gearmand_slice state)
{
	gm_add_text(out, "{");
	for (size_t i = 0; i < GM_COUNT(members); i++) {
		bool is_state = strcmp(members[i].name, "state") == 0;
		struct gearmand_slice value = is_state && state.len > 0 ? state : web_fact(facts, members[i].name);

		web_json_name(out, members[i].name);
		add_member(out, members[i].form, value);
		if (!is_state)
			continue;
		web_json_name(out, "running");
		gm_add_text(out, gm_is(value, "running") ? "true" : "false");
	}
	gm_add_text(out, "}\n");
}

bool
web_is_err(struct gearmand_slice text, struct gearmand_slice *code_r, struct gm_bytes *sentence)
{
	size_t end;

	if (!gm_begins(text, "ERR "))
		return false;
	text = (struct gearmand_slice){ text.data + 4, text.len - 4 };
	while (text.len > 0 && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r'))
		text.len--;
	for (end = 0; end < text.len && text.data[end] != ' ';)
		end++;
	*code_r = (struct gearmand_slice){ text.data, end };
	for (size_t i = end + 1; i < text.len; i++)
		gm_add(sentence, text.data[i] == '+' ? " " : text.data + i, 1);
	return true;
}
