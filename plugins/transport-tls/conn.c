/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A connection: a handshake, then records.
 *
 * Runs on:  its I/O thread; conn_work on the server's thread for such work.
 * Owns:     what OpenSSL has of the connection.
 *
 * OpenSSL never meets the socket: it reads from the bytes that are at hand, and writes to the connection's output,
 * which takes all.  So it wants nothing but more to read, and a handshake is a state like any other.  Its steps are
 * done aside, so that those who are served do not wait for those who come.  A peer that says nothing costs no SSL
 * object.
 *
 * Each call of OpenSSL begins with an empty queue of errors, for the queue is the thread's and not the connection's.
 */
#include <openssl/err.h>

#include <gearmand/module.h>

#include "cause.h"
#include "identity.h"
#include "tls.h"

enum { CONN_MAGIC = 0x746c7363, RECORD_MOST = 16384 };

enum life {
	LIFE_SILENT, /* not a byte came */
	LIFE_SHAKING,
	LIFE_OPEN,
	LIFE_ENDED, /* the peer sends nothing more */
	LIFE_FAILED
};

/* Of a handshake; only while it lasts. */
struct shake {
	struct gm_bytes in, out; /* what came and was not read; what is to be sent */
	struct gm_bytes tokens;  /* who the peer is */
	bool offers;             /* the protocol above has a name in ALPN */
	enum { STEP_MORE, STEP_DONE, STEP_FAILED } step;
	enum cause cause;
	char why[CAUSE_BYTES];
};

struct tls_conn {
	uint32_t magic;
	enum life life;
	struct tls *tls;
	struct gearmand_conn *conn;
	SSL *ssl;                 /* NULL before the first step */
	struct shake *shake;      /* while shaking */
	struct gearmand_slice in; /* what OpenSSL has not read of the bytes at hand */
};

static struct tls_conn *
tls_conn_of(void *state)
{
	return GM_STORE(struct tls_conn, state, CONN_MAGIC);
}

/* ---- OpenSSL's side ------------------------------------------------------------------------ */

static int
tls_bio_read(BIO *bio, char *to, size_t size, size_t *read_r)
{
	struct tls_conn *c = BIO_get_data(bio);
	size_t n = c->in.len < size ? c->in.len : size;

	BIO_clear_retry_flags(bio);
	*read_r = n;
	if (n == 0) {
		BIO_set_retry_read(bio);
		return 0;
	}
	memcpy(to, c->in.data, n);
	c->in.data += n;
	c->in.len -= n;
	return 1;
}

static int
tls_bio_write(BIO *bio, const char *from, size_t size, size_t *written_r)
{
	struct tls_conn *c = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (c->shake)
		gm_add(&c->shake->out, from, size);
	else
		c->tls->host->write(c->conn, (struct gearmand_slice){ from, size });
	*written_r = size;
	return 1;
}

