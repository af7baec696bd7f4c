/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Text commands and their answers, from many servers side by side.
 *
 * Runs on:  the only thread.
 * Owns:     nothing beside its links.
 */
#include "ask.h"
#include "base/check.h"
#include "base/mem.h"
#include "options.h"
#include "text.h"

/* The text of ERR has + for spaces. */
void
ask_keep_refusal(struct link *link, struct slice line)
{
	static const char unknown[] = "UNKNOWN_COMMAND";
	size_t room = sizeof link->why - 1, len = line.len < room ? line.len : room;

	if (line.len >= sizeof unknown - 1 && memcmp(line.data, unknown, sizeof unknown - 1) == 0) {
		snprintf(link->why, sizeof link->why, "%s: the server does not know this command", unknown);
		return;
	}
	for (size_t i = 0; i < len; i++)
		link->why[i] = line.data[i] == '+' ? ' ' : line.data[i];
	link->why[len] = '\0';
}

bool
ask_add_word(struct buf *text, const char *word)
{
	if (word[0] == '\0' || strpbrk(word, " \t\r\n\v\f") != NULL) {
		fputs(
		    "gearmanctl: an argument is empty or has spaces in it, and text commands have no way to say that\n",
		    stderr);
		return false;
	}
	buf_add_char(text, ' ');
	buf_add_str(text, word);
	return true;
}

static enum link_verdict
refuse_line(struct link *link, struct slice line)
{
	link_fail(
	    link, "this is not the answer of a Gearman server: %.*s", line.len > 80 ? 80 : (int)line.len, line.data);
	return TAKE_BAD;
}

/* False: the row has not the columns that the command has. */
static bool
give_row(struct ask *ask, struct slice line)
{
	struct slice cells[COLUMNS_MAX] = { { 0 } };

	if (ask->answer.shape == ANSWER_LISTING) {
		if (!row_split(ask->command->form, ask->command->columns, line, cells))
			return false;
	} else {
		cells[0] = line.len == 0 ? slice_str("OK") : line;
	}
	ask->rows++;
	ask->on_row(ask->user, ask, cells);
	return true;
}

static enum link_verdict
ask_take(struct link *link)
{
	struct ask *ask = CONTAINER_OF(link, struct ask, link);
	enum link_verdict verdict = TAKE_MORE;
	size_t used, taken = 0;

	while (verdict != TAKE_BAD && !ask->answer.ended) {
		struct slice rest = slice_of(link->in.data + taken, link->in.len - taken), line;
		enum answer_verdict got = answer_next(&ask->answer, rest, &used, &line);

		taken += used;
		if (got == ANSWER_MORE)
			break;
		verdict = TAKE_PROGRESS;
		if (got == ANSWER_ERR) {
			ask->refused = true;
			ask_keep_refusal(link, line);
		} else if (got == ANSWER_BAD || (got == ANSWER_ROW && !give_row(ask, line)))
			verdict = refuse_line(link, line);
		else if (got == ANSWER_LONG) {
			link_fail(link, "a line of the answer is longer than %d bytes", ANSWER_LINE_MAX);
			verdict = TAKE_BAD;
		}
	}
	if (taken > 0)
		buf_drop(&link->in, taken);
	return verdict == TAKE_BAD ? TAKE_BAD : ask->answer.ended ? TAKE_DONE : verdict;
}

void
asks_start(struct ask *asks, const struct targets *targets, const struct command *command, const char *text,
    int64_t timeout, ask_row_f *on_row, void *user)
{
	for (unsigned i = 0; i < targets->count; i++) {
		struct ask *ask = &asks[i];

		*ask =
		    (struct ask){ .command = command, .answer.shape = command->shape, .on_row = on_row, .user = user };
		buf_add_str(&ask->link.out, text);
		buf_add_str(&ask->link.out, "\r\n");
		if (command->shape == ANSWER_EACH)
			buf_add_str(&ask->link.out, "getpid\r\n");
		link_start(&ask->link, &targets->at[i], timeout, ask_take);
	}
}

bool
asks_turn(struct ask *asks, unsigned count, int extra_fd, int64_t until)
{
	struct link **links = mem_new(count * sizeof *links);
	bool any;

	for (unsigned i = 0; i < count; i++)
		links[i] = &asks[i].link;
	any = links_turn(links, count, extra_fd, until);
	mem_free(links);
	return any;
}

int
ask_status(const struct ask *ask)
{
	return ask->link.state == LINK_FAILED ? CTL_FAILED : ask->refused ? CTL_REFUSED : CTL_OK;
}

void
report(const struct target *target, const char *sentence)
{
	struct buf line = { 0 };

	buf_add_str(&line, "gearmanctl: ");
	text_add_shown(&line, slice_str(target->name), false);
	buf_add_str(&line, ": ");
	text_add_shown(&line, slice_str(sentence), false);
	buf_add_char(&line, '\n');
	fwrite(line.data, 1, line.len, stderr);
	buf_fini(&line);
}

int
asks_report(const struct ask *asks, unsigned count)
{
	int worst = CTL_OK;

	for (unsigned i = 0; i < count; i++) {
		int status = ask_status(&asks[i]);

		if (status != CTL_OK)
			report(asks[i].link.target, asks[i].link.why);
		worst = status > worst ? status : worst;
	}
	return worst;
}

void
asks_fini(struct ask *asks, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		link_fini(&asks[i].link);
}
