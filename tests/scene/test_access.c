/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Access rules in the core: what each right lets, what a refused peer hears, and what becomes of peers when the rules
 * change.
 */
#include <stdio.h>

#include "tests/scene/scene.h"

#define NO_SUBMIT "NOT_ALLOWED", "This connection may not submit jobs of this function"
#define NO_WORK   "NOT_ALLOWED", "This connection may not do jobs of this function"
#define NO_ASK    "NOT_ALLOWED", "This connection may not ask for jobs"
#define NEEDS     "ERR NOT_ALLOWED The+command+needs+the+right+"

static int
peer_at(struct scene *s, const char *address)
{
	struct msg_conn *m = msg_new_sized(MSG_PEER_NEW, 0, sizeof *m);

	snprintf(m->address, sizeof m->address, "%s", address);
	snprintf(m->port, sizeof m->port, "4711");
	return scene_peer_as(s, m);
}

static int
peer_of_user(struct scene *s, uint32_t user)
{
	struct msg_conn *m = msg_new_sized(MSG_PEER_NEW, 0, sizeof *m);

	snprintf(m->address, sizeof m->address, "/run/socket");
	m->has_user = true;
	m->user = user;
	return scene_peer_as(s, m);
}

static int
peer_with_identity(struct scene *s, const char *tokens, size_t len)
{
	struct msg_conn *m = msg_new_sized(MSG_PEER_NEW, 0, sizeof *m);

	snprintf(m->address, sizeof m->address, "192.0.2.9");
	m->msg.blob = blob_copy(slice_of(tokens, len));
	return scene_peer_as(s, m);
}

static void
submit(struct scene *s, int client, const char *function)
{
	tell(s, client, SUBMIT_JOB_BG, function, "", "data");
	expect(s, client, JOB_CREATED, "*");
}

Test(access, without_a_file_a_peer_of_another_machine_may_all_but_manage)
{
	struct scene *s = scene_new("");
	int far = peer_at(s, "192.0.2.1"), near = peer_at(s, "127.0.0.1"), user = peer_of_user(s, 33);

	submit(s, far, "f");
	tell(s, far, CAN_DO, "f");
	ask(s, far, "status", "f\t1\t0\t1\n.\n");
	ask(s, far, "peek f", NEEDS "manage\r\n");
	ask(s, far, "create function g", NEEDS "admin\r\n");
	cr_assert(scene_logged(
	    s, "192.0.2.1:4711: not allowed: create, for want of the right admin: there is no access file"));
	ask(s, near, "create function g", "OK\r\n");
	ask(s, user, "maxqueue g 7", "OK\r\n");
	cr_assert_eq(scene_counter(s, near, "refused_access"), 2);
	scene_free(&s);
}

Test(access, a_submission_needs_a_pattern_of_its_function_and_makes_none)
{
	struct scene *s = scene_new("");
	int client;

	scene_access(s, "net:192.0.2.0/24 submit=mail.*,!mail.secret\nany all\n");
	client = peer_at(s, "192.0.2.1");
	submit(s, client, "mail.x");
	submit(s, client, "mail.x");
	tell(s, client, SUBMIT_JOB, "mail.secret", "", "");
	expect(s, client, ERROR, NO_SUBMIT);
	tell(s, client, SUBMIT_JOB_HIGH_BG, "other", "", "");
	expect(s, client, ERROR, NO_SUBMIT);
	tell(s, client, SUBMIT_JOB_EPOCH, "other", "", "1", "");
	expect(s, client, ERROR, NO_SUBMIT);
	tell(s, client, SUBMIT_REDUCE_JOB, "other", "", "mail.x", "");
	expect(s, client, ERROR, NO_SUBMIT);
	ask(s, scene_peer(s), "status", "mail.x\t2\t0\t0\n.\n");
	scene_free(&s);
}

Test(access, a_function_that_was_let_once_is_not_looked_for_again_and_another_is)
{
	struct scene *s = scene_new("");
	int client;

	scene_access(s, "any submit=a,b see\n");
	client = scene_peer(s);
	for (int i = 0; i < 3; i++) {
		submit(s, client, "a");
		submit(s, client, "b");
		tell(s, client, SUBMIT_JOB, "c", "", "");
		expect(s, client, ERROR, NO_SUBMIT);
	}
	ask(s, client, "status", "a\t3\t0\t0\nb\t3\t0\t0\n.\n");
	scene_free(&s);
}

