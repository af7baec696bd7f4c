/* SPDX-License-Identifier: BSD-3-Clause
 *
 * transport-tls: who a certificate says its owner is, what a peer that speaks something else is told apart by, and a
 * connection from its handshake to its end, against OpenSSL's client in memory.
 *
 * Runs on:  the test's thread.
 * Owns:     a key and a certificate, made once for a process.
 */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plugins/transport-tls/cause.h"
#include "plugins/transport-tls/identity.h"
#include "sdk/check/conn.h"

#define BYTES(literal) ((struct gearmand_slice){ (literal), sizeof(literal) - 1 })

/* ---- Certificates ------------------------------------------------------------------------------ */

static EVP_PKEY *
key(void)
{
	static EVP_PKEY *made;

	if (!made)
		made = EVP_EC_gen("P-256");
	cr_assert_not_null(made);
	return made;
}

static void
add_name(X509 *x, struct gearmand_slice name)
{
	cr_assert_eq(X509_NAME_add_entry_by_NID(X509_get_subject_name(x), NID_commonName, V_ASN1_UTF8STRING,
			 (const unsigned char *)name.data, (int)name.len, -1, 0),
	    1);
}

static void
add_other_name(X509 *x, int type, struct gearmand_slice name)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *one = GENERAL_NAME_new();
	ASN1_STRING *text = ASN1_STRING_type_new(type == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);

	ASN1_STRING_set(text, name.data, (int)name.len);
	GENERAL_NAME_set0_value(one, type, text);
	sk_GENERAL_NAME_push(names, one);
	cr_assert_eq(X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, X509V3_ADD_REPLACE), 1);
	GENERAL_NAMES_free(names);
}

/* Not signed yet. */
static X509 *
certificate(void)
{
	X509 *x = X509_new();

	cr_assert_not_null(x);
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -86400);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400 * 30L);
	X509_set_pubkey(x, key());
	return x;
}

static void
sign(X509 *x)
{
	X509_set_issuer_name(x, X509_get_subject_name(x));
	cr_assert_gt(X509_sign(x, key(), EVP_sha256()), 0);
}

/* Takes.  `tokens`: those before the fingerprint; NULL = nobody may be taken for its owner. */
static void
expect_identity(X509 *x, struct gearmand_slice tokens)
{
	struct gm_bytes got = { 0 };
	bool good;

	sign(x);
	good = identity_read(x, &got);
	cr_assert_eq(good, tokens.data != NULL);
	if (good) {
		cr_assert_eq(got.len, tokens.len + sizeof("sha256=") - 1 + 64 + 1);
		cr_assert_arr_eq(got.data, tokens.data, tokens.len);
		cr_assert_eq(memcmp(got.data + tokens.len, "sha256=", 7), 0);
	}
	gm_bytes_free(&got);
	X509_free(x);
}

Test(tls_identity, names_and_fingerprint_are_tokens)
{
	X509 *x = certificate();

	add_name(x, BYTES("worker 1"));
	add_name(x, BYTES("w\xc3\xb6rker"));
	add_other_name(x, GEN_DNS, BYTES("shop.example.org"));
	expect_identity(x, BYTES("cn=worker 1\0cn=w\xc3\xb6rker\0dns=shop.example.org\0"));
	x = certificate();
	add_other_name(x, GEN_URI, BYTES("spiffe://example.org/w"));
	expect_identity(x, BYTES("uri=spiffe://example.org/w\0"));
	x = certificate();
	add_other_name(x, GEN_EMAIL, BYTES("ops@example.org"));
	expect_identity(x, BYTES("email=ops@example.org\0"));
}

Test(tls_identity, certificate_without_names_has_its_fingerprint)
{
	X509 *x = certificate();

	add_other_name(x, GEN_IPADD, BYTES("\xc0\0\2\1"));
	expect_identity(x, BYTES(""));
}

/* "admin\0.stranger" must not be taken for "admin". */
Test(tls_identity, nul_and_control_bytes_in_a_name_are_refused)
{
	static const struct {
		const char *data;
		size_t len;
	} bad[] = {
#define BAD(literal) { (literal), sizeof(literal) - 1 }
		BAD("admin\0.stranger"),
		BAD("\0"),
		BAD("admin\n"),
		BAD("\x01"),
		BAD("\x1b[2J"),
		BAD("\x7f"),
		BAD("a\xc2\x9b"),
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct gearmand_slice name = { bad[i].data, bad[i].len };
		X509 *x = certificate();

		add_name(x, BYTES("good"));
		add_name(x, name);
		expect_identity(x, (struct gearmand_slice){ NULL, 0 });
		for (int type = GEN_EMAIL; type <= GEN_URI; type++) {
			if (type != GEN_EMAIL && type != GEN_DNS && type != GEN_URI)
				continue;
			x = certificate();
			add_other_name(x, type, name);
			expect_identity(x, (struct gearmand_slice){ NULL, 0 });
		}
	}
}

