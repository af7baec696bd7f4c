/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What Prometheus reads, from a made-up answer of the server.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "plugins/proto-monitor/exposition.h"
#include "plugins/proto-monitor/process.h"
#include "plugins/proto-monitor/sheet.h"

#define COLUMNS \
	"columns\tname\tjobs\tready_high\tready_normal\tready_low\tassigned\twait_ns\toldest_waiting_ns\tnumber" \
	"\twait_0\twait_1\twait_2\n"

static const char answer[] =
    "value\tjobs_stored\t7\n"
    "value\terrors_sent.QUEUE_ERROR\t3\n"
    "value\terrors_sent.JOB_NOT_FOUND\t0\n"
    "value\tconnections_now.http.1\t5\n"
    "text\tversion\t0.1.0\n"
    "text\tstore\twell\n"
    "bounds\tjob_wait\t1000000\t7200000000000\n"
    "histogram\tjob_wait\t2500000000\t3\t1\t2\n"
    "bounds\tstore_batch\t1\t4\n"
    "histogram\tstore_batch\t9\t1\t1\t1\n"
    "a word that is not known yet\t1\n" COLUMNS "function\t(other)\t0\t0\t0\t0\t10\t0\t0\t0\t1\t2\t0\n"
    "function\tnewest\t3\t0\t3\t0\t1\t1500000000\t9000000000\t3\t1\t0\t0\n"
    "function\tq\"\\x5Cx\\xFF\\x0A\\xC3\\xA4\t1\t1\t0\t0\t2\t2\t1\t1\t0\t0\t0\n"
    "function\tmiddle\t2\t0\t0\t2\t4\t8\t4000000000\t2\t1\t3\t2\n"
    ".\n";

static struct gm_bytes out;

static const char *
exposed(struct exposition e)
{
	static struct process process;
	struct sheet sheet;

	cr_assert(sheet_read(&sheet, gm_slice(answer)));
	e.sheet = &sheet;
	e.process = &process;
	e.state = e.state == NULL ? "serving" : e.state;
	gm_bytes_free(&out);
	exposition_write(&out, &e);
	gm_add(&out, "", 1);
	cr_assert_not(out.failed);
	sheet_fini(&sheet);
	return out.data;
}

static void
has(const char *text, const char *line)
{
	cr_assert_not_null(strstr(text, line), "no line %s in\n%s", line, text);
}

Test(monitor_exposition, a_function_has_its_numbers_and_a_sum_of_columns_is_one)
{
	const char *text = exposed((struct exposition){ .max_functions = 10 });

	has(text, "\ngearman_jobs{function=\"newest\"} 3\n");
	has(text, "\ngearman_jobs_waiting{function=\"middle\"} 2\n");
	has(text, "\ngearman_jobs_ready{function=\"newest\",priority=\"normal\"} 3\n");
	has(text, "\ngearman_oldest_waiting_seconds{function=\"newest\"} 9\n");
	has(text, "\ngearman_function_wait_seconds_sum{function=\"newest\"} 1.5\n");
	has(text, "\ngearman_function_wait_seconds_count{function=\"newest\"} 1\n");
	has(text, "\ngearman_jobs_ended_total{function=\"newest\",outcome=\"expired\"} 0\n");
	has(text, "\ngearman_functions_folded 0\n");
	gm_bytes_free(&out);
}

Test(monitor_exposition, a_name_is_text_whatever_its_bytes)
{
	has(exposed((struct exposition){ .max_functions = 10 }),
	    "\ngearman_jobs{function=\"q\\\"\\\\x\\\\xFF\\\\x0A\xc3\xa4\"} 1\n");
	gm_bytes_free(&out);
}

Test(monitor_exposition, functions_beyond_the_bound_are_added_up_the_newest_first)
{
	const char *text = exposed((struct exposition){ .max_functions = 1 });

	has(text, "\ngearman_jobs_assigned_total{function=\"(other)\"} 15\n");
	has(text, "\ngearman_oldest_waiting_seconds{function=\"(other)\"} 9\n");
	has(text, "\ngearman_jobs{function=\"q\\\"\\\\x\\\\xFF\\\\x0A\xc3\xa4\"} 1\n");
	cr_assert_null(strstr(text, "middle"));
	has(text, "\ngearman_functions_folded 2\n");
	gm_bytes_free(&out);
}

Test(monitor_exposition, a_histogram_is_cumulative_and_its_bounds_are_written_as_floats)
{
	const char *text = exposed((struct exposition){ .max_functions = 10 });

	has(text, "\ngearman_job_wait_seconds_bucket{le=\"0.001\"} 3\n"
		  "gearman_job_wait_seconds_bucket{le=\"7200.0\"} 4\n"
		  "gearman_job_wait_seconds_bucket{le=\"+Inf\"} 6\n"
		  "gearman_job_wait_seconds_sum 2.5\n"
		  "gearman_job_wait_seconds_count 6\n");
	has(text, "\ngearman_store_batch_changes_bucket{le=\"4.0\"} 2\n");
	gm_bytes_free(&out);
}

