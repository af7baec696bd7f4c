/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the loader refuses in a descriptor, and the sentence that it says.  Files, symbols and loading are in
 * tests/bad-plugins.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "mgmt/plugin_check.h"
#include "mgmt/plugins_priv.h"

static struct gearmand_error err;

/* A module that is as it should be. */
static const struct gearmand_option good_options[] = {
	{ .name = "ring-size", .type = GEARMAND_OPT_SIZE, .dflt = "1M", .min = "1K", .help = "bytes of the ring" },
	{ 0 },
};

static struct gearmand_plugin
good(void)
{
	return (struct gearmand_plugin){
		.magic = GEARMAND_PLUGIN_MAGIC,
		.abi_major = GEARMAND_PLUGIN_ABI_MAJOR,
		.abi_minor = GEARMAND_PLUGIN_ABI_MINOR,
		.size = sizeof(struct gearmand_plugin),
		.kind = GEARMAND_KIND_QUEUE,
		.name = "ring",
		.version = "1",
		.summary = "a ring",
		.option_size = sizeof(struct gearmand_option),
		.options = good_options,
	};
}

static void
refused(const struct gearmand_plugin *p, const char *sentence)
{
	err.text[0] = '\0';
	cr_assert_not(plugin_head_check(p, &err), "expected: %s", sentence);
	cr_assert_str_eq(err.text, sentence);
}

Test(plugin_check, a_good_head_and_good_options_pass)
{
	struct gearmand_plugin p = good();

	cr_assert(plugin_head_check(&p, &err), "%s", err.text);
	cr_assert(plugin_options_check(&p, &err), "%s", err.text);
}

Test(plugin_check, names_are_letters_digits_and_hyphens)
{
	static const char *const bad[] = { "", "-ring", "ri ng", "ring_1", "ring\n",
		"0123456789012345678901234567890123" };
	static const char *const bad_alias[] = { "ok", "r/ng", NULL };
	struct gearmand_plugin p = good();
	char sentence[200];

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		p.name = bad[i];
		snprintf(sentence, sizeof sentence,
		    "its name is '%s', expected are 1 to 32 letters, digits and '-'; correct it", bad[i]);
		refused(&p, sentence);
	}
	p = good();
	p.aliases = bad_alias;
	refused(&p, "an alias of it is 'r/ng', expected are 1 to 32 letters, digits and '-'; correct it");
}

Test(plugin_check, version_and_summary_are_one_line_each)
{
	struct gearmand_plugin p = good();

	p.version = "1\n2";
	refused(&p, "it has no version of one line; add one");
	p = good();
	p.summary = "";
	refused(&p, "it has no summary of one line; add one");
}

Test(plugin_check, a_list_of_aliases_without_an_end_is_noticed)
{
	static const char *aliases[1000];
	struct gearmand_plugin p = good();

	for (size_t i = 0; i < 1000; i++)
		aliases[i] = "ok";
	p.aliases = aliases;
	cr_assert_not(plugin_head_check(&p, &err));
	cr_assert_not_null(strstr(err.text, "is the list without its NULL?"), "%s", err.text);
}

