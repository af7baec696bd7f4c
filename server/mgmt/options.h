/* SPDX-License-Identifier: BSD-3-Clause
 *
 * options.h - the options that this start knows, the core's and every module's, and their values.
 *
 * Runs on:  main thread at start-up; only read after that.
 * Owns:     values; names, helps and defaults are borrowed from the table and from modules.
 *
 * Order of use: option_set_new(), add each module, read the sources from the strongest to the
 * weakest (a value that a stronger source gave stays), then ask.
 */
#ifndef GEARMAND_MGMT_OPTIONS_H
#define GEARMAND_MGMT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <gearmand/plugin.h>

#include "base/buf.h"
#include "mgmt/settings.h"

/* Beside the types that modules may use: a log level's name. */
#define OPTION_TYPE_LEVEL ((enum gearmand_option_type)1000)

enum option_group { GROUP_GENERAL, GROUP_LISTENING, GROUP_JOBS, GROUP_LIMITS, GROUP_MODULES, GROUP_TLS, GROUP_COUNT };

enum option_flag {
	OPTION_REPEATABLE = 1, /* fills a text_list */
	OPTION_HIDDEN = 2,     /* not in the help */
	OPTION_LINE_ONLY = 4,  /* not in a configuration file */
	OPTION_EARLY = 8,      /* needed before modules are loaded */
	OPTION_STAND_IN = 16,  /* is also that of a module which declares it, as the row here says */
	OPTION_LAST_WINS = 32  /* under a service manager it may be given again: what comes last counts */
};

enum { OPTION_NO_PLACE = 0xffff };

/* One option of the core. */
struct option_row {
	enum option_group group;
	char letter;     /* 0 = none */
	uint8_t flags;   /* enum option_flag */
	uint16_t place;  /* offset in struct settings */
	const char *env; /* environment variable, or NULL */
	struct gearmand_option decl;
};

extern const struct option_row option_rows[];               /* ends with a row without a name */
const struct option_row *option_row_find(const char *name); /* NULL when the core has no such option */

enum option_source { FROM_DEFAULT, FROM_FILE, FROM_ENVIRONMENT, FROM_COMMAND_LINE };

/* An option with its value. */
struct option {
	struct option_row row;
	const struct gearmand_plugin *plugin; /* whose it is; NULL = the core's */
	enum option_source source;
	bool seen;              /* by the source that is being read */
	char *text;             /* NULL = none; a port is a number, a switch "1" */
	int64_t number;         /* INT, SIZE, PORT, SWITCH, level */
	struct text_list texts; /* REPEATABLE */
};

struct option_set {
	struct option *at;
	unsigned count;
	bool managed;           /* a service manager started us */
	struct text_list words; /* of the command line, that belong to no option: for --check-access */
};

struct option_set *option_set_new(void); /* the core's options with their defaults */
void option_set_free(struct option_set **);
void option_set_add_module(struct option_set *, const struct gearmand_plugin *);
/* By long name or alias. */
struct option *option_find(const struct option_set *, const char *name);
struct option *option_find_of(const struct option_set *, const struct gearmand_plugin *, const char *name);

/* Is this text a value for that option?  *canonical_r is what the option will say (the caller frees);
 * both outputs may be NULL. */
bool option_check(
    const struct gearmand_option *, const char *text, char **canonical_r, int64_t *number_r, struct gearmand_error *);

/* Sources.  A value that a stronger source gave stays, and what is overridden is not judged.  False: the error is a
 * sentence in the words of gearmand 1.1. */
bool options_read_line(struct option_set *, int argc, char **argv, struct gearmand_error *);
bool options_read_environment(struct option_set *, struct text_list *warnings, struct gearmand_error *);

/* A configuration file, read once, whatever is wrong with it.  Words that are no options are left out with a warning
 * each. A missing file is an error only when it `must_exist`. */
struct option_file *option_file_read(const char *path);
void option_file_free(struct option_file **);
bool options_take_file(struct option_set *, const struct option_file *, bool must_exist, struct text_list *warnings,
    struct gearmand_error *);
/* Takes OPTION_EARLY options only and overlooks whatever is wrong. */
void options_glance_line(struct option_set *, int argc, char **argv);
void options_glance_file(struct option_set *, const struct option_file *);

/* Those that have a value, or several: name, value, where it comes from, parted by tabs.  Secret ones are "(set)". */
void option_set_add_lines(const struct option_set *, struct buf *);

void options_print_help(const struct option_set *, const struct plugins *, const char *program, FILE *);

void text_list_add(struct text_list *, const char *);
void text_list_fini(struct text_list *); /* frees; the list is empty and usable again */

#endif
