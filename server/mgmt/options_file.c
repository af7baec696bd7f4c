/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The configuration file: the command line's words, spread over lines.
 *
 * Runs on:  main thread at start-up.
 * Owns:     the words of the file, which is read once, so that a pipe will do.
 *
 * White space parts words, across lines too, so `--threads 2` may be on two.  A value that begins with a quote ends
 * with the same quote; inside double quotes '\' protects '"' and '\'.  Anywhere else quotes and backslashes are as they
 * stand, as in gearmand 1.1, since passwords have them.  '#' where a word could begin hides the rest of its line.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "mgmt/fail.h"
#include "mgmt/options_priv.h"

enum { FILE_MAX = 1 << 20 };

struct option_file {
	char *path;
	struct text_list words;     /* path first, as a program's name */
	bool is_missing, is_closed; /* not there; not for us */
	struct gearmand_error why;  /* what is wrong with it; empty = nothing */
};

/* ---- Words ---------------------------------------------------------------------------- */

static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Where the value of this word begins: behind "--name=" or "-x", else where the word does. */
static const char *
value_in(const char *word)
{
	const char *c = word;

	if (word[0] != '-' || word[1] == '\0' || is_blank(word[1]))
		return word;
	if (word[1] != '-')
		return word + 2;
	while (*c != '\0' && *c != '=' && !is_blank(*c))
		c++;
	return *c == '=' ? c + 1 : word;
}

/* Appends what stands in quotes, and goes behind them.  NULL = no: error says why. */
static const char *
add_quoted(struct buf *word, const char *c, struct gearmand_error *err)
{
	char quote = *c;

	for (c++; *c != quote; c++) {
		if (quote == '"' && *c == '\\' && (c[1] == '"' || c[1] == '\\'))
			c++;
		if (*c == '\0' || *c == '\n') {
			error_fail(err, "a quote is not closed on its line");
			return NULL;
		}
		buf_add_char(word, *c);
	}
	if (c[1] == '\0' || is_blank(c[1]))
		return c + 1;
	error_fail(err, "text stands right behind a closing quote; put quotes around the whole value");
	return NULL;
}

static void
add_word(struct text_list *words, struct buf *word)
{
	buf_add_char(word, '\0');
	text_list_add(words, word->data);
	buf_fini(word);
}

/* One word from `c` on, where one begins.  Returns what is behind it, or NULL. */
static const char *
take_word(struct text_list *words, const char *c, struct gearmand_error *err)
{
	const char *value = value_in(c);
	struct buf word = { 0 };

	if (*value == '"' || *value == '\'') {
		/* "--name=''" is a name and an empty value; "--name=" alone is a mistake. */
		bool is_empty = value[1] == *value && value > c && value[-1] == '=';

		buf_add(&word, c, (size_t)(value - c) - is_empty);
		if (is_empty)
			add_word(words, &word);
		c = add_quoted(&word, value, err);
	} else {
		size_t len = 0;

		while (c[len] != '\0' && !is_blank(c[len]))
			len++;
		buf_add(&word, c, len);
		c += len;
	}
	if (c != NULL)
		add_word(words, &word);
	buf_fini(&word);
	return c;
}

/* A '\' that stands alone before the end of its line, as in shell scripts: what follows would belong together anyway.
 */
static bool
is_continuation(const char *c)
{
	return c[0] == '\\' && (c[1] == '\0' || c[1] == '\n' || (c[1] == '\r' && c[2] == '\n'));
}

static void
file_split(struct option_file *file, const char *text)
{
	struct gearmand_error why;
	unsigned line = 1;

	for (const char *c = text; *c != '\0';) {
		if (is_blank(*c) || is_continuation(c)) {
			line += *c++ == '\n';
		} else if (*c == '#') {
			c += strcspn(c, "\n");
		} else if ((c = take_word(&file->words, c, &why)) == NULL) {
			error_fail(&file->why, "%.200s:%u: %.300s", file->path, line, why.text);
			return;
		}
	}
}

