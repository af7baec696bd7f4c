/* SPDX-License-Identifier: BSD-3-Clause
 *
 * phase.h - what the server as a whole is at, in a word for operators.
 *
 * Runs on:  the management thread sets it, any thread reads it.
 * Owns:     the word.
 */
#ifndef GEARMAND_CROSS_PHASE_H
#define GEARMAND_CROSS_PHASE_H

/* "starting"; "standby" while another server has the store; "store" while the store cannot be opened; "replaying";
 * "serving"; "draining" once it is to end. */
const char *phase_word(void);
void phase_set(const char *word); /* static */

#endif