Test(monitor_exposition, numbers_by_label_become_labels)
{
	const char *text = exposed((struct exposition){ .max_functions = 10 });

	has(text, "\ngearman_errors_sent_total{code=\"QUEUE_ERROR\"} 3\n");
	has(text, "\ngearman_errors_sent_total{code=\"JOB_NOT_FOUND\"} 0\n");
	has(text, "\ngearman_connections{service=\"http\",tls=\"1\"} 5\n");
	gm_bytes_free(&out);
}

Test(monitor_exposition, openmetrics_names_counters_without_total_and_ends)
{
	const char *text = exposed((struct exposition){ .max_functions = 10, .openmetrics = true });

	has(text, "\n# TYPE gearman_jobs_stored counter\ngearman_jobs_stored_total 7\n");
	has(text, "\n# TYPE gearman_version info\ngearman_version_info{version=\"0.1.0\"} 1\n");
	has(text, "\n# TYPE gearman_store_state stateset\n");
	cr_assert_str_eq(text + strlen(text) - 6, "# EOF\n");
	has(exposed((struct exposition){ .max_functions = 10 }),
	    "\n# TYPE gearman_jobs_stored_total counter\ngearman_jobs_stored_total 7\n");
	gm_bytes_free(&out);
}

Test(monitor_exposition, standby_is_a_state_of_the_store)
{
	const char *text = exposed((struct exposition){ .max_functions = 10, .state = "standby" });

	has(text, "\ngearman_store_up 0\n");
	has(text, "\ngearman_store_state{gearman_store_state=\"standby\"} 1\n");
	has(text, "\ngearman_store_state{gearman_store_state=\"well\"} 0\n");
	gm_bytes_free(&out);
}

Test(monitor_exposition, of_functions_alone_there_is_a_prefix)
{
	const char *text = exposed((struct exposition){ .max_functions = SIZE_MAX, .functions_only = true });

	has(text, "\ngearman_function_jobs{function=\"newest\"} 3\n");
	cr_assert_null(strstr(text, "process_"));
	gm_bytes_free(&out);
}

Test(monitor_exposition, of_functions_alone_times_are_histograms_by_function)
{
	const char *text = exposed((struct exposition){ .max_functions = SIZE_MAX, .functions_only = true });

	has(text, "\n# TYPE gearman_function_wait_seconds histogram\n"
		  "gearman_function_wait_seconds_bucket{function=\"(other)\",le=\"0.001\"} 1\n"
		  "gearman_function_wait_seconds_bucket{function=\"(other)\",le=\"7200.0\"} 3\n");
	has(text, "\ngearman_function_wait_seconds_bucket{function=\"middle\",le=\"0.001\"} 1\n"
		  "gearman_function_wait_seconds_bucket{function=\"middle\",le=\"7200.0\"} 4\n"
		  "gearman_function_wait_seconds_bucket{function=\"middle\",le=\"+Inf\"} 6\n"
		  "gearman_function_wait_seconds_sum{function=\"middle\"} 0.000000008\n"
		  "gearman_function_wait_seconds_count{function=\"middle\"} 6\n");
	cr_assert_null(strstr(text, "summary"));
	has(exposed((struct exposition){ .max_functions = 10 }), "\n# TYPE gearman_function_wait_seconds summary\n");
	cr_assert_null(strstr(out.data, "gearman_function_wait_seconds_bucket"));
	gm_bytes_free(&out);
}

/* Each name has one HELP, and its samples follow it. */
Test(monitor_exposition, families_are_never_interleaved)
{
	char *text = strdup(exposed((struct exposition){ .max_functions = 10 })), *rest = text, *line;
	char names[200][80], now[80] = "";
	size_t count = 0;

	while ((line = strsep(&rest, "\n")) != NULL && line[0] != '\0') {
		if (strncmp(line, "# HELP ", 7) == 0) {
			snprintf(now, sizeof(now), "%.*s", (int)strcspn(line + 7, " "), line + 7);
			for (size_t i = 0; i < count; i++)
				cr_assert_str_neq(names[i], now);
			strcpy(names[count++], now);
		} else if (line[0] != '#') {
			cr_assert(strncmp(line, now, strlen(now)) == 0, "%s is not of %s", line, now);
		}
	}
	cr_assert_gt(count, 50);
	free(text);
	gm_bytes_free(&out);
}

Test(monitor_exposition, what_is_no_answer_is_refused)
{
	static const char *const bad[] = { "", ".\n", "ERR UNKNOWN_COMMAND\r\n", "value\tx\t1\n", "value\tx\t1" };
	struct sheet sheet;

	for (size_t i = 0; i < GM_COUNT(bad); i++) {
		cr_assert_not(sheet_read(&sheet, gm_slice(bad[i])), "%s", bad[i]);
		sheet_fini(&sheet);
	}
}
