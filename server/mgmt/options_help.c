/* SPDX-License-Identifier: BSD-3-Clause
 *
 * --help: every option of the core by group, then a heading per module.
 *
 * Runs on:  main thread at start-up.
 * Owns:     nothing.  At most 100 columns wide.
 */
#include <stdio.h>
#include <string.h>

#include "mgmt/options.h"
#include "mgmt/plugin_check.h"
#include "mgmt/plugins.h"

enum { HELP_WIDTH = 100, HELP_COLUMN = 34 };

static const char *const group_titles[GROUP_COUNT] = {
	[GROUP_GENERAL] = "General",
	[GROUP_LISTENING] = "Listening",
	[GROUP_JOBS] = "Threads and jobs",
	[GROUP_LIMITS] = "Limits (sizes take K, M, G or T)",
	[GROUP_MODULES] = "Modules",
	[GROUP_TLS] = "TLS",
};

static const char *
value_name(const struct gearmand_option *o)
{
	static const char *const names[] = {
		[GEARMAND_OPT_INT] = "NUMBER",
		[GEARMAND_OPT_SIZE] = "SIZE",
		[GEARMAND_OPT_STRING] = "TEXT",
		[GEARMAND_OPT_PATH] = "PATH",
		[GEARMAND_OPT_PORT] = "PORT",
	};

	return o->value_name != NULL ? o->value_name : names[o->type];
}

/* Prints words from column `at` on, each line indented to HELP_COLUMN, and ends the line. */
static void
print_wrapped(const char *text, size_t at, FILE *out)
{
	const char *gap = "";

	if (at + 1 > HELP_COLUMN) {
		fputc('\n', out);
		at = 0;
	}
	fprintf(out, "%*s", (int)(HELP_COLUMN - at), "");
	at = HELP_COLUMN;
	while (*text != '\0') {
		size_t word = strcspn(text, " ");

		if (at > HELP_COLUMN && at + strlen(gap) + word > HELP_WIDTH) {
			fprintf(out, "\n%*s", HELP_COLUMN, "");
			at = HELP_COLUMN;
			gap = "";
		}
		fprintf(out, "%s%.*s", gap, (int)word, text);
		at += strlen(gap) + word;
		text += word;
		text += strspn(text, " ");
		gap = " ";
	}
	fputc('\n', out);
}

static void
print_option(const struct option *o, FILE *out)
{
	const struct gearmand_option *decl = &o->row.decl;
	char left[128], text[1024], dflt[256] = "";
	int len;

	if (o->row.letter != 0)
		len = snprintf(left, sizeof(left), "  -%c, --%s", o->row.letter, decl->name);
	else
		len = snprintf(left, sizeof(left), "      --%s", decl->name);
	if (decl->type != GEARMAND_OPT_SWITCH && (size_t)len < sizeof(left))
		snprintf(left + len, sizeof(left) - (size_t)len, "=%s", value_name(decl));
	if (decl->dflt != NULL && !decl->secret)
		snprintf(dflt, sizeof(dflt), " (default %s)", decl->dflt);
	snprintf(text, sizeof(text), "%s%s", decl->help, dflt);
	fputs(left, out);
	print_wrapped(text, strlen(left), out);
}

static void
print_group(const struct option_set *set, enum option_group group, FILE *out)
{
	fprintf(out, "\n%s:\n", group_titles[group]);
	for (unsigned i = 0; i < set->count; i++)
		if (set->at[i].row.group == group && (set->at[i].row.flags & OPTION_HIDDEN) == 0)
			print_option(&set->at[i], out);
}

static void
print_module(const struct option_set *set, const struct gearmand_plugin *p, FILE *out)
{
	const char *alias;

	fprintf(out, "\nModule %s (%s): %s\n", p->name, kind_name(p->kind), p->summary);
	for (unsigned i = 1; (alias = names_at(p->name, p->aliases, i)) != NULL; i++)
		fprintf(out, "%s%s%s", i == 1 ? "Also called " : ", ", alias,
		    names_at(p->name, p->aliases, i + 1) == NULL ? "\n" : "");
	for (unsigned i = 0; i < set->count; i++)
		if (set->at[i].plugin == p && set->at[i].row.group == GROUP_COUNT)
			print_option(&set->at[i], out);
}

void
options_print_help(const struct option_set *set, const struct plugins *plugins, const char *program, FILE *out)
{
	fprintf(out,
	    "Usage: %s [OPTION]...\n\nA Gearman job server.  The same options may be in the configuration file.\n",
	    program);
	for (unsigned group = 0; group < GROUP_COUNT; group++)
		print_group(set, (enum option_group)group, out);
	for (unsigned i = 0; i < plugins_count(plugins); i++)
		print_module(set, plugins_at(plugins, i)->desc, out);
}
