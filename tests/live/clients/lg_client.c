/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A client written with libgearman, for libgearman.py:  lg_client PORT COMMAND [ARGUMENT]...
 * Prints one line per thing it hears, and says on stderr what went wrong (status 1).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libgearman-1.0/gearman.h>

static void
fail(gearman_client_st *c, const char *what)
{
	fprintf(stderr, "%s: %s\n", what, gearman_client_error(c));
	exit(1);
}

static gearman_return_t
on_created(gearman_task_st *task)
{
	printf("created %s\n", gearman_task_job_handle(task));
	return GEARMAN_SUCCESS;
}

static gearman_return_t
say(const char *what, gearman_task_st *task)
{
	printf("%s %.*s\n", what, (int)gearman_task_data_size(task), (const char *)gearman_task_data(task));
	return GEARMAN_SUCCESS;
}

static gearman_return_t
on_data(gearman_task_st *task)
{
	return say("data", task);
}

static gearman_return_t
on_warning(gearman_task_st *task)
{
	return say("warning", task);
}

static gearman_return_t
on_complete(gearman_task_st *task)
{
	return say("complete", task);
}

static gearman_return_t
on_exception(gearman_task_st *task)
{
	return say("exception", task);
}

static gearman_return_t
on_fail(gearman_task_st *task)
{
	printf("fail %s\n", gearman_task_unique(task));
	return GEARMAN_SUCCESS;
}

static gearman_return_t
on_status(gearman_task_st *task)
{
	printf("status %u/%u\n", gearman_task_numerator(task), gearman_task_denominator(task));
	return GEARMAN_SUCCESS;
}

/* do|high|low FUNCTION UNIQUE WORKLOAD: waits for the result. */
static void
do_one(gearman_client_st *c, const char *how, char **a)
{
	size_t size;
	gearman_return_t rc;
	void *result;

	do {
		const char *unique = *a[1] ? a[1] : NULL;

		if (strcmp(how, "high") == 0)
			result = gearman_client_do_high(c, a[0], unique, a[2], strlen(a[2]), &size, &rc);
		else if (strcmp(how, "low") == 0)
			result = gearman_client_do_low(c, a[0], unique, a[2], strlen(a[2]), &size, &rc);
		else
			result = gearman_client_do(c, a[0], unique, a[2], strlen(a[2]), &size, &rc);
		if (rc == GEARMAN_WORK_DATA || rc == GEARMAN_WORK_WARNING || rc == GEARMAN_SUCCESS)
			printf("%s %.*s\n", rc == GEARMAN_SUCCESS ? "result" : "part", (int)size, (char *)result);
		free(result);
	} while (rc == GEARMAN_WORK_DATA || rc == GEARMAN_WORK_WARNING || rc == GEARMAN_WORK_STATUS);
	if (rc != GEARMAN_SUCCESS)
		fail(c, gearman_strerror(rc));
}

/* bg|bghigh|bglow FUNCTION UNIQUE WORKLOAD: prints the handle. */
static void
background(gearman_client_st *c, const char *how, char **a)
{
	char handle[GEARMAN_JOB_HANDLE_SIZE];
	const char *unique = *a[1] ? a[1] : NULL;
	gearman_return_t rc;

	if (strcmp(how, "bghigh") == 0)
		rc = gearman_client_do_high_background(c, a[0], unique, a[2], strlen(a[2]), handle);
	else if (strcmp(how, "bglow") == 0)
		rc = gearman_client_do_low_background(c, a[0], unique, a[2], strlen(a[2]), handle);
	else
		rc = gearman_client_do_background(c, a[0], unique, a[2], strlen(a[2]), handle);
	if (rc != GEARMAN_SUCCESS)
		fail(c, "background");
	printf("%s\n", handle);
}

/* epoch SECONDS FUNCTION UNIQUE WORKLOAD */
static void
epoch(gearman_client_st *c, char **a)
{
	gearman_task_attr_t attr = gearman_task_attr_init_epoch((time_t)atoll(a[0]), GEARMAN_JOB_PRIORITY_NORMAL);
	gearman_argument_t arg = gearman_argument_make(NULL, 0, a[3], strlen(a[3]));
	gearman_task_st *task = gearman_execute(c, a[1], strlen(a[1]), a[2], strlen(a[2]), &attr, &arg, NULL);

	if (task == NULL)
		fail(c, "epoch");
	printf("%s\n", gearman_task_job_handle(task));
}

