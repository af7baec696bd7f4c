/* SPDX-License-Identifier: BSD-3-Clause
 *
 * plugins_priv.h - what the files of the plugin host share.
 *
 * Runs on:  main thread at start-up.
 */
#ifndef GEARMAND_MGMT_PLUGINS_PRIV_H
#define GEARMAND_MGMT_PLUGINS_PRIV_H

#include "base/buf.h"
#include "mgmt/options_priv.h"
#include "mgmt/plugin_check.h"
#include "mgmt/plugins.h"

/* A module, file or directory that was left out. */
struct refusal {
	char *file;
	uint32_t kind;
	char *names;    /* name and aliases, a blank behind each; "" when they cannot be trusted */
	char *sentence; /* the whole of it, "plugin FILE refused: ..." */
	bool is_directory;
};

struct plugins {
	struct plugin **at;
	unsigned count;
	struct refusal *refused;
	unsigned refused_count;
	struct text_list dirs; /* where was looked */
};

/* Checks besides those of plugin_check.h.  False: the error is the rest of "plugin FILE refused: ". */
bool plugin_place_check(const char *path, struct gearmand_error *); /* file or directory: who may write to it */
bool plugin_clash_check(const struct plugins *, const struct gearmand_plugin *, struct gearmand_error *);

void plugin_host_init(struct plugin *);
void plugin_listens_free(struct plugin *);

/* The package of this project that has the module; NULL when we know of none. */
const char *plugin_package(enum gearmand_kind, const char *name);

#endif