Test(plugin_check, options_that_no_operator_could_give_are_refused)
{
	static const struct {
		struct gearmand_option option;
		const char *sentence;
	} cases[] = {
		{ { .name = "Ring", .type = GEARMAND_OPT_INT, .help = "x" },
		    "an option of it is called 'Ring', expected are small letters, digits and '-'; rename it" },
		{ { .name = "ring", .type = (enum gearmand_option_type)99, .help = "x" },
		    "its option --ring is of type 99, expected 1 to 6; upgrade the server or correct it" },
		{ { .name = "ring", .type = GEARMAND_OPT_INT }, "its option --ring has no help sentence; add one" },
		{ { .name = "ring", .type = GEARMAND_OPT_SWITCH, .dflt = "1", .help = "x" },
		    "its option --ring is a switch with a default, and switches have none; remove it" },
		{ { .name = "ring", .type = GEARMAND_OPT_INT, .min = "few", .help = "x" },
		    "a bound of its option --ring is not possible: the argument ('few') for option '--ring' is "
		    "invalid: it must be a whole number; "
		    "correct it" },
		{ { .name = "ring", .type = GEARMAND_OPT_INT, .dflt = "0", .min = "1", .max = "9", .help = "x" },
		    "the default of its option --ring is not possible: the argument ('0') for option '--ring' is "
		    "invalid: it "
		    "must be from 1 to 9; correct it" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct gearmand_option options[] = { cases[i].option, { 0 } };
		struct gearmand_plugin p = good();

		p.options = options;
		cr_assert_not(plugin_options_check(&p, &err), "expected: %s", cases[i].sentence);
		cr_assert_str_eq(err.text, cases[i].sentence);
	}
}

/* ---- Clashes -------------------------------------------------------------------------- */

static void
clashes(const struct plugins *all, const struct gearmand_plugin *p, const char *sentence)
{
	cr_assert_not(plugin_clash_check(all, p, &err), "expected: %s", sentence);
	cr_assert_str_eq(err.text, sentence);
}

Test(plugin_clash, the_names_of_the_server_and_of_other_modules_are_taken)
{
	static const char *const aliases[] = { "Circle", NULL };
	struct gearmand_plugin there = good(), p = good();
	struct plugin other = { .desc = &there, .file = (char *)"/x/queue-ring.so" };
	struct plugin *at[] = { &other };
	struct plugins none = { 0 }, all = { .at = at, .count = 1 };

	there.aliases = aliases;
	cr_assert(plugin_clash_check(&none, &p, &err), "%s", err.text);
	clashes(&all, &p, "its name 'ring' is taken by /x/queue-ring.so; remove one of the two");
	p.name = "circle";
	clashes(&all, &p, "its name 'circle' is taken by /x/queue-ring.so; remove one of the two");
	p.name = "Builtin";
	clashes(&none, &p, "its name 'Builtin' is the server's own; rename it");
	p.name = "disk";
	clashes(&all, &p, "its option --ring-size is taken by /x/queue-ring.so; remove one of the two");
	p.kind = GEARMAND_KIND_PROTOCOL;
	p.name = "ring";
	p.options = NULL;
	cr_assert(plugin_clash_check(&all, &p, &err), "kinds have names of their own: %s", err.text);
}

Test(plugin_clash, options_of_the_core_are_taken_but_for_those_that_it_keeps_for_modules)
{
	static const char *const port[] = { "port", NULL };
	struct gearmand_option options[] = { { .name = "backlog" }, { 0 } };
	struct gearmand_option twice[] = { { .name = "a1" },
		{ .name = "a2", .aliases = (const char *[]){ "a1", NULL } }, { 0 } };
	struct plugins none = { 0 };
	struct gearmand_plugin p = good();

	p.options = options;
	clashes(&none, &p, "its option --backlog is the server's own; rename it");
	options[0].name = "ring";
	options[0].aliases = port;
	clashes(&none, &p, "its option --port is the server's own; rename it");
	options[0] = (struct gearmand_option){ .name = "ssl-key" };
	cr_assert(plugin_clash_check(&none, &p, &err), "%s", err.text);
	p.options = twice;
	clashes(&none, &p, "it has the option --a1 twice; remove one");
}

Test(plugin_check, operations_of_another_kind_are_left_out_of_the_copy)
{
	static const struct gearmand_queue_ops queue = { .size = sizeof(queue) };
	static const struct gearmand_protocol_ops protocol = { .size = sizeof(protocol) };
	struct gearmand_plugin p = good();
	const struct gearmand_plugin *copy;

	p.queue = &queue;
	p.protocol = &protocol;
	cr_assert(plugin_sizes_check(&p, &err), "%s", err.text);
	copy = plugin_copy(&p);
	cr_assert(copy->queue != NULL && copy->queue != &queue && copy->protocol == NULL);
	cr_assert_not(plugin_ops_check(copy, &err));
	cr_assert_str_eq(err.text, "its operation open is NULL, expected a function; every queue module must have one");
	plugin_copy_free(&copy);
	cr_assert_null(copy);
}
