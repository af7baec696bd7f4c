/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From files and settings to what OpenSSL calls a context.
 *
 * Runs on:  the main thread.
 * Owns:     nothing.
 *
 * There are no session tickets and no session cache: no Gearman client resumes a session, and a ticket that is
 * written to a peer which has closed makes the system drop what that peer sent.
 */
#include "context.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <gearmand/module.h>

bool
tls_verify_parse(const char *word, enum tls_verify *verify_r)
{
	static const char *const words[] = {
		[TLS_VERIFY_OFF] = "off",
		[TLS_VERIFY_OPTIONAL] = "optional",
		[TLS_VERIFY_REQUIRED] = "required",
	};

	for (size_t i = 0; i < GM_COUNT(words); i++)
		if (strcmp(word, words[i]) == 0) {
			*verify_r = (enum tls_verify)i;
			return true;
		}
	return false;
}

bool
tls_version_parse(const char *word, int *version_r)
{
	static const int versions[] = { TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION };

	if (word[0] != '1' || word[1] != '.' || word[2] < '0' || word[2] > '3' || word[3] != '\0')
		return false;
	*version_r = versions[word[2] - '0'];
	return true;
}

/* ---- Sentences -------------------------------------------------------------------------- */

/* The first reason that OpenSSL gives; later ones say only where it was met. */
static bool
context_fail(struct gearmand_error *error, const char *option, const char *what, const char *why)
{
	unsigned long code = ERR_get_error();
	const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);

	ERR_clear_error();
	return gm_fail(
	    error, GEARMAND_WHY_LASTING, "%s=%s: %s%s%s", option, what, why, reason ? ": " : "", reason ? reason : "");
}

static bool
is_readable(const char *option, const char *path, struct gearmand_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return gm_fail(error, GEARMAND_WHY_LASTING, "%s=%s: %s", option, path, strerror(errno));
	close(fd);
	return true;
}

/* ---- Certificate and key ------------------------------------------------------------------ */

/* OpenSSL would ask at the terminal.  `was_asked` is a bool. */
static int
no_pass_phrase(char *room, int size, int writing, void *was_asked)
{
	(void)room;
	(void)size;
	(void)writing;
	*(bool *)was_asked = true;
	return -1;
}

static bool
load_key(SSL_CTX *ctx, const char *path, struct gearmand_error *error)
{
	bool was_asked = false, good;

	SSL_CTX_set_default_passwd_cb(ctx, no_pass_phrase);
	SSL_CTX_set_default_passwd_cb_userdata(ctx, &was_asked);
	good = SSL_CTX_use_PrivateKey_file(ctx, path, SSL_FILETYPE_PEM) == 1;
	SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
	if (good && SSL_CTX_check_private_key(ctx) == 1)
		return true;
	if (was_asked) {
		ERR_clear_error();
		return gm_fail(error, GEARMAND_WHY_LASTING,
		    "--ssl-key=%s: the key is encrypted; a server has nobody to ask for a pass phrase, so store it "
		    "without one",
		    path);
	}
	if (good || ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH) {
		ERR_clear_error();
		return context_fail(error, "--ssl-key", path, "the key is not that of the certificate");
	}
	return context_fail(error, "--ssl-key", path, "there is no private key in it");
}

static bool
load_pair(SSL_CTX *ctx, const struct tls_settings *s, struct gearmand_error *error)
{
	if (!is_readable("--ssl-certificate", s->certificate, error) || !is_readable("--ssl-key", s->key, error))
		return false;
	if (SSL_CTX_use_certificate_chain_file(ctx, s->certificate) != 1)
		return context_fail(
		    error, "--ssl-certificate", s->certificate, "there is no certificate that can be used");
	return load_key(ctx, s->key, error);
}

/* ---- Who is trusted ------------------------------------------------------------------------- */

static bool
load_crl(X509_STORE *store, const char *path, struct gearmand_error *error)
{
	X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());

	if (!is_readable("--ssl-crl-file", path, error))
		return false;
	if (!lookup || X509_load_crl_file(lookup, path, X509_FILETYPE_PEM) < 1)
		return context_fail(error, "--ssl-crl-file", path, "there is no revocation list in it");
	X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	return true;
}

