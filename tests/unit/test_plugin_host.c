/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table of services that a module gets.
 */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <string.h>

#include "base/mem.h"
#include "cross/log.h"
#include "mgmt/plugins_priv.h"

static const struct gearmand_option options[] = {
	{ .name = "db", .type = GEARMAND_OPT_PATH, .help = "file" },
	{ .name = "cache", .type = GEARMAND_OPT_SIZE, .dflt = "8K", .help = "bytes" },
	{ .name = "fast", .type = GEARMAND_OPT_SWITCH, .help = "no care" },
	{ .name = "m-port", .type = GEARMAND_OPT_PORT, .dflt = "ssh", .help = "port" },
	{ 0 },
};

static bool opens = true;
static unsigned closed;

static bool
open_m(const struct gearmand_host *host, void **module_r, struct gearmand_error *err)
{
	*module_r = &closed;
	return opens && host->listen(host, NULL, "127.0.0.1", "8080", NULL, err) &&
	       host->listen(host, "http", "unix:/x", "0", &closed, err);
}

static void
close_m(void **m)
{
	cr_assert_eq(*m, &closed);
	*m = NULL;
	closed++;
}

static unsigned reloads;

static bool
reload_m(void *m, struct gearmand_error *err)
{
	cr_assert_eq(m, &closed);
	cr_assert_eq(err->text[0], '\0');
	return ++reloads > 1;
}

static const struct gearmand_protocol_ops ops = {
	.size = sizeof(ops), .open = open_m, .close = close_m, .reload = reload_m
};
static const struct gearmand_counter counters[] = { { "one", "a" }, { "two", "b" }, { NULL, NULL } };
static const struct gearmand_plugin desc = {
	.kind = GEARMAND_KIND_PROTOCOL,
	.name = "m",
	.counters = counters,
	.options = options,
	.protocol = &ops,
};
static struct plugin plugin;
static struct option_set *set;
static const struct gearmand_host *host = &plugin.host;

static void
setup(void)
{
	plugin = (struct plugin){ .desc = &desc };
	set = option_set_new();
	option_set_add_module(set, &desc);
	plugin_host_init(&plugin);
	plugin.options = set;
}

static void
teardown(void)
{
	plugin_close(&plugin);
	plugin_listens_free(&plugin);
	option_set_free(&set);
}

TestSuite(plugin_host, .init = setup, .fini = teardown);

Test(plugin_host, tells_its_size_and_the_servers_version)
{
	cr_assert_eq(host->size, sizeof(*host));
	cr_assert_eq(strlen(host->identity), 32);
	cr_assert(strchr(host->server_version, '.') != NULL);
}

Test(plugin_host, options_have_values_or_none)
{
	cr_assert_null(host->option(host, "db"));
	cr_assert_str_eq(host->option(host, "cache"), "8K");
	cr_assert_eq(host->option_number(host, "cache"), 8192);
	cr_assert_null(host->option(host, "fast"));
	cr_assert_eq(host->option_number(host, "fast"), 0);
	cr_assert_str_eq(host->option(host, "m-port"), "22", "a port is a number");
	cr_assert_eq(host->option_number(host, "m-port"), 22);
	cr_assert_null(host->option(host, "threads"), "the server's own");
	cr_assert_eq(host->option_number(host, "nosuch"), 0);
}

Test(plugin_host, log_lines_begin_with_the_modules_name)
{
	char line[256] = "";
	FILE *err;

	cr_redirect_stderr();
	log_start(NULL, GEARMAND_LOG_ERROR);
	host->log(host, GEARMAND_LOG_ERROR, "%d of %s", 3, "4");
	host->log(host, GEARMAND_LOG_INFO, "not wanted");
	fflush(stderr);
	err = cr_get_redirected_stderr();
	cr_assert_not_null(fgets(line, sizeof(line), err));
	cr_assert_not_null(strstr(line, "m: 3 of 4\n"), "%s", line);
}

Test(plugin_host, a_refused_change_has_a_reason_the_latest_one)
{
	struct gearmand_change change = { .op = GEARMAND_ADD };

	host->refuse(&change, "too large by %d", 1);
	host->refuse(&change, "too large by %d", 2);
	cr_assert_eq(change.outcome, GEARMAND_REFUSED);
	cr_assert_str_eq(change.reason, "too large by 2");
	mem_free(change.reason);
}

Test(plugin_host, errors_are_cut_to_their_size)
{
	struct gearmand_error err;

	host->error_set(&err, "%1000s", "x");
	cr_assert_eq(strlen(err.text), sizeof(err.text) - 1);
}