static long
tls_bio_control(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *
tls_bio_new(void)
{
	int type = BIO_get_new_index();
	BIO_METHOD *m = type < 0 ? NULL : BIO_meth_new(type | BIO_TYPE_SOURCE_SINK, "gearmand connection");

	if (m && BIO_meth_set_read_ex(m, tls_bio_read) == 1 && BIO_meth_set_write_ex(m, tls_bio_write) == 1 &&
	    BIO_meth_set_ctrl(m, tls_bio_control) == 1)
		return m;
	BIO_meth_free(m);
	return NULL;
}

int
tls_choose_protocol(
    SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned in_len, void *arg)
{
	static const unsigned char http[] = "\x08http/1.1";
	const struct tls_conn *c = SSL_get_app_data(ssl);
	unsigned char *chosen;

	(void)arg;
	if (!c->shake->offers ||
	    SSL_select_next_proto(&chosen, out_len, http, sizeof(http) - 1, in, in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* ---- The handshake --------------------------------------------------------------------------- */

void *
tls_conn_new(void *module, struct gearmand_conn *conn)
{
	struct tls *tls = module;
	struct tls_conn *c = tls->host->allocate(sizeof(*c));

	*c = (struct tls_conn){ .magic = CONN_MAGIC, .tls = tls, .conn = conn };
	tls->host->transport_tick_in(conn, tls->timeout_ms);
	return c;
}

/* Always false. */
static bool
conn_refuse(struct tls_conn *c, enum gearmand_level level, enum tls_counter counter, const char *why)
{
	const struct gearmand_host *host = c->tls->host;

	c->life = LIFE_FAILED;
	host->log(host, level, "%s: closed: %s", host->peer_address(c->conn), why);
	host->count(c->conn, counter, 1);
	return false;
}

/* OpenSSL met something that it does not go on from; what it says to the peer is written already. */
static bool
conn_fail(struct tls_conn *c, enum cause cause, const char *why)
{
	char text[CAUSE_BYTES + 32];

	snprintf(text, sizeof(text), "TLS%s: %s", c->life == LIFE_SHAKING ? " handshake" : "", why);
	return conn_refuse(
	    c, GEARMAND_LOG_WARNING, cause == CAUSE_CERTIFICATE ? COUNT_CERTIFICATE : COUNT_PROTOCOL, text);
}

static bool
conn_break(struct tls_conn *c)
{
	char why[CAUSE_BYTES];
	enum cause cause = cause_of(c->ssl, why);

	return conn_fail(c, cause, why);
}

/* Reads until OpenSSL wants more: SSL_pending() knows of one record alone. */
static bool
conn_read(struct tls_conn *c)
{
	char plain[RECORD_MOST];
	size_t n;
	int error;

	for (;;) {
		ERR_clear_error();
		if (SSL_read_ex(c->ssl, plain, sizeof(plain), &n) != 1)
			break;
		c->tls->host->deliver(c->conn, (struct gearmand_slice){ plain, n });
	}
	error = SSL_get_error(c->ssl, 0);
	if (error != SSL_ERROR_ZERO_RETURN)
		return error == SSL_ERROR_WANT_READ || conn_break(c);
	c->life = LIFE_ENDED;
	c->tls->host->deliver_end(c->conn);
	return true;
}

/* A reload does not touch connections that have begun. */
static bool
conn_make_ssl(struct tls_conn *c)
{
	BIO *bio = BIO_new(c->tls->bio);

	pthread_mutex_lock(&c->tls->mutex);
	c->ssl = SSL_new(c->tls->context);
	pthread_mutex_unlock(&c->tls->mutex);
	if (!c->ssl || !bio) {
		BIO_free(bio);
		return false;
	}
	BIO_set_data(bio, c);
	BIO_set_init(bio, 1);
	SSL_set_bio(c->ssl, bio, bio);
	SSL_set_app_data(c->ssl, c);
	SSL_set_accept_state(c->ssl);
	return true;
}

/* The peer has shown a certificate which is good, or none. */
static bool
conn_identify(const struct tls_conn *c, struct shake *s)
{
	X509 *certificate = SSL_get1_peer_certificate(c->ssl);
	bool good = true;

	if (certificate && SSL_get_verify_result(c->ssl) == X509_V_OK)
		good = identity_read(certificate, &s->tokens);
	X509_free(certificate);
	if (good)
		return true;
	s->cause = CAUSE_CERTIFICATE;
	snprintf(s->why, sizeof(s->why), "its certificate has a name with control characters");
	return false;
}

/* A step of the handshake, with what has come. */
void
tls_conn_work(void *state)
{
	struct tls_conn *c = tls_conn_of(state);
	struct shake *s = c->shake;
	int result;

	c->in = gm_bytes_slice(&s->in);
	s->step = STEP_FAILED;
	s->cause = CAUSE_PROTOCOL;
	ERR_clear_error();
	if (!c->ssl && !conn_make_ssl(c)) {
		snprintf(s->why, sizeof(s->why), "out of memory");
		return;
	}
	result = SSL_do_handshake(c->ssl);
	if (result == 1)
		s->step = conn_identify(c, s) ? STEP_DONE : STEP_FAILED;
	else if (SSL_get_error(c->ssl, result) == SSL_ERROR_WANT_READ)
		s->step = STEP_MORE;
	else
		s->cause = cause_of(c->ssl, s->why);
	if (s->step == STEP_MORE)
		gm_bytes_clear(&s->in, 0);
}

static void
shake_free(const struct gearmand_host *host, struct shake **shake)
{
	struct shake *s = *shake;

	*shake = NULL;
	if (!s)
		return;
	gm_bytes_free(&s->in);
	gm_bytes_free(&s->out);
	gm_bytes_free(&s->tokens);
	host->release(s);
}

static void
log_handshake(const struct tls_conn *c, struct gm_bytes *tokens)
{
	const struct gearmand_host *host = c->tls->host;

	for (size_t i = 0; i + 1 < tokens->len; i++)
		if (tokens->data[i] == '\0')
			tokens->data[i] = ' ';
	host->log(host, GEARMAND_LOG_DEBUG, "%s: %s, %s, %s", host->peer_address(c->conn), SSL_get_version(c->ssl),
	    SSL_get_cipher_name(c->ssl), tokens->len > 0 ? tokens->data : "no certificate");
}

/* What came behind the handshake is read. */
static bool
conn_open(struct tls_conn *c, struct shake *s)
{
	const struct gearmand_host *host = c->tls->host;

	c->life = LIFE_OPEN;
	host->transport_tick_in(c->conn, 0);
	if (s->tokens.len > 0)
		host->set_identity(c->conn, gm_bytes_slice(&s->tokens));
	host->count(c->conn, COUNT_OK, 1);
	log_handshake(c, &s->tokens);
	return conn_read(c);
}

bool
tls_conn_worked(void *state)
{
	struct tls_conn *c = tls_conn_of(state);
	const struct gearmand_host *host = c->tls->host;
	struct shake *s = c->shake;
	bool good;

	if (s->out.failed || s->in.failed || s->tokens.failed)
		return conn_refuse(c, GEARMAND_LOG_ERROR, COUNT_PROTOCOL, "TLS handshake: out of memory");
	if (s->out.len > 0)
		host->write(c->conn, gm_bytes_slice(&s->out));
	gm_bytes_clear(&s->out, 0);
	if (s->step == STEP_MORE)
		return true;
	c->shake = NULL;
	good = s->step == STEP_DONE ? conn_open(c, s) : conn_fail(c, s->cause, s->why);
	c->in = (struct gearmand_slice){ NULL, 0 };
	shake_free(host, &s);
	return good;
}

/* The handshake has its time as a whole. */
bool
tls_conn_tick(void *state)
{
	struct tls_conn *c = tls_conn_of(state);

	return conn_refuse(c, GEARMAND_LOG_WARNING, COUNT_TIMEOUT,
	    c->life == LIFE_SILENT ? "TLS handshake: it sent nothing in time"
				   : "TLS handshake: it was not done in time");
}

/* ---- Bytes ----------------------------------------------------------------------------------- */

/* Whether the peer said goodbye does not matter: packets have lengths. */
static bool
conn_end_of_file(struct tls_conn *c)
{
	const struct gearmand_host *host = c->tls->host;

	if (c->life == LIFE_SHAKING)
		host->log(host, GEARMAND_LOG_INFO, "%s: it ended in the midst of the TLS handshake",
		    host->peer_address(c->conn));
	if (c->life != LIFE_OPEN)
		return c->life == LIFE_ENDED;
	host->log(host, GEARMAND_LOG_DEBUG, "%s: it ended without close_notify", host->peer_address(c->conn));
	c->life = LIFE_ENDED;
	host->deliver_end(c->conn);
	return true;
}

bool
tls_conn_receive(void *state, struct gearmand_slice in)
{
	struct tls_conn *c = tls_conn_of(state);
	const struct gearmand_host *host = c->tls->host;
	const char *plain = c->life == LIFE_SILENT ? cause_plain(in) : NULL;
	bool good = true;

	if (in.len == 0)
		return conn_end_of_file(c);
	if (plain)
		return conn_refuse(c, GEARMAND_LOG_WARNING, COUNT_PLAIN, plain);
	if (c->life == LIFE_SILENT) {
		c->shake = host->allocate(sizeof(*c->shake));
		c->shake->offers = strcmp(host->protocol_name(c->conn), "gear") != 0;
		c->life = LIFE_SHAKING;
	}
	if (c->life == LIFE_SHAKING) {
		gm_add_slice(&c->shake->in, in);
		host->aside(c->conn);
	} else if (c->life == LIFE_OPEN) {
		c->in = in;
		good = conn_read(c);
		c->in = (struct gearmand_slice){ NULL, 0 };
	}
	return good && c->life != LIFE_FAILED;
}

/* One packet or text is one record, if it is not large: a client that waits for its socket while OpenSSL holds a second
 * packet for it waits for ever. */
bool
tls_conn_send(void *state, struct gearmand_slice plain)
{
	struct tls_conn *c = tls_conn_of(state);
	size_t n;

	if (c->life != LIFE_OPEN && c->life != LIFE_ENDED)
		return false;
	ERR_clear_error();
	return SSL_write_ex(c->ssl, plain.data, plain.len, &n) == 1 || conn_break(c);
}

void
tls_conn_finish(void *state)
{
	struct tls_conn *c = tls_conn_of(state);

	ERR_clear_error();
	if (c->life == LIFE_OPEN || c->life == LIFE_ENDED)
		SSL_shutdown(c->ssl);
	ERR_clear_error();
}

void
tls_conn_free(void **state)
{
	struct tls_conn *c = tls_conn_of(*state);

	*state = NULL;
	c->magic = 0;
	SSL_free(c->ssl);
	shake_free(c->tls->host, &c->shake);
	c->tls->host->release(c);
}
