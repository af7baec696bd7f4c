/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One word for all threads.
 *
 * Runs on:  any thread.
 * Owns:     the word.
 */
#include "cross/phase.h"

#include <stdatomic.h>

static const char *_Atomic word = "starting";

const char *
phase_word(void)
{
	return atomic_load_explicit(&word, memory_order_relaxed);
}

void
phase_set(const char *now)
{
	atomic_store_explicit(&word, now, memory_order_relaxed);
}
