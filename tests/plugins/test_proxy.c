/* SPDX-License-Identifier: BSD-3-Clause
 *
 * transport-proxy: which headers are taken, who may send them, and what comes of them on a connection.
 *
 * Runs on:  the test's thread.  Owns nothing.
 */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/transport-proxy/header.h"
#include "plugins/transport-proxy/network.h"
#include "sdk/check/conn.h"

#define BYTES(literal) ((struct gearmand_slice){ (literal), sizeof(literal) - 1 })
#define SIGNATURE      "\r\n\r\n\0\r\nQUIT\n"
#define TCP4           "\xc0\x00\x02\x07\xc6\x33\x64\x01\xdc\x04\x12\x7a" /* 192.0.2.7:56324 to 198.51.100.1:4730 */
#define TCP6 \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01" \
	"\xdc\x04\x12\x7a"

/* ---- Headers --------------------------------------------------------------------------- */

/* `peer` is "address port", or NULL when the header says none.  Bytes behind the header are not its. */
static void
expect_header(struct gearmand_slice bytes, const char *peer)
{
	char *more = malloc(bytes.len + 3), got[80];
	const char *why = NULL;
	struct header h;

	for (size_t len = 0; len < bytes.len; len++)
		cr_assert_eq(header_parse((struct gearmand_slice){ bytes.data, len }, &h, &why), HEADER_MORE,
		    "after %zu bytes: %s", len, why ? why : "done");
	memcpy(more, bytes.data, bytes.len);
	memcpy(more + bytes.len, "\nhi", 3);
	for (size_t extra = 0; extra <= 3; extra++) {
		cr_assert_eq(
		    header_parse((struct gearmand_slice){ more, bytes.len + extra }, &h, &why), HEADER_DONE, "%s", why);
		cr_assert_eq(h.len, bytes.len);
		cr_assert_eq(h.has_peer, peer != NULL);
		snprintf(got, sizeof(got), "%s %s", h.address, h.port);
		if (peer)
			cr_assert_str_eq(got, peer);
	}
	free(more);
}

/* Bad at some byte, and from there on. */
static void
expect_bad(struct gearmand_slice bytes, const char *word)
{
	const char *why = NULL;
	struct header h;
	bool bad = false;

	for (size_t len = 1; len <= bytes.len; len++) {
		enum header_verdict v = header_parse((struct gearmand_slice){ bytes.data, len }, &h, &why);

		cr_assert_neq(v, HEADER_DONE, "after %zu bytes", len);
		cr_assert(!bad || v == HEADER_BAD, "good again after %zu bytes", len);
		bad = v == HEADER_BAD;
	}
	cr_assert(bad, "it is taken");
	cr_assert(strstr(why, word), "%s", why);
}

Test(proxy_header, version_1_tells_address_and_port)
{
	expect_header(BYTES("PROXY TCP4 192.0.2.7 198.51.100.1 56324 4730\r\n"), "192.0.2.7 56324");
	expect_header(BYTES("PROXY TCP6 2001:db8::7 2001:db8::1 0 65535\r\n"), "2001:db8::7 0");
	expect_header(BYTES("PROXY TCP6 2001:0DB8:0:0:0:0:0:7 ::1 1 2\r\n"), "2001:db8::7 1");
}

Test(proxy_header, version_1_unknown_leaves_the_address)
{
	expect_header(BYTES("PROXY UNKNOWN\r\n"), NULL);
	expect_header(BYTES("PROXY UNKNOWN anything that fits\r\n"), NULL);
}

Test(proxy_header, version_1_line_has_107_bytes_at_most)
{
	char line[200];

	memset(line, 'x', sizeof(line));
	memcpy(line, "PROXY UNKNOWN ", 14);
	memcpy(line + 105, "\r\n", 2);
	expect_header((struct gearmand_slice){ line, 107 }, NULL);
	memcpy(line + 105, "xx\r\n", 4);
	expect_bad((struct gearmand_slice){ line, 109 }, "does not end");
}

