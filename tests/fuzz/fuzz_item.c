/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Any value of an item in memcached: nothing breaks, and a job that is read from it is the same after it was written
 * and read again.
 *
 * Single-threaded.
 */
#include "plugins/queue-memcached/queue_memcached.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mc_store s = { .prefix = "p_", .prefix_len = 2 };
	struct mc_wire w = { .node = NULL };
	struct gearmand_slice written;
	struct gearmand_job a, b;
	struct mc_key key;
	uint64_t first, again;

	if (mc_value_read((struct gearmand_slice){ (const char *)data, size }, &a, &first)) {
		key = mc_key_of(&s, &a);
		GM_CHECK(key.len == s.prefix_len + MC_NAME && mc_is_name(key.text + s.prefix_len));
		mc_put(&w, "set", &key, &a, first);
		written = gm_bytes_slice(&w.out);
		GM_CHECK(gm_begins(written, "set p_"));
		written.data = strchr(written.data, '\n') + 1;
		written.len -= (size_t)(written.data - w.out.data) + strlen("\r\n");
		GM_CHECK(mc_value_read(written, &b, &again));
		GM_CHECK(gm_same(a.function, b.function) && gm_same(a.unique, b.unique) && gm_same(a.data, b.data));
		GM_CHECK(gm_same(a.handle, b.handle) && gm_same(a.reducer, b.reducer));
		GM_CHECK(a.priority == b.priority && a.run_at == b.run_at && a.flags == b.flags && first == again);
	}
	gm_bytes_free(&w.out);
	return 0;
}