Test(access, an_ability_needs_a_pattern_of_its_function)
{
	struct scene *s = scene_new("");
	int worker;

	scene_access(s, "net:192.0.2.0/24 work=mail.*\nany all\n");
	worker = peer_at(s, "192.0.2.1");
	tell(s, worker, CAN_DO, "mail.x");
	tell(s, worker, CAN_DO, "other");
	expect(s, worker, ERROR, NO_WORK);
	tell(s, worker, CAN_DO_TIMEOUT, "other", "1000");
	expect(s, worker, ERROR, NO_WORK);
	ask(s, scene_peer(s), "status", "mail.x\t0\t0\t1\n.\n");
	tell(s, worker, PRE_SLEEP);
	submit(s, scene_peer(s), "mail.x");
	expect(s, worker, NOOP);
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "*", "mail.x", "data");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "");
	expect_silence(s, worker);
	scene_free(&s);
}

Test(access, status_of_a_job_is_for_who_may_submit_or_see)
{
	struct scene *s = scene_new("");
	int nobody, client, watcher;

	scene_access(s, "net:192.0.2.1 none\nnet:192.0.2.2 submit=f\nnet:192.0.2.3 see\n");
	nobody = peer_at(s, "192.0.2.1");
	client = peer_at(s, "192.0.2.2");
	watcher = peer_at(s, "192.0.2.3");
	tell(s, nobody, GET_STATUS, "H:test:1");
	expect(s, nobody, ERROR, NO_ASK);
	tell(s, nobody, GET_STATUS_UNIQUE, "u");
	expect(s, nobody, ERROR, NO_ASK);
	tell(s, client, GET_STATUS, "H:test:1");
	expect(s, client, STATUS_RES, "H:test:1", "0", "0", "0", "0");
	tell(s, watcher, GET_STATUS_UNIQUE, "u");
	expect(s, watcher, STATUS_RES_UNIQUE, "u", "0", "0", "0", "0", "0");
	tell(s, nobody, ECHO_REQ, "hello");
	expect(s, nobody, ECHO_RES, "hello");
	scene_free(&s);
}

Test(access, each_command_needs_its_right)
{
	static const char *const see[] = { "status", "prioritystatus", "workers", "show jobs", "show dead",
		"show job H:test:1", "show policy f", "show running", "show options", "show", "getpid", "verbose",
		"counters", "queue" };
	static const char *const manage[] = { "cancel job H:test:1", "cancel unique f u", "pause f", "resume f",
		"kick f", "kick job H:test:1", "bury job H:test:1", "retry job H:test:1", "purge f", "peek f",
		"peek job H:test:1", "show options", "follow job H:test:1", "unfollow job H:test:1", "follow next" };
	static const char *const admin[] = { "create function f", "drop function f", "maxqueue f 1", "MAXQUEUE f 1" };
	struct scene *s = scene_new("");
	int none, watcher, manager;

	scene_access(s, "net:192.0.2.1 none\nnet:192.0.2.2 see\nany manage\n");
	none = peer_at(s, "192.0.2.1");
	watcher = peer_at(s, "192.0.2.2");
	manager = peer_at(s, "192.0.2.3");
	for (size_t i = 0; i < sizeof see / sizeof *see; i++)
		ask(s, none, see[i], NEEDS "see\r\n");
	for (size_t i = 0; i < sizeof manage / sizeof *manage; i++)
		ask(s, watcher, manage[i], NEEDS "manage\r\n");
	for (size_t i = 0; i < sizeof admin / sizeof *admin; i++)
		ask(s, manager, admin[i], NEEDS "admin\r\n");
	ask(s, watcher, "status", ".\n");
	ask(s, manager, "status", ".\n");
	ask(s, manager, "show options", ".\n");
	ask(s, manager, "peek f", "ERR UNKNOWN_FUNCTION There+is+no+such+function\r\n");
	ask(s, none, "version", "OK 0.1.0\n");
	ask(s, none, "nonsense", "ERR UNKNOWN_COMMAND Unknown+server+commandnonsense\r\n");
	scene_free(&s);
}

Test(access, a_worker_may_say_what_is_to_become_of_its_own_job)
{
	struct scene *s = scene_new("");
	int worker, other;

	scene_access(s, "net:192.0.2.0/24 work=*\nany all\n");
	worker = peer_at(s, "192.0.2.1");
	other = peer_at(s, "192.0.2.2");
	submit(s, scene_peer(s), "f");
	tell(s, worker, CAN_DO, "f");
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "H:test:1", "f", "data");
	ask(s, other, "retry job H:test:1", NEEDS "manage\r\n");
	ask(s, worker, "retry job H:test:1", "OK\r\n");
	ask(s, worker, "bury job H:test:1", "OK\r\n");
	ask(s, worker, "kick job H:test:1", NEEDS "manage\r\n");
	ask(s, worker, "cancel job H:test:1", "OK\r\n");
	ask(s, worker, "cancel job H:test:1", NEEDS "manage\r\n");
	scene_free(&s);
}