Test(proxy_header, malformed_lines_are_refused)
{
	expect_bad(BYTES("PROXY TCP4 192.0.2.7 198.51.100.1 56324 4730\n"), "CR LF");
	expect_bad(BYTES("PROXY \r\n"), "malformed");
	expect_bad(BYTES("PROXY \n"), "CR LF");
	expect_bad(BYTES("PROXY UNKNOWNX\r\n"), "malformed");
	expect_bad(BYTES("PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n"), "malformed");
	expect_bad(BYTES("PROXY tcp4 192.0.2.7 198.51.100.1 1 2\r\n"), "malformed");
	expect_bad(BYTES("PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n"), "malformed");
	expect_bad(BYTES("PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n"), "malformed");
	expect_bad(BYTES("PROXY TCP4  192.0.2.7 198.51.100.1 1 2\r\n"), "malformed");
	expect_bad(BYTES("PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n"), "malformed");
	expect_bad(BYTES("PROXY TCP4 2001:db8::7 198.51.100.1 1 2\r\n"), "malformed");
	expect_bad(BYTES("PROXY TCP6 192.0.2.7 2001:db8::1 1 2\r\n"), "malformed");
	expect_bad(BYTES("PROXY TCP4 192.0.2.7 198.51.100.1 65536 2\r\n"), "malformed");
	expect_bad(BYTES("PROXY TCP4 192.0.2.7 198.51.100.1 01 2\r\n"), "malformed");
	expect_bad(BYTES("PROXY TCP4 192.0.2.7 198.51.100.1 -1 2\r\n"), "malformed");
	expect_bad(BYTES("PROXY TCP4 192.0.2.7\0 198.51.100.1 1 2\r\n"), "malformed");
}

Test(proxy_header, version_2_tells_address_and_port)
{
	static char path[16 + 216] = SIGNATURE "\x21\x31\0\xd8/run/peer.socket";

	expect_header(BYTES(SIGNATURE "\x21\x11\0\x0c" TCP4), "192.0.2.7 56324");
	expect_header(BYTES(SIGNATURE "\x21\x21\0\x24" TCP6), "2001:db8::7 56324");
	expect_header((struct gearmand_slice){ path, sizeof(path) }, "/run/peer.socket ");
	memset(path + 16, 0, 216);
	expect_header((struct gearmand_slice){ path, sizeof(path) }, NULL);
	memcpy(path + 16, "/run/\n", 6);
	expect_header((struct gearmand_slice){ path, sizeof(path) }, NULL);
	memset(path + 16, '/', 216);
	expect_header((struct gearmand_slice){ path, sizeof(path) },
	    "/////////////////////////////////////////////////////////////// ");
}

Test(proxy_header, version_2_local_and_unknown_kinds_leave_the_address)
{
	expect_header(BYTES(SIGNATURE "\x20\x00\0\0"), NULL);
	expect_header(BYTES(SIGNATURE "\x20\x11\0\x03"
				      "any"),
	    NULL);
	expect_header(BYTES(SIGNATURE "\x21\x00\0\0"), NULL);
	expect_header(BYTES(SIGNATURE "\x21\x12\0\x0c" TCP4), NULL);
	expect_header(BYTES(SIGNATURE "\x21\x22\0\x24" TCP6), NULL);
}

Test(proxy_header, version_2_values_are_passed_over_and_the_checksum_is_looked_at)
{
	expect_header(BYTES(SIGNATURE "\x21\x11\0\x13" TCP4 "\x04\0\x04\0\0\0\0"), "192.0.2.7 56324");
	expect_header(BYTES(SIGNATURE "\x21\x11\0\x0f" TCP4 "\x04\0\0"), "192.0.2.7 56324");
	expect_header(BYTES(SIGNATURE "\x21\x11\0\x26" TCP4 "\x02\0\x10gearmand.example\x03\0\x04\x5d\xd7\x32\x56"),
	    "192.0.2.7 56324");
	expect_bad(
	    BYTES(SIGNATURE "\x21\x11\0\x26" TCP4 "\x02\0\x10gearmand.example\x03\0\x04\x5d\xd7\x32\x57"), "checksum");
	expect_bad(BYTES(SIGNATURE "\x21\x11\0\x11" TCP4 "\x03\0\x02\0\0"), "checksum");
	expect_bad(BYTES(SIGNATURE "\x21\x11\0\x0e" TCP4 "\x04\0"), "does not fit");
	expect_bad(BYTES(SIGNATURE "\x21\x11\0\x10" TCP4 "\x04\0\x02x"), "does not fit");
}

Test(proxy_header, version_2_headers_that_cannot_be_are_refused)
{
	expect_bad(BYTES(SIGNATURE "\x11\x11\0\x0c" TCP4), "version");
	expect_bad(BYTES(SIGNATURE "\x22\x11\0\x0c" TCP4), "command");
	expect_bad(BYTES(SIGNATURE "\x21\x41\0\x0c" TCP4), "kind");
	expect_bad(BYTES(SIGNATURE "\x21\x13\0\x0c" TCP4), "kind");
	expect_bad(BYTES(SIGNATURE "\x21\x01\0\x0c" TCP4), "kind");
	expect_bad(BYTES(SIGNATURE "\x21\x21\0\x0c" TCP4), "too short");
	expect_bad(BYTES(SIGNATURE "\x21\x11\xff\xff" TCP4), "longer");
	expect_bad(BYTES(SIGNATURE "\x20\x11\x0f\xf1" TCP4), "longer");
}

