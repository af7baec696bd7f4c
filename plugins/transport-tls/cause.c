/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sentences for what OpenSSL and peers do not like.
 *
 * Runs on:  the thread that called OpenSSL.
 * Owns:     nothing.
 */
#include "cause.h"

#include <openssl/err.h>
#include <stdio.h>

#include <gearmand/module.h>

enum { RECORD_HANDSHAKE = 0x16, ALERT_FIRST = 1000 };

const char *
cause_plain(struct gearmand_slice first)
{
	static const struct {
		const char *begin;
		size_t len;
		const char *sentence;
	} others[] = {
		{ "\0REQ", 4, "it speaks the Gearman protocol without TLS" },
		{ "GET ", 4, "it speaks HTTP without TLS" },
		{ "POST ", 5, "it speaks HTTP without TLS" },
		{ "PUT ", 4, "it speaks HTTP without TLS" },
		{ "HEAD ", 5, "it speaks HTTP without TLS" },
		{ "PROXY ", 6, "it sends a header of the PROXY protocol, not TLS" },
	};

	if (first.len == 0 || first.data[0] == RECORD_HANDSHAKE)
		return NULL;
	for (size_t i = 0; i < GM_COUNT(others); i++)
		if (first.len >= others[i].len && memcmp(first.data, others[i].begin, others[i].len) == 0)
			return others[i].sentence;
	return "it does not speak TLS";
}

/* Reasons whose own text would leave people guessing. */
static const char *
cause_phrase(int reason)
{
	switch (reason) {
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
		return "it showed no certificate, and --ssl-verify=required";
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_VERSION_TOO_LOW:
		return "it offers no version of TLS that --ssl-min-version allows";
	case SSL_R_NO_SHARED_CIPHER:
		return "it offers no cipher that --ssl-ciphers or --ssl-ciphersuites allow";
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
		return "it refused this server's certificate: unknown authority";
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
		return "it refused this server's certificate as bad";
	case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
		return "it refused this server's certificate: expired";
	case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
		return "it refused this server's certificate";
	default:
		return NULL;
	}
}

enum cause
cause_of(const SSL *ssl, char text[CAUSE_BYTES])
{
	unsigned long code = ERR_get_error();
	int reason = ERR_GET_REASON(code);
	const char *phrase = cause_phrase(reason);

	if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
		snprintf(text, CAUSE_BYTES, "its certificate is refused: %s",
		    X509_verify_cert_error_string(SSL_get_verify_result(ssl)));
	else if (code == 0)
		snprintf(text, CAUSE_BYTES, "OpenSSL does not say why");
	else if (phrase || (phrase = ERR_reason_error_string(code)) != NULL)
		snprintf(text, CAUSE_BYTES, "%s%s", reason >= ALERT_FIRST && !cause_phrase(reason) ? "it sent: " : "",
		    phrase);
	else
		ERR_error_string_n(code, text, CAUSE_BYTES);
	ERR_clear_error();
	return reason == SSL_R_CERTIFICATE_VERIFY_FAILED || reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE
		   ? CAUSE_CERTIFICATE
		   : CAUSE_PROTOCOL;
}
