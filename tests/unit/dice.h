/* SPDX-License-Identifier: BSD-3-Clause
 *
 * dice.h - numbers that look random and are the same in every run.
 */
#ifndef GEARMAND_TESTS_UNIT_DICE_H
#define GEARMAND_TESTS_UNIT_DICE_H

#include <stdint.h>

/* Any start will do; the same start gives the same numbers. */
static inline uint64_t
dice(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15u;

	x = (x ^ (x >> 31)) * 0xd6e8feb86659fd93u;
	return x ^ (x >> 32);
}

/* 0 ... n - 1 */
static inline uint64_t
dice_below(uint64_t *state, uint64_t n)
{
	return dice(state) % n;
}

#endif
