/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the server was told to do: modules first, since they bring options, then everything else.
 *
 * Runs on:  main thread at start-up.
 * Owns:     the settings' strings are views into the option set, which the settings keep.
 *
 * Order: glance at --plugin-dir and --config-file, load modules, read command line, environment and
 * files, check; then --check-args, --help, --version and --list-plugins in that order; then see to
 * it that what was asked for is there.
 */
#include "config.h"

#include "mgmt/settings.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "mgmt/access_file.h"
#include "mgmt/config_files.h"
#include "mgmt/fail.h"
#include "mgmt/policy_file.h"
#include "base/buf.h"
#include "wire/access.h"
#include "wire/policy.h"
#include "mgmt/limits.h"
#include "mgmt/notify.h"
#include "mgmt/options_priv.h"
#include "mgmt/plugins.h"
#include "wire/packet.h"

#define BUG_ADDRESS (PACKAGE_BUGREPORT[0] != '\0' ? PACKAGE_BUGREPORT : "please report bugs to the packager")

/* The settings, and what their strings belong to. */
struct settings_store {
	struct settings settings; /* first */
	struct option_set *options;
};

/* What is on its way to become settings. */
struct reading {
	const char *program;
	struct option_set *options;
	struct config_files *files;
	struct plugins *plugins;
	struct text_list warnings;
	struct gearmand_error err;
};

/* ---- Values ------------------------------------------------------------------------- */

static void
settings_put(struct settings *s, const struct option *o)
{
	char *place = (char *)s + o->row.place;

	if (o->row.place == OPTION_NO_PLACE)
		return;
	if (o->row.flags & OPTION_REPEATABLE) {
		memcpy(place, &o->texts, sizeof(o->texts));
		return;
	}
	switch ((int)o->row.decl.type) {
	case GEARMAND_OPT_SWITCH:
		*(bool *)(void *)place = o->number != 0;
		break;
	case GEARMAND_OPT_INT:
	case GEARMAND_OPT_SIZE:
		memcpy(place, &o->number, sizeof(o->number));
		break;
	case OPTION_TYPE_LEVEL:
		*(enum gearmand_level *)(void *)place = (enum gearmand_level)o->number;
		break;
	default:
		memcpy(place, &o->text, sizeof(o->text));
		break;
	}
}

/* Takes the options. */
static struct settings *
settings_new(struct option_set **options)
{
	struct settings_store *store = mem_new(sizeof(*store));
	struct settings *s = &store->settings;

	store->options = *options;
	*options = NULL;
	for (unsigned i = 0; i < store->options->count; i++)
		settings_put(s, &store->options->at[i]);
	/* A service manager has us in the background already. */
	s->daemon_is_ignored = s->daemon && store->options->managed;
	s->daemon = s->daemon && !s->daemon_is_ignored;
	s->pid_file_given = option_find(store->options, "pid-file")->source != FROM_DEFAULT;
	if (s->max_memory == 0)
		s->max_memory = (int64_t)limits_default_memory();
	return s;
}

void
settings_free(struct settings **sp)
{
	struct settings_store *store = (struct settings_store *)(void *)*sp;

	*sp = NULL;
	if (store == NULL)
		return;
	option_set_free(&store->options);
	mem_free(store);
}

const struct option_set *
settings_options(const struct settings *s)
{
	return ((const struct settings_store *)(const void *)s)->options;
}

static bool
is_memory_queue(const char *name)
{
	return strcasecmp(name, "builtin") == 0 || strcasecmp(name, "none") == 0;
}

bool
settings_in_memory(const struct settings *s)
{
	return is_memory_queue(s->queue_type);
}

/* ---- Reading ------------------------------------------------------------------------ */

/* Modules are loaded from where command line and file say, before their options can be read. */
static void
read_modules(struct reading *r, int argc, char **argv)
{
	struct option_set *early = option_set_new();

	options_glance_line(early, argc, argv);
	r->files = config_files_read(early);
	r->plugins = plugins_new();
	plugins_load(r->plugins, &option_find(early, "plugin-dir")->texts);
	option_set_free(&early);
	r->options = option_set_new();
	r->options->managed = notify_wanted();
	for (unsigned i = 0; i < plugins_count(r->plugins); i++)
		option_set_add_module(r->options, plugins_at(r->plugins, i)->desc);
	plugins_set_options(r->plugins, r->options);
}

static bool
is_on(const struct reading *r, const char *name)
{
	return option_find(r->options, name)->number != 0;
}

