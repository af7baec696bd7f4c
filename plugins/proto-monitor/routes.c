/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is where: /metrics, /healthz, and who answers it.
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     nothing.
 */
#include "exposition.h"
#include "monitor.h"
#include "process.h"
#include "sheet.h"

#define PLAIN "text/plain; charset=utf-8"

/* ---- Health ----------------------------------------------------------------------------------------- */

static void
on_alive(struct mon_conn *c, struct gearmand_slice answer)
{
	(void)answer;
	mon_answer(c, 200, PLAIN, gm_slice("ok\n"));
}

static void
serve_health(struct mon_conn *c)
{
	mon_ask(c, gm_slice("version"), MON_HEALTH_MS, on_alive);
}

/* A store that takes no jobs makes the server unready, and a slow one does not. */
static void
on_queue(struct mon_conn *c, struct gearmand_slice answer)
{
	bool is_ill = memmem(answer.data, answer.len, "\nstate\tunwell\n", 14) != NULL ||
		      memmem(answer.data, answer.len, "\nstate\tfull\n", 12) != NULL;

	if (is_ill)
		mon_refuse(c, 503, "store");
	else
		mon_answer(c, 200, PLAIN, gm_slice("ready\n"));
}

static void
serve_readiness(struct mon_conn *c)
{
	const char *phase = mon_host(c)->phase();

	if (strcmp(phase, "serving") != 0)
		mon_refuse(c, 503, phase);
	else
		mon_ask(c, gm_slice("queue"), MON_HEALTH_MS, on_queue);
}

/* ---- Metrics ---------------------------------------------------------------------------------------- */

static void
expose(struct mon_conn *c, struct gearmand_slice answer, bool functions_only)
{
	struct mon_module *m = c->module;
	struct gm_bytes body = { .len = 0 };
	struct process process;
	struct sheet sheet;
	struct exposition e = {
		.sheet = &sheet,
		.process = &process,
		.state = mon_host(c)->phase(),
		.max_functions = functions_only ? SIZE_MAX : m->max_functions,
		.last_seconds = (double)atomic_load(&m->scrape_ns) / 1e9,
		.openmetrics = mon_wants_openmetrics(c->request.accept),
		.functions_only = functions_only,
	};

	if (!sheet_read(&sheet, answer)) {
		mon_refuse(c, 503, "the server did not tell its metrics");
	} else {
		process_read(&process);
		exposition_write(&body, &e);
		atomic_store(&m->scrape_ns, mon_host(c)->monotonic() - c->asked_at);
		if (body.failed)
			mon_refuse(c, 503, "out of memory");
		else
			mon_answer(c, 200, exposition_type(e.openmetrics), gm_bytes_slice(&body));
	}
	gm_bytes_free(&body);
	sheet_fini(&sheet);
}

static void
on_metrics(struct mon_conn *c, struct gearmand_slice answer)
{
	expose(c, answer, false);
}

static void
on_function_metrics(struct mon_conn *c, struct gearmand_slice answer)
{
	expose(c, answer, true);
}

static void
serve_metrics(struct mon_conn *c)
{
	mon_ask(c, gm_slice("metrics"), MON_CORE_MS, on_metrics);
}

/* Spaces part words, so in a pattern they are written '?'. */
static void
ask_of_functions(
    struct mon_conn *c, struct gm_bytes *pattern, void (*on_answer)(struct mon_conn *, struct gearmand_slice))
{
	struct gm_bytes command = { .len = 0 };

	gm_add_text(&command, "metrics ");
	gm_add_slice(&command, pattern->len > 0 ? gm_bytes_slice(pattern) : gm_slice("*"));
	for (size_t i = strlen("metrics "); i < command.len; i++)
		if (command.data[i] <= ' ' && command.data[i] >= 0)
			command.data[i] = '?';
	mon_ask(c, gm_bytes_slice(&command), MON_CORE_MS, on_answer);
	gm_bytes_free(&command);
}

static void
serve_function_metrics(struct mon_conn *c)
{
	struct gm_bytes pattern = { .len = 0 };

	if (mon_parameter(&c->request, "function", &pattern))
		ask_of_functions(c, &pattern, on_function_metrics);
	else
		mon_refuse(c, 400, "the parameter function has an escape that is malformed");
	gm_bytes_free(&pattern);
}

/* ---- Which -------------------------------------------------------------------------------------------- */

static const struct {
	enum mon_method method;
	const char *path; /* '*' stands for one part that is not empty */
	void (*serve)(struct mon_conn *);
} routes[] = {
	{ MON_GET, "/", mon_answer_page },
	{ MON_GET, "/healthz", serve_health },
	{ MON_GET, "/readyz", serve_readiness },
	{ MON_GET, "/metrics", serve_metrics },
	{ MON_GET, "/metrics/functions", serve_function_metrics },
};

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
		if (mon_decode(part, &c->name))
			routes[i].serve(c);
		else
			mon_refuse(c, 400, "the path has an escape that is malformed or means NUL");
		return;
	}
	if (methods == 0)
		mon_refuse(c, 404, "there is nothing here");
	else
		mon_refuse(c, 405,
		    methods == MON_GET ? "the methods served here are GET and HEAD" : "the method served here is POST");
}
