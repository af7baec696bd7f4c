/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Any bytes as what a server says to `gearmanctl submit` and `follow`: nothing breaks, and what comes in pieces is
 * printed and judged as what comes at once.  The first byte says which it is, whether the job is in the background, and
 * how long pieces are.
 *
 * Runs on:  one thread; keeps nothing between inputs.
 */
#include <stdint.h>
#include <stdlib.h>

#include "ctl/follow.c" /* its reader is not for others */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reading {
	struct follow f;
	enum link_verdict verdict;
	char *out, *err;
	size_t out_len, err_len;
};

static void
read_all(struct reading *r, const struct target *target, unsigned how, struct slice in, size_t piece)
{
	FILE *out = stdout, *err = stderr;

	*r = (struct reading){ .f = { .handle = "H:x:1" }, .verdict = TAKE_MORE };
	r->f.result.background = how == 1;
	r->f.result.shows_progress = how >= 2;
	r->f.result.take_line = how >= 2 ? follow_line : NULL;
	r->f.result.link = (struct link){ .target = target, .fd = -1, .state = LINK_TALKING };
	stdout = open_memstream(&r->out, &r->out_len);
	stderr = open_memstream(&r->err, &r->err_len);
	for (size_t at = 0; at < in.len && (r->verdict == TAKE_MORE || r->verdict == TAKE_PROGRESS); at += piece) {
		size_t n = in.len - at < piece ? in.len - at : piece;

		buf_add(&r->f.result.link.in, in.data + at, n);
		r->verdict = result_take(&r->f.result.link);
	}
	fclose(stdout);
	fclose(stderr);
	stdout = out;
	stderr = err;
}

static void
reading_free(struct reading *r)
{
	buf_fini(&r->f.result.link.in);
	mem_free(r->f.result.handle);
	free(r->out);
	free(r->err);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char path[] = "/nowhere";
	static const struct target target = { .path = path };
	struct reading whole, pieces;
	bool ended;

	if (size < 2)
		return 0;
	read_all(&whole, &target, data[0] & 3, slice_of(data + 1, size - 1), size);
	read_all(&pieces, &target, data[0] & 3, slice_of(data + 1, size - 1), 1 + (data[0] >> 2));
	ended = whole.verdict == TAKE_DONE || whole.verdict == TAKE_BAD;
	CHECK(ended ? pieces.verdict == whole.verdict : pieces.verdict == TAKE_MORE || pieces.verdict == TAKE_PROGRESS);
	CHECK(whole.f.result.failed == pieces.f.result.failed &&
	      strcmp(whole.f.result.link.why, pieces.f.result.link.why) == 0);
	CHECK((whole.f.result.handle == NULL) == (pieces.f.result.handle == NULL));
	CHECK(whole.f.result.handle == NULL || strcmp(whole.f.result.handle, pieces.f.result.handle) == 0);
	CHECK(whole.out_len == pieces.out_len && memcmp(whole.out, pieces.out, whole.out_len) == 0);
	CHECK(whole.err_len == pieces.err_len && memcmp(whole.err, pieces.err, whole.err_len) == 0);
	reading_free(&whole);
	reading_free(&pieces);
	return 0;
}
