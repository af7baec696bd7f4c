/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What an operator gets to read about modules: --list-plugins, and why the one asked for is not there.
 *
 * Runs on:  main thread at start-up.
 * Owns:     nothing.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "mgmt/plugins_priv.h"

/* ---- What is missing ---------------------------------------------------------------- */

/* Modules of this project that have a package of their own, under our names and those of gearmand 1.1. */
static const struct {
	enum gearmand_kind kind;
	const char *names, *package;
} packages[] = {
	{ GEARMAND_KIND_QUEUE, " sqlite libsqlite3 sqlite3 ", "gearmand-queue-sqlite" },
	{ GEARMAND_KIND_QUEUE, " postgres postgresql libpq ", "gearmand-queue-postgres" },
	{ GEARMAND_KIND_QUEUE, " mysql mariadb libdrizzle drizzle ", "gearmand-queue-mysql" },
	{ GEARMAND_KIND_QUEUE, " memcached libmemcached ", "gearmand-queue-memcached" },
	{ GEARMAND_KIND_QUEUE, " tokyo libtokyocabinet tokyocabinet ", "gearmand-queue-tokyo" },
	{ GEARMAND_KIND_PROTOCOL, " http ", "gearmand" },
	{ GEARMAND_KIND_PROTOCOL, " monitor ", "gearmand" },
	{ GEARMAND_KIND_TRANSPORT, " tls ", "gearmand-transport-tls" },
	{ GEARMAND_KIND_TRANSPORT, " proxy ", "gearmand" },
};

/* Is it one of the words in `names`, with blanks around each?  Case is ignored. */
static bool
is_among(const char *names, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = names; (at = strcasestr(at, name)) != NULL; at++)
		if (len > 0 && (at == names || at[-1] == ' ') && at[len] == ' ')
			return true;
	return false;
}

const char *
plugin_package(enum gearmand_kind kind, const char *name)
{
	for (unsigned i = 0; i < sizeof(packages) / sizeof(packages[0]); i++)
		if (packages[i].kind == kind && is_among(packages[i].names, name))
			return packages[i].package;
	return NULL;
}

/* Does `queue-ring.so`, or `ring.so`, go by the name "ring"? */
static bool
is_file_of(const char *file, enum gearmand_kind kind, const char *name)
{
	static const char *const prefixes[][3] = {
		[GEARMAND_KIND_QUEUE] = { "", "queue-", NULL },
		[GEARMAND_KIND_PROTOCOL] = { "", "proto-", "protocol-" },
		[GEARMAND_KIND_TRANSPORT] = { "", "transport-", NULL },
	};
	const char *slash = strrchr(file, '/'), *base = slash == NULL ? file : slash + 1;
	size_t len = strlen(base) - strlen(".so");

	for (unsigned i = 0; i < 3 && prefixes[kind][i] != NULL; i++) {
		size_t skip = strlen(prefixes[kind][i]);

		if (len == skip + strlen(name) && strncmp(base, prefixes[kind][i], skip) == 0 &&
		    strncasecmp(base + skip, name, len - skip) == 0)
			return true;
	}
	return strcmp(file, name) == 0 || strcmp(base, name) == 0;
}

static const struct refusal *
find_refused(const struct plugins *all, enum gearmand_kind kind, const char *name)
{
	for (unsigned i = 0; i < all->refused_count; i++) {
		const struct refusal *r = &all->refused[i];

		if (!r->is_directory &&
		    ((r->kind == (uint32_t)kind && is_among(r->names, name)) || is_file_of(r->file, kind, name)))
			return r;
	}
	return NULL;
}

static void
add_installed(const struct plugins *all, enum gearmand_kind kind, struct buf *b)
{
	const char *gap = "";

	if (kind == GEARMAND_KIND_QUEUE) {
		buf_add_str(b, "builtin");
		gap = ", ";
	}
	for (unsigned i = 0; i < all->count; i++)
		if (all->at[i]->desc->kind == (uint32_t)kind) {
			buf_add_str(b, gap);
			buf_add_str(b, all->at[i]->desc->name);
			gap = ", ";
		}
	if (gap[0] == '\0')
		buf_add_str(b, "none");
}

static void
add_directories(const struct plugins *all, struct buf *b)
{
	for (unsigned i = 0; i < all->dirs.count; i++) {
		buf_add_str(b, i == 0 ? "" : ", ");
		buf_add_str(b, all->dirs.at[i]);
	}
	if (all->dirs.count == 0)
		buf_add_str(b, "nothing");
}

