/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tls.h - the module, for its own files.
 *
 * Runs on:  see each part.
 */
#ifndef TRANSPORT_TLS_TLS_H
#define TRANSPORT_TLS_TLS_H

#include <openssl/ssl.h>
#include <pthread.h>

#include <gearmand/plugin.h>

#include "context.h"

enum tls_counter {
	COUNT_OK,
	COUNT_PLAIN,
	COUNT_TIMEOUT,
	COUNT_CERTIFICATE,
	COUNT_PROTOCOL,
	SHOW_CERTIFICATE, /* when it ends ... */
	SHOW_CA,
	SHOW_CRL
};

struct tls {
	const struct gearmand_host *host;
	struct tls_settings settings;
	uint32_t timeout_ms;   /* of a handshake; 0 = none */
	BIO_METHOD *bio;       /* how OpenSSL gets a connection's bytes */
	pthread_mutex_t mutex; /* of `context`, which a reload replaces while connections begin */
	SSL_CTX *context;
};

/* conn.c: connections, as plugin.h says. */
BIO_METHOD *tls_bio_new(void); /* NULL: no memory */
void *tls_conn_new(void *module, struct gearmand_conn *);
bool tls_conn_receive(void *state, struct gearmand_slice);
bool tls_conn_send(void *state, struct gearmand_slice);
void tls_conn_finish(void *state);
bool tls_conn_tick(void *state);
void tls_conn_work(void *state);
bool tls_conn_worked(void *state);
void tls_conn_free(void **state);
/* ALPN: an SSL_CTX_alpn_select_cb_func. */
int tls_choose_protocol(
    SSL *, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned in_len, void *arg);

#endif
