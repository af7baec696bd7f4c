/* SPDX-License-Identifier: BSD-3-Clause
 *
 * slice.h - a counted string of any bytes, owned by somebody else.
 */
#ifndef GEARMAND_SLICE_H
#define GEARMAND_SLICE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* `data` may be anything when `len` is 0, and is never NUL-terminated for you. */
struct gearmand_slice {
	const char *data; /* the first byte */
	size_t len;       /* bytes */
};

#ifdef __cplusplus
}
#endif
#endif
