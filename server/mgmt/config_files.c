/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which configuration files there are, in the order in which they are read.
 *
 * Runs on:  main thread at start-up.
 * Owns:     see config_files.h.
 */
#include "config.h"

#include "mgmt/config_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mgmt/fail.h"

struct config_files {
	struct option_file **at;
	unsigned count;
	unsigned optional;         /* so many of the first need not be there */
	bool has_folder;           /* those behind the first ones are of --config-dir */
	struct gearmand_error why; /* what is wrong with the folder; empty = nothing */
};

static struct option_file *
read_one(struct config_files *f, const char *path)
{
	f->at = mem_grow(f->at, (f->count + 1) * sizeof(struct option_file *));
	return f->at[f->count++] = option_file_read(path);
}

/* Not what editors and package managers leave there: ".x.conf.swp", "x.conf~", "x.conf.dpkg-old". */
static int
is_wanted(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 5 && strcmp(entry->d_name + len - 5, ".conf") == 0;
}

/* Whatever the locale. */
static int
by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void
add_folder(struct config_files *f, const char *folder)
{
	struct dirent **entries = NULL;
	int count = scandir(folder, &entries, is_wanted, by_bytes);

	if (count < 0)
		error_fail(&f->why, "Could not open configuration folder. (%s: %s)", folder, strerror(errno));
	for (int i = 0; i < count; i++) {
		char path[4096];

		if (snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name) < (int)sizeof path)
			read_one(f, path);
		else
			error_fail(&f->why, "a path in the configuration folder %.200s is too long", folder);
		free(entries[i]);
	}
	free(entries);
}

struct config_files *
config_files_read(struct option_set *early)
{
	struct config_files *f = mem_new(sizeof *f);
	const struct option *file = option_find(early, "config-file"), *folder;

	if (file->source == FROM_DEFAULT) {
		f->optional = 2;
		options_glance_file(early, read_one(f, GEARMAND_CONFIG_FILE_OF_1_1));
		options_glance_file(early, read_one(f, GEARMAND_CONFIG_FILE));
	} else {
		options_glance_file(early, read_one(f, file->text));
	}
	folder = option_find(early, "config-dir");
	if (folder->text != NULL) {
		unsigned before = f->count;

		f->has_folder = true;
		add_folder(f, folder->text);
		for (unsigned i = before; i < f->count; i++)
			options_glance_file(early, f->at[i]);
	}
	return f;
}

void
config_files_free(struct config_files **fp)
{
	struct config_files *f = *fp;

	*fp = NULL;
	if (f == NULL)
		return;
	for (unsigned i = 0; i < f->count; i++)
		option_file_free(&f->at[i]);
	mem_free(f->at);
	mem_free(f);
}

/* What says which files are read is taken from the command line and the first files only. */
static void
warn_of_more_files(const struct option_set *set, bool is_first, struct text_list *warnings)
{
	if (option_find(set, "config-file")->seen)
		text_list_add(warnings, "--config-file is ignored in a configuration file: only one is read");
	if (!is_first && option_find(set, "config-dir")->seen)
		text_list_add(warnings, "--config-dir is ignored in a file of a configuration folder");
}

bool
config_files_take(
    const struct config_files *f, struct option_set *set, struct text_list *warnings, struct gearmand_error *err)
{
	unsigned first = f->optional > 0 ? f->optional : 1;

	for (unsigned i = 0; i < f->count; i++) {
		if (!options_take_file(set, f->at[i], i >= f->optional, warnings, err))
			return false;
		warn_of_more_files(set, i < first, warnings);
	}
	return f->why.text[0] == '\0' || error_fail(err, "%s", f->why.text);
}
