/* SPDX-License-Identifier: BSD-3-Clause
 *
 * --help: columns, defaults, and a heading for each module.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/options.h"
#include "mgmt/plugins_priv.h"

static char *help;

static void
teardown(void)
{
	free(help);
}

TestSuite(help, .fini = teardown);

static void
print(const struct option_set *set, const struct plugins *plugins)
{
	size_t size;
	FILE *out = open_memstream(&help, &size);

	options_print_help(set, plugins, "gearmand", out);
	fclose(out);
}

static bool
has(const char *lines)
{
	return strstr(help, lines) != NULL;
}

Test(help, options_stand_in_columns_with_their_defaults)
{
	struct option_set *set = option_set_new();
	struct plugins none = { 0 };

	print(set, &none);
	cr_assert(has("\n\nListening:\n"), "%s", help);
	cr_assert(has("\n  -p, --port=PORT                 port, as number"), "%s", help);
	cr_assert(has("\n      --syslog                    write"), "%s", help);
	cr_assert(has("(default 4730)"), "%s", help);
	cr_assert_not(has("check-args"), "it is hidden");
	option_set_free(&set);
}

Test(help, modules_have_a_heading_and_secrets_no_default)
{
	static const char *const aliases[] = { "circle", "loop", NULL };
	static const struct gearmand_option options[] = {
		{ .name = "ring-file", .type = GEARMAND_OPT_PATH, .dflt = "ring.db", .help = "file of the ring" },
		{ .name = "ring-password",
		    .type = GEARMAND_OPT_STRING,
		    .value_name = "WORD",
		    .dflt = "sesame",
		    .secret = true,
		    .help =
			"opens the ring, which is a long story that goes on and on until it does not fit on one line" },
		{ .name = "ring-with-a-name-longer-than-the-column", .type = GEARMAND_OPT_INT, .help = "number" },
		{ 0 },
	};
	static const struct gearmand_plugin ring = {
		.kind = GEARMAND_KIND_QUEUE,
		.name = "ring",
		.aliases = aliases,
		.summary = "keeps jobs in a ring",
		.options = options,
	};
	struct plugin p = { .desc = &ring };
	struct plugin *at[] = { &p };
	struct plugins all = { .at = at, .count = 1 };
	struct option_set *set = option_set_new();

	option_set_add_module(set, &ring);
	print(set, &all);
	cr_assert(
	    has("\nModule ring (queue): keeps jobs in a ring\nAlso called circle, loop\n"
		"      --ring-file=PATH            file of the ring (default ring.db)\n"
		"      --ring-password=WORD        opens the ring, which is a long story that goes on and on until it\n"
		"                                  does not fit on one line\n"
		"      --ring-with-a-name-longer-than-the-column=NUMBER\n"
		"                                  number\n"),
	    "%s", help);
	cr_assert_not(has("sesame"));
	option_set_free(&set);
}
