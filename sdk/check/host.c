/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The services that every module gets.  What a module must not do with them ends the case with a sentence.
 *
 * Runs on:  see host.h; log, options, clocks and memory from threads of the module, too.
 * Owns:     the values of the module's options.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <gearmand/module.h>

#include "mgmt/options.h"

#include "host.h"
#include "kit.h"

bool (*host_is_change)(const struct gearmand_change *);

static _Atomic long blocks;

/* ---- Options ------------------------------------------------------------------------ */

static bool
value_set(struct host_value *v, const char *given, struct gearmand_error *err)
{
	free(v->text);
	v->text = NULL;
	return option_check(v->option, given, &v->text, &v->number, err);
}

static bool
goes_by(const struct gearmand_option *o, const char *name, size_t len)
{
	if (strlen(o->name) == len && strncmp(o->name, name, len) == 0)
		return true;
	for (const char *const *alias = o->aliases; alias != NULL && *alias != NULL; alias++)
		if (strlen(*alias) == len && strncmp(*alias, name, len) == 0)
			return true;
	return false;
}

static struct host_value *
value_find(struct host *h, const char *name, size_t len)
{
	for (int i = 0; i < h->value_count; i++)
		if (goes_by(h->values[i].option, name, len))
			return &h->values[i];
	return NULL;
}

bool
host_set(struct host *h, const char *name, size_t len, const char *given, struct gearmand_error *err)
{
	struct host_value *v = value_find(h, name, len);
	bool is_switch = v != NULL && v->option->type == GEARMAND_OPT_SWITCH;

	if (v == NULL)
		return gm_fail(err, GEARMAND_WHY_LASTING, "the module has no option '%.*s'", (int)len, name);
	if (is_switch && given != NULL)
		return gm_fail(err, GEARMAND_WHY_LASTING, "option '--%s' does not take any arguments", v->option->name);
	if (!is_switch && given == NULL)
		return gm_fail(
		    err, GEARMAND_WHY_LASTING, "the required argument for option '--%s' is missing", v->option->name);
	return value_set(v, is_switch ? "1" : given, err);
}

bool
host_options_read(struct host *h, const struct words *words, struct gearmand_error *err)
{
	for (int at = 0; at < words->count; at++) {
		const char *word = words->at[at], *name = word + 2, *given = NULL;
		size_t len = strncmp(word, "--", 2) == 0 ? strcspn(name, "=") : 0;
		const struct host_value *v = value_find(h, name, len);

		if (len == 0 || v == NULL)
			return gm_fail(err, GEARMAND_WHY_LASTING, "the module has no option '%s'", word);
		if (name[len] == '=')
			given = name + len + 1;
		else if (v->option->type != GEARMAND_OPT_SWITCH && at + 1 < words->count)
			given = words->at[++at];
		if (!host_set(h, name, len, given, err))
			return false;
	}
	return true;
}

void
host_free_values(struct host *h)
{
	for (int i = 0; i < h->value_count; i++)
		free(h->values[i].text);
	h->value_count = 0;
}

void
host_options_print(const struct gearmand_plugin *plugin)
{
	printf("\nOptions of module %s:\n", plugin->name);
	for (const struct gearmand_option *o = plugin->options; o != NULL && o->name != NULL; o++)
		printf("  --%s%s\n      %s%s%s%s\n", o->name, o->type == GEARMAND_OPT_SWITCH ? "" : "=...", o->help,
		    o->dflt == NULL || o->secret ? "" : " (default ", o->dflt == NULL || o->secret ? "" : o->dflt,
		    o->dflt == NULL || o->secret ? "" : ")");
}

/* ---- Services ----------------------------------------------------------------------- */

static void host_log(const struct gearmand_host *, enum gearmand_level, const char *, ...) GEARMAND_PRINTF(3, 4);
static void host_error_set(struct gearmand_error *, const char *, ...) GEARMAND_PRINTF(2, 3);
static void host_refuse(struct gearmand_change *, const char *, ...) GEARMAND_PRINTF(2, 3);

static void
host_log(const struct gearmand_host *host, enum gearmand_level level, const char *format, ...)
{
	static const char *const names[] = { "FATAL", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO",
		"DEBUG" };
	char line[HOST_LINE_MOST];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	MUST((unsigned)level < GM_COUNT(names), "the module logs with level %d, which does not exist", (int)level);
	memcpy(((struct host *)host->own)->log, line, sizeof(line));
	if (level <= GEARMAND_LOG_NOTICE)
		note_if_failed("log: %s %s", names[level], line);
}

