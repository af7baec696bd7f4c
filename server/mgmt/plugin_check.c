/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Is this descriptor one that the server can live with?  Nothing behind a field is read before the field
 * is good.
 *
 * Runs on:  main thread at start-up.
 * Owns:     nothing; a copy belongs to the caller for good.
 *
 * A module may be older than the server, and then its structs are shorter.  Each struct must reach as far as the
 * module's own minor number says; the server works on a copy in which later members are 0 and NULL, so that nobody
 * else has to think of sizes.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "mgmt/fail.h"
#include "mgmt/plugins_priv.h"

enum { NAME_MAX_BYTES = 32, NAMES_MAX = 16, OPTIONS_MAX = 256 };

const char *
names_at(const char *name, const char *const *aliases, unsigned i)
{
	return i == 0 ? name : aliases == NULL ? NULL : aliases[i - 1];
}

/* ---- Kinds and sizes ---------------------------------------------------------------- */

/* An operation that a module must have. */
struct op {
	const char *name; /* NULL = the list is at its end */
	size_t at;
};

/* clang-format off */
#define OP(kind, name) { #name, offsetof(struct gearmand_##kind##_ops, name) }

static const struct op queue_ops[] = {
	OP(queue, open), OP(queue, replay), OP(queue, commit), OP(queue, close), { 0 }
};
static const struct op protocol_ops[] = {
	OP(protocol, open), OP(protocol, close), OP(protocol, conn_new), OP(protocol, receive), OP(protocol, send),
	OP(protocol, conn_free), { 0 }
};
static const struct op transport_ops[] = {
	OP(transport, open), OP(transport, close), OP(transport, conn_new), OP(transport, receive), OP(transport, send),
	OP(transport, conn_free), { 0 }
};

/* Where a descriptor refers to the operations of its kind, which begin with their size. */
static const struct plugin_kind {
	const char *name;
	size_t at, size;
	const struct op *ops;
} plugin_kinds[] = {
#define KIND(kind) { #kind, offsetof(struct gearmand_plugin, kind), sizeof(struct gearmand_##kind##_ops), kind##_ops }
	[GEARMAND_KIND_QUEUE] = KIND(queue),
	[GEARMAND_KIND_PROTOCOL] = KIND(protocol),
	[GEARMAND_KIND_TRANSPORT] = KIND(transport),
};

enum { KINDS = sizeof(plugin_kinds) / sizeof(plugin_kinds[0]) };

/* How far each struct reaches in each minor number: up to the last member that it brought. */
#define UP_TO(type, member) (offsetof(struct type, member) + sizeof(((struct type *)0)->member))

static const struct {
	size_t plugin, option, ops[KINDS];
} sizes_of_minor[] = {
	{ UP_TO(gearmand_plugin, counters), UP_TO(gearmand_option, secret),
	    { [GEARMAND_KIND_QUEUE] = UP_TO(gearmand_queue_ops, keeps_dead),
	      [GEARMAND_KIND_PROTOCOL] = UP_TO(gearmand_protocol_ops, early),
	      [GEARMAND_KIND_TRANSPORT] = UP_TO(gearmand_transport_ops, daily) } },
};
/* clang-format on */

const char *
kind_name(uint32_t kind)
{
	return kind < KINDS && plugin_kinds[kind].name != NULL ? plugin_kinds[kind].name : "?";
}

static const void *
ops_of(const struct gearmand_plugin *p, uint32_t kind)
{
	const void *ops;

	memcpy(&ops, (const char *)p + plugin_kinds[kind].at, sizeof(ops));
	return ops;
}

/* ---- The head ----------------------------------------------------------------------- */

static bool
abi_check(const struct gearmand_plugin *p, struct gearmand_error *err)
{
	const char *remedy;

	if (p->magic != GEARMAND_PLUGIN_MAGIC)
		return error_fail(err,
		    "its descriptor begins with 0x%08x, expected 0x%08x; rebuild it with this server's SDK", p->magic,
		    GEARMAND_PLUGIN_MAGIC);
	if (p->abi_major == GEARMAND_PLUGIN_ABI_MAJOR && p->abi_minor <= GEARMAND_PLUGIN_ABI_MINOR)
		return true;
	remedy = p->abi_major == GEARMAND_PLUGIN_ABI_MAJOR ? "upgrade the server or rebuild it" : "rebuild it";
	return error_fail(err, "built for plugin ABI %u.%u, this server offers %u.%u; %s", p->abi_major, p->abi_minor,
	    GEARMAND_PLUGIN_ABI_MAJOR, GEARMAND_PLUGIN_ABI_MINOR, remedy);
}

