/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Gives up root for another user, with that user's groups and nothing else.
 *
 * Runs on:  main thread at start-up.
 * Owns:     nothing.
 */
#include "mgmt/user.h"

#include <grp.h>
#include <pwd.h>
#include <sys/types.h>
#include <unistd.h>

#include "mgmt/fail.h"

bool
user_switch(const char *name, struct gearmand_error *err)
{
	const struct passwd *entry;

	if (name == NULL)
		return true;
	entry = getpwnam(name);
	if (entry != NULL && entry->pw_uid != 0 && entry->pw_uid == getuid() && entry->pw_uid == geteuid())
		return true;
	if (geteuid() != 0)
		return error_fail(err, "Must be root to switch users.");
	if (entry == NULL)
		return error_fail(err, "Could not find user : %s", name);
	if (setgroups(0, NULL) != 0 || initgroups(name, entry->pw_gid) != 0 ||
	    setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) != 0 ||
	    setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) != 0)
		return error_fail(err, "Could not switch to user : %s", name);
	/* Must not be able to come back. */
	if (entry->pw_uid != 0 && setuid(0) == 0)
		return error_fail(err, "Could not switch to user : %s", name);
	return true;
}
