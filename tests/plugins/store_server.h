/* SPDX-License-Identifier: BSD-3-Clause
 *
 * store_server.h - a real database server for all tests of a program, and more of them for tests that break one.
 *
 * Runs on:  the process of one test; the hooks run in the process that starts them all.
 * Owns:     each server has a folder of its own, with "pid", "port" and the like; it ends with the program, at the
 * latest.
 */
#ifndef TESTS_STORE_SERVER_H
#define TESTS_STORE_SERVER_H

#include <stddef.h>

/* What the program's own fixture says of it. */
struct store_server {
	const char *script;  /* in tests/stores */
	const char *name;    /* "no NAME is installed" */
	const char *options; /* of the one for all tests, for the script */
};
extern const struct store_server store_server;

/* The folder of the one for all tests.  Where it is not installed the test is skipped; in CI it fails. */
const char *store_server_dir(void);
/* One of its own.  `dir` gets its folder. */
void store_server_start(char *dir, size_t size, const char *options);
void store_server_stop(const char *dir); /* and removes the folder */
/* "kill", "again" ...: what the script knows; must go well. */
void store_server_do(const char *dir, const char *word);
/* SIGSTOP returns when all threads of the process are stopped. */
void store_server_signal(int pid, int number);
int store_server_number(const char *dir, const char *file); /* that is in this file of the folder */
const char *store_script_path(const char *script);          /* valid until the next call */

#endif