static void
host_error_set(struct gearmand_error *err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
}

static int64_t
now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static char identity[33];

void
host_be_another(void)
{
	gm_made_unique(identity);
}

static int64_t
host_monotonic(void)
{
	return now(CLOCK_MONOTONIC);
}

static int64_t
host_wall(void)
{
	return now(CLOCK_REALTIME);
}

/* Its declared options only, by their names and not by an alias. */
static const struct host_value *
value_asked(const struct gearmand_host *host, const char *name)
{
	const struct host *h = host->own;

	for (int i = 0; i < h->value_count; i++)
		if (strcmp(h->values[i].option->name, name) == 0)
			return &h->values[i];
	fail("the module asks for option --%s, which is not in its table", name);
}

static const char *
host_option(const struct gearmand_host *host, const char *name)
{
	return value_asked(host, name)->text;
}

static int64_t
host_option_number(const struct gearmand_host *host, const char *name)
{
	const struct host_value *v = value_asked(host, name);

	MUST(v->option->type != GEARMAND_OPT_STRING && v->option->type != GEARMAND_OPT_PATH,
	    "the module asks for the number of option --%s, which is a text", name);
	return v->text == NULL ? 0 : v->number;
}

static void *
host_allocate(size_t size)
{
	void *p = calloc(1, size);

	MUST(p != NULL, "out of memory: the module asks for %zu bytes", size);
	blocks++;
	return p;
}

static void
host_release(void *p)
{
	blocks -= p != NULL;
	free(p);
}

long
host_blocks(void)
{
	return blocks;
}

static void
host_refuse(struct gearmand_change *change, const char *format, ...)
{
	char line[HOST_LINE_MOST];
	va_list args;

	MUST(host_is_change == NULL || host_is_change(change),
	    "the module refuses something that is no change of the batch at hand");
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	free(change->reason);
	change->reason = strdup(line);
	change->outcome = GEARMAND_REFUSED;
}

static const char *
host_phase(void)
{
	return "serving";
}

void
host_init(struct host *h, const struct gearmand_plugin *plugin)
{
	struct gearmand_error err = { .text = "" };

	*h = (struct host){ .plugin = plugin };
	if (identity[0] == '\0')
		host_be_another();
	h->table = (struct gearmand_host){
		.size = sizeof(h->table),
		.own = h,
		.server_version = "9.8.7",
		.identity = identity,
		.log = host_log,
		.error_set = host_error_set,
		.monotonic = host_monotonic,
		.wall = host_wall,
		.phase = host_phase,
		.option = host_option,
		.option_number = host_option_number,
		.allocate = host_allocate,
		.release = host_release,
		.refuse = host_refuse,
	};
	for (const struct gearmand_option *o = plugin->options; o != NULL && o->name != NULL; o++) {
		struct host_value *v = &h->values[h->value_count++];

		MUST(h->value_count < HOST_VALUES_MOST, "the module has more than %d options", HOST_VALUES_MOST - 1);
		v->option = o;
		if (o->dflt != NULL)
			MUST(value_set(v, o->dflt, &err), "the default of --%s: %s", o->name, err.text);
	}
}

/* ---- Bytes -------------------------------------------------------------------------- */

/* A power of two that is more than this. */
static size_t
pile_cap(size_t len)
{
	size_t cap = 1;

	while (cap <= len)
		cap *= 2;
	return cap;
}

void
pile_add(struct pile *p, const void *bytes, size_t len)
{
	if (p->data == NULL || pile_cap(p->len + len) != pile_cap(p->len))
		p->data = realloc(p->data, pile_cap(p->len + len));
	MUST(p->data != NULL, "no memory for the test");
	if (len > 0)
		memcpy(p->data + p->len, bytes, len);
	p->len += len;
	p->data[p->len] = '\0';
}

void
pile_cut(struct pile *p, size_t len)
{
	MUST(len <= p->len, "more is taken than there is");
	if (len == 0)
		return;
	memmove(p->data, p->data + len, p->len - len);
	p->len -= len;
	p->data[p->len] = '\0';
}

void
pile_free(struct pile *p)
{
	free(p->data);
	*p = (struct pile){ 0 };
}

struct gearmand_slice
pile_slice(const struct pile *p)
{
	return (struct gearmand_slice){ p->data, p->len };
}
