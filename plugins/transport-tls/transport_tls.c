/* SPDX-License-Identifier: BSD-3-Clause
 *
 * transport-tls: Gearman and other protocols over TLS, with OpenSSL.
 *
 * Runs on:  the main thread at start-up and at SIGHUP; connections (conn.c) on their I/O threads.
 * Owns:     the module's settings, which nobody writes once it is open; the context, which a reload replaces.
 */
#include <openssl/err.h>
#include <time.h>

#include <gearmand/listen.h>

#include "tls.h"

enum { DAY = 86400, WARN_DAYS = 14 };

static const struct gearmand_counter counters[] = {
	[COUNT_OK] = { "handshakes_ok", "handshakes that succeeded" },
	[COUNT_PLAIN] = { "handshakes_plain", "connections that did not speak TLS" },
	[COUNT_TIMEOUT] = { "handshakes_timeout", "handshakes that were not done in time" },
	[COUNT_CERTIFICATE] = { "handshakes_certificate", "clients refused for their certificate, or for having none" },
	[COUNT_PROTOCOL] = { "handshakes_protocol", "handshakes and connections that broke for another reason" },
	[SHOW_CERTIFICATE] = { "expiry.certificate",
	    "when the certificate that is served ends, in seconds since 1970" },
	[SHOW_CA] = { "expiry.ca", "the same of the first authority to end" },
	[SHOW_CRL] = { "expiry.crl", "the same of the first revocation list to end" },
	{ NULL, NULL },
};

static const struct gearmand_option options[] = {
	{ .name = "ssl",
	    .type = GEARMAND_OPT_SWITCH,
	    .help = "speak TLS on the port of the Gearman protocol; unix sockets stay as they are" },
	{ .name = "ssl-listen",
	    .type = GEARMAND_OPT_STRING,
	    .value_name = "ADDRESS:PORT,...",
	    .help = "where the Gearman protocol is spoken over TLS, beside the plain port" },
	{ .name = "http-ssl-listen",
	    .type = GEARMAND_OPT_STRING,
	    .value_name = "ADDRESS:PORT,...",
	    .help = "where HTTP is spoken over TLS" },
	{ .name = "monitor-ssl-listen",
	    .type = GEARMAND_OPT_STRING,
	    .value_name = "ADDRESS:PORT,...",
	    .help = "where the monitor is to be seen over TLS" },
	{ .name = "ssl-certificate",
	    .type = GEARMAND_OPT_PATH,
	    .value_name = "FILE",
	    .help = "the server's certificate, and those of its issuers behind it (PEM)" },
	{ .name = "ssl-key", .type = GEARMAND_OPT_PATH, .value_name = "FILE", .help = "its private key (PEM)" },
	{ .name = "ssl-ca-file",
	    .type = GEARMAND_OPT_PATH,
	    .value_name = "FILE",
	    .help = "certificates of the authorities whose clients are trusted (PEM); see --ssl-verify" },
	{ .name = "ssl-crl-file",
	    .type = GEARMAND_OPT_PATH,
	    .value_name = "FILE",
	    .help = "revocation lists of these authorities (PEM)" },
	{ .name = "ssl-verify",
	    .type = GEARMAND_OPT_STRING,
	    .dflt = "off",
	    .value_name = "off|optional|required",
	    .help = "are clients asked for a certificate, and must they have one" },
	{ .name = "ssl-min-version",
	    .type = GEARMAND_OPT_STRING,
	    .dflt = "1.2",
	    .value_name = "1.0|1.1|1.2|1.3",
	    .help = "the oldest version of TLS that is spoken" },
	{ .name = "ssl-ciphers",
	    .type = GEARMAND_OPT_STRING,
	    .value_name = "LIST",
	    .help = "ciphers of TLS 1.2 and older, as openssl-ciphers(1) has them; unset is OpenSSL's choice" },
	{ .name = "ssl-ciphersuites",
	    .type = GEARMAND_OPT_STRING,
	    .value_name = "LIST",
	    .help = "cipher suites of TLS 1.3; unset is OpenSSL's choice" },
	{ .name = "ssl-handshake-timeout",
	    .type = GEARMAND_OPT_INT,
	    .dflt = "10",
	    .min = "1",
	    .max = "3600",
	    .value_name = "SECONDS",
	    .help = "how long a handshake may take" },
	{ 0 },
};

/* ---- Expiry ----------------------------------------------------------------------------- */

/* `early`: seconds before the end from which on there is a warning. */
static void
say_expiry(const struct tls *tls, const char *option, const char *path, int64_t ends, int64_t early)
{
	const struct gearmand_host *host = tls->host;
	int64_t left = ends - host->wall() / 1000000000;
	time_t at = (time_t)ends;
	struct tm tm;
	char date[32];

	if (ends == 0 || left >= early)
		return;
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M UTC", gmtime_r(&at, &tm));
	if (left < 0)
		host->log(host, GEARMAND_LOG_ERROR, "%s=%s: expired since %s", option, path, date);
	else
		host->log(host, GEARMAND_LOG_WARNING, "%s=%s: expires in %d days, at %s", option, path,
		    (int)(left / DAY), date);
}

