/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From a certificate to tokens.
 *
 * Runs on:  any thread; pure.
 * Owns:     nothing.
 */
#include "identity.h"

#include <openssl/evp.h>
#include <openssl/x509v3.h>

/* In a token a NUL is the end, and in a log line a control character is a trap; those from 0x80 on are two bytes. */
static bool
is_control(const unsigned char *text, int len)
{
	return text[0] < ' ' || text[0] == 0x7f || (text[0] == 0xc2 && len > 1 && text[1] < 0xa0);
}

static bool
add_token(struct gm_bytes *tokens, const char *kind, const unsigned char *text, int len)
{
	for (int i = 0; i < len; i++)
		if (is_control(text + i, len - i))
			return false;
	gm_add_text(tokens, kind);
	gm_add(tokens, text, (size_t)(len > 0 ? len : 0));
	gm_add(tokens, "", 1);
	return len >= 0;
}

static bool
add_common_names(struct gm_bytes *tokens, const X509_NAME *subject)
{
	bool good = true;

	for (int at = -1; good && (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;) {
		unsigned char *utf8 = NULL;
		int len = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));

		good = len >= 0 && add_token(tokens, "cn=", utf8, len);
		OPENSSL_free(utf8);
	}
	return good;
}

static bool
add_other_name(struct gm_bytes *tokens, const GENERAL_NAME *name)
{
	static const char *const kinds[] = { [GEN_EMAIL] = "email=", [GEN_DNS] = "dns=", [GEN_URI] = "uri=" };
	int type;
	const ASN1_STRING *text = GENERAL_NAME_get0_value(name, &type);

	if (type < 0 || type >= (int)GM_COUNT(kinds) || !kinds[type])
		return true; /* of a kind that no rule asks for */
	return add_token(tokens, kinds[type], ASN1_STRING_get0_data(text), ASN1_STRING_length(text));
}

static bool
add_other_names(struct gm_bytes *tokens, const X509 *certificate)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	bool good = true;

	for (int i = 0; good && i < sk_GENERAL_NAME_num(names); i++)
		good = add_other_name(tokens, sk_GENERAL_NAME_value(names, i));
	GENERAL_NAMES_free(names);
	return good;
}

static bool
add_fingerprint(struct gm_bytes *tokens, const X509 *certificate)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (X509_digest(certificate, EVP_sha256(), digest, &len) != 1)
		return false;
	gm_add_text(tokens, "sha256=");
	for (unsigned i = 0; i < len; i++)
		gm_addf(tokens, "%02x", digest[i]);
	gm_add(tokens, "", 1);
	return !tokens->failed;
}

bool
identity_read(const X509 *certificate, struct gm_bytes *tokens)
{
	return add_common_names(tokens, X509_get_subject_name(certificate)) && add_other_names(tokens, certificate) &&
	       add_fingerprint(tokens, certificate);
}