Test(proxy_header, what_is_no_header_is_refused_at_its_first_strange_byte)
{
	expect_bad(BYTES("GET / HTTP/1.1\r\n"), "it does not begin as one");
	expect_bad(BYTES("\0REQ"), "it does not begin as one");
	expect_bad(BYTES("PROX!"), "it does not begin as one");
	expect_bad(BYTES("\r\n\r\n\r"), "it does not begin as one");
}

/* ---- Networks -------------------------------------------------------------------------- */

static bool
is_trusted(const char *list, const char *peer)
{
	struct networks n = { 0 };
	char *text = strdup(list);
	const char *bad;

	cr_assert(networks_parse(&n, text, &bad), "%s", bad);
	free(text);
	return networks_have(&n, peer);
}

Test(proxy_network, peers_are_looked_for_in_all_networks)
{
	cr_assert(is_trusted("127.0.0.0/8,::1", "127.1.2.3:1"));
	cr_assert(is_trusted("127.0.0.0/8,::1", "[::1]:1"));
	cr_assert_not(is_trusted("127.0.0.0/8,::1", "192.0.2.1:1"));
	cr_assert_not(is_trusted("127.0.0.0/8,::1", "[::2]:1"));
	cr_assert(is_trusted("192.0.2.128/25", "192.0.2.255:1"));
	cr_assert_not(is_trusted("192.0.2.128/25", "192.0.2.127:1"));
	cr_assert(is_trusted("192.0.2.7", "192.0.2.7:1"));
	cr_assert_not(is_trusted("192.0.2.7", "192.0.2.6:1"));
	cr_assert(is_trusted("2001:db8::/31", "[2001:db9::1]:1"));
	cr_assert_not(is_trusted("2001:db8::/32", "[2001:db9::1]:1"));
	cr_assert(is_trusted("192.0.2.0/24", "[::ffff:192.0.2.1]:1"));
	cr_assert(is_trusted("0.0.0.0/0", "192.0.2.1:1"));
	cr_assert_not(is_trusted("0.0.0.0/0", "[2001:db8::1]:1"));
	cr_assert(is_trusted("::/0", "[2001:db8::1]:1"));
}

Test(proxy_network, unix_sockets_are_trusted_and_names_are_not)
{
	cr_assert(is_trusted("192.0.2.7", "unix:/run/x"));
	cr_assert(is_trusted("192.0.2.7", "/run/x"));
	cr_assert_not(is_trusted("192.0.2.7", "somewhere:1"));
}

Test(proxy_network, words_that_are_no_network_are_named)
{
	static const char *const bad[] = { "", "192.0.2.0/33", "192.0.2.0/", "192.0.2.0/x", "192.0.2.0/-1", "192.0.2",
		"::/129", "localhost", "192.0.2.0/8 ", "192.0.2.0/24/1" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[64];
		struct networks n = { 0 };
		const char *word = "";

		snprintf(text, sizeof(text), "192.0.2.7,%s", bad[i]);
		cr_assert_not(networks_parse(&n, text, &word), "%s", bad[i]);
		cr_assert_str_eq(word, bad[i]);
	}
}

/* ---- Connections ------------------------------------------------------------------------ */

static struct host *
proxy_host(const char *const *settings, struct gearmand_error *err)
{
	const char *folder = getenv("GEARMAND_PLUGIN_PATH");
	struct host *h = calloc(1, sizeof(*h));
	char path[4096];
	void *module;

	snprintf(path, sizeof(path), "%s/transport-proxy.so", folder ? folder : "./modules");
	module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	cr_assert_not_null(module, "%s", dlerror());
	host_init(h, dlsym(module, "gearmand_plugin"));
	for (; *settings; settings++) {
		size_t len = strcspn(*settings, "=");

		cr_assert(host_set(h, *settings, len, *settings + len + 1, err), "%s", err->text);
	}
	err->text[0] = '\0';
	if (!host_open(h, err))
		host_free(&h);
	return h;
}

static struct conn *
proxied_from(const char *peer)
{
	struct gearmand_error err = { .text = "" };
	struct host *h =
	    proxy_host((const char *const[]){ "proxy-listen=127.0.0.1:4731", "proxy-timeout=7", NULL }, &err);

	cr_assert_not_null(h, "%s", err.text);
	return conn_new(h, peer);
}