Test(plugin_host, memory_is_zeroed_and_time_goes_on)
{
	char *p = host->allocate(100);
	int64_t before = host->monotonic();

	for (int i = 0; i < 100; i++)
		cr_assert_eq(p[i], 0);
	host->release(p);
	cr_assert_geq(host->monotonic(), before);
	cr_assert_gt(host->wall(), 1600000000LL * 1000000000);
}

Test(plugin_host, listens_are_kept_in_order)
{
	struct gearmand_error err = { .text = "" };

	cr_assert(plugin_open(&plugin, &err), "%s", err.text);
	cr_assert_eq(plugin.listen_count, 2);
	cr_assert_str_eq(plugin.listens[0].address, "127.0.0.1");
	cr_assert_str_eq(plugin.listens[0].port, "8080");
	cr_assert_str_eq(plugin.listens[1].address, "unix:/x");
	cr_assert_null(plugin.listens[0].protocol);
	cr_assert_str_eq(plugin.listens[1].protocol, "http");
	cr_assert_eq(plugin.listens[1].tag, &closed);
	plugin_close(&plugin);
	plugin_close(&plugin);
	cr_assert_eq(closed, 1, "closed once");
}

Test(plugin_host, listen_is_for_open_only)
{
	struct gearmand_error err = { .text = "" };

	cr_assert_not(host->listen(host, NULL, "127.0.0.1", "1", NULL, &err));
	cr_assert_str_eq(err.text, "module m: listen() is for open() only");
	cr_assert_eq(plugin.listen_count, 0);
}

Test(plugin_host, open_modules_alone_are_reloaded)
{
	struct plugin *one[] = { &plugin };
	struct plugins all = { .at = one, .count = 1 };
	struct gearmand_error err = { .text = "" };

	plugins_reload(&all);
	cr_assert_eq(reloads, 0);
	cr_assert(plugin_open(&plugin, &err));
	plugins_reload(&all);
	plugins_reload(&all);
	cr_assert_eq(reloads, 2, "a module that stays as it was is asked again at the next time");
	plugin_close(&plugin);
}

Test(plugin_host, files_that_the_new_user_cannot_read_end_the_start)
{
	struct plugin *one[] = { &plugin };
	struct plugins all = { .at = one, .count = 1 };
	struct gearmand_error err = { .text = "" };

	cr_assert(plugins_read_again(&all, "nobody", &err), "a module that is not open is not asked");
	cr_assert(plugin_open(&plugin, &err));
	cr_assert_not(plugins_read_again(&all, "nobody", &err));
	cr_assert_str_eq(err.text, "module m, as user nobody: ");
	cr_assert(plugins_read_again(&all, "nobody", &err));
	plugin_close(&plugin);
}

Test(plugin_host, what_a_module_shows_is_told_when_it_changes)
{
	struct plugin *one[] = { &plugin };
	struct plugins all = { .at = one, .count = 1 };
	uint64_t by[STAT_ALL] = { 0 };

	plugin.first_counter = STAT_COUNT;
	cr_assert_not(plugins_take_shown(&all, by));
	host->show(host, 1, 7);
	cr_assert(plugins_take_shown(&all, by));
	cr_assert_eq(by[STAT_COUNT + 1], 7);
	cr_assert_not(plugins_take_shown(&all, by));
	host->show(host, 1, 5);
	cr_assert(plugins_take_shown(&all, by));
	cr_assert_eq(by[STAT_COUNT + 1], 5, "the sum of what was told is what it shows");
}

Test(plugin_host, a_module_that_does_not_say_why_it_did_not_open_is_named)
{
	struct gearmand_error err = { .text = "" };

	opens = false;
	cr_assert_not(plugin_open(&plugin, &err));
	cr_assert_str_eq(err.text, "module m did not open and does not say why");
	cr_assert_not(plugin.is_open);
}

Test(plugin_host, services_of_the_io_class_are_filled_in_and_nothing_else_changes)
{
	struct gearmand_host io = { .size = 1, .request = (void *)1, .deliver = (void *)2 };
	struct plugin *one[] = { &plugin };
	struct plugins all = { .at = one, .count = 1 };

	plugins_set_services(&all, &io);
	cr_assert_eq((void *)host->request, (void *)1);
	cr_assert_eq((void *)host->deliver, (void *)2);
	cr_assert_eq(host->size, sizeof(*host));
	cr_assert_not_null(host->listen);
	cr_assert_eq(host->own, &plugin);
}