Test(access, who_may_submit_a_job_may_see_and_follow_it)
{
	struct scene *s = scene_new("");
	int client;

	scene_access(s, "net:192.0.2.0/24 submit=f\nany all\n");
	scene_policies(s, "* keep-state=1h\n");
	client = peer_at(s, "192.0.2.1");
	submit(s, scene_peer(s), "f");
	submit(s, scene_peer(s), "g");
	cr_assert(answer_has(s, client, "show job H:test:1", "function\tf\n"));
	ask(s, client, "follow job H:test:1", "OK\r\n");
	ask(s, client, "unfollow job H:test:1", "OK\r\n");
	ask(s, client, "follow next", "OK\r\n");
	ask(s, client, "show job H:test:2", NEEDS "see\r\n");
	ask(s, client, "follow job H:test:2", NEEDS "manage\r\n");
	ask(s, scene_peer(s), "cancel job H:test:1", "OK\r\n");
	ask(s, scene_peer(s), "cancel job H:test:2", "OK\r\n");
	cr_assert(answer_has(s, client, "show job H:test:1", "state\tcancelled\n"));
	ask(s, client, "show job H:test:2", NEEDS "see\r\n");
	ask(s, client, "show job H:test:3", "ERR UNKNOWN_JOB\r\n");
	ask(s, client, "show jobs", NEEDS "see\r\n");
	scene_free(&s);
}

Test(access, peers_are_known_by_user_identity_and_protocol)
{
	struct scene *s = scene_new("");

	scene_access(s, "unix:bob submit=bob\nunix submit=user\ncert:dns=*.example submit=host\ncert submit=cert\n"
			"on:module submit=module\nany submit=any\n");
	submit(s, peer_of_user(s, 1000), "bob");
	submit(s, peer_of_user(s, 0), "user");
	submit(s, peer_with_identity(s, "cn=x\0dns=a.example\0", 19), "host");
	submit(s, peer_with_identity(s, "cn=x\0", 5), "cert");
	submit(s, scene_module_peer(s), "module");
	submit(s, scene_peer(s), "any");
	scene_free(&s);
}

Test(access, whoami_tells_everybody_who_they_are_and_what_they_may)
{
	struct scene *s = scene_new("");

	ask(s, peer_at(s, "192.0.2.1"), "whoami",
	    "address\t192.0.2.1:4711\nprotocol\tgear\nrights\tsubmit=* work=* see\n.\n");
	scene_access(s, "# rules\nunix:bob submit=\"a b\"  see\ncert none\n");
	ask(s, peer_of_user(s, 1000), "whoami",
	    "address\t/run/socket\nprotocol\tgear\nuser\t1000\nline\t2\nrights\tsubmit=\"a b\"  see\n.\n");
	ask(s, peer_with_identity(s, "cn=x\0dns=a.example\0", 19), "whoami",
	    "address\t192.0.2.9\nprotocol\tgear\nidentity\tcn=x\nidentity\tdns=a.example\nline\t3\nrights\tnone\n.\n");
	ask(s, scene_module_peer(s), "whoami", "address\t127.0.0.1\nprotocol\tmodule\nline\t0\nrights\tnone\n.\n");
	scene_free(&s);
}

Test(access, refusals_of_one_kind_are_logged_once_a_minute)
{
	struct scene *s = scene_new("");
	int client, admin = scene_peer(s);
	const char *logged = "192.0.2.1:4711: not allowed: f, for want of the right submit: line 1 of the access file";

	scene_access(s, "net:192.0.2.1 see\nnet:192.0.2.2 see\nnet:127.0.0.1 all\n");
	client = peer_at(s, "192.0.2.1");
	for (int i = 0; i < 10; i++) {
		tell(s, client, SUBMIT_JOB, "f", "", "");
		expect(s, client, ERROR, NO_SUBMIT);
	}
	cr_assert(scene_logged(s, logged));
	cr_assert(!scene_logged(s, logged));
	tell(s, client, CAN_DO, "g");
	cr_assert(scene_logged(s, "not allowed: g, for want of the right work: line 1"));
	tell(s, peer_at(s, "192.0.2.2"), SUBMIT_JOB, "f", "", "");
	cr_assert(scene_logged(s, "192.0.2.2:4711: not allowed: f, for want of the right submit: line 2"));
	tell(s, peer_at(s, "192.0.2.3"), SUBMIT_JOB, "f", "", "");
	cr_assert(scene_logged(s, "not allowed: f, for want of the right submit: no line of the access file matches"));
	scene_wait(s, 60000);
	tell(s, client, SUBMIT_JOB, "f", "", "");
	cr_assert(scene_logged(s, logged));
	cr_assert_eq(scene_counter(s, admin, "refused_access"), 14);
	scene_free(&s);
}

