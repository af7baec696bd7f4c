/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which thread classes this thread plays, one bit each.
 *
 * Runs on:  any thread; each has its own bits.
 */
#include <stddef.h>

#include "base/check.h"
#include "base/role.h"

struct role mgmt_role = { ROLE_MGMT }, io_role = { ROLE_IO }, proc_role = { ROLE_PROC }, store_role = { ROLE_STORE };

static _Thread_local unsigned played;

void
role_take(const struct role *role)
{
	played |= (unsigned)role->bit;
}

void
role_drop(const struct role *role)
{
	played &= ~(unsigned)role->bit;
}

void
role_assume(const struct role *role)
{
	CHECK((played & (unsigned)role->bit) != 0);
}
