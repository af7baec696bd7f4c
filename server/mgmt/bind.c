/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which sockets the server listens on: those that it was passed, and the addresses of settings and modules for the
 * rest.
 *
 * Runs on:  main thread at start-up.
 * Owns:     nothing; sockets go to the listeners.
 */
#include "mgmt/bind.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cross/log.h"
#include "cross/service.h"
#include "mgmt/fail.h"
#include "mgmt/listen.h"
#include "mgmt/notify.h"
#include "mgmt/serving.h"
#include "mgmt/settings.h"

/* Digits alone are the number itself. */
static bool
is_id(const char *name, unsigned *id_r)
{
	char *end;

	*id_r = (unsigned)strtoul(name, &end, 10);
	return name[0] >= '0' && name[0] <= '9' && *end == '\0';
}

/* False: unknown. */
static bool
find_user(const char *name, struct unix_rights *rights)
{
	const struct passwd *entry = getpwnam(name);

	if (entry == NULL)
		return is_id(name, &rights->uid);
	rights->uid = entry->pw_uid;
	rights->gid = entry->pw_gid;
	return true;
}

static bool
find_group(const char *name, struct unix_rights *rights)
{
	const struct group *entry = getgrnam(name);

	if (entry == NULL)
		return is_id(name, &rights->gid);
	rights->gid = entry->gr_gid;
	return true;
}

bool
bind_rights(struct listeners *ls, const struct settings *s, struct gearmand_error *err)
{
	struct unix_rights *rights = &ls->unix_rights;
	char user[256];
	const char *group;

	*rights = (struct unix_rights){ (uid_t)-1, (gid_t)-1, (mode_t)strtoul(s->unix_mode, NULL, 8) };
	if (s->unix_owner == NULL)
		return s->user == NULL || find_user(s->user, rights) ||
		       error_fail(err, "Could not find user : %s", s->user);
	snprintf(user, sizeof user, "%.*s", (int)strcspn(s->unix_owner, ":"), s->unix_owner);
	group = strchr(s->unix_owner, ':');
	if ((user[0] != '\0' && !find_user(user, rights)) || (group != NULL && !find_group(group + 1, rights)))
		return error_fail(err, "--unix-owner=%s: no such user or group", s->unix_owner);
	return true;
}

static bool
is_passed(const struct bind_plan *p, const char *name)
{
	for (unsigned i = 0; i < p->passed->count; i++)
		if (strcmp(p->passed->at[i].name, name) == 0)
			return true;
	return false;
}

/* Sockets that a service manager holds open for us, by the name of what is spoken.  Those without a name of their own
 * have that of their unit, or "unknown", and are for gear.  NULL: for a module that is not there. */
static struct serving_place *
place_of_passed(const struct bind_plan *p, const char *name)
{
	size_t len = strlen(name);
	bool is_named = strcmp(name, "gear") != 0 && strcmp(name, "unknown") != 0 &&
			(len < 7 || strcmp(name + len - 7, ".socket") != 0);

	for (unsigned i = 1; i < p->serving->count; i++)
		if (strcmp(p->serving->at[i]->passed_name, name) == 0)
			return p->serving->at[i];
	return is_named ? NULL : p->serving->at[0];
}

bool
bind_passed(struct listeners *ls, const struct bind_plan *p, struct gearmand_error *err)
{
	for (unsigned i = 0; i < p->passed->count; i++) {
		struct serving_place *place = place_of_passed(p, p->passed->at[i].name);

		if (place == NULL)
			return error_fail(err,
			    "a socket was passed for \"%s\", which this server does not speak; add --protocol=%s, or "
			    "call the "
			    "socket \"gear\"",
			    p->passed->at[i].name, p->passed->at[i].name);
		if (!listeners_take(ls, p->passed->at[i].fd, place, err))
			return false;
	}
	return true;
}

/* A place for which a socket was passed has all that it needs. */
static bool
has_sockets(const struct listeners *ls, const struct bind_plan *p, unsigned i)
{
	const struct serving_place *place = p->serving->at[i];

	return listeners_has(ls, &place->service) ||
	       (i == 0 ? listeners_has(ls, place->on_unix) : is_passed(p, place->passed_name));
}

static bool
bind_missing(struct listeners *ls, const struct bind_plan *p, bool early, struct gearmand_error *err)
{
	for (unsigned i = 0; i < p->serving->count; i++) {
		struct serving_place *place = p->serving->at[i];

		if (place->is_own || (early && !serving_is_early(&place->service)) || has_sockets(ls, p, i))
			continue;
		if (!listeners_bind(ls, place, (int)p->settings->backlog, err))
			return false;
	}
	return true;
}

bool
bind_rest(struct listeners *ls, const struct bind_plan *p, bool early, struct gearmand_error *err)
{
	unsigned before = ls->count;

	if (!bind_missing(ls, p, early, err)) {
		listeners_cut(ls, before);
		return false;
	}
	for (; ls->said < ls->count; ls->said++) {
		const struct service *s = ls->at[ls->said].service;

		log_post(GEARMAND_LOG_NOTICE, "Listening on %s (%s%s%s)", ls->at[ls->said].name, s->name,
		    s->transport == NULL ? "" : ", ", s->transport == NULL ? "" : s->transport_name);
	}
	return true;
}
