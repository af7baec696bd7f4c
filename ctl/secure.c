/* SPDX-License-Identifier: BSD-3-Clause
 *
 * TLS with OpenSSL, as a client that trusts nobody without proof.
 *
 * Runs on:  the only thread.
 * Owns:     the context of all connections, and each connection's SSL object.
 *
 * The socket's writing is our own, for that of OpenSSL raises SIGPIPE.
 */
#include "config.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "secure.h"

static const char default_ca[] = GEARMAND_SYSCONFDIR "/ssl/certs/gearmand-ca.pem";

struct secure {
	SSL *ssl;
	char *host;
	bool shaken, broken, writes;
	char why[256];
};

static SSL_CTX *context;
static BIO_METHOD *method;

/* ---- What all connections have in common ------------------------------------------------------- */

/* Always false. */
static bool
setup_fail(const char *option, const char *file)
{
	unsigned long code = ERR_get_error();
	const char *why =
	    ERR_GET_LIB(code) == ERR_LIB_SYS ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);

	fprintf(stderr, "gearmanctl: %s=%s: %s\n", option, file, why == NULL ? "OpenSSL does not say why" : why);
	ERR_clear_error();
	return false;
}

static bool
load_authorities(const char *ca)
{
	if (ca != NULL)
		return SSL_CTX_load_verify_file(context, ca) == 1 || setup_fail("--ssl-ca-file", ca);
	if (access(default_ca, F_OK) == 0)
		return SSL_CTX_load_verify_file(context, default_ca) == 1 || setup_fail("--ssl-ca-file", default_ca);
	return SSL_CTX_set_default_verify_paths(context) == 1 || setup_fail("--ssl-ca-file", "the system's");
}

/* A key with a pass phrase is refused, not asked for. */
static int
no_pass_phrase(char *to, int size, int writing, void *user)
{
	(void)to;
	(void)size;
	(void)writing;
	(void)user;
	return 0;
}

static bool
load_certificate(const char *certificate, const char *key)
{
	if (certificate == NULL)
		return true;
	SSL_CTX_set_default_passwd_cb(context, no_pass_phrase);
	if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1)
		return setup_fail("--ssl-certificate", certificate);
	if (key == NULL)
		key = certificate;
	if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1 && SSL_CTX_check_private_key(context) == 1)
		return true;
	if (ERR_GET_LIB(ERR_peek_error()) != ERR_LIB_OSSL_DECODER)
		return setup_fail("--ssl-key", key);
	fprintf(stderr, "gearmanctl: --ssl-key=%s: no private key is in it\n", key);
	ERR_clear_error();
	return false;
}

static int
quiet_write(BIO *bio, const char *from, int len)
{
	int fd = -1;
	ssize_t n;

	BIO_get_fd(bio, &fd);
	BIO_clear_retry_flags(bio);
	n = send(fd, from, (size_t)len, MSG_NOSIGNAL);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_write(bio);
	return (int)n;
}

/* The library's socket, but for its writing. */
static bool
make_method(void)
{
	const BIO_METHOD *socket = BIO_s_socket();

	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK | BIO_TYPE_DESCRIPTOR, "gearmanctl");
	return method != NULL && BIO_meth_set_write(method, quiet_write) == 1 &&
	       BIO_meth_set_read(method, BIO_meth_get_read(socket)) == 1 &&
	       BIO_meth_set_ctrl(method, BIO_meth_get_ctrl(socket)) == 1 &&
	       BIO_meth_set_create(method, BIO_meth_get_create(socket)) == 1 &&
	       BIO_meth_set_destroy(method, BIO_meth_get_destroy(socket)) == 1;
}

