/* SPDX-License-Identifier: BSD-3-Clause
 *
 * runs.h - commands that do more than ask the server one thing; each has a file of its own.
 */
#ifndef GEARMANCTL_RUNS_H
#define GEARMANCTL_RUNS_H

#include "commands.h"

command_run_f ping_run;
command_run_f health_run;
command_run_f submit_run;
command_run_f follow_run;
command_run_f top_run;
command_run_f completion_run;
command_run_f access_run;

#endif
