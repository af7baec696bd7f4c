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
#include "mgmt/serving.h"
#include "mgmt/settings.h"

static bool
is_passed(const struct bind_plan *p, const char *name)
{
	for (unsigned i = 0; i < p->passed->count; i++)
		if (strcmp(p->passed->at[i].name, name) == 0)
			return true;
	return false;
}

/* Sockets that a service manager holds open for us, by the name of what is spoken; all others are for gear. */
static struct serving_place *
place_of_passed(const struct bind_plan *p, const char *name)
{
	for (unsigned i = 1; i < p->serving->count; i++)
		if (strcmp(p->serving->at[i]->passed_name, name) == 0)
			return p->serving->at[i];
	return p->serving->at[0];
}

bool
bind_passed(struct listeners *ls, const struct bind_plan *p, struct gearmand_error *err)
{
	for (unsigned i = 0; i < p->passed->count; i++) {
		struct serving_place *place = place_of_passed(p, p->passed->at[i].name);

		if (!listeners_take(ls, p->passed->at[i].fd, place, err))
			return false;
	}
	return true;
}

/* A place for which a socket was passed has all that it needs. */
static bool
bind_missing(struct listeners *ls, const struct bind_plan *p, struct gearmand_error *err)
{
	for (unsigned i = 0; i < p->serving->count; i++) {
		struct serving_place *place = p->serving->at[i];

		if (i == 0 ? listeners_has(ls, &place->service) || listeners_has(ls, place->on_unix)
			   : is_passed(p, place->passed_name))
			continue;
		if (!listeners_bind(ls, place, (int)p->settings->backlog, err))
			return false;
	}
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
		log_post(GEARMAND_LOG_NOTICE, "Listening on %s (%s)", listener_name(&ls->at[i]).text,
		    ls->at[i].service->name);
	return true;
}
