/* SPDX-License-Identifier: BSD-3-Clause
 *
 * gearmanctl - the operator's command: asks Gearman job servers, and tells them what to do.
 *
 * Runs on:  its only thread.
 * Owns:     what the command line says.
 *
 * It speaks to any gearmand.  A server refuses the commands that it does not know, and its sentence is shown.
 */
#include "config.h"

#include <locale.h>
#include <stdlib.h>
#include <unistd.h>

#include "ask.h"
#include "base/mem.h"
#include "options.h"
#include "table.h"

static void
on_table_row(void *user, const struct ask *ask, const struct slice *cells)
{
	table_row(user, ask->link.target->name, cells);
}

static bool
make_text(struct buf *text, const struct command *c, char **words, unsigned count)
{
	buf_add_str(text, c->text);
	for (unsigned i = 0; i < count; i++)
		if (!ask_add_word(text, words[i]))
			return false;
	buf_add_char(text, '\0');
	return true;
}

static int
ask_all(const struct options *o, const struct command *c, const char *text)
{
	struct table *table = table_for(o, c);
	struct ask *asks = mem_new(o->targets.count * sizeof *asks);
	int status;

	asks_start(asks, &o->targets, c, text, o->timeout, on_table_row, table);
	while (asks_turn(asks, o->targets.count, -1, 0))
		;
	table_free(&table);
	fflush(stdout);
	status = asks_report(asks, o->targets.count);
	asks_fini(asks, o->targets.count);
	mem_free(asks);
	return status;
}

/* Whoever answers must be a person. */
static bool
may_destroy(const struct options *o, const char *text)
{
	char answer[16] = "";

	if (o->yes)
		return true;
	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
		fprintf(stderr,
		    "gearmanctl: %s: this cannot be undone, and there is no terminal to ask on: say --yes\n", text);
		return false;
	}
	fprintf(stderr, "%s on", text);
	for (unsigned i = 0; i < o->targets.count; i++)
		fprintf(stderr, " %s", o->targets.at[i].name);
	fputs(": this cannot be undone.  Do it? [y/N] ", stderr);
	if (fgets(answer, sizeof answer, stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y'))
		return true;
	fputs("gearmanctl: nothing was done\n", stderr);
	return false;
}

static int
run_text(const struct options *o, const struct command *c, char **words, unsigned count)
{
	struct buf text = { 0 };
	int status = CTL_USAGE;

	if (make_text(&text, c, words, count) && (!c->destroys || may_destroy(o, text.data)))
		status = ask_all(o, c, text.data);
	buf_fini(&text);
	return status;
}

static void
say_usage(const struct command *c)
{
	fprintf(stderr, "Usage: gearmanctl %s%s%s\n", c->name, c->args[0] == '\0' ? "" : " ", c->args);
}

/* The word may be the first of commands of two words. */
static void
say_unknown(const char *word)
{
	size_t len = strlen(word);
	bool begins = false;

	for (const struct command *c = commands; c->name != NULL; c++) {
		if (strncmp(c->name, word, len) != 0 || c->name[len] != ' ')
			continue;
		say_usage(c);
		begins = true;
	}
	if (!begins)
		fprintf(stderr, "gearmanctl: there is no command %s; gearmanctl --help lists all\n", word);
}

/* The server takes what is no number for no bound. */
static bool
numbers_fit(const struct command *c, char **words, unsigned count)
{
	for (unsigned i = 1; c->numbers && i < count; i++) {
		if (words[i][0] != '\0' && words[i][strspn(words[i], "0123456789")] == '\0')
			continue;
		fprintf(stderr, "gearmanctl: %s: %s is not a whole number\n", c->name, words[i]);
		say_usage(c);
		return false;
	}
	return true;
}

static int
run_words(const struct options *o, char **words, unsigned count)
{
	unsigned used, least, most;
	const struct command *c = command_find(words, count, &used);

	if (count == 0) {
		options_help(stderr);
		return CTL_USAGE;
	}
	if (c == NULL) {
		say_unknown(words[0]);
		return CTL_USAGE;
	}
	command_args(c, &least, &most);
	if (count - used < least || count - used > most) {
		say_usage(c);
		return CTL_USAGE;
	}
	if (!numbers_fit(c, words + used, count - used) || !options_fit(o, c))
		return CTL_USAGE;
	if (o->ssl && !secure_setup(&o->secure))
		return CTL_USAGE;
	return c->text == NULL ? c->run(o, c, words + used, count - used) : run_text(o, c, words + used, count - used);
}

int
main(int argc, char **argv)
{
	struct options o;
	int first, status = CTL_USAGE;

	setlocale(LC_CTYPE, "");
	if (!options_read(&o, argc, argv, &first))
		fputs("gearmanctl: see gearmanctl --help\n", stderr);
	else if (o.help || o.version)
		status = CTL_OK;
	else
		status = run_words(&o, argv + first, (unsigned)(argc - first));
	if (o.help)
		options_help(stdout);
	else if (o.version)
		puts("gearmanctl " GEARMAND_VERSION);
	options_fini(&o);
	secure_end();
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("gearmanctl: standard output");
		status = CTL_FAILED;
	}
	return status;
}
