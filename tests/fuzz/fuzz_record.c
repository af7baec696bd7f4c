/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Any value of a Tokyo Cabinet file, as gearmand 1.1 or another program left it: nothing breaks, and a job that is read
 * from it is the same after it was written and read again.
 *
 * Single-threaded.
 */
#include "plugins/queue-tokyo/queue_tokyo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tk_record first = { .sequence = 0 }, again = { .sequence = 0 };
	struct gearmand_slice value = { (const char *)data, size };
	const struct gearmand_job *a = &first.job, *b = &again.job;
	struct gm_bytes written = { .len = 0 };

	if (tk_record_read(&first, value)) {
		GM_CHECK(tk_record_is_of(value, a));
		GM_CHECK(tk_record_write(&written, a, first.sequence));
		GM_CHECK(tk_record_read(&again, gm_bytes_slice(&written)));
		GM_CHECK(
		    gm_same(a->function, b->function) && gm_same(a->unique, b->unique) && gm_same(a->data, b->data));
		GM_CHECK(gm_same(a->handle, b->handle) && gm_same(a->reducer, b->reducer));
		GM_CHECK(a->priority == b->priority && a->run_at == b->run_at && a->flags == b->flags);
		GM_CHECK(a->attempts == b->attempts && a->changed_at == b->changed_at);
		GM_CHECK(a->expires_at == b->expires_at && gm_same(a->error, b->error));
		GM_CHECK(first.sequence == again.sequence);
	}
	gm_bytes_free(&written);
	gm_bytes_free(&first.text);
	gm_bytes_free(&again.text);
	return 0;
}
