/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One connection and what its tests expect of it; see conn_rig.h.
 *
 * Runs on:  the test's thread.
 * Owns:     the rig and the peer's end.
 */
#include "tests/unit/conn_rig.h"

#include <criterion/criterion.h>
#include <unistd.h>

struct rig rig;
int peer;

void
conn_setup(void)
{
	rig_init(&rig);
	peer = rig_connect(&rig);
}

void
conn_teardown(void)
{
	close(peer);
	rig_fini(&rig);
}

void
expect_kind(enum msg_kind kind)
{
	struct msg *m = rig_core(&rig);

	cr_assert(m != NULL, "nothing came");
	cr_assert_eq(m->kind, kind, "kind %u instead of %u", m->kind, kind);
	cr_assert_eq(m->peer, 1);
}

void
expect_nothing(void)
{
	cr_assert_null(rig_core(&rig));
}

void
expect_freed(void)
{
	struct msg *m = rig_management(&rig);

	cr_assert(m != NULL && m->kind == MSG_CONN_CLOSED && m->peer == 1);
}
