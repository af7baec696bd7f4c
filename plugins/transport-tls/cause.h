/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cause.h - why a handshake or a connection failed, as a sentence that names the cause.
 *
 * Runs on:  the thread that called OpenSSL.
 */
#ifndef TRANSPORT_TLS_CAUSE_H
#define TRANSPORT_TLS_CAUSE_H

#include <openssl/ssl.h>

#include <gearmand/slice.h>

enum cause { CAUSE_PLAIN, CAUSE_CERTIFICATE, CAUSE_PROTOCOL };

enum { CAUSE_BYTES = 256 };

/* What the first bytes of a peer are that does not speak TLS; NULL: they may be TLS. */
const char *cause_plain(struct gearmand_slice first);
/* Takes OpenSSL's errors off the thread's queue. */
enum cause cause_of(const SSL *, char text[CAUSE_BYTES]);

#endif