/* reduce SPLITTER REDUCER UNIQUE WORKLOAD: SPLITTER's worker hands pieces to REDUCER and joins the results. */
static void
reduce(gearman_client_st *c, char **a)
{
	gearman_task_attr_t attr = gearman_task_attr_init(GEARMAN_JOB_PRIORITY_NORMAL);
	gearman_argument_t arg = gearman_argument_make(NULL, 0, a[3], strlen(a[3]));
	gearman_task_st *task = gearman_execute_by_partition(
	    c, a[0], strlen(a[0]), a[1], strlen(a[1]), a[2], strlen(a[2]), &attr, &arg, NULL);
	gearman_result_st *result;

	if (task == NULL || gearman_failed(gearman_task_return(task)))
		fail(c, "reduce");
	result = gearman_task_result(task);
	printf("result %.*s\n", (int)gearman_result_size(result), gearman_result_value(result));
}

/* status HANDLE */
static void
status(gearman_client_st *c, char **a)
{
	bool known, running;
	uint32_t numerator, denominator;

	if (gearman_client_job_status(c, a[0], &known, &running, &numerator, &denominator) != GEARMAN_SUCCESS)
		fail(c, "status");
	printf("%d %d %u %u\n", known, running, numerator, denominator);
}

/* ustatus UNIQUE */
static void
unique_status(gearman_client_st *c, char **a)
{
	gearman_status_t s = gearman_client_unique_status(c, a[0], strlen(a[0]));

	if (gearman_status_return(s) != GEARMAN_SUCCESS)
		fail(c, "ustatus");
	printf("%d %d %u %u\n", gearman_status_is_known(s), gearman_status_is_running(s), gearman_status_numerator(s),
	    gearman_status_denominator(s));
}

/* tasks N FUNCTION UNIQUE-PREFIX WORKLOAD: N jobs on one connection, everything that comes is printed. */
static void
tasks(gearman_client_st *c, char **a)
{
	gearman_client_set_created_fn(c, on_created);
	gearman_client_set_data_fn(c, on_data);
	gearman_client_set_warning_fn(c, on_warning);
	gearman_client_set_status_fn(c, on_status);
	gearman_client_set_complete_fn(c, on_complete);
	gearman_client_set_exception_fn(c, on_exception);
	gearman_client_set_fail_fn(c, on_fail);
	for (int i = 0; i < atoi(a[0]); i++) {
		char unique[100];
		gearman_return_t rc;

		snprintf(unique, sizeof unique, "%s%d", a[2], i);
		if (gearman_client_add_task(c, NULL, NULL, a[1], unique, a[3], strlen(a[3]), &rc) == NULL)
			fail(c, "add_task");
	}
	if (gearman_client_run_tasks(c) != GEARMAN_SUCCESS)
		fail(c, "run_tasks");
}

int
main(int argc, char **argv)
{
	gearman_client_st *c = gearman_client_create(NULL);
	const char *command = argc > 2 ? argv[2] : "";
	char **a = argv + 3;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 3 || c == NULL ||
	    gearman_client_add_server(c, "127.0.0.1", (in_port_t)atoi(argv[1])) != GEARMAN_SUCCESS)
		return 2;
	gearman_client_set_timeout(c, 60000);
	if (getenv("LG_EXCEPTIONS") != NULL && !gearman_client_set_server_option(c, "exceptions", strlen("exceptions")))
		fail(c, "exceptions");
	if (strcmp(command, "do") == 0 || strcmp(command, "high") == 0 || strcmp(command, "low") == 0)
		do_one(c, command, a);
	else if (strncmp(command, "bg", 2) == 0)
		background(c, command, a);
	else if (strcmp(command, "epoch") == 0)
		epoch(c, a);
	else if (strcmp(command, "reduce") == 0)
		reduce(c, a);
	else if (strcmp(command, "status") == 0)
		status(c, a);
	else if (strcmp(command, "ustatus") == 0)
		unique_status(c, a);
	else if (strcmp(command, "tasks") == 0)
		tasks(c, a);
	else if (strcmp(command, "echo") == 0) {
		if (gearman_client_echo(c, a[0], strlen(a[0])) != GEARMAN_SUCCESS)
			fail(c, "echo");
	} else if (strcmp(command, "option") == 0) {
		printf("%s\n", gearman_client_set_server_option(c, a[0], strlen(a[0])) ? "yes" : "no");
	} else
		return 2;
	gearman_client_free(c);
	return 0;
}
