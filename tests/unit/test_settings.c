/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What options become: values, defaults, weights of the sources, the option set of modules.
 *
 * What is wrong, and how it is said, is in tests/plugins/startup.py.
 */
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mgmt/options_priv.h"
#include "mgmt/plugins.h"

enum { WORDS = 32 };

static char folder[] = "/tmp/gearmand-unit.XXXXXX";
static char conf[64];
static struct settings *settings;
static struct plugins *plugins;

static void
setup(void)
{
	cr_assert_not_null(mkdtemp(folder));
	snprintf(conf, sizeof(conf), "%s/conf", folder);
	unsetenv("GEARMAND_PORT");
	unsetenv("NOTIFY_SOCKET");
}

static void
teardown(void)
{
	plugins_free(&plugins);
	settings_free(&settings);
	unlink(conf);
	rmdir(folder);
}

TestSuite(settings, .init = setup, .fini = teardown);

/* Starts with these words, up to NULL, behind a configuration file of this text. */
static enum settings_verdict
start(const char *file, ...)
{
	char config_file[80], plugin_dir[80];
	char *argv[WORDS] = { (char *)"gearmand", config_file, plugin_dir };
	FILE *out = fopen(conf, "w");
	int argc = 3;
	va_list words;

	cr_assert_not_null(out);
	fputs(file, out);
	fclose(out);
	snprintf(config_file, sizeof(config_file), "--config-file=%s", conf);
	snprintf(plugin_dir, sizeof(plugin_dir), "--plugin-dir=%s", folder);
	va_start(words, file);
	while ((argv[argc] = va_arg(words, char *)) != NULL)
		argc++;
	va_end(words);
	plugins_free(&plugins);
	settings_free(&settings);
	return settings_read(argc, argv, &settings, &plugins);
}

Test(settings, defaults)
{
	cr_assert_eq(start("", NULL), SETTINGS_RUN);
	cr_assert_str_eq(settings->port, "4730");
	cr_assert_str_eq(settings->queue_type, "builtin");
	cr_assert(settings_in_memory(settings));
	cr_assert_eq(settings->backlog, -1);
	cr_assert_eq(settings->threads, 0);
	cr_assert_eq(settings->job_retries, 0);
	cr_assert_eq(settings->worker_wakeup, 0);
	cr_assert_eq(settings->keepalive_idle, 120);
	cr_assert_eq(settings->keepalive_interval, 30);
	cr_assert_eq(settings->keepalive_count, 4);
	cr_assert_str_eq(settings->unix_mode, "0660");
	cr_assert_eq(settings->verbose, GEARMAND_LOG_NOTICE);
	cr_assert_eq(settings->hashtable_buckets, 991);
	cr_assert_eq(settings->listen.count, 0);
	cr_assert_eq(settings->protocols.count, 0);
	cr_assert_eq(settings->file_descriptors, 0);
	cr_assert_null(settings->user);
	cr_assert_null(settings->job_handle_prefix);
	cr_assert_not(settings->pid_file_given);
}

Test(settings, default_bounds)
{
	cr_assert_eq(start("", NULL), SETTINGS_RUN);
	cr_assert_eq(settings->max_packet, 256 << 20);
	cr_assert_eq(settings->max_line, 8192);
	cr_assert_eq(settings->max_output, 64 << 20);
	cr_assert_eq(settings->max_connections, 0);
	cr_assert_eq(settings->max_jobs, 100000000);
	cr_assert_eq(settings->max_functions, 100000);
	cr_assert_eq(settings->max_abilities, 10000);
	cr_assert_eq(settings->max_storing, 64 << 20);
	cr_assert_eq(settings->queue_timeout, 10);
	cr_assert_eq(settings->shutdown_timeout, 3600);
}

Test(settings, switches)
{
	cr_assert_eq(start("", "-dR", "--syslog", "--coredump", "--keepalive", "--exceptions", "--strict-order",
			 "--timeout-requeues", NULL),
	    SETTINGS_RUN);
	cr_assert(settings->daemon && settings->round_robin && settings->syslog && settings->coredump);
	cr_assert(settings->keepalive && settings->exceptions && settings->strict_order && settings->timeout_requeues);
	cr_assert_not(settings->ssl || settings->help || settings->version || settings->check_args);
	cr_assert_eq(start("", NULL), SETTINGS_RUN);
	cr_assert_not(settings->daemon || settings->round_robin || settings->syslog || settings->coredump);
	cr_assert_not(
	    settings->keepalive || settings->exceptions || settings->strict_order || settings->timeout_requeues);
}

