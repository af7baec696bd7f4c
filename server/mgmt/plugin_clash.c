/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Does a module take a name that another one, or the server itself, has already?
 *
 * Runs on:  main thread at start-up.
 * Owns:     nothing.
 */
#include <string.h>

#include "mgmt/fail.h"
#include "mgmt/plugins_priv.h"

/* ---- Names of modules --------------------------------------------------------------- */

static bool
module_name_check(
    const struct plugins *all, const struct gearmand_plugin *p, const char *name, struct gearmand_error *err)
{
	static const char *const own[][2] = {
		[GEARMAND_KIND_QUEUE] = { "builtin", "none" },
		[GEARMAND_KIND_PROTOCOL] = { "gear", "gear" },
		[GEARMAND_KIND_TRANSPORT] = { "none", "none" },
	};
	const struct plugin *other = plugins_find(all, (enum gearmand_kind)p->kind, name);

	if (strcasecmp(name, own[p->kind][0]) == 0 || strcasecmp(name, own[p->kind][1]) == 0)
		return error_fail(err, "its name '%s' is the server's own; rename it", name);
	if (other != NULL)
		return error_fail(err, "its name '%s' is taken by %s; remove one of the two", name, other->file);
	return true;
}

/* ---- Names of options --------------------------------------------------------------- */

static bool
declares_name(const struct gearmand_option *o, const char *wanted)
{
	const char *name;

	for (unsigned i = 0; (name = names_at(o->name, o->aliases, i)) != NULL; i++)
		if (strcmp(name, wanted) == 0)
			return true;
	return false;
}

static bool
has_option(const struct gearmand_plugin *p, const struct gearmand_option *but, const char *name)
{
	for (const struct gearmand_option *o = p->options; o != NULL && o->name != NULL; o++)
		if (o != but && declares_name(o, name))
			return true;
	return false;
}

/* `o` is the module's own option of that name; an alias cannot replace a stand-in. */
static bool
option_name_check(const struct plugins *all, const struct gearmand_plugin *p, const struct gearmand_option *o,
    const char *name, struct gearmand_error *err)
{
	const struct option_row *core = option_row_find(name);

	if (core != NULL && ((core->flags & OPTION_STAND_IN) == 0 || name != o->name))
		return error_fail(err, "its option --%s is the server's own; rename it", name);
	if (has_option(p, o, name))
		return error_fail(err, "it has the option --%s twice; remove one", name);
	for (unsigned i = 0; i < all->count; i++)
		if (has_option(all->at[i]->desc, NULL, name))
			return error_fail(
			    err, "its option --%s is taken by %s; remove one of the two", name, all->at[i]->file);
	return true;
}

bool
plugin_clash_check(const struct plugins *all, const struct gearmand_plugin *p, struct gearmand_error *err)
{
	const char *name;

	for (unsigned i = 0; (name = names_at(p->name, p->aliases, i)) != NULL; i++)
		if (!module_name_check(all, p, name, err))
			return false;
	for (const struct gearmand_option *o = p->options; o != NULL && o->name != NULL; o++)
		for (unsigned i = 0; (name = names_at(o->name, o->aliases, i)) != NULL; i++)
			if (!option_name_check(all, p, o, name, err))
				return false;
	return true;
}
