/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A short file is read as a whole.
 *
 * Runs on:  main thread: at start-up, and at SIGHUP beside all that it has to do; so the file must be a regular one,
 *           which is there at once, and not long.
 * Owns:     nothing.
 */
#include "mgmt/slurp.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mgmt/fail.h"

enum { SLURP_MOST = 1 << 20 };

static bool
slurp_all(int fd, struct buf *text, struct gearmand_error *err)
{
	ssize_t n;

	while ((n = read(fd, buf_room(text, 4096), 4096)) > 0 && text->len <= SLURP_MOST)
		text->len += (size_t)n;
	if (n < 0)
		return error_fail(err, "%s", strerror(errno));
	return text->len <= SLURP_MOST || error_fail(err, "it is longer than 1 MiB");
}

bool
slurp(const char *path, struct buf *text, mode_t *mode_r, struct gearmand_error *err)
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
	if (good && mode_r != NULL)
		*mode_r = st.st_mode;
	close(fd);
	return good;
}