Test(settings, letters)
{
	cr_assert_eq(start("", "-b1", "-f", "2", "-j3", "-lx", "-P", "y", "-p6", "-t", "7", "-u", "me", "-w8", NULL),
	    SETTINGS_RUN);
	cr_assert_eq(settings->backlog, 1);
	cr_assert_eq(settings->file_descriptors, 2);
	cr_assert_eq(settings->job_retries, 3);
	cr_assert_str_eq(settings->log_file, "x");
	cr_assert_str_eq(settings->pid_file, "y");
	cr_assert(settings->pid_file_given);
	cr_assert_str_eq(settings->port, "6");
	cr_assert_eq(settings->threads, 7);
	cr_assert_str_eq(settings->user, "me");
	cr_assert_eq(settings->worker_wakeup, 8);
}

Test(settings, sizes_and_negative_numbers)
{
	cr_assert_eq(start("", "--max-packet=2m", "--max-line=1K", "--max-memory=3T", "--max-output=4G",
			 "--job-retries", "-1", "--backlog=-5", NULL),
	    SETTINGS_RUN);
	cr_assert_eq(settings->max_packet, 2 << 20);
	cr_assert_eq(settings->max_line, 1024);
	cr_assert_eq(settings->max_memory, 3LL << 40);
	cr_assert_eq(settings->max_output, 4LL << 30);
	cr_assert_eq(settings->job_retries, -1);
	cr_assert_eq(settings->backlog, -5);
}

Test(settings, repeatable_options_keep_their_order)
{
	cr_assert_eq(start("", "-L", "127.0.0.1", "--listen=::1", "-Lunix:/x", NULL), SETTINGS_RUN);
	cr_assert_eq(settings->listen.count, 3);
	cr_assert_str_eq(settings->listen.at[0], "127.0.0.1");
	cr_assert_str_eq(settings->listen.at[1], "::1");
	cr_assert_str_eq(settings->listen.at[2], "unix:/x");
}

Test(settings, command_line_goes_before_environment_before_file)
{
	setenv("GEARMAND_PORT", "2", 1);
	cr_assert_eq(start("--port=1", "--port=4730", NULL), SETTINGS_RUN);
	cr_assert_str_eq(settings->port, "4730", "also when it is what the default would be");
	cr_assert_eq(start("--port=1", NULL), SETTINGS_RUN);
	cr_assert_str_eq(settings->port, "2");
	unsetenv("GEARMAND_PORT");
	cr_assert_eq(start("--port=1", NULL), SETTINGS_RUN);
	cr_assert_str_eq(settings->port, "1");
}

Test(settings, lists_of_the_command_line_replace_those_of_the_file)
{
	cr_assert_eq(start("-L a -L b", "-L", "c", NULL), SETTINGS_RUN);
	cr_assert_eq(settings->listen.count, 1);
	cr_assert_str_eq(settings->listen.at[0], "c");
	cr_assert_eq(start("-L a -L b", NULL), SETTINGS_RUN);
	cr_assert_eq(settings->listen.count, 2);
}

Test(settings, file_with_comments_quotes_and_values_on_the_next_line)
{
	cr_assert_eq(
	    start("# --threads=9 'it\n-t\n\n\t2 \\\n  --log-file='a # b' # c\n -P\"x y\" --user=a#b --daemon", NULL),
	    SETTINGS_RUN);
	cr_assert_eq(settings->threads, 2);
	cr_assert_str_eq(settings->log_file, "a # b");
	cr_assert_str_eq(settings->pid_file, "x y");
	cr_assert_str_eq(settings->user, "a#b");
	cr_assert(settings->daemon);
}

