/* SPDX-License-Identifier: BSD-3-Clause
 *
 * plugins.h - the plugin host: finds modules, checks and loads them, and gives each its table of services.
 *
 * Runs on:  main thread at start-up, before privileges are dropped and before the first thread
 *           starts; only read after that.  Host tables are called from any thread, as plugin.h says.
 * Owns:     what it knows of each module.  Code is never unloaded: a module may have left pointers
 *           to itself anywhere.
 *
 * Order of use: settings_read() loads; main() then calls plugins_set_services(), opens protocol and
 * transport modules with plugin_open(), gives queue modules to the store, and binds `listens`.
 */
#ifndef GEARMAND_MGMT_PLUGINS_H
#define GEARMAND_MGMT_PLUGINS_H

#include <stdbool.h>
#include <stdio.h>

#include <gearmand/plugin.h>

#include "cross/stats.h"
#include "mgmt/settings.h"

struct buf;
struct option_set;
struct plugins;

struct plugin_listen {
	char *protocol; /* what is spoken there; NULL = the module's own, for a transport "gear" */
	char *address;  /* "127.0.0.1", "*", "unix:/path" */
	char *port;     /* number or service name */
	void *tag;      /* the module's */
};

/* One loaded module. */
struct plugin {
	const struct gearmand_plugin *desc; /* a copy at our sizes */
	char *file;                         /* where it was found */
	struct gearmand_host host;          /* what its open() gets */
	void *module;                       /* what a protocol's or transport's open() gave */
	struct plugin_listen *listens;      /* what a protocol's open() asked for */
	unsigned listen_count;
	bool attends; /* it wants a connection of its own, with this tag */
	void *attend_tag;
	struct text_list covers;          /* protocols whose own listeners a transport takes over */
	unsigned first_counter;           /* in the table of all counters, when it is open */
	uint64_t shown[STAT_MODULES_MAX]; /* what the module wants its counters to show ... */
	uint64_t told[STAT_MODULES_MAX];  /* ... and what of that the core has been told */
	const struct option_set *options; /* where host.option() looks; borrowed */
	bool is_opening;                  /* host.listen() is allowed */
	bool is_open;
};

struct plugins *plugins_new(void);
void plugins_free(struct plugins **); /* closes what is open, in reverse order */

/* Loads every module of these directories; none given: of GEARMAND_PLUGIN_PATH (colon-separated, ignored
 * in a set-uid program), else of the installed directory.  What is refused is kept with its reason. */
void plugins_load(struct plugins *, const struct text_list *dirs);

/* Where every module's host.option() looks; borrowed. */
void plugins_set_options(struct plugins *, const struct option_set *);

unsigned plugins_count(const struct plugins *);
struct plugin *plugins_at(const struct plugins *, unsigned i);
/* By name or alias, case ignored; NULL when there is none of this kind. */
struct plugin *plugins_find(const struct plugins *, enum gearmand_kind, const char *name);

/* Why a module that was asked for is not there: its refusal, else what is installed, where was looked and
 * which package has it.  True when it is there and nothing refused goes by this name. */
bool plugins_require(const struct plugins *, enum gearmand_kind, const char *name, char **why_r);

unsigned plugins_refused_count(const struct plugins *);
const char *plugins_refused(const struct plugins *, unsigned i); /* "plugin FILE refused: ..." */
void plugins_print(const struct plugins *, FILE *);              /* --list-plugins */
/* A line for each: name, kind, version, file, and `yes` when it is open or `queue`; parted by tabs. */
void plugins_add_lines(const struct plugins *, const struct plugin *queue, struct buf *);

/* Members request ... deliver of every host table come from this one. */
void plugins_set_services(struct plugins *, const struct gearmand_host *io_services);

/* Protocols and transports: open() with the module's host table; false: the error says why. */
bool plugin_open(struct plugin *, struct gearmand_error *);
void plugin_close(struct plugin *); /* no-op when it is not open */

/* Open protocols and transports: each reads its files again, and stays as it was where that fails; said in the log. */
void plugins_reload(struct plugins *);
/* Is there an open transport that proves who peers are? */
bool plugins_prove(const struct plugins *);
/* The same for the first time as the user that the server now is; false: the error says whose files cannot be read. */
bool plugins_read_again(struct plugins *, const char *user, struct gearmand_error *);
void plugins_daily(struct plugins *);
/* Adds what has changed of what modules show, by number of all counters.  False: nothing has. */
bool plugins_take_shown(struct plugins *, uint64_t by[STAT_ALL]);
/* Those that are not ready to serve are named in the log. */
void plugins_say_unready(const struct plugins *);

#endif
