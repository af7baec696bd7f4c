/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Any bytes to transport-tls, in three ways: as they are; as edits of what a real client sends in its handshake and
 * behind it; as a certificate.  Nothing breaks, and nothing that was changed on the way is delivered.
 *
 * Single-threaded.  The module is linked in, so that the fuzzer sees its branches.  The first byte of an input chooses
 * the way.  Of edits each is 4 bytes: how far behind the last one, in two bytes; what is done; with which byte.
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plugins/transport-tls/identity.h"
#include "sdk/check/conn.h"
#include "sdk/check/kit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern const struct gearmand_plugin gearmand_plugin;

enum { ROUNDS = 12, EDIT = 4 };

static struct host host;
static SSL_CTX *clients;

static void
need(bool truth)
{
	if (!truth)
		abort();
}

/* ---- A server and its clients ------------------------------------------------------------------- */

static X509 *
make_certificate(EVP_PKEY *key)
{
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);

	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -86400);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400 * 30L);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"fuzz", -1, -1, 0);
	X509_set_issuer_name(x, name);
	X509_set_pubkey(x, key);
	need(X509_sign(x, key, EVP_sha256()) > 0);
	return x;
}

static void
set(const char *name, const char *value)
{
	struct gearmand_error err = { .text = "" };

	need(host_set(&host, name, strlen(name), value, &err));
}

static void
make_host(EVP_PKEY *key, X509 *certificate)
{
	struct gearmand_error err = { .text = "" };
	char path[] = "/tmp/fuzz-tls.XXXXXX";
	FILE *f = fdopen(mkstemp(path), "w");

	need(f && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1 && PEM_write_X509(f, certificate) == 1 &&
	     fclose(f) == 0);
	host_init(&host, &gearmand_plugin);
	set("ssl-certificate", path);
	set("ssl-key", path);
	set("ssl-ca-file", path);
	set("ssl-listen", "127.0.0.1:0");
	set("ssl-verify", "optional");
	need(host_open(&host, &err));
	unlink(path);
}

static void
begin(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = make_certificate(key);

	make_host(key, certificate);
	clients = SSL_CTX_new(TLS_client_method());
	SSL_CTX_use_certificate(clients, certificate);
	SSL_CTX_use_PrivateKey(clients, key);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

/* ---- A conversation, edited ---------------------------------------------------------------------- */

struct story {
	struct conn *c;
	SSL *ssl;
	struct gearmand_slice edits;
	size_t until; /* bytes up to the next edit */
	size_t piece; /* so many bytes at a time; 0 = as they come */
	struct pile said;
};

static void
next_edit(struct story *s)
{
	bool more = s->edits.len >= EDIT;

	s->until = more ? (uint8_t)s->edits.data[0] * 256u + (uint8_t)s->edits.data[1] : SIZE_MAX;
}

/* What comes out of the wire in place of one byte. */
static void
edit(struct story *s, char byte, struct pile *wire)
{
	const char *e = s->edits.data;
	char new = e[3];

	switch ((uint8_t)e[2] % 4) {
	case 0: /* changed */
		byte ^= new;
		pile_add(wire, &byte, 1);
		break;
	case 1: /* lost */
		break;
	case 2: /* one more in front of it */
		pile_add(wire, &new, 1);
		pile_add(wire, &byte, 1);
		break;
	default: /* the record begins anew: what was sent so far comes again */
		for (size_t n = 0, all = wire->len; n < (uint8_t) new &&n < all; n++) {
			char again = wire->data[n];

			pile_add(wire, &again, 1);
		}
		pile_add(wire, &byte, 1);
	}
	s->edits.data += EDIT;
	s->edits.len -= EDIT;
	next_edit(s);
}

static bool
to_server(struct story *s)
{
	char bytes[4096];
	struct pile wire = { 0 };
	int n = BIO_read(SSL_get_wbio(s->ssl), bytes, sizeof(bytes));

	if (n <= 0)
		return false;
	pile_add(&wire, "", 0);
	for (int i = 0; i < n; i++) {
		if (s->until > 0)
			pile_add(&wire, bytes + i, 1);
		else
			edit(s, bytes[i], &wire);
		s->until -= s->until > 0 && s->until != SIZE_MAX;
	}
	conn_say(s->c, wire.data, wire.len, s->piece);
	pile_free(&wire);
	return true;
}

static void
round_of(struct story *s, int number)
{
	static const char word[] = "a packet, or a part of one";

	if (s->c->out.len > 0) {
		BIO_write(SSL_get_rbio(s->ssl), s->c->out.data, (int)s->c->out.len);
		pile_cut(&s->c->out, s->c->out.len);
	}
	if (SSL_do_handshake(s->ssl) == 1) {
		char answer[256];

		if (number % 3 == 2)
			SSL_key_update(s->ssl, SSL_KEY_UPDATE_REQUESTED);
		if (SSL_write(s->ssl, word, sizeof(word)) == (int)sizeof(word))
			pile_add(&s->said, word, sizeof(word));
		SSL_read(s->ssl, answer, sizeof(answer));
	}
	while (to_server(s))
		;
}

static void
converse(struct gearmand_slice edits, uint8_t how)
{
	struct story s = { .c = conn_new(&host, "127.0.0.1:1"), .ssl = SSL_new(clients), .edits = edits };

	need(s.c && s.ssl);
	pile_add(&s.said, "", 0);
	pile_add(&s.c->delivered, "", 0);
	s.piece = how & 4 ? 1 : how & 8 ? 7 : 0;
	SSL_set_max_proto_version(s.ssl, how & 16 ? TLS1_2_VERSION : TLS1_3_VERSION);
	SSL_set_bio(s.ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_connect_state(s.ssl);
	next_edit(&s);
	for (int i = 0; i < ROUNDS && !s.c->closed; i++)
		round_of(&s, i);
	if (edits.len < EDIT)
		need(!s.c->closed && s.c->delivered.len > 0);
	conn_end(s.c);
	need(s.c->delivered.len <= s.said.len && memcmp(s.c->delivered.data, s.said.data, s.c->delivered.len) == 0);
	conn_free(&s.c);
	SSL_free(s.ssl);
	pile_free(&s.said);
}

/* ---- The other two ways ----------------------------------------------------------------------------- */

static void
say(struct gearmand_slice bytes, size_t piece)
{
	struct conn *c = conn_new(&host, "127.0.0.1:1");

	need(c != NULL);
	conn_say(c, bytes.data, bytes.len, piece);
	conn_tick(c);
	conn_end(c);
	need(c->delivered.len == 0);
	conn_free(&c);
}

static void
identify(struct gearmand_slice der)
{
	const unsigned char *at = (const unsigned char *)der.data;
	X509 *certificate = d2i_X509(NULL, &at, (long)der.len);
	struct gm_bytes tokens = { 0 };

	if (certificate && identity_read(certificate, &tokens)) {
		need(tokens.len > 65 && tokens.data[tokens.len - 1] == '\0');
		for (size_t i = 0; i < tokens.len; i++)
			need(tokens.data[i] == '\0' || ((uint8_t)tokens.data[i] >= ' ' && tokens.data[i] != 0x7f));
	}
	gm_bytes_free(&tokens);
	X509_free(certificate);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gearmand_slice rest = { (const char *)data + 1, size - 1 };

	if (!clients)
		begin();
	if (size == 0)
		return 0;
	switch (data[0] & 3) {
	case 0:
		say(rest, 0);
		say(rest, 1);
		break;
	case 1:
		identify(rest);
		break;
	default:
		converse(rest, data[0]);
	}
	return 0;
}