static void
look_at_expiry(const struct tls *tls)
{
	struct tls_expiry e = context_expiry(tls->context);
	const struct gearmand_host *host = tls->host;

	say_expiry(tls, "--ssl-certificate", tls->settings.certificate, e.certificate, WARN_DAYS * DAY);
	say_expiry(tls, "--ssl-ca-file", tls->settings.ca, e.ca, WARN_DAYS * DAY);
	say_expiry(tls, "--ssl-crl-file", tls->settings.crl, e.crl, 0); /* lists are made anew every few days */
	host->show(host, SHOW_CERTIFICATE, (uint64_t)e.certificate);
	host->show(host, SHOW_CA, (uint64_t)e.ca);
	host->show(host, SHOW_CRL, (uint64_t)e.crl);
}

static void
tls_daily(void *module)
{
	look_at_expiry(module);
}

/* ---- Start and reload -------------------------------------------------------------------- */

static bool
read_settings(struct tls *tls, struct gearmand_error *error)
{
	const struct gearmand_host *host = tls->host;
	const char *verify = host->option(host, "ssl-verify"), *version = host->option(host, "ssl-min-version");
	struct tls_settings *s = &tls->settings;

	*s = (struct tls_settings){
		.certificate = host->option(host, "ssl-certificate"),
		.key = host->option(host, "ssl-key"),
		.ca = host->option(host, "ssl-ca-file"),
		.crl = host->option(host, "ssl-crl-file"),
		.ciphers = host->option(host, "ssl-ciphers"),
		.ciphersuites = host->option(host, "ssl-ciphersuites"),
	};
	tls->timeout_ms = (uint32_t)host->option_number(host, "ssl-handshake-timeout") * 1000;
	if (!tls_verify_parse(verify, &s->verify))
		return gm_fail(
		    error, GEARMAND_WHY_LASTING, "--ssl-verify=%s: expected off, optional or required", verify);
	if (!tls_version_parse(version, &s->min_version))
		return gm_fail(
		    error, GEARMAND_WHY_LASTING, "--ssl-min-version=%s: expected 1.0, 1.1, 1.2 or 1.3", version);
	if (s->crl && s->verify == TLS_VERIFY_OFF)
		return gm_fail(error, GEARMAND_WHY_LASTING,
		    "--ssl-crl-file is of no use with --ssl-verify=off: nobody is asked for a certificate");
	if (!s->certificate || !s->key || !s->ca)
		return gm_fail(error, GEARMAND_WHY_LASTING, "TLS needs --ssl-certificate, --ssl-key and --ssl-ca-file");
	return true;
}

/* `--transport=tls` alone is `--ssl`. */
static bool
choose_listeners(const struct gearmand_host *host, struct gearmand_error *error)
{
	bool has_own = host->option(host, "ssl-listen") || host->option(host, "http-ssl-listen") ||
		       host->option(host, "monitor-ssl-listen");

	return ((has_own && !host->option(host, "ssl")) || host->cover(host, "gear", error)) &&
	       gm_listen(host, "gear", "ssl-listen", error) && gm_listen(host, "http", "http-ssl-listen", error) &&
	       gm_listen(host, "monitor", "monitor-ssl-listen", error);
}

static SSL_CTX *
make_context(const struct tls *tls, struct gearmand_error *error)
{
	SSL_CTX *context = context_new(&tls->settings, error);

	if (context)
		SSL_CTX_set_alpn_select_cb(context, tls_choose_protocol, NULL);
	return context;
}

static void
tls_close(void **module)
{
	struct tls *tls = *module;

	*module = NULL;
	SSL_CTX_free(tls->context);
	BIO_meth_free(tls->bio);
	pthread_mutex_destroy(&tls->mutex);
	tls->host->release(tls);
}

static bool
tls_open(const struct gearmand_host *host, void **module_r, struct gearmand_error *error)
{
	struct tls *tls = host->allocate(sizeof(*tls));
	void *module = tls;

	tls->host = host;
	pthread_mutex_init(&tls->mutex, NULL);
	tls->bio = tls_bio_new();
	if (!tls->bio)
		gm_fail(error, GEARMAND_WHY_LASTING, "out of memory for TLS");
	if (tls->bio && read_settings(tls, error) && choose_listeners(host, error) &&
	    (tls->context = make_context(tls, error)) != NULL) {
		look_at_expiry(tls);
		*module_r = tls;
		return true;
	}
	tls_close(&module);
	return false;
}

static bool
tls_reload(void *module, struct gearmand_error *error)
{
	struct tls *tls = module;
	SSL_CTX *context = make_context(tls, error), *old = tls->context;

	if (!context)
		return false;
	pthread_mutex_lock(&tls->mutex);
	tls->context = context;
	pthread_mutex_unlock(&tls->mutex);
	SSL_CTX_free(old); /* connections have references of their own */
	tls->host->log(
	    tls->host, GEARMAND_LOG_NOTICE, "certificate and key read again from %s", tls->settings.certificate);
	look_at_expiry(tls);
	return true;
}

static bool
tls_proves(void *module)
{
	const struct tls *tls = module;

	return tls->settings.verify != TLS_VERIFY_OFF;
}

static const struct gearmand_transport_ops ops = {
	.size = sizeof(ops),
	.open = tls_open,
	.close = tls_close,
	.conn_new = tls_conn_new,
	.receive = tls_conn_receive,
	.send = tls_conn_send,
	.conn_free = tls_conn_free,
	.finish = tls_conn_finish,
	.tick = tls_conn_tick,
	.reload = tls_reload,
	.work = tls_conn_work,
	.worked = tls_conn_worked,
	.proves = tls_proves,
	.daily = tls_daily,
};

GEARMAND_TRANSPORT_PLUGIN("tls", NULL, "1.0", "TLS, with OpenSSL", options, &ops, counters);
