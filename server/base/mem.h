/* SPDX-License-Identifier: BSD-3-Clause
 *
 * mem.h - allocation.  Any thread.
 *
 * A size that we choose ourselves never fails: the mem_ functions abort with a
 * sentence.  A size that came from the wire may fail: mem_try_grow() returns NULL
 * and the caller answers the peer.
 */
#ifndef GEARMAND_BASE_MEM_H
#define GEARMAND_BASE_MEM_H

#include <stddef.h>

void *mem_new(size_t size);                 /* zeroed; never NULL */
void *mem_grow(void *old, size_t size);     /* realloc that never fails; new bytes are not zeroed */
void *mem_try_grow(void *old, size_t size); /* NULL when there is no memory; `old` stays valid */
char *mem_dup(const char *bytes, size_t n); /* copy with a NUL behind it; never NULL */
void mem_free(void *p);                     /* NULL is fine */

#endif