/* ---- The file ------------------------------------------------------------------------- */

/* Is it something that somebody wrote with an editor?  Bytes above 127 are, in whatever encoding. */
static bool
is_text(const struct option_file *file, const struct buf *text, struct gearmand_error *err)
{
	unsigned line = 1;

	for (size_t i = 0; i < text->len; i++) {
		unsigned char c = (unsigned char)text->data[i];

		line += c == '\n';
		if ((c < ' ' && !is_blank((char)c)) || c == 0x7f)
			return error_fail(
			    err, "%.200s:%u: this is not a text file: it has a byte of value %u", file->path, line, c);
	}
	return true;
}

static bool
file_slurp(const struct option_file *file, FILE *in, struct buf *text, struct gearmand_error *err)
{
	char piece[4096];
	size_t n;

	while ((n = fread(piece, 1, sizeof piece, in)) > 0) {
		buf_add(text, piece, n);
		if (text->len > FILE_MAX)
			return error_fail(
			    err, "%.200s: a configuration file has at most %d bytes", file->path, FILE_MAX);
	}
	if (ferror(in))
		return error_fail(err, "Could not open configuration file. (%s: %s)", file->path, strerror(errno));
	return is_text(file, text, err);
}

struct option_file *
option_file_read(const char *path)
{
	static const char mark[] = { '\xef', '\xbb', '\xbf' }; /* which some editors put in front of UTF-8 */
	struct option_file *file = mem_new(sizeof *file);
	struct buf text = { 0 };
	FILE *in = fopen(path, "re");

	file->path = mem_dup(path, strlen(path));
	text_list_add(&file->words, path);
	if (in == NULL) {
		file->is_missing = errno == ENOENT || errno == ENOTDIR;
		file->is_closed = !file->is_missing;
		error_fail(&file->why, "Could not open configuration file. (%s: %s)", path, strerror(errno));
		return file;
	}
	if (file_slurp(file, in, &text, &file->why)) {
		size_t skip = text.len >= sizeof mark && memcmp(text.data, mark, sizeof mark) == 0 ? sizeof mark : 0;

		buf_add_char(&text, '\0');
		file_split(file, text.data + skip);
	}
	buf_fini(&text);
	fclose(in);
	return file;
}

void
option_file_free(struct option_file **filep)
{
	struct option_file *file = *filep;

	*filep = NULL;
	if (file == NULL)
		return;
	text_list_fini(&file->words);
	mem_free(file->path);
	mem_free(file);
}

static void
warn(struct text_list *warnings, const struct gearmand_error *what)
{
	text_list_add(warnings, what->text);
}

bool
options_take_file(struct option_set *set, const struct option_file *file, bool must_exist, struct text_list *warnings,
    struct gearmand_error *err)
{
	struct text_list strangers = { 0 };
	struct option_reading how = { .source = FROM_FILE, .strangers = &strangers };
	struct gearmand_error what;
	bool ok;

	if (!must_exist && (file->is_missing || file->is_closed)) {
		if (file->is_closed)
			warn(warnings, &file->why);
		return true;
	}
	if (file->why.text[0] != '\0')
		return error_fail(err, "%s", file->why.text);
	ok = option_set_read_words(set, (int)file->words.count, (const char **)file->words.at, &how, &what) ||
	     error_fail(err, "%.200s: %.300s", file->path, what.text);
	for (unsigned i = 0; i < strangers.count; i++) {
		error_fail(&what, "%.200s: '%.200s' is not an option and is ignored", file->path, strangers.at[i]);
		warn(warnings, &what);
	}
	text_list_fini(&strangers);
	return ok;
}

void
options_glance_file(struct option_set *set, const struct option_file *file)
{
	struct option_reading how = { .source = FROM_FILE, .glance = true };
	struct gearmand_error overlooked;

	option_set_read_words(set, (int)file->words.count, (const char **)file->words.at, &how, &overlooked);
}
