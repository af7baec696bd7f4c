/* SPDX-License-Identifier: BSD-3-Clause
 *
 * check.h - invariants that are always compiled in.
 *
 * CHECK() is for our own bugs only.  What a peer, a module or the system can
 * cause is answered, logged or returned, never checked.
 */
#ifndef GEARMAND_BASE_CHECK_H
#define GEARMAND_BASE_CHECK_H

/* Says what failed on stderr and aborts. */
__attribute__((cold, noreturn)) void check_failed(const char *what, const char *file, int line);

#define CHECK(cond) \
	do { \
		if (__builtin_expect(!(cond), 0)) \
			check_failed(#cond, __FILE__, __LINE__); \
	} while (0)

/* The struct that contains the member that `ptr` points to. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