static bool
check_handle_prefix(const char *prefix, struct gearmand_error *err)
{
	enum { LONGEST = HANDLE_MAX - 21 }; /* ':' and the digits of a 64-bit number */

	if (prefix == NULL)
		return true;
	if (strlen(prefix) > LONGEST)
		return error_fail(
		    err, "job-handle-prefix is %zu bytes, at most %d are possible", strlen(prefix), LONGEST);
	for (const char *c = prefix; *c != '\0'; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return error_fail(err, "job-handle-prefix has a blank or a control byte");
	return true;
}

static bool
check_unix_mode(const char *mode, struct gearmand_error *err)
{
	size_t len = strlen(mode);

	return (len >= 3 && len <= 4 && strspn(mode, "01234567") == len) ||
	       error_fail(err,
		   "the argument ('%s') for option '--unix-mode' is invalid: it must be a file mode such as 0660",
		   mode);
}

/* It is read again by the user that the server runs as. */
static bool
check_policy_file(const struct reading *r, struct gearmand_error *err)
{
	const struct policy base = policy_of_options(
	    option_find(r->options, "job-retries")->number, option_find(r->options, "status-keep")->number);
	struct policies *policies = policy_file_read(option_find(r->options, "policy-file")->text, &base, err);
	bool good = policies != NULL;

	policies_free(&policies);
	return good;
}

/* The same. */
static bool
check_access_file(struct reading *r)
{
	struct access *access = access_file_read(option_find(r->options, "access-file")->text, r->plugins, &r->err);
	bool good = access != NULL;

	access_free(&access);
	return good;
}

static bool
check_values(struct reading *r)
{
	if (option_find(r->options, "hashtable-buckets")->number == 0)
		return error_fail(&r->err, "hashtable-buckets has to be greater than 0");
	if (is_on(r, "standby") && is_memory_queue(option_find(r->options, "queue-type")->text))
		return error_fail(&r->err, "standby needs a queue that servers can share: --queue-type");
	return check_policy_file(r, &r->err) && check_access_file(r) &&
	       check_unix_mode(option_find(r->options, "unix-mode")->text, &r->err) &&
	       check_handle_prefix(option_find(r->options, "job-handle-prefix")->text, &r->err);
}

/* A broken file does not keep anybody from the help. */
static bool
read_files(struct reading *r)
{
	bool asks_only = is_on(r, "help") || is_on(r, "version") || is_on(r, "list-plugins");

	if (config_files_take(r->files, r->options, &r->warnings, &r->err))
		return true;
	if (!asks_only || is_on(r, "check-args"))
		return false;
	text_list_add(&r->warnings, r->err.text);
	return true;
}

/* ---- Questions ---------------------------------------------------------------------- */

static void
print_refusals(const struct reading *r)
{
	for (unsigned i = 0; i < plugins_refused_count(r->plugins); i++)
		fprintf(stderr, "%s: warning: %s\n", r->program, plugins_refused(r->plugins, i));
}

/* False: the error says what is wrong with the file or the words. */
static bool
answer_about_access(struct reading *r)
{
	const char *path = option_find(r->options, "check-access")->text;
	struct buf out = { 0 };
	bool good = path == NULL || access_file_explain(path, r->plugins, &r->options->words, &out, &r->err);

	if (out.len > 0)
		fwrite(out.data, 1, out.len, stdout);
	buf_fini(&out);
	return good;
}

/* True when the command line asked something that is answered now. */
static bool
answer(const struct reading *r)
{
	if (is_on(r, "check-args") || option_find(r->options, "check-access")->text != NULL)
		return true;
	if (is_on(r, "help")) {
		print_refusals(r);
		options_print_help(r->options, r->plugins, r->program, stdout);
	} else if (is_on(r, "version")) {
		printf("\n%s %s - %s\n", PACKAGE_NAME, GEARMAND_VERSION, BUG_ADDRESS);
	} else if (is_on(r, "list-plugins")) {
		plugins_print(r->plugins, stdout);
	} else {
		return false;
	}
	fflush(stdout);
	return true;
}

/* ---- What must be there ------------------------------------------------------------- */

static bool
require(struct reading *r, enum gearmand_kind kind, const char *name)
{
	char *why = NULL;

	if (plugins_require(r->plugins, kind, name, &why))
		return true;
	/* The module may be among them: a folder that is left out, say. */
	for (unsigned i = 0; i < plugins_refused_count(r->plugins); i++)
		if (strcmp(plugins_refused(r->plugins, i), why) != 0)
			fprintf(stderr, "%s: warning: %s\n", r->program, plugins_refused(r->plugins, i));
	fprintf(stderr, "%s: %s\n", r->program, why);
	mem_free(why);
	return false;
}

static bool
require_all(struct reading *r, enum gearmand_kind kind, const char *option)
{
	const struct text_list *names = &option_find(r->options, option)->texts;

	for (unsigned i = 0; i < names->count; i++)
		if (!require(r, kind, names->at[i]))
			return false;
	return true;
}

static bool
require_modules(struct reading *r)
{
	const char *queue = option_find(r->options, "queue-type")->text;

	return (is_memory_queue(queue) || require(r, GEARMAND_KIND_QUEUE, queue)) &&
	       require_all(r, GEARMAND_KIND_PROTOCOL, "protocol") &&
	       require_all(r, GEARMAND_KIND_TRANSPORT, "transport") &&
	       (!is_on(r, "ssl") || require(r, GEARMAND_KIND_TRANSPORT, "tls"));
}

static bool
is_named(const struct reading *r, const struct gearmand_plugin *plugin, const struct text_list *names)
{
	for (unsigned i = 0; i < names->count; i++) {
		const struct plugin *p = plugins_find(r->plugins, plugin->kind, names->at[i]);

		if (p != NULL && p->desc == plugin)
			return true;
	}
	return false;
}

/* Is the module one of those that will run? */
static bool
is_asked_for(const struct reading *r, const struct gearmand_plugin *plugin)
{
	char *queue = option_find(r->options, "queue-type")->text;
	const struct text_list queues = { .at = &queue, .count = queue != NULL };

	if (plugin->kind == GEARMAND_KIND_QUEUE)
		return is_named(r, plugin, &queues);
	if (plugin->kind == GEARMAND_KIND_PROTOCOL)
		return is_named(r, plugin, &option_find(r->options, "protocol")->texts);
	return is_named(r, plugin, &option_find(r->options, "transport")->texts) ||
	       (is_on(r, "ssl") && strcmp(plugin->name, "tls") == 0);
}

/* Who gives --ssl-listen alone may believe that TLS is spoken.  One warning for each module.  Options that 1.1 had,
 * too, were passed over there, and are here. */
static void
warn_of_options_without_module(struct reading *r)
{
	const struct gearmand_plugin *last = NULL;
	struct gearmand_error what;

	for (unsigned i = 0; i < r->options->count; i++) {
		const struct option *o = &r->options->at[i];
		const struct gearmand_plugin *p = o->plugin;

		if (p == NULL || p == last || (o->row.flags & OPTION_STAND_IN) ||
		    (o->source != FROM_FILE && o->source != FROM_COMMAND_LINE) || is_asked_for(r, p))
			continue;
		last = p;
		error_fail(&what, "--%s has no effect: it belongs to the module %s, which %s=%s would load",
		    o->row.decl.name, p->name,
		    p->kind == GEARMAND_KIND_QUEUE      ? "--queue-type"
		    : p->kind == GEARMAND_KIND_PROTOCOL ? "--protocol"
							: "--transport",
		    p->name);
		text_list_add(&r->warnings, what.text);
	}
}

/* ---- All of it ---------------------------------------------------------------------- */

static enum settings_verdict
read_all(struct reading *r, int argc, char **argv)
{
	read_modules(r, argc, argv);
	if (!options_read_line(r->options, argc, argv, &r->err) ||
	    !options_read_environment(r->options, &r->warnings, &r->err) || !read_files(r) || !check_values(r) ||
	    !answer_about_access(r)) {
		print_refusals(r); /* an unknown option may be that of a refused module */
		fprintf(stderr, "%s: %s\n", r->program, r->err.text);
		return SETTINGS_BAD;
	}
	warn_of_options_without_module(r);
	for (unsigned i = 0; i < r->warnings.count; i++)
		fprintf(stderr, "%s: warning: %s\n", r->program, r->warnings.at[i]);
	if (answer(r))
		return SETTINGS_DONE;
	if (!require_modules(r))
		return SETTINGS_BAD;
	print_refusals(r);
	return SETTINGS_RUN;
}

enum settings_verdict
settings_read(int argc, char **argv, struct settings **settings_r, struct plugins **plugins_r)
{
	struct reading r = { .program = argc > 0 ? argv[0] : PACKAGE_NAME };
	enum settings_verdict verdict = read_all(&r, argc, argv);

	*settings_r = NULL;
	*plugins_r = NULL;
	if (verdict == SETTINGS_RUN) {
		if (is_on(&r, "ssl"))
			text_list_add(&option_find(r.options, "transport")->texts, "tls");
		*settings_r = settings_new(&r.options);
		*plugins_r = r.plugins;
		r.plugins = NULL;
	}
	config_files_free(&r.files);
	option_set_free(&r.options);
	plugins_free(&r.plugins);
	text_list_fini(&r.warnings);
	return verdict;
}
