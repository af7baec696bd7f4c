/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From settings and modules to services; see serving.h.
 *
 * Runs on:  main thread at start-up.
 * Owns:     the services.
 *
 * Transports are opened first: which of the protocols' own listeners go through one is known before the protocols
 * name them.
 */
#include "mgmt/serving.h"

#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cross/stats.h"
#include "mgmt/fail.h"
#include "mgmt/options.h"
#include "mgmt/plugins.h"
#include "mgmt/settings.h"

bool
serving_is_early(const struct service *service)
{
	return service->protocol != NULL && service->protocol->early;
}

static struct serving_place *
serving_add(struct serving *s)
{
	struct serving_place *place = mem_new(sizeof(*place));

	place->far_end = -1;
	s->at = mem_grow(s->at, (s->count + 1) * sizeof(struct serving_place *));
	s->at[s->count++] = place;
	return place;
}

/* The transport that covers this protocol; NULL: none does. */
static const struct plugin *
cover_of(const struct settings *settings, const struct plugins *all, const char *protocol)
{
	for (unsigned i = 0; i < settings->transports.count; i++) {
		const struct plugin *t = plugins_find(all, GEARMAND_KIND_TRANSPORT, settings->transports.at[i]);

		for (unsigned k = 0; k < t->covers.count; k++)
			if (strcmp(t->covers.at[k], protocol) == 0)
				return t;
	}
	return NULL;
}

static void
service_set_transport(struct service *service, const struct plugin *t)
{
	service->transport_name = t->desc->name;
	service->transport = t->desc->transport;
	service->transport_module = t->module;
	service->transport_counters = t->first_counter;
}

/* The first one of each name; NULL: not chosen. */
static const struct serving_place *
place_of(const struct serving *s, const char *protocol)
{
	for (unsigned i = 0; i < s->count; i++)
		if (strcmp(s->at[i]->service.name, protocol) == 0)
			return s->at[i];
	return NULL;
}

static bool
open_module(struct plugin *p, struct gearmand_error *err)
{
	if (!plugin_open(p, err))
		return false;
	p->first_counter = stats_add(p->desc->name, p->desc->counters);
	return p->first_counter != 0 || error_fail(err, "module %s: all modules together have more than %d counters",
					    p->desc->name, STAT_MODULES_MAX);
}

static void
add_gear(struct serving *s, const struct settings *settings, const struct plugins *all,
    const struct gearmand_protocol_ops *gear)
{
	const struct plugin *cover = cover_of(settings, all, "gear");
	struct serving_place *place = serving_add(s);

	place->service = (struct service){ .name = "gear", .protocol = gear };
	place->passed_name = "gear";
	place->addresses = settings->listen.at;
	place->address_count = settings->listen.count;
	place->port = settings->port;
	if (cover == NULL)
		return;
	s->gear_on_unix = place->service;
	place->on_unix = &s->gear_on_unix;
	service_set_transport(&place->service, cover);
}

/* One address that a module asked for. */
static struct serving_place *
add_listen(struct serving *s, const struct service *service, const struct plugin *p, struct plugin_listen *listen)
{
	struct serving_place *place = serving_add(s);

	place->service = *service;
	place->service.tag = listen->tag;
	place->service.tag_module = p->module;
	place->passed_name = p->desc->name;
	place->addresses = &listen->address;
	place->address_count = 1;
	place->port = listen->port;
	return place;
}

static void
add_protocol(struct serving *s, const struct plugin *cover, const struct plugin *p)
{
	const struct service service = {
		.name = p->desc->name,
		.protocol = p->desc->protocol,
		.protocol_module = p->module,
		.protocol_counters = p->first_counter,
	};

	for (unsigned i = 0; i < p->listen_count; i++) {
		struct serving_place *place = add_listen(s, &service, p, &p->listens[i]);

		if (cover != NULL && strncmp(p->listens[i].address, "unix:", 5) != 0)
			service_set_transport(&place->service, cover);
	}
	if (p->attends) {
		struct serving_place *place = serving_add(s);

		place->service = service;
		place->service.tag = p->attend_tag;
		place->service.tag_module = p->module;
		place->passed_name = p->desc->name;
		place->is_own = true;
	}
}

/* A transport's listeners, with the protocol that each of them names. */
static bool
add_transport(struct serving *s, const struct plugin *t, struct gearmand_error *err)
{
	for (unsigned i = 0; i < t->listen_count; i++) {
		const char *name = t->listens[i].protocol == NULL ? "gear" : t->listens[i].protocol;
		const struct serving_place *with = place_of(s, name);

		if (with == NULL)
			return error_fail(err,
			    "module %s wants to serve protocol %s, which is not loaded; add --protocol=%s",
			    t->desc->name, name, name);
		service_set_transport(&add_listen(s, &with->service, t, &t->listens[i])->service, t);
	}
	return true;
}

bool
serving_open(struct serving *s, const struct settings *settings, struct plugins *all,
    const struct gearmand_protocol_ops *gear, struct gearmand_error *err)
{
	const struct text_list *transports = &settings->transports, *protocols = &settings->protocols;

	for (unsigned i = 0; i < transports->count; i++) {
		struct plugin *t = plugins_find(all, GEARMAND_KIND_TRANSPORT, transports->at[i]);

		if (!t->is_open && !open_module(t, err))
			return false;
	}
	add_gear(s, settings, all, gear);
	for (unsigned i = 0; i < protocols->count; i++) {
		struct plugin *p = plugins_find(all, GEARMAND_KIND_PROTOCOL, protocols->at[i]);

		if (p->is_open) /* named twice */
			continue;
		if (!open_module(p, err))
			return false;
		add_protocol(s, cover_of(settings, all, p->desc->name), p);
	}
	for (unsigned i = 0; i < plugins_count(all); i++) {
		const struct plugin *t = plugins_at(all, i);

		if (t->desc->kind == GEARMAND_KIND_TRANSPORT && t->is_open && !add_transport(s, t, err))
			return false;
	}
	return true;
}

bool
serving_has_work(const struct serving *s)
{
	for (unsigned i = 0; i < s->count; i++)
		if (s->at[i]->service.transport != NULL && s->at[i]->service.transport->work != NULL)
			return true;
	return false;
}

void
serving_close(struct serving *s)
{
	for (unsigned i = 0; i < s->count; i++) {
		text_list_fini(&s->at[i]->names);
		if (s->at[i]->far_end >= 0)
			close(s->at[i]->far_end);
		mem_free(s->at[i]);
	}
	mem_free(s->at);
	s->at = NULL;
	s->count = 0;
}
