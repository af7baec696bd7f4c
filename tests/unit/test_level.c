/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Log levels by name, and roles of threads.
 */
#include <signal.h>

#include <criterion/criterion.h>

#include "base/role.h"
#include "wire/level.h"

Test(level, each_name_is_read_back)
{
	static const char *const names[] = { "FATAL", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO",
		"DEBUG" };
	enum gearmand_level level;

	for (unsigned i = 0; i < 8; i++) {
		cr_assert_str_eq(level_name((enum gearmand_level)i), names[i]);
		cr_assert(level_parse(names[i], &level));
		cr_assert_eq((unsigned)level, i);
	}
}

Test(level, only_the_exact_upper_case_name_counts)
{
	static const char *const bad[] = { "", "WARN", "error", "Error", "ERROR ", " ERROR", "ERRORS", "3", "ERR" };
	enum gearmand_level level = GEARMAND_LOG_INFO;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_not(level_parse(bad[i], &level), "'%s' is taken for a level", bad[i]);
	cr_assert_eq(level, GEARMAND_LOG_INFO);
}

Test(role, a_thread_may_play_several)
{
	role_take(&io_role);
	role_take(&proc_role);
	role_assume(&io_role);
	role_assume(&proc_role);
}

Test(role, what_a_thread_does_not_play_it_may_not_assume, .signal = SIGABRT)
{
	role_take(&io_role);
	role_assume(&mgmt_role);
}
