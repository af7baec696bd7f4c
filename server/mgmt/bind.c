/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which sockets the server listens on: those that it was passed, and the addresses of settings and modules for the
 * rest.
 *
 * Runs on:  main thread at start-up.
 * Owns:     nothing; sockets go to the listeners.
 */
#include "mgmt/bind.h"

#include <string.h>

#include "cross/log.h"
#include "cross/service.h"
#include "mgmt/listen.h"
#include "mgmt/notify.h"
#include "mgmt/plugins.h"
#include "mgmt/settings.h"

/* Those that a service manager holds open for us, by the name of what is spoken; else for gear. */
bool
bind_passed(struct listeners *ls, const struct bind_plan *p, struct gearmand_error *err)
{
	for (unsigned i = 0; i < p->passed->count; i++) {
		const struct service *service = &p->services[0];

		for (unsigned s = 1; s < p->service_count; s++)
			if (strcmp(p->services[s].name, p->passed->at[i].name) == 0)
				service = &p->services[s];
		if (!listeners_take(ls, p->passed->at[i].fd, service, err))
			return false;
	}
	return true;
}

static bool
bind_module(
    struct listeners *ls, const struct bind_plan *plan, const struct service *service, struct gearmand_error *err)
{
	const struct plugin *p = plugins_find(plan->plugins, GEARMAND_KIND_PROTOCOL, service->name);

	for (unsigned i = 0; i < p->listen_count; i++) {
		struct listen_want want = { service, &p->listens[i].address, 1, p->listens[i].port,
			(int)plan->settings->backlog };

		if (!listeners_bind(ls, &want, err))
			return false;
	}
	return true;
}

static bool
bind_missing(struct listeners *ls, const struct bind_plan *p, struct gearmand_error *err)
{
	const struct settings *s = p->settings;
	struct listen_want gear = { &p->services[0], s->listen.at, s->listen.count, s->port, (int)s->backlog };

	if (!listeners_has(ls, gear.service) && !listeners_bind(ls, &gear, err))
		return false;
	for (unsigned i = 1; i < p->service_count; i++)
		if (!listeners_has(ls, &p->services[i]) && !bind_module(ls, p, &p->services[i], err))
			return false;
	return true;
}

bool
bind_rest(struct listeners *ls, const struct bind_plan *p, struct gearmand_error *err)
{
	unsigned before = ls->count;

	if (!bind_missing(ls, p, err)) {
		listeners_cut(ls, before);
		return false;
	}
	for (unsigned i = 0; i < ls->count; i++)
		log_post(
		    GEARMAND_LOG_INFO, "Listening on %s (%s)", listener_name(&ls->at[i]).text, ls->at[i].service->name);
	return true;
}
