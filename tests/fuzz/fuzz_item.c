/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Any value of an item in memcached: nothing breaks, and a job that is read from it is the same after it was written
 * and read again.
 *
 * Single-threaded.
 */
#include "plugins/queue-memcached/queue_memcached.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct gm_bytes written;

static memcached_return_t
put_here(
    memcached_st *m, const char *key, size_t key_len, const char *value, size_t len, time_t expires, uint32_t flags)
{
	(void)m, (void)key, (void)key_len, (void)expires, (void)flags;
	gm_bytes_clear(&written, SIZE_MAX);
	gm_add(&written, value, len);
	return MEMCACHED_SUCCESS;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mc_store s = { .prefix = "p_", .prefix_len = 2 };
	struct mc_link link = { .node = NULL };
	struct gearmand_job a, b;
	struct mc_key key;
	uint64_t first, again;

	if (mc_value_read((struct gearmand_slice){ (const char *)data, size }, &a, &first)) {
		key = mc_key_of(&s, &a);
		GM_CHECK(key.len == s.prefix_len + MC_NAME && mc_is_name(key.text + s.prefix_len));
		GM_CHECK(mc_put(&s, put_here, &link, &key, &a, first) == MEMCACHED_SUCCESS);
		GM_CHECK(mc_value_read(gm_bytes_slice(&written), &b, &again));
		GM_CHECK(gm_same(a.function, b.function) && gm_same(a.unique, b.unique) && gm_same(a.data, b.data));
		GM_CHECK(gm_same(a.handle, b.handle) && gm_same(a.reducer, b.reducer));
		GM_CHECK(a.priority == b.priority && a.run_at == b.run_at && a.flags == b.flags && first == again);
	}
	gm_bytes_free(&s.value);
	gm_bytes_free(&written);
	return 0;
}
