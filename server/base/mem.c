/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Allocation in two spellings: sizes that we choose never fail, sizes from the wire may.
 *
 * Runs on:  any thread.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { MALLOC_KEEPS = 1024 };

__attribute__((cold, noreturn)) static void
mem_exhausted(size_t size)
{
	fprintf(stderr, "gearmand: out of memory: %zu bytes cannot be had\n", size);
	abort();
}

/* malloc(0) may give NULL, which would look like a failure. */
static size_t
at_least_one(size_t size)
{
	return size == 0 ? 1 : size;
}

/* calloc() of most C libraries does not use what the thread has just freed, malloc() does; for large sizes calloc()
 * knows what the system has zeroed. */
void *
mem_new(size_t size)
{
	void *p = size <= MALLOC_KEEPS ? malloc(at_least_one(size)) : calloc(1, size);

	if (p == NULL)
		mem_exhausted(size);
	return size <= MALLOC_KEEPS ? memset(p, 0, size) : p;
}

void *
mem_grow(void *old, size_t size)
{
	void *p = realloc(old, at_least_one(size));

	if (p == NULL)
		mem_exhausted(size);
	return p;
}

void *
mem_try_grow(void *old, size_t size)
{
	return realloc(old, at_least_one(size));
}

char *
mem_dup(const char *bytes, size_t n)
{
	char *copy = n == SIZE_MAX ? NULL : malloc(n + 1);

	if (copy == NULL)
		mem_exhausted(n);
	if (n > 0)
		memcpy(copy, bytes, n);
	copy[n] = '\0';
	return copy;
}

void
mem_free(void *p)
{
	free(p);
}
