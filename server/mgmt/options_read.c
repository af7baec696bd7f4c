/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Words become options, through libpopt; so does the environment.
 *
 * Runs on:  main thread at start-up.
 * Owns:     popt's table, while words are read.
 *
 * What is wrong is said in the words of gearmand 1.1, since scripts may look for them.
 */
#include <popt.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mgmt/fail.h"
#include "mgmt/options_priv.h"
#include "mgmt/plugin_check.h"

/* ---- popt's table ------------------------------------------------------------------- */

/* `val` is the option's place in the set + 1. */
static struct poptOption *
table_new(const struct option_set *set, enum option_source source)
{
	struct poptOption *table = NULL;
	unsigned count = 0;

	for (unsigned i = 0; i < set->count; i++) {
		const struct option_row *row = &set->at[i].row;
		const char *name;

		if (source == FROM_FILE && (row->flags & OPTION_LINE_ONLY))
			continue;
		for (unsigned k = 0; (name = names_at(row->decl.name, row->decl.aliases, k)) != NULL; k++) {
			table = mem_grow(table, (count + 2) * sizeof(*table));
			table[count++] = (struct poptOption){
				.longName = name,
				.shortName = k == 0 ? row->letter : 0,
				.argInfo = row->decl.type == GEARMAND_OPT_SWITCH ? POPT_ARG_NONE : POPT_ARG_STRING,
				.val = (int)i + 1,
			};
		}
	}
	table[count] = (struct poptOption)POPT_TABLEEND;
	return table;
}

/* ---- Words -------------------------------------------------------------------------- */

/* The option that `word` spells, or whose letter it ends with; NULL when it is none. */
static const struct option *
option_of_word(const struct option_set *set, const char *word)
{
	size_t len = strcspn(word, "=");
	const struct option *o = NULL;

	if (word[0] == '-' && word[1] == '-') {
		char *name = mem_dup(word + 2, len - 2);

		o = option_find(set, name);
		mem_free(name);
		return o;
	}
	for (unsigned i = 0; word[0] == '-' && i < set->count; i++)
		if (set->at[i].row.letter != 0 && set->at[i].row.letter == word[strlen(word) - 1])
			o = &set->at[i];
	return o;
}

/* popt takes whatever follows as a value, but a word that spells an option is one. */
static bool
is_forgotten(const struct option_set *set, int argc, const char **argv, const char *value)
{
	const struct option *o;

	if (value[0] != '-' || value[1] == '\0' || (value[1] != '-' && value[2] != '\0'))
		return false;
	o = option_of_word(set, value);
	if (o == NULL)
		return false;
	for (int i = 0; i < argc; i++)
		if (strcmp(argv[i], value) == 0)
			return true;
	return false;
}

static bool
say_missing(const struct option *o, struct gearmand_error *err)
{
	return error_fail(err, "the required argument for option '--%s' is missing", o->row.decl.name);
}

/* Is it "--name=" that left the value empty, rather than a word of its own? */
static bool
is_cut_off(const struct option_set *set, int argc, const char **argv, const struct option *o)
{
	for (int i = 1; i < argc; i++) {
		size_t len = strlen(argv[i]);

		if (len > 0 && argv[i][len - 1] == '=' && option_of_word(set, argv[i]) == o)
			return true;
	}
	return false;
}

/* What popt found wrong with its current word.  The value may be a password. */
static void
say_popt(const struct option_set *set, poptContext popt, int code, struct gearmand_error *err)
{
	const char *word = poptBadOption(popt, 0), *home = option_home(set, word);
	const struct option *o = option_of_word(set, word);

	if (code == POPT_ERROR_NOARG && o != NULL)
		say_missing(o, err);
	else if (code == POPT_ERROR_UNWANTEDARG && o != NULL)
		error_fail(err, "option '--%s' does not take any arguments", o->row.decl.name);
	else if (code == POPT_ERROR_BADOPT || code == POPT_ERROR_UNWANTEDARG)
		error_fail(err, "unrecognised option '%.*s'%s%s", (int)strcspn(word, "="), word,
		    home != NULL ? ": " : "", home != NULL ? home : "");
	else
		error_fail(err, "%s: %s", word, poptStrerror(code));
}

