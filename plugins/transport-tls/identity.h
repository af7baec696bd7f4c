/* SPDX-License-Identifier: BSD-3-Clause
 *
 * identity.h - who a verified certificate says that its owner is.
 *
 * Runs on:  any thread; pure.
 */
#ifndef TRANSPORT_TLS_IDENTITY_H
#define TRANSPORT_TLS_IDENTITY_H

#include <openssl/x509.h>

#include <gearmand/module.h>

/* Adds tokens with a NUL behind each: "cn=...", "dns=...", "uri=...", "email=...", "sha256=..." (hexadecimal, of the
 * whole certificate).  False: a name has bytes that no name has, NUL or control characters, or it does not end; then
 * nobody may be taken for its owner. */
bool identity_read(const X509 *, struct gm_bytes *tokens);

#endif
