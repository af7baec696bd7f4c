/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which modules there are: looks through directories, keeps what is good and why the rest is not.
 *
 * Runs on:  main thread at start-up.
 * Owns:     what plugins.h says.
 */
#include "config.h"

#include "mgmt/plugins.h"

#include <dirent.h>
#include <errno.h>
#include <ltdl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "mgmt/plugins_priv.h"

struct plugins *
plugins_new(void)
{
	return mem_new(sizeof(struct plugins));
}

static void
plugin_free(struct plugin **pp)
{
	struct plugin *p = *pp;

	*pp = NULL;
	plugin_close(p);
	plugin_listens_free(p);
	plugin_copy_free(&p->desc);
	mem_free(p->file);
	mem_free(p);
}

void
plugins_free(struct plugins **allp)
{
	struct plugins *all = *allp;

	*allp = NULL;
	if (all == NULL)
		return;
	while (all->count > 0)
		plugin_free(&all->at[--all->count]);
	for (unsigned i = 0; i < all->refused_count; i++) {
		mem_free(all->refused[i].file);
		mem_free(all->refused[i].names);
		mem_free(all->refused[i].sentence);
	}
	mem_free(all->at);
	mem_free(all->refused);
	text_list_fini(&all->dirs);
	mem_free(all);
}

/* ---- Refusals ----------------------------------------------------------------------- */

static char *
buf_text(struct buf *b)
{
	char *text = mem_dup(b->data == NULL ? "" : b->data, b->len);

	buf_fini(b);
	return text;
}

static char *
names_of(const struct gearmand_plugin *p)
{
	struct buf b = { 0 };
	const char *name;

	for (unsigned i = 0; p != NULL && (name = names_at(p->name, p->aliases, i)) != NULL; i++) {
		buf_add_str(&b, name);
		buf_add_char(&b, ' ');
	}
	return buf_text(&b);
}

/* A module, or with `is_directory` a whole directory.  `p` is NULL while its names cannot be trusted. */
static void
refuse(struct plugins *all, const char *path, bool is_directory, const struct gearmand_plugin *p, const char *why)
{
	struct buf b = { 0 };

	buf_add_str(&b, is_directory ? "plugin directory " : "plugin ");
	buf_add_str(&b, path);
	buf_add_str(&b, is_directory ? " left out: " : " refused: ");
	buf_add_str(&b, why);
	all->refused = mem_grow(all->refused, (all->refused_count + 1) * sizeof(*all->refused));
	all->refused[all->refused_count++] = (struct refusal){
		.file = mem_dup(path, strlen(path)),
		.kind = p == NULL ? 0 : p->kind,
		.names = names_of(p),
		.sentence = buf_text(&b),
		.is_directory = is_directory,
	};
}

unsigned
plugins_refused_count(const struct plugins *all)
{
	return all->refused_count;
}

const char *
plugins_refused(const struct plugins *all, unsigned i)
{
	return all->refused[i].sentence;
}

/* ---- Loading ------------------------------------------------------------------------ */