Test(settings, quotes_and_backslashes_inside_an_unquoted_word_are_literal)
{
	static const struct {
		const char *text, *user;
	} cases[] = {
		{ "--user=p\\w", "p\\w" },
		{ "--user=p\"w\"x", "p\"w\"x" },
		{ "--user=it's", "it's" },
		{ "-up\\", "p\\" },
		{ "--user=\\\\\n", "\\\\" },
		{ "--user a\\\r\n", "a\\" },
		{ "--user='p\\w'", "p\\w" },
		{ "--user=\"p\\w\"", "p\\w" },
		{ "--user=\"p\\\"w\\\\\"", "p\"w\\" },
		{ "--user 'a b'", "a b" },
		{ "-u'a b'", "a b" },
		{ "--user=''", "" },
		{ "--user ''", "" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		cr_assert_eq(start(cases[i].text, NULL), SETTINGS_RUN, "%s", cases[i].text);
		cr_assert_str_eq(settings->user, cases[i].user, "%s", cases[i].text);
	}
}

Test(settings, a_byte_order_mark_is_taken_off_the_file)
{
	cr_assert_eq(start("\xef\xbb\xbf--threads=3\n", NULL), SETTINGS_RUN);
	cr_assert_eq(settings->threads, 3);
}

Test(settings, an_empty_word_is_a_value)
{
	cr_assert_eq(start("", "--user", "", NULL), SETTINGS_RUN);
	cr_assert_str_eq(settings->user, "");
	cr_assert_eq(start("", "--threads", "", NULL), SETTINGS_BAD, "but no number");
}

Test(settings, what_is_overridden_is_not_judged)
{
	setenv("GEARMAND_PORT", "no-such-service", 1);
	cr_assert_eq(start("--backlog=x --port=y", "--backlog=5", "-p6", NULL), SETTINGS_RUN);
	cr_assert_eq(settings->backlog, 5);
	cr_assert_str_eq(settings->port, "6");
	cr_assert_eq(start("", NULL), SETTINGS_BAD);
}

Test(settings, the_address_that_kubernetes_gives_for_a_service_is_no_port)
{
	setenv("GEARMAND_PORT", "tcp://192.0.2.12:4730", 1);
	cr_assert_eq(start("", NULL), SETTINGS_RUN);
	cr_assert_str_eq(settings->port, "4730");
}

Test(settings, under_a_service_manager_the_last_log_file_counts_and_it_stays_in_the_foreground)
{
	cr_assert_eq(start("", "--log-file=stderr", "--daemon", "--log-file=x", NULL), SETTINGS_BAD);
	setenv("NOTIFY_SOCKET", "/nowhere", 1);
	cr_assert_eq(start("-l y", "--log-file=stderr", "--daemon", "--log-file=x", NULL), SETTINGS_RUN);
	cr_assert_str_eq(settings->log_file, "x");
	cr_assert_not(settings->daemon);
	cr_assert_eq(start("", "-p1", "-p2", NULL), SETTINGS_BAD, "others are given once");
}

Test(settings, ports_may_be_services)
{
	cr_assert_eq(start("", "--port=ssh", NULL), SETTINGS_RUN);
	cr_assert_str_eq(settings->port, "22");
}

Test(settings, memory_queue_has_two_names_in_any_case)
{
	cr_assert_eq(start("", "-q", "None", NULL), SETTINGS_RUN);
	cr_assert(settings_in_memory(settings));
	cr_assert_eq(start("", "-qBUILTIN", NULL), SETTINGS_RUN);
	cr_assert(settings_in_memory(settings));
}

Test(settings, every_option_of_the_core_has_a_help_and_a_default_that_is_possible)
{
	struct gearmand_error err;

	for (const struct option_row *row = option_rows; row->decl.name != NULL; row++) {
		cr_assert_not_null(row->decl.help, "%s", row->decl.name);
		cr_assert_eq(option_row_find(row->decl.name), row, "%s is there twice", row->decl.name);
		if (row->decl.dflt != NULL)
			cr_assert(option_check(&row->decl, row->decl.dflt, NULL, NULL, &err), "%s", err.text);
		for (const struct option_row *other = row + 1; other->decl.name != NULL; other++)
			cr_assert(row->letter == 0 || row->letter != other->letter, "-%c is there twice", row->letter);
	}
}

/* ---- Options of modules ------------------------------------------------------------- */

static const char *const db_aliases[] = { "database", NULL };
static const struct gearmand_option module_options[] = {
	{ .name = "db", .type = GEARMAND_OPT_PATH, .dflt = "jobs.db", .help = "file", .aliases = db_aliases },
	{ .name = "password", .type = GEARMAND_OPT_STRING, .dflt = "sesame", .help = "secret word", .secret = true },
	{ .name = "pin", .type = GEARMAND_OPT_INT, .help = "secret number", .secret = true },
	{ .name = "cache", .type = GEARMAND_OPT_SIZE, .dflt = "8K", .help = "bytes" },
	{ .name = "ssl-key", .type = GEARMAND_OPT_PATH, .dflt = "key", .help = "key" },
	{ 0 },
};
static const struct gearmand_plugin module = {
	.kind = GEARMAND_KIND_TRANSPORT,
	.name = "m",
	.summary = "a module",
	.options = module_options,
};

static bool
read_line(struct option_set *set, struct gearmand_error *err, const char *word)
{
	char *argv[] = { (char *)"gearmand", (char *)word, NULL };

	err->text[0] = '\0';
	return options_read_line(set, 2, argv, err);
}

Test(module_options, have_defaults_values_and_aliases)
{
	struct option_set *set = option_set_new();
	struct gearmand_error err;

	option_set_add_module(set, &module);
	cr_assert_str_eq(option_find(set, "db")->text, "jobs.db");
	cr_assert_eq(option_find(set, "cache")->number, 8192);
	cr_assert(read_line(set, &err, "--database=x"), "%s", err.text);
	cr_assert_str_eq(option_find(set, "db")->text, "x");
	cr_assert_eq(option_find_of(set, &module, "db"), option_find(set, "database"));
	cr_assert_null(option_find_of(set, &module, "port"), "the core's options are not for modules");
	option_set_free(&set);
}

Test(module_options, take_the_place_and_the_environment_of_what_the_core_keeps_for_them)
{
	struct option_set *set = option_set_new();
	struct gearmand_error err;
	unsigned before = set->count;

	option_set_add_module(set, &module);
	cr_assert_eq(set->count, before + 4, "--ssl-key was there");
	setenv("GEARMAND_SERVER_KEY", "of the environment", 1);
	cr_assert(options_read_environment(set, NULL, &err), "%s", err.text);
	cr_assert_str_eq(option_find_of(set, &module, "ssl-key")->text, "of the environment");
	option_set_free(&set);
}

Test(module_options, secrets_are_not_shown)
{
	struct option_set *set = option_set_new();
	struct gearmand_error err;
	char text[sizeof(err.text)];

	option_set_add_module(set, &module);
	cr_assert_not(read_line(set, &err, "--pin=abc"));
	cr_assert_str_eq(err.text, "the argument ('***') for option '--pin' is invalid: it must be a whole number");
	cr_assert_not(option_check(&module_options[2], "99999999999999999999", NULL, NULL, &err));
	snprintf(text, sizeof(text), "%s", err.text);
	cr_assert_null(strstr(text, "99999"), "%s", text);
	option_set_free(&set);
}

Test(module_options, are_listed_with_where_they_come_from_and_without_secrets)
{
	struct option_set *set = option_set_new();
	struct buf out = { 0 };
	struct gearmand_error err;

	option_set_add_module(set, &module);
	cr_assert(read_line(set, &err, "--pin=7321"), "%s", err.text);
	cr_assert(read_line(set, &err, "--listen=a\tb"), "%s", err.text);
	cr_assert(read_line(set, &err, "--exceptions"), "%s", err.text);
	option_set_add_lines(set, &out);
	buf_add_char(&out, '\0');
	cr_assert_not_null(strstr(out.data, "\nlisten\ta\\x09b\tline\n"));
	cr_assert_not_null(strstr(out.data, "\nexceptions\tyes\tline\n"));
	cr_assert_not_null(strstr(out.data, "\ndb\tjobs.db\tdefault\n"));
	cr_assert_not_null(strstr(out.data, "\npassword\t(set)\tdefault\n"));
	cr_assert_not_null(strstr(out.data, "\npin\t(set)\tline\n"));
	cr_assert_null(strstr(out.data, "sesame"));
	cr_assert_null(strstr(out.data, "7321"));
	cr_assert_null(strstr(out.data, "\nhelp\t"), "it has no value");
	buf_fini(&out);
	option_set_free(&set);
}