/* ---- Peers that speak something else --------------------------------------------------------------- */

Test(tls_cause, plain_protocols_are_named)
{
	cr_assert_null(cause_plain(BYTES("\x16\x03\x01")));
	cr_assert_null(cause_plain(BYTES("\x16")));
	cr_assert_null(cause_plain(BYTES("")));
	cr_assert_str_eq(cause_plain(BYTES("\0REQ\0\0\0\x10")), "it speaks the Gearman protocol without TLS");
	cr_assert_str_eq(cause_plain(BYTES("POST /f HTTP/1.1")), "it speaks HTTP without TLS");
	cr_assert_str_eq(cause_plain(BYTES("PROXY TCP4 ")), "it sends a header of the PROXY protocol, not TLS");
	cr_assert_str_eq(cause_plain(BYTES("\x15\x03\x01")), "it does not speak TLS");
	cr_assert_str_eq(cause_plain(BYTES("status\n")), "it does not speak TLS");
}

/* ---- Connections -------------------------------------------------------------------------------------- */

static const struct gearmand_plugin *
tls_plugin(void)
{
	const char *folder = getenv("GEARMAND_PLUGIN_PATH");
	char path[4096];
	void *module, *plugin;

	snprintf(path, sizeof(path), "%s/transport-tls.so", folder ? folder : "./modules");
	module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	cr_assert_not_null(module, "%s", dlerror());
	plugin = dlsym(module, "gearmand_plugin");
	if (!plugin)
		plugin = dlsym(module, "transport_tls_LTX_gearmand_plugin");
	cr_assert_not_null(plugin);
	return plugin;
}

/* Settings are "name=value" behind those of the files.  NULL, and the reason in *err: the module does not open. */
static struct host *
tls_host(const char *const *settings, struct gearmand_error *err)
{
	struct host *h = calloc(1, sizeof(*h));
	char path[] = "/tmp/test-tls.XXXXXX";
	FILE *f = fdopen(mkstemp(path), "w");
	X509 *x = certificate();
	bool good;

	add_name(x, BYTES("localhost"));
	sign(x);
	cr_assert(
	    h && f && PEM_write_PrivateKey(f, key(), NULL, NULL, 0, NULL, NULL) == 1 && PEM_write_X509(f, x) == 1);
	fclose(f);
	X509_free(x);
	host_init(h, tls_plugin());
	for (const char *const *name = (const char *const[]){ "ssl-certificate", "ssl-key", "ssl-ca-file", NULL };
	     *name; name++)
		cr_assert(host_set(h, *name, strlen(*name), path, err));
	cr_assert(host_set(h, "ssl-listen", strlen("ssl-listen"), "127.0.0.1:0", err));
	for (; settings && *settings; settings++) {
		const char *equals = strchr(*settings, '=');

		cr_assert(host_set(h, *settings, (size_t)(equals - *settings), equals + 1, err), "%s", err->text);
	}
	good = host_open(h, err);
	unlink(path);
	if (!good)
		host_free(&h);
	return h;
}

struct client {
	struct host *host;
	struct conn *c;
	SSL_CTX *context;
	SSL *ssl;
};