Test(access, new_rules_hold_for_connections_that_are_there)
{
	struct scene *s = scene_new("");
	int client = peer_at(s, "192.0.2.1");

	submit(s, client, "f");
	scene_access(s, "any submit=g\n");
	tell(s, client, SUBMIT_JOB, "f", "", "");
	expect(s, client, ERROR, NO_SUBMIT);
	submit(s, client, "g");
	scene_access(s, "any submit=f\n");
	submit(s, client, "f");
	tell(s, client, SUBMIT_JOB, "g", "", "");
	expect(s, client, ERROR, NO_SUBMIT);
	scene_free(&s);
}

Test(access, new_rules_hold_at_once_though_peers_are_judged_in_parts)
{
	enum { PEERS = 2000 };
	struct scene *s = scene_new("");
	int first = peer_at(s, "192.0.2.1"), last = 0, turns = 0;

	for (int i = 0; i < PEERS; i++)
		last = peer_at(s, "192.0.2.1");
	submit(s, first, "f");
	submit(s, last, "f");
	scene_access(s, "any submit=g\n");
	scene_access(s, "any submit=h\n"); /* while the last one is not through */
	scene_access(s, "any submit=i\n");
	while (scene_turn(s) != NEVER)
		turns++;
	cr_assert_gt(turns, 5);
	scene_access(s, "any submit=j\n");
	tell(s, last, SUBMIT_JOB, "i", "", "");
	expect(s, last, ERROR, NO_SUBMIT);
	submit(s, last, "j");
	submit(s, first, "j");
	scene_free(&s);
}

Test(access, abilities_that_are_no_longer_allowed_are_withdrawn_without_a_word)
{
	struct scene *s = scene_new("");
	int worker = scene_worker(s, "f"), admin = peer_of_user(s, 0);

	tell(s, worker, CAN_DO, "g");
	tell(s, worker, PRE_SLEEP);
	scene_access(s, "unix all\nany work=g\n");
	ask(s, admin, "status", "f\t0\t0\t0\ng\t0\t0\t1\n.\n");
	submit(s, admin, "f");
	expect_silence(s, worker);
	submit(s, admin, "g");
	expect(s, worker, NOOP);
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "H:test:2", "g", "data");
	tell(s, worker, GRAB_JOB);
	expect(s, worker, NO_JOB);
	cr_assert(scene_logged(s, "127.0.0.1: not allowed: f, for want of the right work: line 2 of the access file"));
	scene_access(s, "any all\n");
	tell(s, worker, GRAB_JOB);
	expect(s, worker, NO_JOB);
	tell(s, worker, CAN_DO, "f");
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "H:test:1", "f", "data");
	scene_free(&s);
}

Test(access, a_job_runs_to_its_end_though_its_worker_may_do_no_more_of_them)
{
	struct scene *s = scene_new("");
	int worker = scene_worker(s, "f"), client = scene_peer(s), admin = peer_of_user(s, 0);

	for (int i = 0; i < 2; i++) {
		tell(s, client, SUBMIT_JOB, "f", "", "data");
		expect(s, client, JOB_CREATED, "*");
		tell(s, worker, GRAB_JOB);
		expect(s, worker, JOB_ASSIGN, "*", "f", "data");
	}
	scene_access(s, "unix all\nany submit=f\n");
	ask(s, admin, "status", "f\t2\t2\t0\n.\n");
	tell(s, worker, WORK_STATUS, "H:test:1", "1", "2");
	expect(s, client, WORK_STATUS, "H:test:1", "1", "2");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "done");
	expect(s, client, WORK_COMPLETE, "H:test:1", "done");
	tell(s, worker, CANT_DO, "f"); /* it has given that up already */
	ask(s, admin, "status", "f\t1\t1\t0\n.\n");
	tell(s, worker, RESET_ABILITIES);
	ask(s, admin, "status", "f\t1\t0\t0\n.\n");
	scene_free(&s);
}

Test(access, jobs_of_withdrawn_abilities_are_lost_when_their_worker_goes)
{
	struct scene *s = scene_new("");
	int worker = scene_worker(s, "f"), client = scene_peer(s), admin = peer_of_user(s, 0);

	for (int i = 0; i < 2000; i++) {
		submit(s, client, "f");
		tell(s, worker, GRAB_JOB);
		expect(s, worker, JOB_ASSIGN, "*", "f", "data");
	}
	scene_access(s, "unix all\n");
	scene_hangup(s, worker);
	while (scene_turn(s) != NEVER)
		continue;
	ask(s, admin, "status", "f\t2000\t0\t0\n.\n");
	scene_free(&s);
}