/* The names of the authorities go to the client, which may have several certificates. */
static bool
load_authorities(SSL_CTX *ctx, const struct tls_settings *s, struct gearmand_error *error)
{
	STACK_OF(X509_NAME) * names;

	if (s->verify == TLS_VERIFY_OFF)
		return true;
	if (!is_readable("--ssl-ca-file", s->ca, error))
		return false;
	names = SSL_CTX_load_verify_file(ctx, s->ca) == 1 ? SSL_load_client_CA_file(s->ca) : NULL;
	if (!names)
		return context_fail(error, "--ssl-ca-file", s->ca, "there is no certificate in it");
	SSL_CTX_set_client_CA_list(ctx, names);
	SSL_CTX_set_verify(
	    ctx, SSL_VERIFY_PEER | (s->verify == TLS_VERIFY_REQUIRED ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
	return s->crl == NULL || load_crl(SSL_CTX_get_cert_store(ctx), s->crl, error);
}

/* ---- The context --------------------------------------------------------------------------- */

static bool
set_ciphers(SSL_CTX *ctx, const struct tls_settings *s, struct gearmand_error *error)
{
	if (SSL_CTX_set_min_proto_version(ctx, s->min_version) != 1)
		return context_fail(error, "--ssl-min-version", "", "this OpenSSL does not have it");
	if (s->ciphers && SSL_CTX_set_cipher_list(ctx, s->ciphers) != 1)
		return context_fail(error, "--ssl-ciphers", s->ciphers, "not a list of ciphers");
	if (s->ciphersuites && SSL_CTX_set_ciphersuites(ctx, s->ciphersuites) != 1)
		return context_fail(error, "--ssl-ciphersuites", s->ciphersuites, "not a list of cipher suites");
	return true;
}

SSL_CTX *
context_new(const struct tls_settings *s, struct gearmand_error *error)
{
	SSL_CTX *ctx;

	ERR_clear_error();
	ctx = SSL_CTX_new(TLS_server_method());
	if (!ctx) {
		context_fail(error, "TLS", "", "OpenSSL cannot begin");
		return NULL;
	}
	SSL_CTX_set_options(
	    ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_dh_auto(ctx, 1);
	if (set_ciphers(ctx, s, error) && load_pair(ctx, s, error) && load_authorities(ctx, s, error))
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

/* ---- When it ends --------------------------------------------------------------------------- */

static void
expiry_earliest(int64_t *at, const ASN1_TIME *time)
{
	struct tm tm;
	int64_t ends;

	if (!time || ASN1_TIME_to_tm(time, &tm) != 1)
		return;
	ends = (int64_t)timegm(&tm);
	if (*at == 0 || ends < *at)
		*at = ends;
}

struct tls_expiry
context_expiry(const SSL_CTX *ctx)
{
	struct tls_expiry e = { 0 };
	STACK_OF(X509) *chain = NULL;
	STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(SSL_CTX_get_cert_store(ctx));

	SSL_CTX_get0_chain_certs((SSL_CTX *)(uintptr_t)ctx, &chain);
	expiry_earliest(&e.certificate, X509_get0_notAfter(SSL_CTX_get0_certificate(ctx)));
	for (int i = 0; i < sk_X509_num(chain); i++)
		expiry_earliest(&e.certificate, X509_get0_notAfter(sk_X509_value(chain, i)));
	for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
		const X509_OBJECT *o = sk_X509_OBJECT_value(objects, i);

		if (X509_OBJECT_get_type(o) == X509_LU_X509)
			expiry_earliest(&e.ca, X509_get0_notAfter(X509_OBJECT_get0_X509(o)));
		else
			expiry_earliest(
			    &e.crl, X509_CRL_get0_nextUpdate(X509_OBJECT_get0_X509_CRL((X509_OBJECT *)(uintptr_t)o)));
	}
	return e;
}
