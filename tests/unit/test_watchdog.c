/* SPDX-License-Identifier: BSD-3-Clause
 *
 * When the core is asked whether it lives, for the service manager's watchdog.
 */
#include <criterion/criterion.h>

#include "mgmt/watchdog.h"

enum { LIMIT = 3000 };

Test(watchdog, asks_three_times_per_limit_and_one_question_at_a_time)
{
	struct watchdog w;
	nsec_t due = NEVER;

	watchdog_init(&w, LIMIT);
	cr_assert(watchdog_look(&w, 10000, &due));
	cr_assert_eq(due, 11000);
	cr_assert(!watchdog_look(&w, 10500, &due), "asked before the time");
	cr_assert(!watchdog_look(&w, 11000, &due), "asked again without an answer");
	cr_assert(w.is_late);
	cr_assert(!watchdog_look(&w, 12000, &due));
	watchdog_answered(&w, 12100);
	cr_assert(!w.is_late);
	cr_assert(!watchdog_look(&w, 12200, &due));
	cr_assert(watchdog_look(&w, 13000, &due));
}

Test(watchdog, asks_nobody_where_nobody_wants_to_know)
{
	struct watchdog w;
	nsec_t due = NEVER;

	watchdog_init(&w, 0);
	cr_assert(!watchdog_look(&w, 10000, &due));
	cr_assert_eq(due, NEVER);
}
