/* SPDX-License-Identifier: BSD-3-Clause
 *
 * context.h - what all connections share: certificate, key, authorities, revocations, versions and ciphers.
 *
 * Runs on:  made on the main thread; used by connections on their I/O threads.
 * Owns:     the caller owns a context, and what settings refer to.
 */
#ifndef TRANSPORT_TLS_CONTEXT_H
#define TRANSPORT_TLS_CONTEXT_H

#include <openssl/ssl.h>

#include <gearmand/plugin.h>

enum tls_verify {
	TLS_VERIFY_OFF,      /* clients are not asked for a certificate */
	TLS_VERIFY_OPTIONAL, /* one that is shown must be good */
	TLS_VERIFY_REQUIRED
};

struct tls_settings {
	const char *certificate, *key, *ca, *crl; /* files; crl NULL = none */
	const char *ciphers, *ciphersuites;       /* NULL = OpenSSL's */
	int min_version;
	enum tls_verify verify;
};

/* When what is served ends, in seconds since 1970; 0 = there is none. */
struct tls_expiry {
	int64_t certificate, ca, crl;
};

/* The words of --ssl-verify and --ssl-min-version. */
bool tls_verify_parse(const char *word, enum tls_verify *);
bool tls_version_parse(const char *word, int *);

/* All of it, or NULL and a sentence. */
SSL_CTX *context_new(const struct tls_settings *, struct gearmand_error *);
struct tls_expiry context_expiry(const SSL_CTX *);

#endif
