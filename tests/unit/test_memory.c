/* SPDX-License-Identifier: BSD-3-Clause
 *
 * When the memory that a load leaves behind is given back to the system.
 */
#include <criterion/criterion.h>

#include "mgmt/memory.h"

#define SECOND INT64_C(1000000000)

static bool
memory_at(struct memory *m, int64_t second, int64_t cpu_ms, uint64_t mib)
{
	struct memory_sample now = { second * SECOND, cpu_ms * 1000000, mib << 20 };

	return memory_is_due(m, &now);
}

Test(memory, is_given_back_once_when_a_load_has_ended)
{
	struct memory m = { .least = 0 };

	cr_assert_not(memory_at(&m, 2, 1, 10), "nothing has been");
	cr_assert_not(memory_at(&m, 4, 1500, 200), "it is busy");
	cr_assert_not(memory_at(&m, 6, 3000, 300));
	cr_assert(memory_at(&m, 8, 3001, 300), "it is quiet");
	m.cpu = 3001 * INT64_C(1000000);
	cr_assert_not(memory_at(&m, 10, 3002, 300), "those jobs are still there: no second time");
	cr_assert_not(memory_at(&m, 12, 4000, 300), "they are worked off");
	cr_assert(memory_at(&m, 14, 4001, 300));
	m.cpu = 4001 * INT64_C(1000000);
	cr_assert_not(memory_at(&m, 16, 4009, 300), "8 ms");
	cr_assert(memory_at(&m, 18, 4017, 300), "a load that is never busy ends, too");
}

Test(memory, is_not_given_back_for_little_nor_too_often)
{
	struct memory m = { .least = 0 };

	cr_assert_not(memory_at(&m, 2, 1, 10));
	cr_assert_not(memory_at(&m, 4, 1500, 17));
	cr_assert_not(memory_at(&m, 6, 1501, 17), "7 MiB are not worth it");
	cr_assert_not(memory_at(&m, 8, 3000, 18));
	m.rests = 11 * SECOND;
	cr_assert_not(memory_at(&m, 10, 3001, 18), "the last time took long");
	cr_assert(memory_at(&m, 12, 3002, 18));
}
