/* SPDX-License-Identifier: BSD-3-Clause
 *
 * plugin_check.h - is this file a module that the server can live with?
 *
 * Runs on:  main thread at start-up.  gearmand-plugin-check asks the same functions, so that it says what
 *           the server would say.
 *
 * Checks in order of trust; nothing is read before what vouches for it is good.  False or NULL: the error is the
 * rest of "plugin FILE refused: ".
 */
#ifndef GEARMAND_MGMT_PLUGIN_CHECK_H
#define GEARMAND_MGMT_PLUGIN_CHECK_H

#include <gearmand/plugin.h>

bool plugin_file_check(const char *path, struct gearmand_error *); /* an ELF file with nothing cut off */
/* Loads it, for good, and gives its descriptor.  lt_dlinit() comes before. */
const struct gearmand_plugin *plugin_open_file(const char *path, struct gearmand_error *);
bool plugin_head_check(const struct gearmand_plugin *, struct gearmand_error *);
bool plugin_sizes_check(const struct gearmand_plugin *, struct gearmand_error *);
/* The descriptor, its operations and options at the server's own sizes, for good or until plugin_copy_free(). */
const struct gearmand_plugin *plugin_copy(const struct gearmand_plugin *);
void plugin_copy_free(const struct gearmand_plugin **); /* takes */
/* These two want a copy. */
bool plugin_ops_check(const struct gearmand_plugin *, struct gearmand_error *);
bool plugin_options_check(const struct gearmand_plugin *, struct gearmand_error *);

/* The name, then each alias, then NULL; `aliases` may be NULL. */
const char *names_at(const char *name, const char *const *aliases, unsigned i);
const char *kind_name(uint32_t kind); /* "queue", "protocol", "transport", "?" */

#endif
