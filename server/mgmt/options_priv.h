/* SPDX-License-Identifier: BSD-3-Clause
 *
 * options_priv.h - what the files that read options share.
 *
 * Runs on:  main thread at start-up.
 */
#ifndef GEARMAND_MGMT_OPTIONS_PRIV_H
#define GEARMAND_MGMT_OPTIONS_PRIV_H

#include "base/check.h"
#include "mgmt/options.h"

/* A new source is read from here on: nothing has been seen in it. */
void option_set_begin(struct option_set *);
/* A value from this source.  False: not a value for this option, or given before by the same source. */
bool option_take(struct option_set *, struct option *, const char *text, enum option_source, struct gearmand_error *);

/* Whose option this is, though no loaded module has it: "it belongs to ...", or NULL. */
const char *option_home(const struct option_set *, const char *word);

/* How words become options. */
struct option_reading {
	enum option_source source;
	bool glance;                 /* OPTION_EARLY options only, overlook the rest */
	struct text_list *strangers; /* words that are no options go here; NULL = they are an error */
};
bool option_set_read_words(
    struct option_set *, int argc, const char **argv, const struct option_reading *, struct gearmand_error *);

#endif
