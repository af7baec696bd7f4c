/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What programs ask again and again: health, readiness, metrics.
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     nothing.
 */
#include "exposition.h"
#include "monitor.h"
#include "process.h"
#include "sheet.h"

#define PLAIN "text/plain; charset=utf-8"

void
mon_on_alive(struct mon_conn *c, struct gearmand_slice answer)
{
	(void)answer;
	mon_answer(c, 200, PLAIN, gm_slice("ok\n"));
}

void
mon_serve_readiness(struct mon_conn *c)
{
	const char *phase = mon_host(c)->phase();

	if (strcmp(phase, "serving") != 0)
		mon_refuse(c, 503, phase);
	else
		mon_ask_route(c);
}

/* A store that takes no jobs makes the server unready, and a slow one does not. */
void
mon_on_ready(struct mon_conn *c, struct gearmand_slice answer)
{
	bool is_ill = memmem(answer.data, answer.len, "\nstate\tunwell\n", 14) != NULL ||
		      memmem(answer.data, answer.len, "\nstate\tfull\n", 12) != NULL;

	if (is_ill)
		mon_refuse(c, 503, "store");
	else
		mon_answer(c, 200, PLAIN, gm_slice("ready\n"));
}

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

	if (!mon_read_sheet(c, &sheet, answer))
		return;
	process_read(&process);
	exposition_write(&body, &e);
	atomic_store(&m->scrape_ns, mon_host(c)->monotonic() - c->asked_at);
	mon_answer_bytes(c, exposition_type(e.openmetrics), &body);
	sheet_fini(&sheet);
}

void
mon_on_metrics(struct mon_conn *c, struct gearmand_slice answer)
{
	expose(c, answer, false);
}

void
mon_on_function_metrics(struct mon_conn *c, struct gearmand_slice answer)
{
	expose(c, answer, true);
}
