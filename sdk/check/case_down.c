/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Cases: the store's own process is killed and started, with the commands of --store-kill and --store-start.
 *
 * Runs on:  the process of a case, and a shell.
 * Owns:     nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "other.h"
#include "rig.h"

enum { FEW = 10, LEAST_AFTER = 20, PER_BATCH = 5, NOTICED_MS = 10000 };

static void
note_output(FILE *said)
{
	char line[512];

	rewind(said);
	while (fgets(line, sizeof(line), said) != NULL)
		note_if_failed("it said: %s", line);
	fclose(said);
}

/* Its output goes to a file: what it starts may keep it open. */
static void
run_command(const char *command)
{
	FILE *said = tmpfile();
	pid_t pid = fork();
	int status = -1;

	MUST(said != NULL && pid >= 0, "cannot run a command: %s", strerror(errno));
	if (pid == 0) {
		dup2(fileno(said), STDOUT_FILENO);
		dup2(fileno(said), STDERR_FILENO);
		alarm(0);
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	note_if_failed("%s: status %d", command, status);
	note_output(said);
	MUST(status == 0, "the command failed: %s", command);
}

static void
commands_must_be_there(const struct rig *r)
{
	if (r->kit->store_kill == NULL)
		skip("without --store-kill and --store-start");
}

/* The jobs that must be there: all that were stored since the store's last start, or in its life. */
static void
must_be(struct rig *r, struct jobs *before, const struct jobs *after)
{
	if (r->kit->forgets)
		before->count = 0;
	for (size_t i = 0; i < after->count; i++)
		jobs_add(before, &after->at[i]);
	rig_must_have(r, before, IN_ORDER);
}

static void
fill_batch(struct batch *b, struct jobs *list, unsigned first, unsigned count)
{
	for (unsigned n = first; n < first + count; n++)
		batch_add(b, job_nth_kept(n));
	jobs_add_nth(list, first, count);
}

static void
must_be_soon(const char *op, int64_t began)
{
	MUST(now_ms() - began < PATIENCE * 1000, "%s took %lld ms to say that the store is down", op,
	    (long long)(now_ms() - began));
}

static enum gearmand_commit
commit_must_fail(struct rig *r, struct batch *b)
{
	int64_t began = now_ms();
	struct gearmand_error err;
	enum gearmand_commit got = rig_commit_once(r, b, &err);

	MUST(got != GEARMAND_COMMIT_DONE, "commit says DONE while the store is down");
	must_be_soon("commit", began);
	note("commit: %s", err.text);
	return got;
}

void
store_that_is_down_is_told(struct rig *r)
{
	struct jobs before = { 0 }, after = { 0 };
	struct gearmand_error err;
	enum gearmand_commit got = GEARMAND_COMMIT_AGAIN;
	struct batch b = { 0 };

	commands_must_be_there(r);
	rig_open(r);
	fill_batch(&b, &before, 0, FEW);
	rig_store(r, &b);
	run_command(r->kit->store_kill);
	fill_batch(&b, &after, FEW, FEW);
	for (int i = 0; i < 3 && got != GEARMAND_COMMIT_BROKEN; i++)
		got = commit_must_fail(r, &b);
	rig_close(r);
	MUST(!rig_try_open(r, &err), "the store can be opened while it is down");
	note("open: %s", err.text);
	MUST(err.why == GEARMAND_WHY_PASSING,
	    "open fails because the store is down, but why is not GEARMAND_WHY_PASSING");
	run_command(r->kit->store_start);
	rig_open(r);
	rig_store(r, &b);
	must_be(r, &before, &after);
}

void
check_sees_that_the_store_is_down(struct rig *r)
{
	struct gearmand_error err;
	int64_t began;

	commands_must_be_there(r);
	if (r->ops->check == NULL)
		skip("it has no check");
	rig_open(r);
	run_command(r->kit->store_kill);
	began = now_ms();
	MUST(rig_check_once(r, &err) != GEARMAND_COMMIT_DONE, "check says DONE while the store is down");
	must_be_soon("check", began);
	note("check: %s", err.text);
	run_command(r->kit->store_start);
	rig_reopen(r);
	MUST(rig_check_once(r, &err) == GEARMAND_COMMIT_DONE, "check fails though the store is back: %s", err.text);
}

/* ---- Under load --------------------------------------------------------------------- */

/* The store stays down until a commit has come to grief, so that there is one that has to be repeated. */
static void
kill_and_start(struct rig *r, int fd)
{
	unsigned n;

	if (!hear_number(fd, &n))
		return;
	run_command(r->kit->store_kill);
	for (int i = 0; i < NOTICED_MS && *r->troubles == 0; i++)
		gm_pause(1);
	run_command(r->kit->store_start);
	tell_number(fd, 1);
}

/* A store that forgets may have any tail of what was stored. */
static void
tail_must_be(struct rig *r, const struct jobs *all)
{
	struct jobs seen = rig_content(r), tail = { 0 };

	MUST(seen.count <= all->count, "%zu jobs came back, %zu were stored", seen.count, all->count);
	MUST(seen.count >= LEAST_AFTER * PER_BATCH, "what was stored after the restart did not come back");
	for (size_t i = all->count - seen.count; i < all->count; i++)
		jobs_add(&tail, &all->at[i]);
	jobs_must_be(&seen, &tail, IN_ORDER);
}

void
store_killed_under_load_heals(struct rig *r)
{
	struct jobs all = { 0 };
	struct batch b = { 0 };
	struct other restarter;
	unsigned batches = 0, after = 0;

	commands_must_be_there(r);
	r->troubles = mmap(NULL, sizeof(*r->troubles), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	MUST(r->troubles != MAP_FAILED, "mmap: %s", strerror(errno));
	other_start(&restarter, "the process that restarts the store", r, kill_and_start);
	rig_open(r);
	while (after < LEAST_AFTER) {
		if (batches == LEAST_AFTER)
			tell_number(restarter.fd, 1);
		fill_batch(&b, &all, batches++ * PER_BATCH, PER_BATCH);
		rig_store(r, &b);
		after += batches > LEAST_AFTER && heard_within(restarter.fd, 0);
	}
	note("%u batches, %u of them after the restart; %u commits failed", batches, after, *r->troubles);
	if (r->kit->forgets)
		tail_must_be(r, &all);
	else
		rig_must_have(r, &all, IN_ORDER);
	rig_close(r);
	other_end(&restarter);
}
