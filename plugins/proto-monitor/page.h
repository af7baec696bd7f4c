/* SPDX-License-Identifier: BSD-3-Clause
 *
 * page.h - the page for browsers, as the build has put it together (build-page).
 *
 * Runs on:  any thread.
 * Owns:     nothing; all is constant.
 */
#ifndef PROTO_MONITOR_PAGE_H
#define PROTO_MONITOR_PAGE_H

#include <stddef.h>

extern const char mon_page_policy[]; /* what the page may load and run: Content-Security-Policy */
extern const unsigned char mon_page[];
extern const size_t mon_page_len;

#endif
