/* SPDX-License-Identifier: BSD-3-Clause
 *
 * nsec.h - times and spans of time, in nanoseconds.  Any thread; pure.
 */
#ifndef GEARMAND_BASE_NSEC_H
#define GEARMAND_BASE_NSEC_H

#include <stdint.h>

typedef int64_t nsec_t; /* monotonic unless said otherwise */

#define A_SECOND INT64_C(1000000000)
#define NEVER    INT64_MAX

#endif
