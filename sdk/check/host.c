/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The services a queue module gets.  What a module must not do with them ends the case with a sentence.
 *
 * Runs on:  the process of a case; log, options, clocks and memory from threads of the module, too.
 * Owns:     the values of the module's options, until the program ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <gearmand/module.h>

#include "mgmt/options.h"

#include "host.h"
#include "kit.h"
#include "rig.h"

enum { VALUES_MOST = 256, TEXT_MOST = 2048 };

static struct {
	const struct gearmand_option *option;
	char *text; /* NULL = no value */
	int64_t number;
} values[VALUES_MOST];
static int value_count;

/* ---- Reading ------------------------------------------------------------------------ */

static bool
value_set(int i, const char *given, struct gearmand_error *err)
{
	free(values[i].text);
	values[i].text = NULL;
	return option_check(values[i].option, given, &values[i].text, &values[i].number, err);
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

static int
value_find(const char *name, size_t len)
{
	for (int i = 0; i < value_count; i++)
		if (goes_by(values[i].option, name, len))
			return i;
	return -1;
}

/* One option of the command line; moves *at over its words. */
static bool
read_one(const struct words *words, int *at, struct gearmand_error *err)
{
	const char *word = words->at[(*at)++];
	size_t len = strncmp(word, "--", 2) == 0 ? strcspn(word + 2, "=") : 0;
	int i = len == 0 ? -1 : value_find(word + 2, len);
	const char *given = i < 0 || word[2 + len] == '\0' ? NULL : word + 2 + len + 1;

	if (i < 0) {
		snprintf(err->text, sizeof(err->text), "the module has no option '%s'", word);
		return false;
	}
	if (values[i].option->type == GEARMAND_OPT_SWITCH) {
		if (given == NULL)
			return value_set(i, "1", err);
		snprintf(
		    err->text, sizeof(err->text), "option '--%s' does not take any arguments", values[i].option->name);
		return false;
	}
	if (given == NULL && *at < words->count)
		given = words->at[(*at)++];
	if (given != NULL)
		return value_set(i, given, err);
	snprintf(
	    err->text, sizeof(err->text), "the required argument for option '--%s' is missing", values[i].option->name);
	return false;
}

bool
host_options_read(const struct gearmand_plugin *plugin, const struct words *words, struct gearmand_error *err)
{
	for (const struct gearmand_option *o = plugin->options; o != NULL && o->name != NULL; o++) {
		if (value_count == VALUES_MOST)
			break;
		values[value_count++].option = o;
		if (o->dflt != NULL && !value_set(value_count - 1, o->dflt, err))
			return false;
	}
	for (int at = 0; at < words->count;)
		if (!read_one(words, &at, err))
			return false;
	return true;
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
	char line[TEXT_MOST];
	va_list args;

	(void)host;
	MUST((unsigned)level < sizeof(names) / sizeof(names[0]), "the module logs with level %d, which is none",
	    (int)level);
	if (level > GEARMAND_LOG_NOTICE)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
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

static const char *
identity_get(void)
{
	static char text[33];

	if (text[0] == '\0')
		gm_made_unique(text);
	return text;
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
static int
value_asked(const char *name)
{
	for (int i = 0; i < value_count; i++)
		if (strcmp(values[i].option->name, name) == 0)
			return i;
	fail("the module asks for option --%s, which is not in its table", name);
}

static const char *
host_option(const struct gearmand_host *host, const char *name)
{
	(void)host;
	return values[value_asked(name)].text;
}

static int64_t
host_option_number(const struct gearmand_host *host, const char *name)
{
	int i = value_asked(name);

	(void)host;
	MUST(values[i].option->type != GEARMAND_OPT_STRING && values[i].option->type != GEARMAND_OPT_PATH,
	    "the module asks for the number of option --%s, which is a text", name);
	return values[i].text == NULL ? 0 : values[i].number;
}

static void *
host_allocate(size_t size)
{
	void *p = calloc(1, size);

	MUST(p != NULL, "out of memory: the module asks for %zu bytes", size);
	return p;
}

static void
host_refuse(struct gearmand_change *change, const char *format, ...)
{
	char line[TEXT_MOST];
	va_list args;

	MUST(rig_is_committing(change), "the module refuses something that is no change of the batch at hand");
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	free(change->reason);
	change->reason = strdup(line);
	change->outcome = GEARMAND_REFUSED;
}

/* For protocol modules; a queue module has no connection to call these with. */
static bool
host_listen(const struct gearmand_host *host, const char *protocol, const char *address, const char *port, void *tag,
    struct gearmand_error *err)
{
	(void)host;
	(void)protocol;
	(void)tag;
	(void)address;
	(void)port;
	(void)err;
	fail("the module calls listen(), which is for protocol modules");
}

void
host_init(struct gearmand_host *host, struct rig *rig)
{
	*host = (struct gearmand_host){
		.size = sizeof(*host),
		.own = rig,
		.server_version = "gearmand-plugin-check",
		.identity = identity_get(),
		.log = host_log,
		.error_set = host_error_set,
		.monotonic = host_monotonic,
		.wall = host_wall,
		.option = host_option,
		.option_number = host_option_number,
		.allocate = host_allocate,
		.release = free,
		.refuse = host_refuse,
		.listen = host_listen,
	};
}
