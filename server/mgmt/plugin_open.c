/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From a file to a descriptor: may it be trusted, is it whole, does it load, does it export the symbol?
 *
 * Runs on:  main thread at start-up; libltdl is not for threads.
 * Owns:     handles of loaded modules, for good: nothing is unloaded.
 *
 * libltdl binds lazily and says "file not found" for whatever went wrong.  So the system's own loader
 * goes first, with all symbols bound at once: a module that lacks a function is refused here and not at
 * its first call, and the reason is the true one.  libltdl then finds the symbol under either spelling.
 */
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <ltdl.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mgmt/fail.h"
#include "mgmt/plugins_priv.h"

/* ---- Who may write to it ------------------------------------------------------------ */

bool
plugin_place_check(const char *path, struct gearmand_error *err)
{
	bool guarded = geteuid() == 0 || getauxval(AT_SECURE) != 0;
	bool by_group, by_all;
	struct stat st;

	if (stat(path, &st) != 0)
		return error_fail(err, "%s", strerror(errno));
	if (!guarded)
		return true;
	by_group = (st.st_mode & S_IWGRP) != 0 && st.st_gid != 0;
	by_all = (st.st_mode & S_IWOTH) != 0;
	if (by_group || by_all)
		return error_fail(err,
		    "%s may write to it (mode %04o), and this server has rights to protect; chmod go-w it",
		    by_all ? "everybody" : "its group", st.st_mode & 07777);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return error_fail(err, "it belongs to user %u, expected root; chown it to root", (unsigned)st.st_uid);
	return true;
}

/* ---- Is it whole -------------------------------------------------------------------- */

/* The loader maps what the file's head promises and dies of SIGBUS where the file ends early. */
static bool
segments_check(int fd, const ElfW(Ehdr) * head, uint64_t size, struct gearmand_error *err)
{
	uint64_t needed = head->e_phoff + (uint64_t)head->e_phnum * sizeof(ElfW(Phdr));

	for (unsigned i = 0; i < head->e_phnum && needed <= size; i++) {
		ElfW(Phdr) segment;
		off_t at = (off_t)(head->e_phoff + i * sizeof(segment));

		if (pread(fd, &segment, sizeof(segment), at) != (ssize_t)sizeof(segment))
			break;
		if (segment.p_type == PT_LOAD && segment.p_offset + segment.p_filesz > needed)
			needed = segment.p_offset + segment.p_filesz;
	}
	if (needed <= size)
		return true;
	return error_fail(err, "the file is cut off: it has %llu bytes and needs at least %llu; install it again",
	    (unsigned long long)size, (unsigned long long)needed);
}

static bool
elf_check(int fd, struct gearmand_error *err)
{
	ElfW(Ehdr) head;
	struct stat st;

	if (fstat(fd, &st) != 0)
		return error_fail(err, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return error_fail(err, "it is not a file; remove it from the plugin directory");
	if (st.st_size == 0)
		return error_fail(err, "the file is empty; install it again");
	if (pread(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
	    head.e_phentsize != sizeof(ElfW(Phdr)))
		return error_fail(err, "it is not a shared object of this machine; install it again or remove it");
	return segments_check(fd, &head, (uint64_t)st.st_size, err);
}

bool
plugin_file_check(const char *path, struct gearmand_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool ok;

	if (fd < 0)
		return error_fail(err, "%s", strerror(errno));
	ok = elf_check(fd, err);
	close(fd);
	return ok;
}

/* ---- Does it load ------------------------------------------------------------------- */

/* The loader begins with the file's name where the file itself is at fault, else with the library's. */
static void
say_loader(const char *path, const char *text, struct gearmand_error *err)
{
	size_t len = strlen(path);

	if (strncmp(text, path, len) == 0 && strncmp(text + len, ": ", 2) == 0)
		text += len + 2;
	if (strstr(text, "undefined symbol") != NULL)
		error_fail(err, "%s; rebuild it, or install the version of its library that it was built for", text);
	else if (strstr(text, "cannot open shared object file") != NULL)
		error_fail(err, "a library that it needs is missing: %s; install that library", text);
	else
		error_fail(err, "cannot be loaded: %s; install it again", text);
}

/* The symbol's size as the file says, 0 when it does not. */
static size_t
symbol_size(const void *symbol)
{
	const ElfW(Sym) *entry = NULL;
	Dl_info info;

	if (dladdr1(symbol, &info, (void **)(void *)&entry, RTLD_DL_SYMENT) == 0 || entry == NULL)
		return 0;
	return entry->st_size;
}

static lt_dlhandle
ltdl_open(const char *path)
{
	lt_dlhandle handle = NULL;
	lt_dladvise advise;

	if (lt_dladvise_init(&advise) != 0)
		return NULL;
	if (lt_dladvise_local(&advise) == 0)
		handle = lt_dlopenadvise(path, advise);
	lt_dladvise_destroy(&advise);
	return handle;
}

const struct gearmand_plugin *
plugin_open_file(const char *path, struct gearmand_error *err)
{
	enum { HEAD = offsetof(struct gearmand_plugin, name) };
	const struct gearmand_plugin *desc;
	lt_dlhandle handle;
	size_t size;

	if (dlopen(path, RTLD_NOW | RTLD_LOCAL) == NULL) {
		say_loader(path, dlerror(), err);
		return NULL;
	}
	handle = ltdl_open(path);
	if (handle == NULL) {
		error_fail(err, "cannot be loaded: %s; install it again", lt_dlerror());
		return NULL;
	}
	desc = lt_dlsym(handle, "gearmand_plugin");
	if (desc == NULL) {
		error_fail(err,
		    "exports no gearmand_plugin; make its descriptor with GEARMAND_QUEUE_PLUGIN or the macro of "
		    "its kind");
		return NULL;
	}
	size = symbol_size(desc);
	if (size != 0 && size < HEAD) {
		error_fail(err,
		    "its gearmand_plugin is %zu bytes, too short for a descriptor; make it with GEARMAND_QUEUE_PLUGIN "
		    "or the macro of its kind",
		    size);
		return NULL;
	}
	return desc;
}
