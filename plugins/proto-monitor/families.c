/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table of metrics, in the order in which they are shown.  Names and meanings of up, version_info, jobs,
 * jobs_running, jobs_waiting and workers are those of gearman-exporter, so that its dashboards go on working.
 *
 * Runs on:  the I/O thread of the connection that asked.
 * Owns:     nothing.
 */
#include "families.h"

#include <gearmand/plugin.h>

#include "process.h"
#include "sheet.h"
#include "text.h"
#include "writer.h"

static void
write_version(struct writer *w, const struct family *f)
{
	struct gm_bytes labels = { .len = 0 };
	bool is_build = strcmp(f->name, "build") == 0;

	gm_addf(&labels, "version=\"%s\"", sheet_text(w->e->sheet, "version"));
	if (is_build)
		gm_addf(&labels, ",queue=\"%s\",threads=\"%llu\",abi=\"%u.%u\"", sheet_text(w->e->sheet, "queue"),
		    (unsigned long long)sheet_value(w->e->sheet, "threads"), GEARMAND_PLUGIN_ABI_MAJOR,
		    GEARMAND_PLUGIN_ABI_MINOR);
	writer_begin(w, f, NULL, gm_bytes_slice(&labels), NULL);
	text_add_u64(w->out, 1);
	writer_end(w);
	gm_bytes_free(&labels);
}

static void
write_up(struct writer *w, const struct family *f)
{
	writer_u64(w, f, "", 1);
}

static const char *
store_state(const struct writer *w)
{
	return strcmp(w->e->state, "standby") == 0 ? "standby" : sheet_text(w->e->sheet, "store");
}

static void
write_store_state(struct writer *w, const struct family *f)
{
	static const char *const states[] = { "none", "replaying", "well", "slow", "full", "unwell", "standby" };
	char labels[80];

	for (size_t i = 0; i < GM_COUNT(states); i++) {
		snprintf(labels, sizeof(labels), "gearman_store_state=\"%s\"", states[i]);
		writer_u64(w, f, labels, strcmp(states[i], store_state(w)) == 0);
	}
}

static void
write_store_up(struct writer *w, const struct family *f)
{
	writer_u64(w, f, "", strcmp(store_state(w), "well") == 0 || strcmp(store_state(w), "none") == 0);
}

static void
write_folded(struct writer *w, const struct family *f)
{
	writer_u64(w, f, "", w->folded);
}

static void
write_double(struct writer *w, const struct family *f, const char *labels, double n)
{
	writer_begin(w, f, NULL, gm_slice(labels), NULL);
	gm_addf(w->out, "%.6f", n);
	writer_end(w);
}

static void
write_thread_cpu(struct writer *w, const struct family *f)
{
	const struct process *p = w->e->process;
	char labels[64];

	for (unsigned i = 0; i < p->thread_count; i++) {
		snprintf(labels, sizeof(labels), "thread=\"%s\"", p->threads[i].name);
		write_double(w, f, labels, p->threads[i].cpu);
	}
}

static void
write_cpu(struct writer *w, const struct family *f)
{
	write_double(w, f, "", w->e->process->cpu);
}

static void
write_resident(struct writer *w, const struct family *f)
{
	writer_u64(w, f, "", w->e->process->resident);
}

static void
write_fds(struct writer *w, const struct family *f)
{
	writer_u64(w, f, "", w->e->process->fds);
}

static void
write_max_fds(struct writer *w, const struct family *f)
{
	writer_u64(w, f, "", w->e->process->max_fds);
}

static void
write_scrape(struct writer *w, const struct family *f)
{
	write_double(w, f, "", w->e->last_seconds);
}

#define RAN  "ended_completed+ended_failed+ended_exception+ended_timeout+"
#define LOST "lost_connection+lost_ability+lost_timeout+lost_fail+lost_exception"

