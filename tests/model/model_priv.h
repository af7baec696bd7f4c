/* SPDX-License-Identifier: BSD-3-Clause
 *
 * model_priv.h - what the two files of the model share.
 */
#ifndef GEARMAND_TESTS_MODEL_PRIV_H
#define GEARMAND_TESTS_MODEL_PRIV_H

#include "tests/model/model.h"

/* The peer should hear this, after all it should hear already. */
struct mhear *model_hear(struct model *, int peer, const char *format, ...) __attribute__((format(printf, 3, 4)));
void model_end(struct model *, int job); /* the job is gone, from the store too */

#endif
