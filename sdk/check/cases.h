/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cases.h - the contract of modules as a table: a name and a sentence for each thing that the server relies on.
 *
 * Runs on:  FORM cases look at the file and need no store.  STORE cases begin with an empty store that is not open;
 * CONN cases are for protocols and transports. Owns:     nothing.
 */
#ifndef CHECK_CASES_H
#define CHECK_CASES_H

struct rig;

/* clang-format off */
#define CASES(X) \
	/* case_form.c */ \
	X(FORM, server_takes_the_module, "the server loads the file, and finds descriptor, operations and options good") \
	X(FORM, file_exports_its_descriptor_alone, "the file exports gearmand_plugin and nothing else") \
	/* case_keep.c */ \
	X(STORE, job_comes_back_as_it_was, "a stored job is replayed with function, unique, payload, priority and time") \
	X(STORE, priority_comes_back, "each of the three priorities is kept") \
	X(STORE, due_time_comes_back, "times of delayed jobs are kept, beyond 2038 too") \
	X(STORE, handle_comes_back, "job handles are kept, so that clients that poll find their jobs") \
	X(STORE, reducer_comes_back, "reducers are kept") \
	X(STORE, flags_come_back, "flags are kept") \
	X(STORE, order_is_kept, "jobs are replayed in the order in which they were stored, over batches and reopening") \
	X(STORE, payload_of_any_bytes_comes_back, "payloads of 0 bytes, 1 byte, all byte values, and 64 KiB are kept") \
	X(STORE, payload_of_16_MiB_comes_back_or_is_refused, "a payload of 16 MiB is kept, or refused with a reason") \
	/* case_key.c */ \
	X(STORE, key_of_any_bytes_comes_back, "quotes, percent signs, backslashes, line ends, UTF-8 and what is not, blanks") \
	X(STORE, function_of_512_bytes_comes_back, "functions of 512 bytes and uniques of 64 are kept whole") \
	X(STORE, function_of_8192_bytes_comes_back_or_is_refused, "a function of 8192 bytes is kept, or refused with a reason") \
	X(STORE, function_of_0_bytes_comes_back, "the function \"\" is a function like others") \
	X(STORE, keys_that_look_alike_are_different, "letter case, accents and blanks at the ends tell keys apart") \
	X(STORE, key_is_function_and_unique, "one unique under two functions is two jobs") \
	/* case_change.c */ \
	X(STORE, add_of_a_stored_key_replaces, "an ADD of a key that is there replaces the job, which goes to the end of the order") \
	X(STORE, remove_may_be_repeated, "a REMOVE of what is gone or never was is no error") \
	X(STORE, remove_looks_at_the_key_alone, "a REMOVE has a function and a unique; the rest is not looked at") \
	X(STORE, batch_may_be_repeated, "a whole batch may come again when its outcome is unknown") \
	X(STORE, refusal_is_of_one_change_alone, "what the store cannot hold is refused with a reason, and the rest is stored") \
	X(STORE, strings_are_not_kept, "nothing of a change is read after commit has returned") \
	/* case_dead.c */ \
	X(STORE, past_comes_back, "attempts, times and the error of a job are kept") \
	X(STORE, add_replaces_the_past, "an ADD of a key that is there replaces its attempts, times and error, too") \
	X(STORE, dead_job_comes_back_last, "a dead job is kept with all that it has, and replayed behind the others, in order") \
	X(STORE, dead_job_does_not_hold_its_key, "dead jobs and living ones of one function and unique do not know each other") \
	X(STORE, bury_and_unbury_may_be_repeated, "BURY of a handle that is there replaces, UNBURY of one that is not is no error") \
	X(STORE, mixed_batch_may_be_repeated, "a batch of all four kinds of change may come again, whole") \
	X(STORE, move_that_is_killed_loses_nothing, "kill -9 inside a commit that buries jobs: each is there, alive or dead") \
	/* case_size.c */ \
	X(STORE, batch_of_1_is_stored, "batches of one change, one after the other") \
	X(STORE, batch_of_1000_is_stored, "1,000 changes in one batch") \
	X(STORE, batch_of_50000_is_stored, "50,000 changes in one batch") \
	X(STORE, replay_takes_bounded_memory, "replay of 100,000 jobs takes memory for a few of them") \
	/* case_life.c */ \
	X(STORE, reopened_store_is_the_same, "closing and opening changes nothing") \
	X(STORE, commit_needs_no_replay_before, "after opening, a commit works before any replay, as after a broken connection") \
	X(STORE, check_is_done_while_all_is_well, "check, where the module has one, changes nothing and says DONE") \
	X(STORE, replay_stops_when_told, "after the server's function has said stop it is not called again") \
	X(STORE, store_may_change_threads, "opened on one thread, used and closed on another") \
	X(STORE, open_and_close_leave_nothing, "opening and closing leaves no descriptors and no threads behind") \
	X(STORE, second_server_is_refused, "a store that is open is IN_USE for others, and free again after close") \
	X(STORE, killed_server_frees_the_store, "after kill -9 of its server the store can be opened, in a while") \
	/* case_crash.c */ \
	X(STORE, commit_that_is_killed_is_all_or_nothing, "kill -9 of the server inside a commit leaves all of the batch or nothing") \
	X(STORE, committed_batches_survive_a_kill, "kill -9 of the server takes nothing that commit had answered DONE for") \
	/* case_full.c */ \
	X(STORE, full_store_keeps_its_word, "with no room commit says FULL, nothing that was DONE is lost, and removals go on") \
	/* case_down.c */ \
	X(STORE, store_that_is_down_is_told, "with the store down commit and open fail with a sentence, and go well after") \
	X(STORE, check_sees_that_the_store_is_down, "with the store down check, where the module has one, fails with a sentence") \
	X(STORE, store_killed_under_load_heals, "the store killed and started while jobs are stored: nothing that was DONE is lost") \
	/* case_conn.c */ \
	X(CONN, cuts_do_not_matter, "bytes one by one, all at once, and cut at any place come to the same") \
	X(CONN, late_answers_change_nothing, "bytes that wait behind an unanswered request are taken when the answer has come") \
	X(CONN, connection_may_stop_at_any_byte, "the peer or the server goes, or time runs out, behind any byte, answered or not") \
	X(CONN, garbage_does_no_harm, "3,000 inputs that are damaged or no input at all, with the same end however they are cut") \
	X(CONN, endless_input_is_bounded, "what never ends is refused, or used as it comes") \
	X(CONN, server_may_say_anything_at_any_byte, "any packet, asked for or not, behind any byte") \
	X(CONN, want_of_memory_is_survived, "the server takes no more of a request, and keeps nothing") \
	X(CONN, connections_do_not_know_each_other, "1,000 connections at once, byte by byte in turn") \
	X(CONN, connections_leave_nothing, "connections that ended leave no memory behind") \
	X(CONN, module_may_be_opened_again, "closing gives everything back, and the module can be opened again")
/* clang-format on */

#define X(kind, name, sentence) void name(struct rig *);
CASES(X)
#undef X

#endif
