/* SPDX-License-Identifier: BSD-3-Clause
 *
 * role.h - which thread class a function runs on and a field belongs to, said in
 * types that clang's thread-safety analysis checks (`-Wthread-safety`).  gcc sees
 * nothing.  The analysis does not follow function pointers, so each entry point
 * calls role_assume(), which also checks the class at run time.
 */
#ifndef GEARMAND_BASE_ROLE_H
#define GEARMAND_BASE_ROLE_H

#if defined(__clang__)
#define ROLE_ATTR(x) __attribute__((x))
#else
#define ROLE_ATTR(x)
#endif

/* One bit each, since in `-t 0` one thread plays several. */
enum role_bit { ROLE_MGMT = 1, ROLE_IO = 2, ROLE_PROC = 4, ROLE_STORE = 8 };

struct ROLE_ATTR(capability("role")) role {
	enum role_bit bit;
};

extern struct role mgmt_role, io_role, proc_role, store_role;

#define RUNS_ON(role)  ROLE_ATTR(requires_capability(role))
#define OWNED_BY(role) ROLE_ATTR(guarded_by(role))

/* This thread plays `role` from now on.  Called once per role when a thread starts. */
void role_take(const struct role *role);
/* Not any more: it played the role for another thread that sleeps. */
void role_drop(const struct role *role);
/* CHECKs that this thread plays `role`, and tells the analysis so. */
void role_assume(const struct role *role) ROLE_ATTR(assert_capability(role));

#endif
