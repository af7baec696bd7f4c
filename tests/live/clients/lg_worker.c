/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A worker written with libgearman, for libgearman.py:  lg_worker PORT COUNT [FUNCTION[=MILLISECONDS]]...
 * Ends after COUNT jobs, or when LG_IDLE milliseconds passed without one (status 3).  What a
 * function does is told by the start of its name; each job is a line on stdout.  LG_GRAB=plain|uniq|all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libgearman-1.0/gearman.h>

static void
log_job(gearman_job_st *job)
{
	printf("%s unique=%s %.*s\n", gearman_job_function_name(job), gearman_job_unique(job),
	    (int)gearman_job_workload_size(job), (const char *)gearman_job_workload(job));
}

static gearman_return_t
run(gearman_job_st *job, void *context)
{
	const char *name = gearman_job_function_name(job);
	const char *work = gearman_job_workload(job);
	size_t size = gearman_job_workload_size(job);

	(void)context;
	log_job(job);
	if (strncmp(name, "fail", 4) == 0)
		return GEARMAN_FATAL;
	if (strncmp(name, "throw", 5) == 0)
		return gearman_job_send_exception(job, "thrown", strlen("thrown")) == GEARMAN_SUCCESS ? GEARMAN_FATAL
												      : GEARMAN_ERROR;
	if (strncmp(name, "talk", 4) == 0) {
		gearman_job_send_data(job, "one", 3);
		gearman_job_send_warning(job, "two", 3);
		gearman_job_send_status(job, 3, 4);
	}
	if (strncmp(name, "slow", 4) == 0)
		usleep(1500000);
	return gearman_job_send_data(job, work, size) == GEARMAN_SUCCESS ? GEARMAN_SUCCESS : GEARMAN_ERROR;
}

/* The pieces of a reduce job are the words of its workload. */
static gearman_return_t
split(gearman_job_st *job, void *context)
{
	char *copy = strndup(gearman_job_workload(job), gearman_job_workload_size(job));

	(void)context;
	log_job(job);
	for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
		if (gearman_job_send_data(job, word, strlen(word)) != GEARMAN_SUCCESS)
			return GEARMAN_ERROR;
	free(copy);
	return GEARMAN_SUCCESS;
}

static gearman_return_t
join(gearman_aggregator_st *aggregator, gearman_task_st *task, gearman_result_st *result)
{
	char whole[1000];
	size_t used = 0;

	(void)aggregator;
	for (; task != NULL; task = gearman_next(task)) {
		gearman_result_st *piece = gearman_task_result(task);

		if (piece == NULL || gearman_task_return(task) != GEARMAN_SUCCESS ||
		    used + gearman_result_size(piece) > sizeof whole)
			return GEARMAN_ERROR;
		memcpy(whole + used, gearman_result_value(piece), gearman_result_size(piece));
		used += gearman_result_size(piece);
	}
	return gearman_result_store_value(result, whole, used);
}

static int
add(gearman_worker_st *w, char *function)
{
	char *limit = strchr(function, '=');

	if (limit != NULL)
		*limit++ = '\0';
	if (strncmp(function, "split", 5) == 0)
		return gearman_worker_define_function(w, function, strlen(function),
			   gearman_function_create_partition(split, join), 0, NULL) == GEARMAN_SUCCESS;
	return gearman_worker_define_function(w, function, strlen(function), gearman_function_create(run),
		   limit != NULL ? (uint32_t)atoi(limit) : 0, NULL) == GEARMAN_SUCCESS;
}

int
main(int argc, char **argv)
{
	gearman_worker_st *w = gearman_worker_create(NULL);
	const char *grab = getenv("LG_GRAB");
	const char *idle = getenv("LG_IDLE");

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 3 || w == NULL ||
	    gearman_worker_add_server(w, "127.0.0.1", (in_port_t)atoi(argv[1])) != GEARMAN_SUCCESS)
		return 2;
	gearman_worker_set_timeout(w, idle != NULL ? atoi(idle) : 60000);
	if (grab != NULL && strcmp(grab, "uniq") == 0)
		gearman_worker_add_options(w, GEARMAN_WORKER_GRAB_UNIQ);
	if (grab != NULL && strcmp(grab, "all") == 0)
		gearman_worker_add_options(w, GEARMAN_WORKER_GRAB_ALL);
	gearman_worker_set_identifier(w, "lg_worker", strlen("lg_worker"));
	for (int i = 3; i < argc; i++)
		if (!add(w, argv[i]))
			return 2;
	for (int n = atoi(argv[2]); n > 0; n--) {
		gearman_return_t rc = gearman_worker_work(w);

		if (rc == GEARMAN_TIMEOUT)
			return 3;
		if (rc != GEARMAN_SUCCESS && rc != GEARMAN_WORK_FAIL && rc != GEARMAN_WORK_ERROR) {
			fprintf(stderr, "work: %s: %s\n", gearman_strerror(rc), gearman_worker_error(w));
			return 1;
		}
	}
	gearman_worker_free(w);
	return 0;
}