/* The same file or directory, though the paths may differ? */
static bool
is_same(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static bool
is_loaded(const struct plugins *all, const char *path)
{
	for (unsigned i = 0; i < all->count; i++)
		if (is_same(all->at[i]->file, path))
			return true;
	return false;
}

static bool
was_searched(const struct plugins *all, const char *dir)
{
	for (unsigned i = 0; i < all->dirs.count; i++)
		if (is_same(all->dirs.at[i], dir))
			return true;
	return false;
}

static void
plugin_add(struct plugins *all, const char *path, const struct gearmand_plugin *desc)
{
	struct plugin *p = mem_new(sizeof(*p));

	p->desc = desc;
	p->file = mem_dup(path, strlen(path));
	plugin_host_init(p);
	all->at = mem_grow(all->at, (all->count + 1) * sizeof(struct plugin *));
	all->at[all->count++] = p;
}

/* What stands behind a good head. */
static void
load_descriptor(struct plugins *all, const char *path, const struct gearmand_plugin *theirs)
{
	struct gearmand_error why = { .text = "" };
	const struct gearmand_plugin *copy;

	if (!plugin_sizes_check(theirs, &why)) {
		refuse(all, path, false, theirs, why.text);
		return;
	}
	copy = plugin_copy(theirs);
	if (plugin_ops_check(copy, &why) && plugin_options_check(copy, &why) && plugin_clash_check(all, copy, &why)) {
		plugin_add(all, path, copy);
		return;
	}
	refuse(all, path, false, copy, why.text);
	plugin_copy_free(&copy);
}

static void
load_file(struct plugins *all, const char *path)
{
	struct gearmand_error why = { .text = "" };
	const struct gearmand_plugin *theirs;

	if (is_loaded(all, path))
		return;
	if (!plugin_place_check(path, &why) || !plugin_file_check(path, &why) ||
	    (theirs = plugin_open_file(path, &why)) == NULL || !plugin_head_check(theirs, &why))
		refuse(all, path, false, NULL, why.text);
	else
		load_descriptor(all, path, theirs);
}

/* ---- Modules that are part of the server ---------------------------------------------- */

#ifdef STATIC_MODULES
/* libltdl's callback has no argument. */
static struct plugins *loading;

static int
load_part(lt_dlhandle handle)
{
	struct gearmand_error why = { .text = "" };
	const struct gearmand_plugin *theirs = lt_dlsym(handle, "gearmand_plugin");
	const char *archive = lt_dlgetinfo(handle)->filename;
	struct buf name = { 0 };

	buf_add(&name, archive, strcspn(archive, "."));
	buf_add(&name, " (in the server)", sizeof " (in the server)");
	if (theirs != NULL && plugin_head_check(theirs, &why))
		load_descriptor(loading, name.data, theirs);
	else
		refuse(loading, name.data, false, NULL, theirs == NULL ? "exports no gearmand_plugin" : why.text);
	buf_fini(&name);
	return 0;
}

static void
load_parts(struct plugins *all)
{
	loading = all;
	lt_dlpreload_open("@PROGRAM@", load_part);
	loading = NULL;
}
#endif

/* ---- Modules in directories ----------------------------------------------------------- */

static int
is_module_file(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 3 && strcmp(entry->d_name + len - 3, ".so") == 0;
}

/* Every "*.so", in the order of their names.  A standard directory need not exist. */
static void
load_directory(struct plugins *all, const char *dir, bool may_lack)
{
	struct dirent **entries = NULL;
	struct gearmand_error why = { .text = "" };
	int count;

	if (was_searched(all, dir))
		return;
	text_list_add(&all->dirs, dir);
	count = scandir(dir, &entries, is_module_file, alphasort);
	if (count < 0) {
		if (!may_lack || errno != ENOENT)
			refuse(all, dir, true, NULL, strerror(errno));
		return;
	}
	if (!plugin_place_check(dir, &why))
		refuse(all, dir, true, NULL, why.text);
	for (int i = 0; i < count; i++) {
		struct buf path = { 0 };

		buf_add_str(&path, dir);
		buf_add_str(&path, dir[strlen(dir) - 1] == '/' ? "" : "/");
		buf_add(&path, entries[i]->d_name, strlen(entries[i]->d_name) + 1);
		if (why.text[0] == '\0')
			load_file(all, path.data);
		buf_fini(&path);
		free(entries[i]);
	}
	free(entries);
}

static void
load_path(struct plugins *all, const char *path)
{
	while (*path != '\0') {
		size_t len = strcspn(path, ":");
		char *dir = mem_dup(path, len);

		if (len > 0)
			load_directory(all, dir, false);
		mem_free(dir);
		path += len + (path[len] == ':');
	}
}

void
plugins_load(struct plugins *all, const struct text_list *dirs)
{
	const char *path = secure_getenv("GEARMAND_PLUGIN_PATH");

	CHECK(lt_dlinit() == 0);
#ifdef STATIC_MODULES
	load_parts(all);
#endif
	for (unsigned i = 0; i < dirs->count; i++)
		load_directory(all, dirs->at[i], false);
	if (dirs->count == 0 && path != NULL && path[0] != '\0')
		load_path(all, path);
	else if (dirs->count == 0)
		load_directory(all, GEARMAND_PLUGIN_DIR, true);
}

/* ---- Who is there ------------------------------------------------------------------- */

void
plugins_set_options(struct plugins *all, const struct option_set *options)
{
	for (unsigned i = 0; i < all->count; i++)
		all->at[i]->options = options;
}

unsigned
plugins_count(const struct plugins *all)
{
	return all->count;
}

struct plugin *
plugins_at(const struct plugins *all, unsigned i)
{
	return all->at[i];
}

static bool
module_is_called(const struct gearmand_plugin *p, const char *wanted)
{
	const char *name;

	for (unsigned i = 0; (name = names_at(p->name, p->aliases, i)) != NULL; i++)
		if (strcasecmp(name, wanted) == 0)
			return true;
	return false;
}

struct plugin *
plugins_find(const struct plugins *all, enum gearmand_kind kind, const char *name)
{
	for (unsigned i = 0; i < all->count; i++)
		if (all->at[i]->desc->kind == (uint32_t)kind && module_is_called(all->at[i]->desc, name))
			return all->at[i];
	return NULL;
}