bool
secure_setup(const struct secure_settings *settings)
{
	context = SSL_CTX_new(TLS_client_method());
	if (context == NULL || !make_method()) {
		fputs("gearmanctl: --ssl: no memory\n", stderr);
		return false;
	}
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_verify(context, settings->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	return (settings->insecure || load_authorities(settings->ca)) &&
	       load_certificate(settings->certificate, settings->key);
}

bool
secure_is_on(void)
{
	return context != NULL;
}

void
secure_end(void)
{
	SSL_CTX_free(context);
	BIO_meth_free(method);
	context = NULL;
	method = NULL;
}

/* ---- One connection --------------------------------------------------------------------------------- */

/* An address is compared with the addresses of a certificate, a name with its names. */
static bool
expect_host(SSL *ssl, const char *host)
{
	if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1)
		return true;
	return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

struct secure *
secure_new(int fd, const char *host)
{
	struct secure *s = mem_new(sizeof *s);
	BIO *bio = BIO_new(method);

	s->ssl = SSL_new(context);
	s->host = mem_dup(host, strlen(host));
	if (s->ssl == NULL || bio == NULL || !expect_host(s->ssl, host)) {
		BIO_free(bio);
		secure_free(&s);
		return NULL;
	}
	BIO_set_fd(bio, fd, BIO_NOCLOSE);
	SSL_set_bio(s->ssl, bio, bio);
	return s;
}

void
secure_free(struct secure **secure)
{
	struct secure *s = *secure;

	*secure = NULL;
	if (s == NULL)
		return;
	ERR_clear_error();
	if (s->shaken && !s->broken)
		SSL_shutdown(s->ssl);
	SSL_free(s->ssl);
	mem_free(s->host);
	mem_free(s);
	ERR_clear_error();
}

/* What the server does not like, where its own words would leave people guessing. */
static const char *
phrase_of(int reason)
{
	switch (reason) {
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_HTTP_REQUEST:
		return "this port does not speak TLS";
	case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
		return "the server asks for a certificate: say --ssl-certificate and --ssl-key";
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
		return "the server does not know the authority of our certificate";
	case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
		return "the server refused our certificate: it has expired";
	case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
		return "the server refused our certificate: it is revoked";
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
	case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
		return "the server refused our certificate";
	case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
		return "the server broke the TLS handshake off; it may ask for a certificate (--ssl-certificate)";
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
		return "the server speaks none of the versions TLS 1.2 and 1.3";
	default:
		return NULL;
	}
}

static void
say_verification(struct secure *s)
{
	long result = SSL_get_verify_result(s->ssl);

	if (result == X509_V_ERR_HOSTNAME_MISMATCH || result == X509_V_ERR_IP_ADDRESS_MISMATCH)
		snprintf(s->why, sizeof s->why, "the server's certificate is not for '%.100s'", s->host);
	else
		snprintf(s->why, sizeof s->why,
		    "the server's certificate is refused: %s; --ssl-ca-file names the authorities that are believed",
		    X509_verify_cert_error_string(result));
}

/* Right after a call of OpenSSL that failed for good. */
static void
say_why(struct secure *s, int error, int number)
{
	unsigned long code = ERR_get_error();
	int reason = ERR_GET_REASON(code);
	const char *phrase = phrase_of(reason);

	s->broken = true;
	if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
		say_verification(s);
	else if (error == SSL_ERROR_SYSCALL && number != 0)
		snprintf(s->why, sizeof s->why, "the connection broke%s: %s", s->shaken ? "" : " in the TLS handshake",
		    strerror(number));
	else if (code == 0 || error == SSL_ERROR_ZERO_RETURN)
		snprintf(s->why, sizeof s->why,
		    "the server closed the connection in the TLS handshake; does this port speak TLS?");
	else if (phrase != NULL)
		snprintf(s->why, sizeof s->why, "%s", phrase);
	else
		snprintf(s->why, sizeof s->why, "TLS: %s",
		    (phrase = ERR_reason_error_string(code)) != NULL ? phrase : "OpenSSL does not say why");
	ERR_clear_error();
}

int
secure_shake(struct secure *s)
{
	int result, error;

	ERR_clear_error();
	errno = 0;
	result = SSL_connect(s->ssl);
	if (result == 1) {
		s->shaken = true;
		return 1;
	}
	error = SSL_get_error(s->ssl, result);
	s->writes = error == SSL_ERROR_WANT_WRITE;
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return 0;
	say_why(s, error, errno);
	return -1;
}

bool
secure_writes(const struct secure *s)
{
	return s->writes;
}

/* Always -1, with errno. */
static ssize_t
moved_nothing(struct secure *s, int error, int number)
{
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
		errno = EAGAIN;
		return -1;
	}
	say_why(s, error, number);
	errno = error == SSL_ERROR_SYSCALL && number != 0 ? number : EPROTO;
	return -1;
}

ssize_t
secure_read(struct secure *s, void *to, size_t size)
{
	size_t n;
	int error;

	ERR_clear_error();
	errno = 0;
	if (SSL_read_ex(s->ssl, to, size, &n) == 1)
		return (ssize_t)n;
	error = SSL_get_error(s->ssl, 0);
	return error == SSL_ERROR_ZERO_RETURN ? 0 : moved_nothing(s, error, errno);
}

ssize_t
secure_write(struct secure *s, const void *from, size_t len)
{
	size_t n;

	ERR_clear_error();
	errno = 0;
	if (SSL_write_ex(s->ssl, from, len, &n) == 1)
		return (ssize_t)n;
	return moved_nothing(s, SSL_get_error(s->ssl, 0), errno);
}

const char *
secure_why(const struct secure *s)
{
	return s->why;
}