static bool
name_is_good(const char *name)
{
	size_t len = name == NULL ? 0 : strnlen(name, NAME_MAX_BYTES + 1);

	if (len == 0 || len > NAME_MAX_BYTES || name[0] == '-')
		return false;
	for (const char *c = name; *c != '\0'; c++)
		if (!isalnum((unsigned char)*c) && *c != '-')
			return false;
	return true;
}

static bool
text_is_good(const char *text)
{
	if (text == NULL || text[0] == '\0')
		return false;
	for (const char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return false;
	return true;
}

static bool
names_check(const struct gearmand_plugin *p, struct gearmand_error *err)
{
	static const char rule[] = "expected are 1 to 32 letters, digits and '-'; correct it";

	if (!name_is_good(p->name))
		return error_fail(err, "its name is '%.40s', %s", p->name == NULL ? "" : p->name, rule);
	for (unsigned i = 0; p->aliases != NULL && p->aliases[i] != NULL; i++) {
		if (i == NAMES_MAX)
			return error_fail(err, "it has more than %d aliases; is the list without its NULL?", NAMES_MAX);
		if (!name_is_good(p->aliases[i]))
			return error_fail(err, "an alias of it is '%.40s', %s", p->aliases[i], rule);
	}
	if (!text_is_good(p->version) || !text_is_good(p->summary))
		return error_fail(
		    err, "it has no %s of one line; add one", text_is_good(p->version) ? "summary" : "version");
	return true;
}

static bool
size_check(const struct gearmand_plugin *p, const char *what, size_t size, size_t least, struct gearmand_error *err)
{
	if (size >= least)
		return true;
	return error_fail(
	    err, "%s %zu bytes, plugin ABI %u.%u has %zu; rebuild it", what, size, p->abi_major, p->abi_minor, least);
}

bool
plugin_head_check(const struct gearmand_plugin *p, struct gearmand_error *err)
{
	if (!abi_check(p, err) ||
	    !size_check(p, "its descriptor is", p->size, sizes_of_minor[p->abi_minor].plugin, err))
		return false;
	if (p->kind < GEARMAND_KIND_QUEUE || p->kind > GEARMAND_KIND_TRANSPORT)
		return error_fail(
		    err, "its kind is %u, expected 1 (queue), 2 (protocol) or 3 (transport); correct it", p->kind);
	return names_check(p, err);
}

/* ---- Operations --------------------------------------------------------------------- */

bool
plugin_sizes_check(const struct gearmand_plugin *p, struct gearmand_error *err)
{
	const char *name = kind_name(p->kind);
	const size_t *size = ops_of(p, p->kind);
	char what[64];

	if (p->options != NULL &&
	    !size_check(p, "a row of its options is", p->option_size, sizes_of_minor[p->abi_minor].option, err))
		return false;
	if (size == NULL)
		return error_fail(err,
		    "it says that it is a %s module, but has no %s operations; correct its kind or add them", name,
		    name);
	snprintf(what, sizeof(what), "its %s operations are", name);
	return size_check(p, what, *size, sizes_of_minor[p->abi_minor].ops[p->kind], err);
}

/* A block of `to` bytes with the first of `from` in it. */
static void *
copy_of(const void *theirs, size_t from, size_t to)
{
	void *ours = mem_new(to);

	memcpy(ours, theirs, from < to ? from : to);
	return ours;
}

static const struct gearmand_option *
options_of(const struct gearmand_plugin *p)
{
	const char *row = (const char *)p->options;
	struct gearmand_option *ours = NULL;
	size_t from = p->option_size < sizeof(*ours) ? p->option_size : sizeof(*ours);

	for (unsigned i = 0;; i++, row += p->option_size) {
		const char *name;

		memcpy(&name, row, sizeof(name)); /* the first member */
		ours = mem_grow(ours, (i + 1) * sizeof(*ours));
		memset(&ours[i], 0, sizeof(*ours));
		if (name == NULL || i > OPTIONS_MAX)
			return ours;
		memcpy(&ours[i], row, from);
	}
}

const struct gearmand_plugin *
plugin_copy(const struct gearmand_plugin *theirs)
{
	struct gearmand_plugin *p = copy_of(theirs, theirs->size, sizeof(*p));
	const size_t *size = ops_of(p, p->kind);
	void *ops = copy_of(size, *size, plugin_kinds[p->kind].size);

	/* Operations of another kind would be nobody's. */
	p->queue = NULL;
	p->protocol = NULL;
	p->transport = NULL;
	memcpy((char *)p + plugin_kinds[p->kind].at, &ops, sizeof(ops));
	if (p->options != NULL)
		p->options = options_of(p);
	return p;
}

void
plugin_copy_free(const struct gearmand_plugin **pp)
{
	const struct gearmand_plugin *p = *pp;

	*pp = NULL;
	mem_free((void *)(uintptr_t)p->options);
	mem_free((void *)(uintptr_t)ops_of(p, p->kind));
	mem_free((void *)(uintptr_t)p);
}

bool
plugin_ops_check(const struct gearmand_plugin *p, struct gearmand_error *err)
{
	const char *ops = ops_of(p, p->kind);
	void (*function)(void);

	for (const struct op *op = plugin_kinds[p->kind].ops; op->name != NULL; op++) {
		memcpy(&function, ops + op->at, sizeof(function));
		if (function == NULL)
			return error_fail(err,
			    "its operation %s is NULL, expected a function; every %s module must have one", op->name,
			    kind_name(p->kind));
	}
	return true;
}

/* ---- Options ------------------------------------------------------------------------ */

static bool
option_name_is_good(const char *name)
{
	if (name == NULL || name[0] < 'a' || name[0] > 'z' || name[1] == '\0')
		return false;
	for (const char *c = name; *c != '\0'; c++)
		if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '-')
			return false;
	return true;
}

