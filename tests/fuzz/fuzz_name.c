/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Any bytes as a name in a PostgreSQL database, of each kind of encoding: what was stored is read as it was; and any
 * text of a row is read without harm.
 *
 * Single-threaded.
 */
#include "plugins/queue-postgres/queue_postgres.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[QP_NAME_MAX], bytes[QP_NAME_MAX];
	struct gearmand_slice name = { (const char *)data, size }, stored;

	GM_CHECK(qp_name_read(name, bytes).len <= size);
	for (enum qp_text kind = QP_TEXT_ANY; kind <= QP_TEXT_ASCII && size <= GM_FUNCTION_MOST; kind++) {
		struct qp_store s = { .text = kind };

		stored = qp_name_text(&s, name, text);
		for (size_t i = 0; i < stored.len && kind == QP_TEXT_ASCII; i++)
			GM_CHECK((unsigned char)stored.data[i] < 0x80);
		GM_CHECK(gm_same(qp_name_read(stored, bytes), name));
	}
	return 0;
}
