/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The set of options and their values, whatever the source.
 *
 * Runs on:  main thread at start-up.
 * Owns:     the set; see options.h.
 */
#include "mgmt/options.h"

#include <string.h>

#include "base/mem.h"
#include "mgmt/fail.h"
#include "mgmt/options_priv.h"
#include "mgmt/plugin_check.h"

void
text_list_add(struct text_list *list, const char *text)
{
	list->at = mem_grow(list->at, (list->count + 1) * sizeof(*list->at));
	list->at[list->count++] = mem_dup(text, strlen(text));
}

void
text_list_fini(struct text_list *list)
{
	for (unsigned i = 0; i < list->count; i++)
		mem_free(list->at[i]);
	mem_free(list->at);
	*list = (struct text_list){ 0 };
}

/* Gives the option its default, which the table or the module's check has proved to be good. */
static void
option_init(struct option *o, const struct option_row *row, const struct gearmand_plugin *plugin)
{
	struct gearmand_error err = { .text = "" };

	*o = (struct option){ .row = *row, .plugin = plugin };
	if (row->decl.dflt != NULL && (row->flags & OPTION_REPEATABLE) == 0)
		CHECK(option_check(&row->decl, row->decl.dflt, &o->text, &o->number, &err));
}

static void
set_add(struct option_set *set, const struct option_row *row, const struct gearmand_plugin *plugin)
{
	set->at = mem_grow(set->at, (set->count + 1) * sizeof(*set->at));
	option_init(&set->at[set->count++], row, plugin);
}

struct option_set *
option_set_new(void)
{
	struct option_set *set = mem_new(sizeof(*set));

	for (const struct option_row *row = option_rows; row->decl.name != NULL; row++)
		set_add(set, row, NULL);
	return set;
}

void
option_set_free(struct option_set **setp)
{
	struct option_set *set = *setp;

	*setp = NULL;
	if (set == NULL)
		return;
	for (unsigned i = 0; i < set->count; i++) {
		mem_free(set->at[i].text);
		text_list_fini(&set->at[i].texts);
	}
	text_list_fini(&set->words);
	mem_free(set->at);
	mem_free(set);
}

void
option_set_add_module(struct option_set *set, const struct gearmand_plugin *plugin)
{
	if (plugin->options == NULL)
		return;
	for (const struct gearmand_option *decl = plugin->options; decl->name != NULL; decl++) {
		struct option_row row = { .group = GROUP_COUNT, .place = OPTION_NO_PLACE, .decl = *decl };
		struct option *stand_in = option_find(set, decl->name);

		if (stand_in == NULL) {
			set_add(set, &row, plugin);
			continue;
		}
		CHECK(stand_in->row.flags & OPTION_STAND_IN); /* the plugin check refuses any other double */
		stand_in->plugin = plugin;
	}
}

struct option *
option_find(const struct option_set *set, const char *wanted)
{
	const char *name;

	for (unsigned i = 0; i < set->count; i++) {
		const struct gearmand_option *decl = &set->at[i].row.decl;

		for (unsigned k = 0; (name = names_at(decl->name, decl->aliases, k)) != NULL; k++)
			if (strcmp(name, wanted) == 0)
				return &set->at[i];
	}
	return NULL;
}

struct option *
option_find_of(const struct option_set *set, const struct gearmand_plugin *plugin, const char *name)
{
	struct option *o = set == NULL ? NULL : option_find(set, name);

	return o != NULL && o->plugin == plugin ? o : NULL;
}

void
option_set_begin(struct option_set *set)
{
	for (unsigned i = 0; i < set->count; i++)
		set->at[i].seen = false;
}

bool
option_take(
    struct option_set *set, struct option *o, const char *text, enum option_source source, struct gearmand_error *err)
{
	bool repeatable = o->row.flags & OPTION_REPEATABLE, again = set->managed && (o->row.flags & OPTION_LAST_WINS);
	char *canonical = NULL;
	int64_t number = 0;

	if (o->seen && !repeatable && !again)
		return error_fail(err, "option '--%s' cannot be specified more than once", o->row.decl.name);
	o->seen = true;
	if (o->source > source)
		return true;
	if (!option_check(&o->row.decl, text, &canonical, &number, err))
		return false;
	if (repeatable) {
		text_list_add(&o->texts, canonical);
		mem_free(canonical);
	} else {
		mem_free(o->text);
		o->text = canonical;
		o->number = number;
	}
	o->source = source;
	return true;
}

static void
add_value_line(const struct option *o, const char *value, struct buf *out)
{
	static const char *const sources[] = {
		[FROM_DEFAULT] = "default",
		[FROM_FILE] = "file",
		[FROM_ENVIRONMENT] = "environment",
		[FROM_COMMAND_LINE] = "line",
	};

	buf_add_str(out, o->row.decl.name);
	buf_add_char(out, '\t');
	buf_add_escaped(out, slice_str(o->row.decl.secret ? "(set)" : value));
	buf_add_char(out, '\t');
	buf_add_str(out, sources[o->source]);
	buf_add_char(out, '\n');
}

void
option_set_add_lines(const struct option_set *set, struct buf *out)
{
	for (unsigned i = 0; i < set->count; i++) {
		const struct option *o = &set->at[i];

		if (o->text != NULL)
			add_value_line(o, o->row.decl.type == GEARMAND_OPT_SWITCH ? "yes" : o->text, out);
		for (unsigned k = 0; k < o->texts.count; k++)
			add_value_line(o, o->texts.at[k], out);
	}
}
