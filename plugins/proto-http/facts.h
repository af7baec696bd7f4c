/* SPDX-License-Identifier: BSD-3-Clause
 *
 * facts.h - what the core says of a job (`show job`), and the same as JSON.
 *
 * Runs on:  any thread; pure functions.
 * Owns:     nothing.
 *
 * The core's answer is a line for each fact, its name and value with a tab between them, and a line with a dot.
 */
#ifndef PROTO_HTTP_FACTS_H
#define PROTO_HTTP_FACTS_H

#include <stdbool.h>

#include <gearmand/module.h>

/* The value; empty when there is no such fact. */
struct gearmand_slice web_fact(struct gearmand_slice facts, const char *name);
/* Is there still something to come of a job in that state? */
bool web_state_lives(struct gearmand_slice state);
/* An object.  `state` is the one that counts, if it is not empty. */
void web_facts_json(struct gm_bytes *, struct gearmand_slice facts, struct gearmand_slice state);

/* "ERR CODE A+sentence\r\n": false for anything else.  The sentence has its spaces, and is empty when there is none. */
bool web_is_err(struct gearmand_slice text, struct gearmand_slice *code_r, struct gm_bytes *sentence);

#endif
