/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table of commands.
 *
 * Runs on:  the only thread; pure.
 * Owns:     nothing.
 */
#include "config.h"

#include <stddef.h>

#include "commands.h"
#include "runs.h"

/* clang-format off */
#define TEXT(name)   { name, COLUMN_TEXT }
#define NUMBER(name) { name, COLUMN_NUMBER }
#define FLAG(name)   { name, COLUMN_FLAG }
#define LIST(name)   { name, COLUMN_LIST }
#define LINE(name)   { name, COLUMN_LINE }
#define EITHER(name) { name, COLUMN_EITHER }
#define COLUMNS(...) (const struct column[]){ __VA_ARGS__, { 0 } }

static const struct column answer[] = { TEXT("answer"), { 0 } };
static const struct column pairs[] = { TEXT("name"), EITHER("value"), { 0 } };

const struct command commands[] = {
	{ "status", "", "jobs, running jobs and workers of each function", .text = "status",
	  .columns = COLUMNS(TEXT("function"), NUMBER("jobs"), NUMBER("running"), NUMBER("workers")) },
	{ "functions", "", "jobs of each function by state, ages, and whether its jobs are given out", .text = "show functions",
	  .columns = COLUMNS(TEXT("function"), NUMBER("high"), NUMBER("normal"), NUMBER("low"), NUMBER("delayed"),
		NUMBER("running"), NUMBER("dead"), NUMBER("workers"), NUMBER("asleep"), NUMBER("oldest_waiting"),
		NUMBER("oldest_running"), TEXT("gate")) },
	{ "priorities", "", "waiting jobs of each function by priority", .text = "prioritystatus",
	  .columns = COLUMNS(TEXT("function"), NUMBER("high"), NUMBER("normal"), NUMBER("low"),
		NUMBER("workers")) },
	{ "metrics", "[PATTERN]", "all that is measured, in lines for programs; with a pattern, of functions that match it alone", .text = "metrics",
	  .columns = COLUMNS(LINE("line")) },
	{ "workers", "", "all connections, with the functions of workers", .text = "workers", .form = ROW_WORKER,
	  .columns = COLUMNS(NUMBER("fd"), TEXT("address"), TEXT("id"), LIST("functions")) },
	{ "jobs", "", "all jobs: handle, lost attempts, whether it is given up, whether it is in the background", .text = "show jobs",
	  .columns = COLUMNS(TEXT("handle"), NUMBER("lost"), FLAG("dropped"), FLAG("background")) },
	{ "uniques", "", "the unique keys of all jobs", .text = "show unique jobs", .columns = COLUMNS(TEXT("unique")) },
	{ "running", "", "the jobs that workers have, and how far they are", .text = "show running",
	  .columns = COLUMNS(TEXT("handle"), TEXT("function"), NUMBER("fd"), TEXT("address"), TEXT("worker"), NUMBER("seconds"),
		NUMBER("lost"), NUMBER("numerator"), NUMBER("denominator")) },
	{ "job", "HANDLE", "all that is known of a job, also of one that is dead or has ended", .text = "show job", .columns = pairs },
	{ "dead", "[FUNCTION]", "the dead list: jobs that were given up", .text = "show dead",
	  .columns = COLUMNS(TEXT("handle"), TEXT("function"), TEXT("unique"), NUMBER("attempts"), NUMBER("since"), NUMBER("bytes"),
		TEXT("error")) },
	{ "queue", "", "how the durable queue is", .text = "queue", .columns = pairs },
	{ "counters", "", "what the server has counted", .text = "counters", .columns = pairs },
	{ "cancel job", "HANDLE", "end a job; its clients are told that it failed", .destroys = true, .text = "cancel job",
	  .shape = ANSWER_VALUE, .columns = answer },
	{ "kick job", "HANDLE", "send a dead job again", .text = "kick job", .shape = ANSWER_VALUE, .columns = answer },
	{ "kick", "FUNCTION [N]", "send dead jobs of a function again, all or those that are dead longest", .numbers = true, .text = "kick",
	  .shape = ANSWER_VALUE, .columns = COLUMNS(NUMBER("jobs")) },
	{ "bury job", "HANDLE", "put a job on the dead list, one that runs when its attempt ends", .text = "bury job",
	  .shape = ANSWER_VALUE, .columns = answer },
	{ "retry job", "HANDLE [SECONDS]", "try a running job again, at once or later, when its attempt ends without a result",
	  .text = "retry job", .shape = ANSWER_VALUE, .columns = answer },
	{ "policy", "FUNCTION", "which line of the policy file holds for a function, and what it comes to", .text = "show policy",
	  .shape = ANSWER_VALUE, .columns = COLUMNS(TEXT("policy")) },
	{ "plugins", "", "the modules that the server has loaded, and whether they are used", .text = "show plugins",
	  .columns = COLUMNS(TEXT("name"), TEXT("kind"), TEXT("version"), TEXT("file"), TEXT("used")) },
	{ "options", "", "the server's options, with their values and where these come from", .text = "show options",
	  .columns = COLUMNS(TEXT("option"), TEXT("value"), TEXT("source")) },
	{ "cron", "", "the cron lines of the policy file: when each runs next, and when it ran last", .text = "show cron",
	  .columns = COLUMNS(NUMBER("line"), TEXT("function"), TEXT("schedule"), NUMBER("next"), NUMBER("last")) },
	{ "create function", "FUNCTION", "make a function known without a worker", .text = "create function",
	  .shape = ANSWER_VALUE, .columns = answer },
	{ "drop function", "FUNCTION", "forget a function without jobs and workers, whatever the case of its letters", .destroys = true,
	  .text = "drop function", .shape = ANSWER_EACH, .columns = answer },
	{ "maxqueue", "FUNCTION [HIGH] [NORMAL] [LOW]", "bound the jobs of a function; one number is for all priorities, none lifts the bound",
	  .numbers = true, .text = "maxqueue", .shape = ANSWER_VALUE, .columns = answer },
	{ "top", "", "functions or workers of the servers, again and again", .run = top_run },
	{ "submit", "FUNCTION [DATA]", "hand a job in, its data from standard input unless given, and print its result",
	  .columns = COLUMNS(TEXT("handle")), .run = submit_run },
	{ "follow", "HANDLE", "print how far a job is, and its result as it comes, until it ends", .run = follow_run },
	{ "ping", "", "how long a server takes to connect and to send an echo back", .columns = COLUMNS(NUMBER("microseconds")), .run = ping_run },
	{ "health", "", "for probes: the status is 0 when the server answers and its queue takes jobs", .columns = COLUMNS(TEXT("state")),
	  .run = health_run },
	{ "pause", "FUNCTION [SECONDS]", "give out no more jobs of a function, for a while or until it is resumed", .text = "pause",
	  .shape = ANSWER_VALUE, .columns = answer },
	{ "resume", "FUNCTION", "give out its jobs again", .text = "resume", .shape = ANSWER_VALUE, .columns = answer },
	{ "peek job", "HANDLE", "the data of a job, a kilobyte of it at most", .text = "peek job", .columns = pairs },
	{ "peek", "FUNCTION [STATE] [N]", "some jobs of a function that are ready, delayed, running or dead", .text = "peek",
	  .columns = COLUMNS(TEXT("handle"), TEXT("unique"), TEXT("priority"), EITHER("age"), NUMBER("lost"),
		NUMBER("bytes"), TEXT("data"), NUMBER("numerator"), NUMBER("denominator"), TEXT("worker"), TEXT("error")) },
	{ "purge", "FUNCTION [STATE]", "end the jobs of a function that are ready, delayed, both, or dead", .destroys = true, .text = "purge",
	  .shape = ANSWER_VALUE, .columns = COLUMNS(NUMBER("ended")) },
	{ "cancel unique", "FUNCTION UNIQUE", "end a job of a function by its unique key", .destroys = true, .text = "cancel unique",
	  .shape = ANSWER_VALUE, .columns = answer },
	{ "version", "", "the server's version", .text = "version", .shape = ANSWER_VALUE, .columns = COLUMNS(TEXT("version")) },
	{ "pid", "", "the server's process id", .text = "getpid", .shape = ANSWER_VALUE, .columns = COLUMNS(NUMBER("pid")) },
	{ "verbose", "", "how much the server logs", .text = "verbose", .shape = ANSWER_VALUE, .columns = COLUMNS(TEXT("level")) },
	{ "whoami", "", "who this connection is to the server, and what it may", .text = "whoami", .columns = pairs },
	{ "access", "FILE [WHO] [WHO] [WHO] [WHO]", "check a file of access rules, and tell which line decides; no server is asked",
	  .run = access_run },
	{ "completion", "bash|zsh", "print a script for the shell that completes gearmanctl", .run = completion_run },
	{ 0 }
};
/* clang-format on */

const struct command *
command_find(char **words, unsigned count, unsigned *used_r)
{
	for (const struct command *c = commands; c->name != NULL; c++) {
		size_t first = strcspn(c->name, " ");
		bool two = c->name[first] != '\0';

		*used_r = 1u + two;
		if (count < *used_r || strlen(words[0]) != first || memcmp(words[0], c->name, first) != 0)
			continue;
		if (!two || strcmp(words[1], c->name + first + 1) == 0)
			return c;
	}
	return NULL;
}

void
command_args(const struct command *c, unsigned *least_r, unsigned *most_r)
{
	*least_r = *most_r = 0;
	for (const char *at = c->args; *at != '\0'; at += strspn(at, " ")) {
		*most_r += 1;
		*least_r += *at != '[';
		at += strcspn(at, " ");
	}
}