static struct client
client_new(void)
{
	struct gearmand_error err = { .text = "" };
	struct client k = { .host = tls_host(NULL, &err) };

	cr_assert_not_null(k.host, "%s", err.text);
	k.c = conn_new(k.host, "127.0.0.1:1");
	k.context = SSL_CTX_new(TLS_client_method());
	k.ssl = SSL_new(k.context);
	SSL_set_bio(k.ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_connect_state(k.ssl);
	return k;
}

static void
client_free(struct client *k)
{
	conn_free(&k->c);
	host_free(&k->host);
	SSL_free(k->ssl);
	SSL_CTX_free(k->context);
}

/* What either side has to say goes to the other one, so many bytes at a time. */
static void
carry(struct client *k, size_t piece)
{
	char bytes[65536];
	int n = BIO_read(SSL_get_wbio(k->ssl), bytes, sizeof(bytes));

	if (n > 0)
		conn_say(k->c, bytes, (size_t)n, piece);
	if (k->c->out.len > 0)
		BIO_write(SSL_get_rbio(k->ssl), k->c->out.data, (int)k->c->out.len);
	pile_cut(&k->c->out, k->c->out.len);
}

static void
shake(struct client *k, size_t piece)
{
	for (int i = 0; i < 4 && SSL_do_handshake(k->ssl) != 1; i++)
		carry(k, piece);
	cr_assert_eq(SSL_do_handshake(k->ssl), 1, "no handshake; the log says: %s", k->host->log);
	carry(k, piece);
	cr_assert_not(k->c->closed);
	cr_assert_eq(k->c->tick_ms, 0, "the deadline of the handshake is over with it");
}

/* The protocol above the transport writes back what it is given. */
static void
expect_read(struct client *k, const char *text)
{
	char got[64];

	cr_assert_eq(SSL_read(k->ssl, got, sizeof(got)), (int)strlen(text));
	cr_assert_arr_eq(got, text, strlen(text));
}

Test(tls_conn, bytes_go_both_ways_however_they_are_cut)
{
	for (size_t piece = 0; piece < 3; piece++) {
		struct client k = client_new();

		shake(&k, piece);
		cr_assert_eq(SSL_write(k.ssl, "a request", 9), 9);
		carry(&k, piece);
		cr_assert_eq(k.c->delivered.len, 9);
		cr_assert_arr_eq(k.c->delivered.data, "a request", 9);
		cr_assert(k.host->plugin->transport->send(k.c->state, BYTES("an answer")));
		carry(&k, piece);
		expect_read(&k, "a request");
		expect_read(&k, "an answer");
		client_free(&k);
	}
}

Test(tls_conn, goodbye_ends_what_is_delivered_and_answers_go_out)
{
	struct client k = client_new();
	char got[64];

	shake(&k, 0);
	SSL_write(k.ssl, "x", 1);
	cr_assert_eq(SSL_shutdown(k.ssl), 0);
	carry(&k, 0);
	cr_assert(k.c->ended && !k.c->closed);
	cr_assert(k.host->plugin->transport->send(k.c->state, BYTES("owed")));
	k.host->plugin->transport->finish(k.c->state);
	carry(&k, 0);
	expect_read(&k, "x");
	expect_read(&k, "owed");
	cr_assert_eq(SSL_read(k.ssl, got, sizeof(got)), 0);
	cr_assert_eq(SSL_get_error(k.ssl, 0), SSL_ERROR_ZERO_RETURN, "close_notify");
	client_free(&k);
}

Test(tls_conn, end_of_file_without_goodbye_is_an_end)
{
	struct client k = client_new();

	shake(&k, 0);
	conn_end(k.c);
	cr_assert(k.c->ended && !k.c->closed);
	client_free(&k);

	k = client_new();
	SSL_do_handshake(k.ssl);
	carry(&k, 0);
	conn_end(k.c);
	cr_assert(k.c->closed && !k.c->ended, "in the handshake it is a failure");
	cr_assert(strstr(k.host->log, "in the midst of the TLS handshake"), "%s", k.host->log);
	client_free(&k);
}

Test(tls_conn, handshake_has_a_deadline)
{
	struct client k = client_new();

	cr_assert_eq(k.c->tick_ms, 10000);
	cr_assert(conn_tick(k.c) && k.c->closed);
	cr_assert(strstr(k.host->log, "it sent nothing in time"), "%s", k.host->log);
	client_free(&k);
}

Test(tls_conn, changed_record_closes_and_is_not_delivered)
{
	struct client k = client_new();
	char bytes[256];
	int n;

	shake(&k, 0);
	SSL_write(k.ssl, "a request", 9);
	n = BIO_read(SSL_get_wbio(k.ssl), bytes, sizeof(bytes));
	bytes[n - 1] ^= 1;
	conn_say(k.c, bytes, (size_t)n, 0);
	cr_assert(k.c->closed);
	cr_assert_eq(k.c->delivered.len, 0);
	cr_assert(strstr(k.host->log, "closed: TLS: "), "%s", k.host->log);
	client_free(&k);
}

Test(tls_settings, those_that_contradict_each_other_do_not_open)
{
	static const char *const settings[][2] = {
		{ "ssl-verify=yes", "ssl-verify" },
		{ "ssl-min-version=4", "ssl-min-version" },
		{ "ssl-crl-file=/nowhere", "--ssl-crl-file is of no use" },
		{ "ssl-ciphers=none-of-these", "ssl-ciphers" },
		{ "ssl-key=/nowhere", "--ssl-key=/nowhere" },
	};

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		struct gearmand_error err = { .text = "" };

		cr_assert_null(tls_host((const char *const[]){ settings[i][0], NULL }, &err), "%s", settings[i][0]);
		cr_assert(strstr(err.text, settings[i][1]), "%s: %s", settings[i][0], err.text);
	}
}
