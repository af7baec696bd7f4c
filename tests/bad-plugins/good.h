/* SPDX-License-Identifier: BSD-3-Clause
 *
 * good.h - a queue module that forgets everything and has nothing wrong.  Each bad module is this one with
 * one thing changed.
 */
#include <gearmand/plugin.h>

#define MAYBE_UNUSED __attribute__((unused))

static bool MAYBE_UNUSED
good_open(
    const struct gearmand_host *host, struct gearmand_opening *opening, void **store_r, struct gearmand_error *err)
{
	static int nothing;

	(void)host, (void)opening, (void)err;
	*store_r = &nothing;
	return true;
}

static bool MAYBE_UNUSED
good_replay(void *store, gearmand_replay_f *replay, void *sink, struct gearmand_error *err)
{
	(void)store, (void)replay, (void)sink, (void)err;
	return true;
}

static enum gearmand_commit MAYBE_UNUSED
good_commit(void *store, struct gearmand_change *change, size_t count, struct gearmand_error *err)
{
	(void)store, (void)change, (void)count, (void)err;
	return GEARMAND_COMMIT_DONE;
}

static void MAYBE_UNUSED
good_close(void **store)
{
	*store = NULL;
}

static const struct gearmand_queue_ops good_ops MAYBE_UNUSED = {
	.size = sizeof(struct gearmand_queue_ops),
	.open = good_open,
	.replay = good_replay,
	.commit = good_commit,
	.close = good_close,
};

/* The descriptor by hand, so that any field may be wrong. */
#define PLUGIN(magic_, major_, minor_, size_, kind_, name_, options_, ops_) \
	GEARMAND_EXPORT extern const struct gearmand_plugin gearmand_plugin; \
	const struct gearmand_plugin gearmand_plugin = { \
		.magic = (magic_), \
		.abi_major = (major_), \
		.abi_minor = (minor_), \
		.size = (size_), \
		.kind = (kind_), \
		.option_size = sizeof(struct gearmand_option), \
		.name = (name_), \
		.version = "1.0", \
		.summary = "forgets everything", \
		.options = (options_), \
		.queue = (ops_), \
	}
#define MAGIC GEARMAND_PLUGIN_MAGIC
#define SIZE  sizeof(struct gearmand_plugin)
#define QUEUE GEARMAND_KIND_QUEUE
