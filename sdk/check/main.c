/* SPDX-License-Identifier: BSD-3-Clause
 *
 * gearmand-plugin-check - does this module keep the contract of <gearmand/plugin.h>?
 *
 * Runs on:  its only thread; loads the module once, for all cases.
 * Owns:     what the command line says.
 */
#include "config.h"

#include <ltdl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/plugin_check.h"

#include "host.h"
#include "kit.h"

enum { USAGE = 2, LIMIT = 600 };

static const char help[] =
    "Usage: gearmand-plugin-check [OPTION]... [--MODULE-OPTION=VALUE]... MODULE.so\n"
    "\n"
    "Runs the contract of modules against MODULE.so and prints TAP.  The store that the options of a queue module\n"
    "name must be empty, and one that nobody needs: everything in it is removed.\n"
    "\n"
    "  --list                   print the names of all cases, and what each one checks\n"
    "  --only=CASE              run this case alone\n"
    "  --store-kill=COMMAND     shell command that ends the store's process at once, as kill -9 does\n"
    "  --store-start=COMMAND    shell command that starts it again and returns when that is under way\n"
    "  --store-forgets          the store keeps jobs in memory: they are gone with its process\n"
    "  --store-in-server        the store is the server's own memory, and goes with it\n"
    "  --store-in-part          the store has no transactions: a crash may leave a part of a batch\n"
    "  --store-dead-apart       dead jobs have a transaction of their own: a crash may leave one that lives, too\n"
    "  --input=FILE             what a peer may say to a protocol or a transport; a folder has one in each file\n"
    "  --limit=SECONDS          time for one case (default 600)\n"
    "  --help, --version\n"
    "\n"
    "The status is 0 when every case passed or was skipped, 1 when one failed, 2 when it was called wrongly.\n";

static bool
takes(const char *word, const char *name, const char **value_r)
{
	size_t len = strlen(name);

	if (strncmp(word, name, len) != 0 || word[len] != '=')
		return false;
	*value_r = word + len + 1;
	return true;
}

/* False: the word is none of ours. */
static bool
read_word(struct kit *kit, const char *word)
{
	const char *number, *file;

	if (strcmp(word, "--store-forgets") == 0)
		kit->forgets = true;
	else if (strcmp(word, "--store-in-server") == 0)
		kit->in_server = true;
	else if (strcmp(word, "--store-in-part") == 0)
		kit->in_part = true;
	else if (strcmp(word, "--store-dead-apart") == 0)
		kit->dead_apart = true;
	else if (takes(word, "--limit", &number))
		kit->limit = atoi(number);
	else if (takes(word, "--input", &file))
		kit->inputs.at[kit->inputs.count++] = (char *)(uintptr_t)file;
	else
		return takes(word, "--only", &kit->only) || takes(word, "--store-kill", &kit->store_kill) ||
		       takes(word, "--store-start", &kit->store_start);
	return true;
}

static void
read_line(struct kit *kit, int argc, char **argv)
{
	bool wants_help = false;

	kit->options.at = calloc((size_t)argc, sizeof(char *));
	kit->inputs.at = calloc((size_t)argc, sizeof(char *));
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--list") == 0) {
			kit_list();
			exit(0);
		} else if (strcmp(argv[i], "--version") == 0) {
			printf("gearmand-plugin-check %s\n", GEARMAND_VERSION);
			exit(0);
		} else if (strcmp(argv[i], "--help") == 0) {
			wants_help = true;
		} else if (!read_word(kit, argv[i])) {
			kit->options.at[kit->options.count++] = argv[i];
		}
	}
	if (wants_help) {
		fputs(help, stdout);
		if (kit->options.count == 0)
			exit(0);
	}
	if (kit->options.count > 0 && kit->options.at[kit->options.count - 1][0] != '-')
		kit->file = kit->options.at[--kit->options.count];
	kit->wants_help = wants_help;
}

static void
must_be_usable(bool truth, const char *sentence, const char *what)
{
	if (truth)
		return;
	fprintf(stderr, "gearmand-plugin-check: %s%s\n", sentence, what);
	exit(USAGE);
}

/* As the server does it.  What is refused is told by a case. */
static void
load(struct kit *kit)
{
	const struct gearmand_plugin *p = NULL;
	struct gearmand_error *why = &kit->refusal;

	if (lt_dlinit() == 0 && plugin_file_check(kit->file, why))
		p = plugin_open_file(kit->file, why);
	if (p == NULL || !plugin_head_check(p, why) || !plugin_sizes_check(p, why))
		return;
	p = plugin_copy(p);
	if (plugin_ops_check(p, why) && plugin_options_check(p, why))
		kit->plugin = p;
}

int
main(int argc, char **argv)
{
	static struct kit kit = { .limit = LIMIT };
	static struct host host;
	struct gearmand_error err = { .text = "" };

	read_line(&kit, argc, argv);
	must_be_usable(kit.file != NULL, "the module's file must come last; see --help", "");
	must_be_usable(kit.limit > 0, "--limit needs a number of seconds", "");
	must_be_usable(
	    (kit.store_kill == NULL) == (kit.store_start == NULL), "--store-kill and --store-start go together", "");
	must_be_usable(kit.only == NULL || kit_has(kit.only), "no such case, see --list: ", kit.only);
	load(&kit);
	if (kit.plugin != NULL && kit.wants_help) {
		host_options_print(kit.plugin);
		return 0;
	}
	if (kit.plugin != NULL) {
		host_init(&host, kit.plugin);
		must_be_usable(host_options_read(&host, &kit.options, &err), "", err.text);
	}
	return kit_run(&kit) ? 0 : 1;
}
