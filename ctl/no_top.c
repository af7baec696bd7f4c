/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `top` where configure found no ncurses.  Runs on the only thread; owns nothing.
 */
#include "options.h"
#include "runs.h"

int
top_run(const struct options *o, const struct command *c, char **words, unsigned count)
{
	(void)o;
	(void)c;
	(void)words;
	(void)count;
	fputs("gearmanctl: this gearmanctl was built without ncurses, which top needs\n", stderr);
	return CTL_USAGE;
}
