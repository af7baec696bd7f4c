/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Unix sockets: what may be replaced, what is refused, who may connect, and what is removed.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "mgmt/listen_unix.h"

static const struct unix_rights rights = { (uid_t)-1, (gid_t)-1, 0620 };

static char folder[] = "/tmp/gearmand-unit.XXXXXX";
static char path[64];
static struct gearmand_error err;
static dev_t dev;
static ino_t ino;

static void
setup(void)
{
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/socket", folder);
}

static void
teardown(void)
{
	unlink(path);
	rmdir(folder);
}

TestSuite(listen_unix, .init = setup, .fini = teardown);

static int
listens(void)
{
	int fd = listen_unix(path, 5, &rights, &dev, &ino, &err);

	cr_assert_geq(fd, 0, "%s", err.text);
	return fd;
}

static void
refused(const char *why)
{
	char sentence[200];

	cr_assert_eq(listen_unix(path, 5, &rights, &dev, &ino, &err), -1);
	snprintf(sentence, sizeof sentence, "cannot listen on unix:%s: %s", path, why);
	cr_assert_str_eq(err.text, sentence);
}

Test(listen_unix, the_file_has_the_mode_that_was_asked_for_whatever_the_mask)
{
	struct stat st;
	int fd;

	umask(0777);
	fd = listens();
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0620);
	cr_assert(S_ISSOCK(st.st_mode));
	close(fd);
}

Test(listen_unix, the_socket_of_a_living_server_is_refused_and_that_of_a_dead_one_replaced)
{
	int fd = listens();

	refused("another server listens there");
	close(fd);
	fd = listens();
	close(fd);
}

Test(listen_unix, anything_but_a_socket_is_left_alone)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	cr_assert_geq(fd, 0);
	close(fd);
	refused("a file that is not a socket is in the way");
	cr_assert_eq(access(path, F_OK), 0);
}

Test(listen_unix, paths_that_do_not_fit_are_refused)
{
	char longest[200];

	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	cr_assert_eq(listen_unix(longest, 5, &rights, &dev, &ino, &err), -1);
	cr_assert_not_null(strstr(err.text, "the path must have 1 to 107 bytes"), "%s", err.text);
	cr_assert_eq(listen_unix("", 5, &rights, &dev, &ino, &err), -1);
	cr_assert_eq(listen_unix("/dev/null/socket", 5, &rights, &dev, &ino, &err), -1);
	cr_assert_str_eq(err.text, "cannot listen on unix:/dev/null/socket: Not a directory");
}

Test(listen_unix, only_the_file_that_was_made_is_removed)
{
	int fd = listens();

	listen_unix_remove(path, dev, ino + 1);
	cr_assert_eq(access(path, F_OK), 0);
	listen_unix_remove(path, dev, ino);
	cr_assert_neq(access(path, F_OK), 0);
	close(fd);
}

Test(listen_unix, addresses_are_shown_as_a_path_or_with_an_at_sign)
{
	struct sockaddr_storage sa = { .ss_family = AF_UNIX };
	struct sockaddr_un *un = (struct sockaddr_un *)(void *)&sa;
	size_t head = offsetof(struct sockaddr_un, sun_path);
	char text[120];

	strcpy(un->sun_path, "/run/x");
	listen_unix_path(&sa, (socklen_t)(head + 6), text, sizeof text);
	cr_assert_str_eq(text, "/run/x");
	memcpy(un->sun_path, "\0name", 5);
	listen_unix_path(&sa, (socklen_t)(head + 5), text, sizeof text);
	cr_assert_str_eq(text, "@name");
	listen_unix_path(&sa, (socklen_t)head, text, sizeof text);
	cr_assert_str_eq(text, "");
}