static bool
option_names_check(const struct gearmand_option *o, struct gearmand_error *err)
{
	static const char rule[] = "expected are small letters, digits and '-'; rename it";

	if (!option_name_is_good(o->name))
		return error_fail(err, "an option of it is called '%.40s', %s", o->name, rule);
	for (unsigned i = 0; o->aliases != NULL && o->aliases[i] != NULL; i++) {
		if (i == NAMES_MAX)
			return error_fail(err,
			    "its option --%s has more than %d aliases; is the list without its NULL?", o->name,
			    NAMES_MAX);
		if (!option_name_is_good(o->aliases[i]))
			return error_fail(
			    err, "an alias of its option --%s is '%.40s', %s", o->name, o->aliases[i], rule);
	}
	return true;
}

/* Bounds must be numbers, and the default a value that an operator could give. */
static bool
option_value_check(const struct gearmand_option *o, struct gearmand_error *err)
{
	const char *const texts[] = { o->min, o->max, o->dflt };
	struct gearmand_error why = { .text = "" };
	struct gearmand_option bare = *o;

	bare.min = bare.max = NULL;
	for (unsigned i = 0; i < 3; i++)
		if (texts[i] != NULL && !option_check(i < 2 ? &bare : o, texts[i], NULL, NULL, &why))
			return error_fail(err, "%s of its option --%s is not possible: %.300s; correct it",
			    i < 2 ? "a bound" : "the default", o->name, why.text);
	if (o->type == GEARMAND_OPT_SWITCH && o->dflt != NULL)
		return error_fail(
		    err, "its option --%s is a switch with a default, and switches have none; remove it", o->name);
	return true;
}

static bool
option_row_check(const struct gearmand_option *o, struct gearmand_error *err)
{
	if (!option_names_check(o, err))
		return false;
	if (o->type < GEARMAND_OPT_SWITCH || o->type > GEARMAND_OPT_PORT)
		return error_fail(err,
		    "its option --%s is of type %u, expected 1 to 6; upgrade the server or correct it", o->name,
		    (unsigned)o->type);
	if (!text_is_good(o->help))
		return error_fail(err, "its option --%s has no help sentence; add one", o->name);
	return option_value_check(o, err);
}

bool
plugin_options_check(const struct gearmand_plugin *p, struct gearmand_error *err)
{
	for (unsigned i = 0; p->options != NULL && p->options[i].name != NULL; i++) {
		if (i == OPTIONS_MAX)
			return error_fail(
			    err, "it has more than %d options; is the table without its {0}?", OPTIONS_MAX);
		if (!option_row_check(&p->options[i], err))
			return false;
	}
	return true;
}