/* clang-format off */
const struct family families[] = {
	{ "up", GAUGE, "1 while the server answers", .write = write_up },
	{ "version", INFO, "The version of this server", .write = write_version },
	{ "build", INFO, "How the server was built and started", .write = write_version },
	{ "jobs", GAUGE, "Jobs there are: waiting, delayed, running", .flags = OF_FUNCTION, .members = { { NULL, "jobs" } } },
	{ "jobs_running", GAUGE, "Jobs that a worker has", .flags = OF_FUNCTION, .members = { { NULL, "running" } } },
	{ "jobs_waiting", GAUGE, "Jobs that are ready for a worker", .flags = OF_FUNCTION,
		.members = { { NULL, "ready_high+ready_normal+ready_low" } } },
	{ "workers", GAUGE, "Connections that can do the function", .flags = OF_FUNCTION, .members = { { NULL, "workers" } } },
	{ "workers_sleeping", GAUGE, "Of these, asleep until there is a job", .flags = OF_FUNCTION, .members = { { NULL, "sleeping" } } },
	{ "jobs_ready", GAUGE, "Jobs that are ready for a worker, by priority", .flags = OF_FUNCTION,
		.members = { { "priority=\"high\"", "ready_high" }, { "priority=\"normal\"", "ready_normal" },
		  { "priority=\"low\"", "ready_low" } } },
	{ "jobs_delayed", GAUGE, "Jobs that are due later", .flags = OF_FUNCTION, .members = { { NULL, "delayed" } } },
	{ "jobs_retrying", GAUGE, "Of the delayed ones, those that are tried again", .flags = OF_FUNCTION, .members = { { NULL, "retrying" } } },
	{ "jobs_dead", GAUGE, "Jobs on the dead list", .flags = OF_FUNCTION, .members = { { NULL, "dead" } } },
	{ "function_paused", GAUGE, "1 while no job of the function is given away: paused, at its cap, or limited",
		.flags = OF_FUNCTION, .members = { { NULL, "paused" } } },
	{ "oldest_waiting_seconds", GAUGE, "How long the oldest ready job has waited; 0 when none waits",
		.flags = OF_FUNCTION | IN_NS, .members = { { NULL, "oldest_waiting_ns" } } },
	{ "oldest_running_seconds", GAUGE, "How long the oldest running job has run; 0 when none runs",
		.flags = OF_FUNCTION | IN_NS, .members = { { NULL, "oldest_running_ns" } } },
	{ "jobs_submitted", COUNTER, "Submissions that made a new job", .flags = OF_FUNCTION,
		.members = { { "kind=\"foreground\"", "submitted_foreground" }, { "kind=\"background\"", "submitted_background" } } },
	{ "jobs_joined", COUNTER, "Submissions that joined a job by its unique", .flags = OF_FUNCTION, .members = { { NULL, "joined" } } },
	{ "jobs_assigned", COUNTER, "Jobs given to a worker", .flags = OF_FUNCTION, .members = { { NULL, "assigned" } } },
	{ "jobs_ended", COUNTER, "Jobs that ended, by how", .flags = OF_FUNCTION,
		.members = { { "outcome=\"completed\"", "ended_completed" }, { "outcome=\"failed\"", "ended_failed" },
		  { "outcome=\"exception\"", "ended_exception" }, { "outcome=\"timeout\"", "ended_timeout" },
		  { "outcome=\"cancelled\"", "ended_cancelled" }, { "outcome=\"abandoned\"", "ended_abandoned" },
		  { "outcome=\"expired\"", "ended_expired" }, { "outcome=\"dead\"", "ended_dead" },
		  { "outcome=\"dropped\"", "ended_dropped" } } },
	{ "attempts_lost", COUNTER, "Attempts that did not end the job, by why", .flags = OF_FUNCTION,
		.members = { { "reason=\"connection\"", "lost_connection" }, { "reason=\"ability\"", "lost_ability" },
		  { "reason=\"timeout\"", "lost_timeout" }, { "reason=\"fail\"", "lost_fail" },
		  { "reason=\"exception\"", "lost_exception" } } },
	{ "function_wait_seconds", SUMMARY, "How long jobs waited for a worker", .flags = OF_FUNCTION | IN_NS,
		.members = { { "_sum", "wait_ns" }, { "_count", "assigned" } } },
	{ "function_run_seconds", SUMMARY, "How long attempts ran", .flags = OF_FUNCTION | IN_NS,
		.members = { { "_sum", "run_ns" }, { "_count", RAN LOST } } },
	{ "function_wait_seconds", HISTOGRAM, "How long jobs waited for a worker", .flags = OF_FUNCTION | IN_NS,
		.members = { { NULL, "job_wait" }, { "_sum", "wait_ns" }, { "_bucket", "wait_" } } },
	{ "function_run_seconds", HISTOGRAM, "How long attempts ran", .flags = OF_FUNCTION | IN_NS,
		.members = { { NULL, "job_run" }, { "_sum", "run_ns" }, { "_bucket", "run_" } } },
	{ "job_wait_seconds", HISTOGRAM, "How long jobs waited for a worker", .flags = IN_NS, .members = { { NULL, "job_wait" } } },
	{ "job_run_seconds", HISTOGRAM, "How long attempts ran", .flags = IN_NS, .members = { { NULL, "job_run" } } },
	{ "connections", GAUGE, "Connections that are open", .members = { { NULL, "connections_now" } }, .labels = "service,tls" },
	{ "connections_opened", COUNTER, "Connections accepted", .members = { { NULL, "connections" } }, .labels = "service,tls" },
	{ "connections_refused", COUNTER, "Connections closed at once", .members = { { NULL, "connections_refused" } }, .labels = "reason" },
	{ "received_bytes", COUNTER, "Bytes read from sockets", .members = { { NULL, "bytes_in" } }, .labels = "thread" },
	{ "sent_bytes", COUNTER, "Bytes written to sockets", .members = { { NULL, "bytes_out" } }, .labels = "thread" },
	{ "packets_received", COUNTER, "Packets and text lines taken", .members = { { NULL, "packets_in" } }, .labels = "thread" },
	{ "packets_sent", COUNTER, "Packets sent", .members = { { NULL, "packets_out" } }, .labels = "thread" },
	{ "errors_sent", COUNTER, "ERROR packets sent", .members = { { NULL, "errors_sent" } }, .labels = "code" },
	{ "refused", COUNTER, "Submissions refused", .members = { { NULL, "refused" } }, .labels = "reason" },
	{ "bad_packets", COUNTER, "Packets with a wrong head or too few arguments", .members = { { NULL, "bad_packets" } } },
	{ "slow_readers", COUNTER, "Connections closed: they did not read their output", .members = { { NULL, "slow_readers" } } },
	{ "reads_paused", COUNTER, "Times a connection was not read for a while: too much waited behind it", .members = { { NULL, "reads_paused" } } },
	{ "wakeups", COUNTER, "NOOP packets sent", .members = { { NULL, "wakeups" } } },
	{ "log_lines_lost", COUNTER, "Log lines dropped because the log could not keep up", .members = { { NULL, "log_lost" } } },
	{ "tls_handshakes", COUNTER, "TLS handshakes, by result", .members = { { "result=\"ok\"", "tls_handshakes_ok" }, { "result=\"plain\"", "tls_handshakes_plain" },
		  { "result=\"timeout\"", "tls_handshakes_timeout" },
		  { "result=\"certificate\"", "tls_handshakes_certificate" },
		  { "result=\"protocol\"", "tls_handshakes_protocol" } } },
	{ "tls_certificate_expiry_timestamp_seconds", GAUGE, "When a certificate that is served ends", .members = { { NULL, "tls_expiry" } }, .labels = "file" },
	{ "store_up", GAUGE, "1 while the store of background jobs is well", .write = write_store_up },
	{ "store_state_timestamp_seconds", GAUGE, "Since when the store is as it is", .members = { { NULL, "store_since" } } },
	{ "store_state", STATESET, "How the store is", .write = write_store_state },
	{ "store_waiting_changes", GAUGE, "Changes on their way into the store", .members = { { "op=\"add\"", "waiting_adds" }, { "op=\"remove\"", "waiting_removes" } } },
	{ "store_waiting_bytes", GAUGE, "What they take", .members = { { NULL, "storing_bytes_now" } } },
	{ "store_commit_seconds", HISTOGRAM, "How long commits took", .flags = IN_NS, .members = { { NULL, "store_commit" } } },
	{ "store_batch_changes", HISTOGRAM, "Changes in a commit", .members = { { NULL, "store_batch" } } },
	{ "store_retries", COUNTER, "Commits that failed and were tried again", .members = { { NULL, "store_retries" } } },
	{ "store_refused", COUNTER, "Submissions that the store refused for good", .members = { { NULL, "store_refused" } } },
	{ "store_timeouts", COUNTER, "Submissions that waited too long for the store", .members = { { NULL, "store_timeouts" } } },
	{ "jobs_stored", COUNTER, "Jobs stored", .members = { { NULL, "jobs_stored" } } },
	{ "jobs_replayed", COUNTER, "Jobs taken over from the store at start", .members = { { NULL, "jobs_replayed" } } },
	{ "job_bytes", GAUGE, "What jobs take of --max-memory", .members = { { NULL, "job_bytes_now" } } },
	{ "job_bytes_limit", GAUGE, "--max-memory", .members = { { NULL, "job_bytes_limit" } } },
	{ "functions", GAUGE, "Functions that the server knows", .members = { { NULL, "functions_now" } } },
	{ "functions_folded", GAUGE, "Functions shown together as (other), for --monitor-max-functions", .write = write_folded },
	{ "proc_lag_seconds", HISTOGRAM, "How long messages waited for the processing thread", .flags = IN_NS, .members = { { NULL, "proc_lag" } } },
	{ "thread_cpu_seconds", COUNTER, "Processor time of each thread", .write = write_thread_cpu },
	{ "process_cpu_seconds", COUNTER, "Processor time of the process", .flags = BARE_NAME, .write = write_cpu },
	{ "process_resident_memory_bytes", GAUGE, "Resident memory", .flags = BARE_NAME, .write = write_resident },
	{ "process_open_fds", GAUGE, "Open descriptors", .flags = BARE_NAME, .write = write_fds },
	{ "process_max_fds", GAUGE, "Descriptors that may be open", .flags = BARE_NAME, .write = write_max_fds },
	{ "process_start_time_seconds", GAUGE, "When the process began", .flags = BARE_NAME, .members = { { NULL, "start_wall" } } },
	{ "scrape_seconds", GAUGE, "How long the exposition before this one took", .write = write_scrape },
};
/* clang-format on */

const size_t family_count = GM_COUNT(families);