static bool
read_option(struct option_set *set, int argc, const char **argv, struct option *o, const char *value,
    const struct option_reading *how, struct gearmand_error *err)
{
	if (how->glance && (o->row.flags & OPTION_EARLY) == 0)
		return true;
	if (value != NULL && is_forgotten(set, argc, argv, value))
		return say_missing(o, err);
	if (value != NULL && value[0] == '\0' && is_cut_off(set, argc, argv, o))
		return error_fail(err, "the argument for option '--%s' should follow immediately after the equal sign",
		    o->row.decl.name);
	return option_take(set, o, value == NULL ? "1" : value, how->source, err);
}

/* Words that belong to no option. */
static bool
read_strangers(poptContext popt, const struct option_reading *how, struct gearmand_error *err)
{
	const char **rest = poptGetArgs(popt);

	if (rest == NULL || rest[0] == NULL || how->glance)
		return true;
	if (how->strangers == NULL)
		return error_fail(err, "unrecognised option '%s'", rest[0]);
	for (; *rest != NULL; rest++)
		text_list_add(how->strangers, *rest);
	return true;
}

bool
option_set_read_words(
    struct option_set *set, int argc, const char **argv, const struct option_reading *how, struct gearmand_error *err)
{
	struct poptOption *table = table_new(set, how->source);
	poptContext popt = poptGetContext(NULL, argc, argv, table, 0);
	bool ok = true;
	int val;

	option_set_begin(set);
	while (ok && (val = poptGetNextOpt(popt)) != -1) {
		if (val < 0) {
			say_popt(set, popt, val, err);
			ok = how->glance;
			continue;
		}
		char *value = poptGetOptArg(popt);

		ok = read_option(set, argc, argv, &set->at[val - 1], value, how, err) || how->glance;
		free(value);
	}
	ok = ok && read_strangers(popt, how, err);
	poptFreeContext(popt);
	mem_free(table);
	return ok;
}

/* ---- Command line and environment --------------------------------------------------- */

bool
options_read_line(struct option_set *set, int argc, char **argv, struct gearmand_error *err)
{
	struct option_reading how = { .source = FROM_COMMAND_LINE, .strangers = &set->words };

	if (!option_set_read_words(set, argc, (const char **)argv, &how, err))
		return false;
	return set->words.count == 0 || option_find(set, "check-access")->text != NULL ||
	       error_fail(err, "unrecognised option '%s'", set->words.at[0]);
}

void
options_glance_line(struct option_set *set, int argc, char **argv)
{
	struct option_reading how = { .source = FROM_COMMAND_LINE, .glance = true };
	struct gearmand_error overlooked;

	option_set_read_words(set, argc, (const char **)argv, &how, &overlooked);
}

/* Kubernetes sets NAME_PORT for each service: with one called gearmand that is ours, and no port. */
static bool
is_address_of_service(const struct option *o, const char *value)
{
	return o->row.decl.type == GEARMAND_OPT_PORT && strstr(value, "://") != NULL;
}

bool
options_read_environment(struct option_set *set, struct text_list *warnings, struct gearmand_error *err)
{
	option_set_begin(set);
	for (unsigned i = 0; i < set->count; i++) {
		struct option *o = &set->at[i];
		const char *value = o->row.env == NULL ? NULL : getenv(o->row.env);
		struct gearmand_error why = { .text = "" };

		if (value == NULL || value[0] == '\0' || o->source > FROM_ENVIRONMENT)
			continue;
		if (is_address_of_service(o, value)) {
			error_fail(&why,
			    "%s: '%.200s' is the address of a service, as Kubernetes sets it, and is ignored",
			    o->row.env, value);
			text_list_add(warnings, why.text);
		} else if (!option_take(set, o, value, FROM_ENVIRONMENT, &why)) {
			return error_fail(err, "%s: %s", o->row.env, why.text);
		}
	}
	return true;
}
