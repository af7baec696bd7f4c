/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The file without its holes.
 *
 * Runs on:  the store thread, after a replay.
 * Owns:     the new database, until it is in the old one's place.
 *
 * Tokyo's own optimisation removes the file before it gives its name to the new one, and syncs neither; and
 * gearmand 1.1 does it at each start.  Here the new file, FILE.new, is complete, on the disk and locked before it takes
 * the name, and it is made only when more than half of the file is holes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "queue_tokyo.h"

enum { WORTHWHILE = 16 << 20 }; /* bytes of holes */

static bool
pays(const struct tk_store *s)
{
	uint64_t blocks = s->layout.size - s->layout.first, live = s->layout.live;

	return s->db.hdb != NULL && blocks > 2 * live && blocks - live >= WORTHWHILE &&
	       s->host->option_number(s->host, "libtokyocabinet-no-optimize") == 0;
}

static bool
copy_records(struct tk_store *s, struct tk_db *to)
{
	TCXSTR *key = tcxstrnew(), *value = tcxstrnew();
	int more = TK_FAILED;
	bool ok = s->db.kind->first(&s->db);

	while (ok && (more = s->db.kind->next(&s->db, key, value)) == 1)
		ok = to->kind->put(to, (struct gearmand_slice){ tcxstrptr(key), (size_t)tcxstrsize(key) },
			 (struct gearmand_slice){ tcxstrptr(value), (size_t)tcxstrsize(value) }) == 1;
	tcxstrdel(key);
	tcxstrdel(value);
	return ok && more == 0 && to->kind->count(to) == s->db.kind->count(&s->db);
}

static bool
make_copy(struct tk_store *s, const char *path)
{
	struct tk_tuning t = s->name.tuning;
	struct tk_db to = { .kind = s->db.kind };
	bool ok;

	t.apow = (int8_t)s->layout.apow;
	t.opts = s->layout.opts | HDBTLARGE;
	if (unlink(path) != 0 && errno != ENOENT)
		return false;
	if (!to.kind->open(&to, path, &t, true))
		return false;
	ok = copy_records(s, &to) && to.kind->flush(&to) && tchdbmemsync(to.hdb, true);
	to.kind->close(&to);
	return ok;
}

/* The new file's descriptor, locked; -1: none. */
static int
lock_copy(const struct tk_store *s, const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);

	if (fd >= 0 && (fsync(fd) != 0 || (s->name.may_lock && tk_file_lock(fd) != 0))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* The old one is closed in order when its name goes to the new one. */
static bool
take_place(struct tk_store *s, const char *path, int fd)
{
	struct gearmand_error err = { .text = "" };

	tk_store_close(s);
	if (rename(path, s->path) == 0) {
		close(s->lock_fd);
		s->lock_fd = fd;
		(void)tk_folder_sync(s);
	} else {
		close(fd);
		(void)unlink(path);
	}
	if (tk_store_reopen(s, &err))
		return true;
	/* The next commit says so as well, and the host opens it again. */
	s->host->log(s->host, GEARMAND_LOG_WARNING, "%s", err.text);
	return false;
}

void
tk_rewrite(struct tk_store *s)
{
	uint64_t before = s->layout.size;
	char path[4200];
	int fd;

	if (!pays(s))
		return;
	tk_file_name(s, TK_NEW, path, sizeof(path));
	errno = 0;
	fd = make_copy(s, path) ? lock_copy(s, path) : -1;
	if (fd < 0) {
		s->host->log(s->host, GEARMAND_LOG_WARNING,
		    "queue file %s: it is half holes, but cannot be written anew: %s", s->name.path,
		    errno == 0 ? "it cannot be read as a whole" : strerror(errno));
		(void)unlink(path);
	} else if (take_place(s, path, fd)) {
		s->host->log(s->host, GEARMAND_LOG_INFO,
		    "queue file %s: written anew without its holes, %llu MiB instead of %llu", s->name.path,
		    (unsigned long long)s->layout.size >> 20, (unsigned long long)before >> 20);
	}
}
