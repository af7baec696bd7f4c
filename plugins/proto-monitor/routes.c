/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is where.  Most routes are a command for the core and a function that makes an answer of what it says.
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     nothing.
 */
#include "monitor.h"

#define FUNCTION "/api/functions/*"
#define JOB      "/api/jobs/*"

/* In a path, '*' stands for one part that is not empty.  In a command, "*" is that part, decoded, and "?NAME" the
 * parameter, if there is one; with '~' in front they are patterns, and "~?NAME" without a parameter is "*". */
/* clang-format off */
static const struct mon_route routes[] = {
	{ .method = MON_GET, .path = "/", .serve = mon_answer_page },
	{ .method = MON_GET, .path = "/healthz", .command = "version", .on_answer = mon_on_alive, .ms = MON_HEALTH_MS },
	{ .method = MON_GET, .path = "/readyz", .command = "queue", .on_answer = mon_on_ready, .ms = MON_HEALTH_MS, .serve = mon_serve_readiness },
	{ .method = MON_GET, .path = "/metrics", .command = "metrics", .on_answer = mon_on_metrics },
	{ .method = MON_GET, .path = "/metrics/functions", .command = "metrics ~?function buckets", .on_answer = mon_on_function_metrics },
	{ .method = MON_GET, .path = "/api/openapi.json", .serve = mon_serve_openapi },
	{ .method = MON_GET, .path = "/api/status", .command = "metrics \x01", .on_answer = mon_on_status, .first = "whoami" },
	{ .method = MON_GET, .path = "/api/functions", .command = "metrics ~?match", .on_answer = mon_on_functions },
	{ .method = MON_GET, .path = FUNCTION, .command = "metrics ~*", .on_answer = mon_on_function, .first = "show policy *" },
	{ .method = MON_GET, .path = FUNCTION "/jobs", .command = "peek * ?state ?limit", .on_answer = mon_on_rows,
		.fields = "jobs handle unique priority age:n attempts:n bytes:n data numerator:n denominator:n worker error" },
	{ .method = MON_GET, .path = JOB, .command = "show job *", .on_answer = mon_on_facts,
		.fields = "background stored bytes attempts clients numerator denominator due dead_since started ended result_bytes" },
	{ .method = MON_GET, .path = JOB "/data", .command = "peek job *", .on_answer = mon_on_data },
	{ .method = MON_GET, .path = "/api/workers", .command = "workers", .on_answer = mon_on_workers },
	{ .method = MON_GET, .path = "/api/running", .command = "show running", .on_answer = mon_on_rows,
		.fields = "running handle function fd:n address worker age:n attempts:n numerator:n denominator:n" },
	{ .method = MON_GET, .path = "/api/modules", .command = "show plugins", .on_answer = mon_on_rows, .fields = "modules name kind version file used" },
	{ .method = MON_GET, .path = "/api/options", .command = "show options", .on_answer = mon_on_rows, .fields = "options name value source" },
	{ .method = MON_GET, .path = "/api/dead", .command = "show dead ?function", .on_answer = mon_on_rows,
		.fields = "dead handle function unique attempts:n since:n bytes:n error" },
	{ .method = MON_GET, .path = "/api/store", .command = "queue", .on_answer = mon_on_facts,
		.fields = "since commit_seconds waiting_adds waiting_removes waiting_bytes" },
	{ .method = MON_GET, .path = "/api/history", .serve = mon_serve_history },
	{ .method = MON_GET, .path = "/api/events", .command = "metrics", .on_answer = mon_on_events, .serve = mon_serve_events, .first = "whoami" },
	{ .method = MON_POST, .path = FUNCTION "/pause", .command = "pause * ?seconds", .on_answer = mon_on_done },
	{ .method = MON_POST, .path = FUNCTION "/resume", .command = "resume *", .on_answer = mon_on_done },
	{ .method = MON_POST, .path = FUNCTION "/purge", .command = "purge * ?state", .on_answer = mon_on_done },
	{ .method = MON_POST, .path = FUNCTION "/kick", .command = "kick * ?count", .on_answer = mon_on_done },
	{ .method = MON_POST, .path = JOB "/cancel", .command = "cancel job *", .on_answer = mon_on_done },
	{ .method = MON_POST, .path = JOB "/kick", .command = "kick job *", .on_answer = mon_on_done },
	{ .method = MON_POST, .path = JOB "/bury", .command = "bury job *", .on_answer = mon_on_done },
	{ .method = MON_POST, .path = JOB "/retry", .command = "retry job * ?seconds", .on_answer = mon_on_done },
};
/* clang-format on */

/* ---- Commands --------------------------------------------------------------------------------------- */

/* Spaces part words, and LF would end the line. */
static bool
is_one_word(struct gearmand_slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.data[i] <= ' ' || s.data[i] == 0x7f)
			return false;
	return s.len > 0;
}

