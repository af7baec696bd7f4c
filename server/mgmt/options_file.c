/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The configuration file: the command line's words, spread over lines.
 *
 * Runs on:  main thread at start-up.
 * Owns:     the words, while they are read.
 *
 * Words are parted by white space, across lines too, so `--threads 2` may be on two.  Quotes and '\'
 * protect blanks; '#' where a word could begin hides the rest of its line.
 */
#include <errno.h>
#include <popt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mgmt/options_priv.h"

static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Ends the line where a comment begins, and drops a '\' at its end.  False: a quote is not closed. */
static bool
line_trim(char *line)
{
	bool in_word = false;
	char quote = 0;
	char *c;

	line[strcspn(line, "\r\n")] = '\0';
	for (c = line; *c != '\0' && (*c != '#' || in_word || quote != 0); c++) {
		in_word = !is_blank(*c);
		if (*c == '\\' && c[1] == '\0')
			break;
		if (*c == '\\')
			c++;
		else if (quote != 0)
			quote = *c == quote ? 0 : quote;
		else if (*c == '"' || *c == '\'')
			quote = *c;
	}
	*c = '\0';
	return quote == 0;
}

static bool
line_split(char *line, struct text_list *words)
{
	const char **argv = NULL;
	int argc = 0, code;

	if (!line_trim(line))
		return false;
	code = poptParseArgvString(line, &argc, &argv);
	if (code != 0)
		return code == POPT_ERROR_NOARG; /* an empty line */
	for (int i = 0; i < argc; i++)
		text_list_add(words, argv[i]);
	free((void *)argv);
	return true;
}

/* All words of the file behind `words`. */
static bool
file_split(FILE *in, const char *path, struct text_list *words, struct gearmand_error *err)
{
	char *line = NULL;
	size_t cap = 0;
	unsigned number = 0;
	bool ok = true;

	while (ok && getline(&line, &cap, in) >= 0) {
		number++;
		ok = line_split(line, words);
	}
	if (!ok) {
		error_say(err, "%s:%u: a quote is not closed on its line", path, number);
	} else if (ferror(in)) {
		error_say(err, "Could not open configuration file. (%s: %s)", path, strerror(errno));
		ok = false;
	}
	free(line);
	return ok;
}

static bool
file_read(
    struct option_set *set, FILE *in, const char *path, const struct option_reading *how, struct gearmand_error *err)
{
	struct text_list words = { 0 };
	struct gearmand_error why = { .text = "" };
	bool ok;

	text_list_add(&words, path); /* popt skips the first, as it would a program's name */
	ok = file_split(in, path, &words, err);
	if (ok && !option_set_read_words(set, (int)words.count, (const char **)words.at, how, &why)) {
		error_say(err, "%.200s: %.300s", path, why.text);
		ok = false;
	}
	text_list_fini(&words);
	return ok;
}

static void
warn(struct text_list *warnings, const struct gearmand_error *what)
{
	text_list_add(warnings, what->text);
}

bool
options_read_file(
    struct option_set *set, const char *path, bool must_exist, struct text_list *warnings, struct gearmand_error *err)
{
	struct text_list strangers = { 0 };
	struct option_reading how = { .source = FROM_FILE, .strangers = &strangers };
	struct gearmand_error what;
	FILE *in = fopen(path, "re");
	bool ok;

	if (in == NULL) {
		error_say(
		    must_exist ? err : &what, "Could not open configuration file. (%s: %s)", path, strerror(errno));
		if (!must_exist && errno != ENOENT && errno != ENOTDIR)
			warn(warnings, &what);
		return !must_exist;
	}
	ok = file_read(set, in, path, &how, err);
	fclose(in);
	for (unsigned i = 0; i < strangers.count; i++) {
		error_say(&what, "%.200s: '%.200s' is not an option and is ignored", path, strangers.at[i]);
		warn(warnings, &what);
	}
	text_list_fini(&strangers);
	return ok;
}

void
options_glance_file(struct option_set *set, const char *path)
{
	struct option_reading how = { .source = FROM_FILE, .glance = true };
	struct gearmand_error overlooked;
	FILE *in = fopen(path, "re");

	if (in == NULL)
		return;
	file_read(set, in, path, &how, &overlooked);
	fclose(in);
}
