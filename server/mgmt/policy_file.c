/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Policies come from a file, whole or not at all.
 *
 * Runs on:  main thread: at start-up, and at SIGHUP beside all that it has to do; so the file must be a regular one,
 *           which is there at once, and not long.
 * Owns:     nothing.
 */
#include "mgmt/policy_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mgmt/fail.h"
#include "wire/policy.h"

enum { POLICY_FILE_MAX = 1 << 20 };

static bool
slurp_all(int fd, struct buf *text, struct gearmand_error *err)
{
	ssize_t n;

	while ((n = read(fd, buf_room(text, 4096), 4096)) > 0 && text->len <= POLICY_FILE_MAX)
		text->len += (size_t)n;
	if (n < 0)
		return error_fail(err, "%s", strerror(errno));
	return text->len <= POLICY_FILE_MAX || error_fail(err, "it is longer than 1 MiB");
}

static bool
slurp(const char *path, struct buf *text, struct gearmand_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	bool good;

	if (fd < 0)
		return error_fail(err, "%s", strerror(errno));
	if (fstat(fd, &st) != 0)
		good = error_fail(err, "%s", strerror(errno));
	else if (!S_ISREG(st.st_mode))
		good = error_fail(err, "it is no regular file");
	else
		good = slurp_all(fd, text, err);
	close(fd);
	return good;
}

struct policies *
policy_file_read(const char *path, int64_t job_retries, struct gearmand_error *err)
{
	bool is_given = path != NULL && path[0] != '\0';
	struct gearmand_error trouble = { .text = "" };
	struct policies *policies = NULL;
	struct buf text = { 0 };
	char why[POLICY_WHY] = "";
	unsigned line = 0;
	struct policy base;

	policy_default(&base);
	base.attempts = job_retries < 0 ? 0 : (uint64_t)job_retries;
	if (is_given && !slurp(path, &text, &trouble))
		error_fail(err, "policy file %s: %s", path, trouble.text);
	else if ((policies = policies_new(buf_slice(&text), &base, &line, why)) == NULL && line > 0)
		error_fail(err, "policy file %s, line %u: %s", path, line, why);
	else if (policies == NULL)
		error_fail(err, "policy file %s: %s", path, why);
	buf_fini(&text);
	return policies;
}