/* In a pattern such bytes are written '?'. */
static void
add_pattern(struct gm_bytes *command, struct gearmand_slice s)
{
	for (size_t i = 0; i < s.len; i++)
		gm_add(command, (unsigned char)s.data[i] <= ' ' || s.data[i] == 0x7f ? "?" : &s.data[i], 1);
	if (s.len == 0)
		gm_add(command, "*", 1);
}

/* One word of a route's command; false: refused. */
static bool
add_word(struct mon_conn *c, struct gm_bytes *command, const char *word)
{
	struct gm_bytes value = { .len = 0 };
	bool is_pattern = word[0] == '~', good = true;
	const char *name = word + is_pattern;
	bool is_name = name[0] == '*', is_parameter = name[0] == '?';

	if (!is_name && !is_parameter) {
		gm_add_text(command, word);
		return true;
	}
	if (is_name)
		gm_add_slice(&value, gm_bytes_slice(&c->name));
	else
		good = mon_parameter(&c->request, name + 1, &value);
	if (!good)
		mon_refuse(c, 400, "a parameter has an escape that is malformed or means NUL");
	else if (is_pattern)
		add_pattern(command, gm_bytes_slice(&value));
	else if (is_one_word(gm_bytes_slice(&value)))
		gm_add_slice(command, gm_bytes_slice(&value));
	else if (value.len > 0) {
		good = false;
		mon_refuse(c, 400, "a name with spaces or control characters cannot be said in a command");
	}
	gm_bytes_free(&value);
	return good;
}

static void
ask_words(struct mon_conn *c, const char *text, void (*on_answer)(struct mon_conn *, struct gearmand_slice))
{
	struct gm_bytes command = { .len = 0 };
	char words[64], *rest = words, *word;
	bool good = true;

	snprintf(words, sizeof(words), "%s", text);
	while (good && (word = strsep(&rest, " ")) != NULL) {
		if (command.len > 0 && command.data[command.len - 1] != ' ')
			gm_add(&command, " ", 1);
		good = add_word(c, &command, word);
	}
	while (command.len > 0 && command.data[command.len - 1] == ' ')
		command.len--;
	if (good)
		mon_ask(c, gm_bytes_slice(&command), c->route->ms == 0 ? MON_CORE_MS : c->route->ms, on_answer);
	gm_bytes_free(&command);
}

static void
on_first(struct mon_conn *c, struct gearmand_slice answer)
{
	gm_add_slice(&c->first, answer);
	ask_words(c, c->route->command, c->route->on_answer);
}

void
mon_ask_route(struct mon_conn *c)
{
	bool can_say = strchr(c->route->first == NULL ? "" : c->route->first, '*') == NULL ||
		       is_one_word(gm_bytes_slice(&c->name));

	if (c->route->first != NULL && c->first.len == 0 && can_say)
		ask_words(c, c->route->first, on_first);
	else
		ask_words(c, c->route->command, c->route->on_answer);
}

/* ---- Which ------------------------------------------------------------------------------------------ */

/* The part of the path that '*' stands for goes to `part_r`. */
static bool
path_matches(const char *pattern, struct gearmand_slice path, struct gearmand_slice *part_r)
{
	const char *star = strchr(pattern, '*');
	size_t before = star == NULL ? 0 : (size_t)(star - pattern), after;

	if (star == NULL)
		return gm_is(path, pattern);
	after = strlen(star + 1);
	if (path.len <= before + after || memcmp(path.data, pattern, before) != 0 ||
	    memcmp(path.data + path.len - after, star + 1, after) != 0)
		return false;
	*part_r = (struct gearmand_slice){ path.data + before, path.len - before - after };
	return !gm_has_byte(*part_r, '/');
}

static void
serve(struct mon_conn *c, struct gearmand_slice part)
{
	const char *phase = mon_host(c)->phase();

	/* While jobs come from the store they are not to be touched. */
	if (c->route->method == MON_POST && strcmp(phase, "serving") != 0 && strcmp(phase, "draining") != 0)
		mon_refuse(c, 503, phase);
	else if (!mon_decode(part, &c->name))
		mon_refuse(c, 400, "the path has an escape that is malformed or means NUL");
	else if (c->route->serve != NULL)
		c->route->serve(c);
	else
		mon_ask_route(c);
}

/* The module's own connection: a question each second, of which nobody is told. */
const struct mon_route mon_own_route = { .command = "metrics \x01", .on_answer = mon_on_second };

void
mon_route(struct mon_conn *c)
{
	unsigned methods = 0;

	for (size_t i = 0; i < GM_COUNT(routes); i++) {
		struct gearmand_slice part = { NULL, 0 };

		if (!path_matches(routes[i].path, c->request.path, &part))
			continue;
		methods |= routes[i].method;
		if (routes[i].method != c->request.method)
			continue;
		c->route = &routes[i];
		serve(c, part);
		return;
	}
	if (methods == 0)
		mon_refuse(c, 404, "there is nothing here");
	else
		mon_refuse(c, 405,
		    methods == MON_GET ? "the methods served here are GET and HEAD" : "the method served here is POST");
}
