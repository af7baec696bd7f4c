/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tokyo's error codes and errno, as a sentence for the operator and as what the host does next.
 *
 * Runs on:  the store thread.
 * Owns:     nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "queue_tokyo.h"

/* What the codes of a failed call mean here; where errno says more, it is told instead. */
static const struct {
	int code;
	enum gearmand_why why;
	const char *phrase;
} causes[] = {
	{ TCEMETA, GEARMAND_WHY_LASTING, "the database is damaged: its head makes no sense" },
	{ TCERHEAD, GEARMAND_WHY_LASTING, "the database is damaged; repair it, or move it away" },
	{ TCEINVALID, GEARMAND_WHY_LASTING, "this build of Tokyo Cabinet does not have its compression (opts)" },
	{ TCETHREAD, GEARMAND_WHY_IN_USE, "this process has it open already" },
	{ TCELOCK, GEARMAND_WHY_IN_USE, "another process is using it" },
	{ TCEMISC, GEARMAND_WHY_LASTING, "the database is damaged; repair it, or move it away" },
};

bool
tk_is_full(int cause)
{
	return cause == ENOSPC || cause == EDQUOT || cause == EFBIG;
}

static enum gearmand_why
why_of_errno(int cause)
{
	static const int lasting[] = { EACCES, EPERM, EROFS, EISDIR, ELOOP, ENAMETOOLONG };

	for (size_t i = 0; i < sizeof(lasting) / sizeof(*lasting); i++) {
		if (lasting[i] == cause)
			return GEARMAND_WHY_LASTING;
	}
	return GEARMAND_WHY_PASSING;
}

static void
put(const struct tk_store *s, struct gearmand_error *err, const char *doing, const char *what)
{
	if (doing == NULL)
		s->host->error_set(err, "queue file %s: %s", s->name.path, what);
	else
		s->host->error_set(err, "queue file %s: %s: %s", s->name.path, doing, what);
}

static void
put_errno(const struct tk_store *s, struct gearmand_error *err, int cause, const char *doing)
{
	char text[128], full[160];
	const char *what = strerror_r(cause, text, sizeof(text));

	if (tk_is_full(cause)) {
		snprintf(full, sizeof(full), "no room: %s", what);
		what = full;
	}
	put(s, err, doing, what);
	err->why = why_of_errno(cause);
}

void
tk_sentence(const struct tk_store *s, struct gearmand_error *err, int code, int cause, const char *doing)
{
	for (size_t i = 0; i < sizeof(causes) / sizeof(*causes); i++) {
		if (causes[i].code == code) {
			put(s, err, doing, causes[i].phrase);
			err->why = causes[i].why;
			return;
		}
	}
	if (cause != 0) {
		put_errno(s, err, cause, doing);
		return;
	}
	put(s, err, doing, tcerrmsg(code));
	err->why = GEARMAND_WHY_PASSING;
}

bool
tk_fail(const struct tk_store *s, struct gearmand_error *err, enum gearmand_why why, const char *what)
{
	put(s, err, NULL, what);
	err->why = why;
	return false;
}

bool
tk_fail_errno(const struct tk_store *s, struct gearmand_error *err, const char *doing)
{
	put_errno(s, err, errno, doing);
	return false;
}