/* "Unknown queue NAME ..." are the words of gearmand 1.1. */
static void
add_unknown(const struct plugins *all, enum gearmand_kind kind, const char *name, struct buf *b)
{
	const char *package = plugin_package(kind, name);

	buf_add_str(b, kind == GEARMAND_KIND_QUEUE      ? "Unknown queue "
		       : kind == GEARMAND_KIND_PROTOCOL ? "Unknown protocol module : "
							: "Unknown transport module : ");
	buf_add_escaped(b, slice_str(name));
	buf_add_str(b, "; installed: ");
	add_installed(all, kind, b);
	buf_add_str(b, "; searched: ");
	add_directories(all, b);
	if (package != NULL) {
		buf_add_str(b, "; package ");
		buf_add_str(b, package);
		buf_add_str(b, " has it");
	}
}

bool
plugins_require(const struct plugins *all, enum gearmand_kind kind, const char *name, char **why_r)
{
	const struct refusal *refused = find_refused(all, kind, name);
	struct buf b = { 0 };

	if (refused == NULL && plugins_find(all, kind, name) != NULL)
		return true;
	if (refused != NULL)
		buf_add_str(&b, refused->sentence);
	else
		add_unknown(all, kind, name, &b);
	*why_r = mem_dup(b.data, b.len);
	buf_fini(&b);
	return false;
}

/* ---- --list-plugins ----------------------------------------------------------------- */

enum { COLUMNS = 6 };

struct line {
	char abi[24];
	const char *cell[COLUMNS];
};

static void
line_of(const struct plugin *p, struct line *line)
{
	snprintf(line->abi, sizeof(line->abi), "%u.%u", p->desc->abi_major, p->desc->abi_minor);
	line->cell[0] = p->desc->name;
	line->cell[1] = kind_name(p->desc->kind);
	line->cell[2] = p->desc->version;
	line->cell[3] = line->abi;
	line->cell[4] = p->file;
	line->cell[5] = p->desc->summary;
}

static void
print_lines(const struct line *lines, unsigned count, FILE *out)
{
	size_t width[COLUMNS] = { 0 };

	for (unsigned i = 0; i < count; i++)
		for (unsigned c = 0; c < COLUMNS; c++)
			if (strlen(lines[i].cell[c]) > width[c])
				width[c] = strlen(lines[i].cell[c]);
	for (unsigned i = 0; i < count; i++)
		for (unsigned c = 0; c < COLUMNS; c++)
			fprintf(out, "%-*s%s", c + 1 < COLUMNS ? (int)width[c] : 0, lines[i].cell[c],
			    c + 1 < COLUMNS ? "  " : "\n");
}

void
plugins_print(const struct plugins *all, FILE *out)
{
	static const struct line head[] = {
		{ .cell = { "NAME", "KIND", "VERSION", "ABI", "FILE", "SUMMARY" } },
		{ .cell = { "builtin", "queue", GEARMAND_VERSION, "-", "(in the server)",
		      "keeps jobs in memory only" } },
		{ .cell = { "gear", "protocol", GEARMAND_VERSION, "-", "(in the server)", "the Gearman protocol" } },
	};
	enum { HEAD = sizeof(head) / sizeof(head[0]) };
	struct line *lines = mem_new((all->count + HEAD) * sizeof(*lines));
	struct buf dirs = { 0 };

	memcpy(lines, head, sizeof(head));
	for (unsigned i = 0; i < all->count; i++)
		line_of(all->at[i], &lines[HEAD + i]);
	print_lines(lines, all->count + HEAD, out);
	mem_free(lines);
	if (all->refused_count > 0)
		fputc('\n', out);
	for (unsigned i = 0; i < all->refused_count; i++)
		fprintf(out, "%s\n", all->refused[i].sentence);
	add_directories(all, &dirs);
	fprintf(out, "\nSearched: %.*s\n", (int)dirs.len, dirs.data);
	buf_fini(&dirs);
}

void
plugins_add_lines(const struct plugins *all, const struct plugin *queue, struct buf *out)
{
	for (unsigned i = 0; i < all->count; i++) {
		const struct plugin *p = all->at[i];
		const char *cells[] = { p->desc->name, kind_name(p->desc->kind), p->desc->version, p->file };

		for (size_t cell = 0; cell < sizeof cells / sizeof *cells; cell++) {
			buf_add_escaped(out, slice_str(cells[cell]));
			buf_add_char(out, '\t');
		}
		buf_add_str(out, p->is_open || p == queue ? "yes\n" : "no\n");
	}
}