static void
end(struct conn **c)
{
	struct host *h = (*c)->host;

	conn_free(c);
	host_free(&h);
	cr_assert_eq(host_blocks(), 0);
}

static struct conn *
proxied(void)
{
	return proxied_from("127.0.0.1:1");
}

Test(proxy_conn, listens_where_it_is_told)
{
	struct gearmand_error err = { .text = "" };
	struct host *h = proxy_host((const char *const[]){ "proxy-listen=127.0.0.1:4731,[::1]:4732,*:4733,unix:/run/x",
					"proxy-http-listen=127.0.0.1:8081", NULL },
	    &err);

	cr_assert_not_null(h, "%s", err.text);
	cr_assert_str_eq(h->listens.data, "gear 127.0.0.1 4731\ngear ::1 4732\ngear * 4733\ngear unix:/run/x 0\n"
					  "http 127.0.0.1 8081\n");
	host_free(&h);
}

static void
expect_no_start(const char *one, const char *other, const char *word)
{
	struct gearmand_error err = { .text = "" };

	cr_assert_null(proxy_host((const char *const[]){ one, other, NULL }, &err));
	cr_assert(strstr(err.text, word), "%s", err.text);
}

Test(proxy_conn, settings_that_cannot_be_end_the_start_with_a_sentence)
{
	expect_no_start(NULL, NULL, "needs --proxy-listen");
	expect_no_start("proxy-listen=4731", NULL, "'4731' is not ADDRESS:PORT");
	expect_no_start("proxy-listen=:4731", NULL, "':4731' is not");
	expect_no_start("proxy-listen=127.0.0.1:", NULL, "is not");
	expect_no_start("proxy-listen=127.0.0.1:4731,", NULL, "'' is not");
	expect_no_start("proxy-listen=127.0.0.1:4731", "proxy-from=everybody", "'everybody' is no network");
	expect_no_start("proxy-listen=192.0.2.1:4731", NULL, "192.0.2.1");
}

Test(proxy_conn, peer_is_known_before_its_first_byte_and_bytes_pass_both_ways)
{
	struct conn *c = proxied();

	conn_say(c, "PROXY TCP4 192.0.2.7 198.51.100.1 56324 4730\r\nhello ", 52, 1);
	cr_assert_str_eq(c->peer, "192.0.2.7 56324");
	conn_say(c, "world", 5, 0);
	cr_assert_str_eq(c->delivered.data, "hello world");
	cr_assert_str_eq(c->out.data, "hello world");
	conn_end(c);
	cr_assert(c->ended && !c->closed);
	end(&c);
}

Test(proxy_conn, untrusted_peer_is_refused_with_one_line)
{
	struct conn *c = proxied_from("192.0.2.99:1");

	cr_assert(c->closed);
	cr_assert_str_eq(c->host->log, "192.0.2.99:1: refused: it is in no network of --proxy-from");
	cr_assert_eq(c->out.len, 0);
	end(&c);
}

Test(proxy_conn, header_that_is_late_or_trickles_ends_the_connection)
{
	struct conn *c = proxied();

	cr_assert_eq(c->tick_ms, 7000);
	conn_say(c, "PROXY TCP4 192.", 15, 1);
	cr_assert_eq(c->tick_ms, 7000);
	cr_assert(conn_tick(c));
	cr_assert(c->closed);
	cr_assert(strstr(c->host->log, "in time"), "%s", c->host->log);
	end(&c);
}

Test(proxy_conn, time_means_nothing_behind_the_header)
{
	struct conn *c = proxied();

	conn_say(c, "PROXY UNKNOWN\r\n", 15, 0);
	cr_assert_eq(c->tick_ms, 0);
	cr_assert_str_eq(c->peer, "");
	end(&c);
}

Test(proxy_conn, garbage_is_closed_with_one_line_and_no_byte)
{
	struct conn *c = proxied();

	conn_say(c, "status\n", 7, 0);
	cr_assert(c->closed);
	cr_assert_str_eq(c->host->log, "127.0.0.1:1: closed: PROXY header: it does not begin as one");
	cr_assert_eq(c->out.len + c->delivered.len, 0);
	end(&c);
}

Test(proxy_conn, end_before_the_first_byte_is_no_news)
{
	struct conn *c = proxied();

	conn_end(c);
	cr_assert(c->closed);
	cr_assert_str_eq(c->host->log, "");
	end(&c);
}
