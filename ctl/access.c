/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `access FILE [WHO]...`: checks an access file as the server would read it, and tells which line decides for a
 * connection.  No server is asked.
 *
 * Runs on:  the only thread.
 * Owns:     nothing.
 */
#include <errno.h>
#include <pwd.h>

#include "options.h"
#include "runs.h"
#include "wire/access.h"

enum { FILE_MOST = 1 << 20 };

static bool
find_user(const char *name, uint32_t *user_r)
{
	const struct passwd *entry = getpwnam(name);

	if (entry != NULL)
		*user_r = entry->pw_uid;
	return entry != NULL;
}

static const char *const protocols[] = { "gear", "http", "monitor", NULL };
static const struct access_names names = { find_user, protocols };

static bool
read_file(const char *path, struct buf *text)
{
	FILE *file = fopen(path, "r");
	size_t n;

	while (file != NULL && text->len <= FILE_MOST && (n = fread(buf_room(text, 4096), 1, 4096, file)) > 0)
		text->len += n;
	if (file == NULL || ferror(file))
		fprintf(stderr, "gearmanctl: %s: %s\n", path, strerror(errno));
	else if (text->len > FILE_MOST)
		fprintf(stderr, "gearmanctl: %s: it is longer than 1 MiB\n", path);
	else
		return fclose(file) == 0;
	if (file != NULL)
		fclose(file);
	return false;
}

static struct access *
read_rules(const char *path, struct slice text)
{
	char why[ACCESS_WHY] = "";
	unsigned line;
	struct access *access = access_new(text, &names, &line, why);

	if (access == NULL && line > 0)
		fprintf(stderr, "gearmanctl: %s, line %u: %s\n", path, line, why);
	else if (access == NULL)
		fprintf(stderr, "gearmanctl: %s: %s\n", path, why);
	return access;
}

int
access_run(const struct options *o, const struct command *c, char **words, unsigned count)
{
	struct buf text = { 0 }, out = { 0 };
	struct access *access = NULL;
	int status = CTL_REFUSED;

	(void)o;
	(void)c;
	if (read_file(words[0], &text))
		access = read_rules(words[0], buf_slice(&text));
	if (access != NULL && count == 1) {
		printf("rules: %zu\n", access_count(access));
		status = CTL_OK;
	} else if (access != NULL) {
		status = access_explain(access, words + 1, count - 1, &names, &out) ? CTL_OK : CTL_USAGE;
		fprintf(status == CTL_OK ? stdout : stderr, "%s%.*s\n",
		    status == CTL_OK ? "" : "gearmanctl: ", (int)out.len, out.data);
	}
	access_free(&access);
	buf_fini(&out);
	buf_fini(&text);
	return status;
}
