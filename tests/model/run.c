/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Random histories of the core, each answer held against the reference model.
 *
 * Runs on:  a plain main(), which plays the processing thread, all peers, the store and the clock.
 * Owns:     the core, the model, and the rows that the store has committed.
 *
 *   model [SEED [STEPS]]
 * The seed is printed; the same seed gives the same history.  Histories hold requests of all kinds, lost
 * workers and clients, a store that is late, full, refuses, or stops, and crashes with a restart from
 * what the store has; some hold policies that change, and what operators do, with a store and without one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/mem.h"
#include "tests/model/stage.h"

static void
step(void)
{
	int peer = some_peer();
	uint64_t kind = draw(1000);

	pass_time(4);
	if (peer < 0 || kind < 30)
		step_new_peer();
	else if (kind < 50)
		step_gone(peer);
	else if (kind < 300)
		step_submit(peer);
	else if (kind < 380)
		step_ability(peer);
	else if (kind < 560)
		step_grab(peer);
	else if (kind < 640)
		step_sleep(peer);
	else if (kind < 800)
		step_report(peer);
	else if (kind < 850 || (kind < 880 && !t.has_policies))
		step_ask(peer);
	else if (kind < 880)
		step_manage(peer);
	else if (kind < 900)
		step_time();
	else if (kind < 910 && t.has_policies)
		step_policies();
	else if (kind < 915 && t.model->durable)
		set_full(!t.full && draw(3) == 0);
	else if (kind < 998)
		commit(draw(6));
	else if (draw(t.model->keeps_dead ? 2 : 10) == 0)
		crash();
}

static void
history(bool durable, bool keeps_dead, bool has_policies, int retries, long steps)
{
	t.has_policies = has_policies;
	t.model = mem_new(sizeof *t.model);
	model_init(t.model, durable, keeps_dead, retries, 1);
	t.model->wall_s = 1700000000;
	t.now = (struct instant){ .mono = 1000000000, .wall = 1700000000LL * 1000000000 };
	outbox_init(&t.out, 1);
	list_init(&t.changes);
	list_init(&t.held);
	t.row_count = t.dead_count = 0;
	start();
	replay();
	for (t.step = 0; t.step < steps; t.step++)
		step();
	pass_time(4);
	if (durable)
		check_settled();
	stop();
	outbox_fini(&t.out);
	model_fini(t.model);
	mem_free(t.model);
}

int
main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
	long steps = argc > 2 ? strtol(argv[2], NULL, 10) : 120000;

	if (seed == 0 && getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
		return 1;
	printf("seed %llu, %ld steps\n", (unsigned long long)seed, steps);
	fflush(stdout);
	t.random = seed | 1;
	role_take(&proc_role);
	history(true, false, false, 0, steps / 4);
	history(true, false, false, 3, steps / 8);
	history(false, false, false, 2, steps / 8);
	history(false, false, true, 2, steps / 4);
	history(true, false, true, 2, steps / 8);
	history(true, true, true, 2, steps / 2);
	printf("all as the model says\n");
	return 0;
}
