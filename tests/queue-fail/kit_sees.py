#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""gearmand-plugin-check fails what is wrong: each wrong of the failing queue is seen by a case made for it, every case sees one,
and without a wrong all of them pass, also beside trouble that a store may have."""
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile

TOP = os.environ.get("top_srcdir") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "plugins"))
sys.path.insert(0, os.path.join(TOP, "tests", "lint"))
import kitlib  # noqa: E402
import lintlib  # noqa: E402

# Where a sync costs nothing: no disk is under test here.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
MODULE = os.path.join(kitlib.BUILD, "tests/queue-fail/.libs/queue-fail.so")

# wrong: the case that must see it, and a part of what it must say
SEEN = {
    "loses_the_last": ("job_comes_back_as_it_was", 'job "cat-1" of function "resize" did not come back; 0 came, stored were 1'),
    "cuts_at_nul": ("payload_of_any_bytes_comes_back", "came back changed: its payload is"),
    "cuts_large": ("payload_of_16_MiB_comes_back_or_is_refused", "(16777215 bytes), stored was"),
    "alters_a_byte": ("payload_of_any_bytes_comes_back", "came back changed: its payload is"),
    "forgets_priority": ("priority_comes_back", "its priority is 1, stored was 0"),
    "time_in_32_bits": ("due_time_comes_back", "its time is -2147483648, stored was 2147483648"),
    "cuts_handles": ("handle_comes_back", "its handle is"),
    "forgets_reducers": ("reducer_comes_back", 'its reducer is "", stored was "sum"'),
    "turns_flags": ("flags_come_back", "its flags are 2, stored were 1"),
    "drops_backslashes": ("key_of_any_bytes_comes_back", "replay gave a job without a unique"),
    "cuts_functions": ("function_of_512_bytes_comes_back", "(255 bytes) came back, and should not be there"),
    "cuts_long_functions": ("function_of_8192_bytes_comes_back_or_is_refused", "(4096 bytes) came back, and should not be there"),
    "passes_over_no_name": ("function_of_0_bytes_comes_back", 'job "u" of function "" did not come back'),
    "ignores_case": ("keys_that_look_alike_are_different", 'job "I" of function "f" did not come back'),
    "trims": ("keys_that_look_alike_are_different", 'job "u1 " of function "f" did not come back'),
    "key_is_unique": ("key_is_function_and_unique", 'job "u" of function "f" did not come back'),
    "first_add_counts": ("add_of_a_stored_key_replaces", 'its payload is "first"'),
    "forgets_errors": ("past_comes_back", "something of the past of jobs came back, and something did not"),
    "sticky_attempts": ("add_replaces_the_past", "what had become of a job stays when it is stored anew"),
    "buries_alive": ("dead_job_comes_back_last", "of function"),
    "bury_takes_key": ("dead_job_does_not_hold_its_key", 'job "a" of function "f" did not come back'),
    "refuses_unbury": ("bury_and_unbury_may_be_repeated", "was refused: it stays dead"),
    "buries_one": ("mixed_batch_may_be_repeated", 'job "gone" of function "f" did not come back'),
    "removes_first": ("move_that_is_killed_loses_nothing", "is neither alive nor dead"),
    "refuses_unknown": ("remove_may_be_repeated", "was refused: it is not there"),
    "refuses_known": ("batch_may_be_repeated", "was refused: it is there"),
    "refuses_all": ("refusal_is_of_one_change_alone", "was refused beside one that is large: something is too large"),
    "refuses_without_reason": ("refusal_is_of_one_change_alone", "was refused without a reason"),
    "reads_all_of_remove": ("remove_looks_at_the_key_alone", "was ended by signal 11"),
    "keeps_pointers": ("strings_are_not_kept", ""),
    "answers_early": ("committed_batches_survive_a_kill", "jobs were DONE"),
    "stores_4096": ("batch_of_50000_is_stored", "did not come back; 4096 came, stored were 50000"),
    "one_by_one": ("commit_that_is_killed_is_all_or_nothing", "of function"),
    "needs_replay": ("commit_needs_no_replay_before", "did not come back"),
    "swaps": ("order_is_kept", "the order has changed: number 1 is"),
    "does_not_stop": ("replay_stops_when_told", "replay went on after it was told to stop"),
    "hoards": ("replay_takes_bounded_memory", "memory grew by"),
    "starts_over": ("reopened_store_is_the_same", "did not come back; 0 came, stored were 20"),
    "one_thread": ("store_may_change_threads", "was ended by signal 6"),
    "leaks": ("open_and_close_leave_nothing", "20 more descriptors are open"),
    "no_lock": ("second_server_is_refused", "two servers have the store open at the same time"),
    "in_use_is_passing": ("second_server_is_refused", "why is not GEARMAND_WHY_IN_USE"),
    "lock_file": ("killed_server_frees_the_store", "another server runs"),
    "asks": ("the_kit_itself", "asks for option --nobody-declared-this"),
    "prints": ("the_kit_itself", "the module printed something"),
    "done_when_full": ("full_store_keeps_its_word", "did not come back"),
    "again_when_full": ("full_store_keeps_its_word", "commit says AGAIN instead of FULL"),
    "done_while_down": ("store_that_is_down_is_told", "commit says DONE while the store is down"),
    "well_while_down": ("check_sees_that_the_store_is_down", "check says DONE while the store is down"),
    "lasting_while_down": ("store_that_is_down_is_told", "why is not GEARMAND_WHY_PASSING"),
    "starts_over_when_broken": ("store_killed_under_load_heals", "did not come back"),
}
# rules: what a case says of a call that came to this
TROUBLE = {
    "commit 1 crash": ("batch_of_1_is_stored", "was ended by signal 9"),
    "commit 1 again": ("batch_of_1_is_stored", "commit failed and does not say why"),
    "commit 2 broken": ("batch_of_1_is_stored", "commit failed and does not say why"),
    "open 1 lasting no such table": ("the_kit_itself", "Bail out!  open: no such table"),
    "open 2 lasting no such table": ("batch_of_1_is_stored", "open: no such table"),
    "open 2 in-use": ("batch_of_1_is_stored", "open failed and does not say why"),
    "replay 1 fail a bad block": ("the_kit_itself", "Bail out!  replay: a bad block"),
    "replay 2 partly a bad block": ("order_is_kept", "replay: a bad block"),
    "add 3 refuse no room": ("batch_of_1_is_stored", 'job "job-2" of function "check 2" was refused: no room'),
    "remove 1 refuse read-only": ("batch_of_1_is_stored", "was refused: read-only"),
    "check 2 again": ("check_is_done_while_all_is_well", "check failed and does not say why"),
    "check 3 broken the line is cut": ("check_is_done_while_all_is_well", "check: the line is cut"),
    "close 2 crash": ("reopened_store_is_the_same", "was ended by signal 9"),
}
# Trouble that the server lives with; the counts are of the calls of a case's own process.
FINE = "commit 2 again the disk is full; commit 3-4 broken connection reset; commit 5 unknown connection reset; " \
       "open 4-5 passing it is starting; commit 8 late 3; replay 1 stall 3"


def declared():
    with open(os.path.join(TOP, "tests/queue-fail/queue_fail.h"), encoding="utf-8") as f:
        return re.findall(r"(?m)^\tX\((\w+), ", f.read())


def cases():
    """Those of queue modules, in their order."""
    with open(os.path.join(TOP, "sdk/check/cases.h"), encoding="utf-8") as f:
        return re.findall(r"(?m)^\tX\((?:FORM|STORE), (\w+), ", f.read())


def is_sanitized():
    with open(MODULE, "rb") as f:
        content = f.read()
    return b"__asan_" in content or b"__tsan_" in content


def run(*arguments):
    """The kit's results, on a file of its own, with commands that bring the store down and up."""
    folder = tempfile.mkdtemp(prefix="gearmand-kit-", dir=MEMORY)
    control = os.path.join(folder, "control")
    down = "open * passing the store is down\\ncommit * broken connection reset\\ncheck * broken connection reset\\n"
    try:
        return list(kitlib.run(MODULE, ["--journal-file=" + os.path.join(folder, "jobs"), "--fail-control=" + control,
                                        "--store-kill=printf '%s' >%s.new && mv %s.new %s" % (down, control, control, control),
                                        "--store-start=rm " + control] + list(arguments)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def story(results):
    return ["%s %s: %s" % (r.verdict, r.name, r.why) for r in results] + [n for r in results for n in r.notes]


def seen(case, said, *arguments):
    """(is it seen?, what came)"""
    results = run("--only=" + ("order_is_kept" if case == "the_kit_itself" else case), *arguments)
    first = results[0]
    good = len(results) == 1 and first.verdict == "not ok" and first.name == case and any(said in n for n in first.notes)
    return good, ["expected: " + said] + story(results)


def main():
    tap = lintlib.Tap()
    results = run()
    tap.case([r.name for r in results] == cases() and all(r.verdict == "ok" for r in results),
             "a module that is right passes every case", story(results))
    results = run("--fail-rules=" + FINE)
    tap.case(len(results) == len(cases()) and all(r.verdict == "ok" for r in results),
             "and so does one with trouble that stores have", story(results))
    tap.case(declared() == list(SEEN), "there is a case for each wrong", sorted(set(declared()) ^ set(SEEN)))
    asked = []
    for wrong, (case, said) in SEEN.items():
        if wrong == "hoards" and is_sanitized():
            tap.skip(wrong, "a sanitizer's memory is not the module's")
            continue
        # Where a sanitizer ends the module, it has other words.
        other_words = is_sanitized() and wrong in ("reads_all_of_remove", "keeps_pointers")
        asked.append((wrong, case, "" if other_words else said, "--fail-wrong=" + wrong))
    asked += [(rule, case, said, "--fail-rules=" + rule) for rule, (case, said) in TROUBLE.items()]
    asked.append(("a call that does not return", "batch_of_1_is_stored", "it was not over after 3 s",
                  "--fail-rules=commit 2 stall 60000", "--limit=3"))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for a, (good, notes) in zip(asked, pool.map(lambda a: seen(*a[1:]), asked)):
            tap.case(good, "%s sees: %s" % (a[1], a[0]), notes)
    results = run("--fail-wrong=one_by_one", "--store-in-part", "--only=commit_that_is_killed_is_all_or_nothing")
    tap.case([r.verdict for r in results] == ["ok"], "a store without transactions may leave a part", story(results))
    results = run("--fail-wrong=nosuch", "--only=order_is_kept")
    tap.case([r.name for r in results] == ["the_kit_itself"] and "no such wrong" in str(story(results)),
             "a store that does not open ends the check", story(results))
    tap.end()


if __name__ == "__main__":
    main()
