/* SPDX-License-Identifier: BSD-3-Clause
 *
 * new-queue - a queue module of gearmand.
 *
 * Runs on:  the store thread, which may block, as <gearmand/plugin.h> says.
 * Owns:     the jobs, in memory: they outlive a close of the store, not the server.
 *
 * The server is written in C: no exception may leave a function that it calls.
 *
 * Fill in: a store in the place of the lists.  When it outlives the server, take --store-in-server from the command of
 * the check: then the check also kills a server, and starts a second one beside it.
 */
#include <list>
#include <map>
#include <new>
#include <string>
#include <tuple>

#include <gearmand/module.h>

namespace
{

std::string
new_queue_text(const gearmand_slice &s)
{
	return s.len == 0 ? std::string() : std::string(s.data, s.len);
}

/* A copy: the server's strings are gone when commit returns. */
struct new_queue_item {
	std::string function, unique, data, handle, reducer, error;
	gearmand_job job; /* its slices refer to these */

	explicit new_queue_item(const gearmand_job &j)
	    : function(new_queue_text(j.function)), unique(new_queue_text(j.unique)), data(new_queue_text(j.data)),
	      handle(new_queue_text(j.handle)), reducer(new_queue_text(j.reducer)), error(new_queue_text(j.error)),
	      job(j)
	{
		job.function = { function.data(), function.size() };
		job.unique = { unique.data(), unique.size() };
		job.data = { data.data(), data.size() };
		job.handle = { handle.data(), handle.size() };
		job.reducer = { reducer.data(), reducer.size() };
		job.error = { error.data(), error.size() };
	}
	new_queue_item(const new_queue_item &) = delete;
	new_queue_item &operator=(const new_queue_item &) = delete;
};

/* A dead job goes by its handle, others by function and unique.  Nothing else of REMOVE and UNBURY may be read. */
using new_queue_key = std::tuple<bool, std::string, std::string>;

bool
new_queue_is_dead(const gearmand_change &c)
{
	return c.op == GEARMAND_BURY || c.op == GEARMAND_UNBURY;
}

bool
new_queue_stays(const gearmand_change &c)
{
	return c.op == GEARMAND_ADD || c.op == GEARMAND_BURY;
}

new_queue_key
new_queue_key_of(const gearmand_change &c)
{
	if (new_queue_is_dead(c))
		return { true, new_queue_text(c.job.handle), std::string() };
	return { false, new_queue_text(c.job.function), new_queue_text(c.job.unique) };
}

class new_queue
{
      public:
	const gearmand_host *host = nullptr;

	void apply(const gearmand_change &c);
	bool replay(gearmand_replay_f *sink_f, void *sink) const;
	size_t size_after(const gearmand_change *change, size_t count) const;
	size_t
	size() const
	{
		return index.size();
	}

      private:
	using items = std::list<new_queue_item>; /* in the order of storing */
	items alive, dead;
	std::map<new_queue_key, items::iterator> index;
};

void
new_queue::apply(const gearmand_change &c)
{
	items &list = new_queue_is_dead(c) ? dead : alive;
	const new_queue_key key = new_queue_key_of(c);
	items fresh;

	if (new_queue_stays(c)) /* whatever fails, fails before something has changed */
		fresh.emplace_back(c.job);
	auto found = fresh.empty() ? index.find(key) : index.try_emplace(key, list.end()).first;
	if (found == index.end())
		return;
	if (found->second != list.end())
		list.erase(found->second);
	if (fresh.empty()) {
		index.erase(found);
		return;
	}
	list.splice(list.end(), fresh);
	found->second = std::prev(list.end());
}

bool
new_queue::replay(gearmand_replay_f *sink_f, void *sink) const
{
	for (const items *list : { &alive, &dead }) /* dead jobs come last */
		for (const new_queue_item &item : *list)
			if (!sink_f(sink, &item.job))
				return false;
	return true;
}

size_t
new_queue::size_after(const gearmand_change *change, size_t count) const
{
	size_t more = 0;

	for (size_t i = 0; i < count; i++)
		more += new_queue_stays(change[i]) && index.count(new_queue_key_of(change[i])) == 0;
	return size() + more;
}

/* ---- Operations --------------------------------------------------------------------- */

/* Fill in: open the store.  A failure is told in a sentence, with `error->why`: GEARMAND_WHY_IN_USE when another server
 * has the store.  What is in memory here would be the module's own, and freed by close; `opening->memory` is for the
 * little that must outlive it. */
bool
new_queue_open(const gearmand_host *host, gearmand_opening *opening, void **store_r, gearmand_error *error)
{
	if (opening->memory == nullptr)
		opening->memory = new (std::nothrow) new_queue;
	if (opening->memory == nullptr)
		return gm_fail(error, GEARMAND_WHY_PASSING, "new-queue: out of memory");
	static_cast<new_queue *>(opening->memory)->host = host;
	*store_r = opening->memory;
	return true;
}

/* Fill in: read the store, a job at a time, so that memory does not grow with it. */
bool
new_queue_replay(void *store, gearmand_replay_f *sink_f, void *sink, gearmand_error *)
{
	static_cast<const new_queue *>(store)->replay(sink_f, sink);
	return true;
}

/* Fill in: write the whole batch, sync it once, and only then answer DONE: clients are told then that their jobs are
 * safe.  A batch may come again. */
gearmand_commit
new_queue_commit(void *store, gearmand_change *change, size_t count, gearmand_error *error)
try {
	auto *q = static_cast<new_queue *>(store);
	const auto most = static_cast<size_t>(q->host->option_number(q->host, "new-queue-max-jobs"));
	const size_t after = q->size_after(change, count);

	if (after > most && after > q->size()) {
		q->host->error_set(error, "there are as many jobs as --new-queue-max-jobs allows, %zu", most);
		return GEARMAND_COMMIT_FULL;
	}
	for (size_t i = 0; i < count; i++)
		q->apply(change[i]);
	return GEARMAND_COMMIT_DONE;
} catch (const std::bad_alloc &) {
	gm_fail(error, GEARMAND_WHY_PASSING, "new-queue: out of memory");
	return GEARMAND_COMMIT_AGAIN;
}

/* Fill in: close what open opened. */
void
new_queue_close(void **store)
{
	*store = nullptr;
}

/* After the last close. */
void
new_queue_forget(void **memory)
{
	delete static_cast<new_queue *>(*memory);
	*memory = nullptr;
}

/* ---- The descriptor ----------------------------------------------------------------- */

/* Fill in: all modules share one command line, so names begin with the module's. */
const gearmand_option options[] = {
	{ .name = "new-queue-max-jobs",
	    .type = GEARMAND_OPT_INT,
	    .dflt = "1000000",
	    .min = "1",
	    .value_name = "NUMBER",
	    .help = "jobs past which new ones are refused" },
	{},
};

const gearmand_queue_ops ops = {
	.size = sizeof(ops),
	.open = new_queue_open,
	.replay = new_queue_replay,
	.commit = new_queue_commit,
	.close = new_queue_close,
	.forget = new_queue_forget,
	.keeps_dead = true,
};

} // namespace

GEARMAND_QUEUE_PLUGIN("new-queue", nullptr, "0.1", "keeps jobs in memory", options, &ops);
