/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Access files: who is meant by a line, what it gives, which line decides, and what is wrong with a file.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "wire/access.h"

static bool
find_user(const char *name, uint32_t *user_r)
{
	static const char *const users[] = { "root", "bob", "www-data" };

	for (uint32_t i = 0; i < 3; i++) {
		if (strcmp(name, users[i]) == 0) {
			*user_r = i * 1000;
			return true;
		}
	}
	return false;
}

static const char *const protocols[] = { "gear", "http", "monitor", NULL };
static const struct access_names names = { find_user, protocols };

static struct access *
read_file(const char *text)
{
	char why[ACCESS_WHY] = "";
	unsigned line;
	struct access *all = access_new(slice_str(text), &names, &line, why);

	cr_assert(all != NULL, "line %u: %s", line, why);
	return all;
}

/* `who` as for --check-access, parted by blanks; "-" is a connection of which nothing is known. */
static void
expect_line(const struct access *all, const char *who, const char *wanted)
{
	char words[256], *at[8], *rest = words;
	struct buf out = { 0 };
	unsigned count = 0;

	snprintf(words, sizeof words, "%s", who);
	while ((at[count] = strsep(&rest, " ")) != NULL)
		count += strcmp(at[count], "-") != 0;
	access_explain(all, at, count, &names, &out);
	cr_expect(slice_is(buf_slice(&out), wanted), "%s: %.*s", who, (int)out.len, out.data);
	buf_fini(&out);
}

static void
expect_wrong(const char *text, unsigned line_wanted, const char *wanted)
{
	char why[ACCESS_WHY] = "";
	unsigned line;
	struct access *all = access_new(slice_str(text), &names, &line, why);

	cr_expect(all == NULL, "%s was taken", text);
	cr_expect_eq(line, line_wanted, "%s: line %u", text, line);
	cr_expect_str_eq(why, wanted);
	access_free(&all);
}

/* What `any RIGHTS` lets: each word is submit:FUNCTION, work:FUNCTION or a level; one with a minus in front must not
 * be. */
static void
expect_rights(const char *rights, const char *wanted)
{
	static const char *const levels[] = { "", "see", "manage", "admin" };
	static const struct access_peer peer = { "", ACCESS_NO_USER, "gear", { "", 0 } };
	char line[256], words[256], *rest = words, *word;
	const struct access_rights *got;
	struct access *all;

	snprintf(line, sizeof line, "any %s\n", rights);
	snprintf(words, sizeof words, "%s", wanted);
	all = read_file(line);
	got = access_judge(all, &peer);
	cr_expect(slice_is(got->text, rights));
	while ((word = strsep(&rest, " ")) != NULL) {
		bool expected = word[0] != '-', lets = false;
		const char *name = word + !expected;

		if (strncmp(name, "submit:", 7) == 0)
			lets = access_lets(got, ACCESS_SUBMIT, slice_str(name + 7));
		else if (strncmp(name, "work:", 5) == 0)
			lets = access_lets(got, ACCESS_WORK, slice_str(name + 5));
		for (int i = 1; i < 4; i++)
			if (strcmp(name, levels[i]) == 0)
				lets = access_lets(got, (enum access_right)i, slice_str(""));
		cr_expect(lets == expected, "%s: %s", rights, word);
	}
	access_free(&all);
}

Test(access, the_first_line_that_matches_decides)
{
	struct access *all = read_file("# who may what\n"
				       "\n"
				       "unix:root\tall  \r\n"
				       "  unix:bob   submit=*  see\n"
				       "net:127.0.0.0/8,::1  manage\n"
				       "on:monitor net:192.0.2.0/24 see\n"
				       "unix none");

	expect_line(all, "unix:root", "line 3: unix:root\\x09all");
	expect_line(all, "unix:bob", "line 4: unix:bob   submit=*  see");
	expect_line(all, "unix:1000", "line 4: unix:bob   submit=*  see");
	expect_line(all, "unix:www-data", "line 7: unix none");
	expect_line(all, "net:127.8.9.10", "line 5: net:127.0.0.0/8,::1  manage");
	expect_line(all, "on:monitor net:192.0.2.255", "line 6: on:monitor net:192.0.2.0/24 see");
	expect_line(all, "on:http net:192.0.2.255", "no line matches: nothing is allowed");
	expect_line(all, "-", "no line matches: nothing is allowed");
	cr_expect_eq(access_count(all), 5);
	cr_expect_eq(access_cert_line(all), 0);
	access_free(&all);
}

Test(access, networks_are_of_either_kind_and_a_mapped_address_is_of_the_old)
{
	struct access *all = read_file("net:127.0.0.0/8 see\n"
				       "net:127.0.0.0/9 none\n"
				       "net:192.0.2.77/25 see\n"
				       "net:::/0 manage\n"
				       "net:::ffff:198.51.100.0/120 see\n"
				       "net:0.0.0.0/0 none\n");

	expect_line(all, "net:127.255.0.1", "line 1: net:127.0.0.0/8 see");
	expect_line(all, "net:::ffff:127.0.0.1", "line 1: net:127.0.0.0/8 see");
	expect_line(all, "net:192.0.2.0", "line 3: net:192.0.2.77/25 see");
	expect_line(all, "net:192.0.2.128", "line 6: net:0.0.0.0/0 none");
	expect_line(all, "net:2001:db8::1", "line 4: net:::/0 manage");
	expect_line(all, "net:198.51.100.9", "line 5: net:::ffff:198.51.100.0/120 see");
	expect_line(all, "net:203.0.113.1", "line 6: net:0.0.0.0/0 none");
	access_free(&all);
}

Test(access, a_network_ends_at_its_last_bit)
{
	struct access *all = read_file("net:2001:db8::/33 see\nnet:198.51.100.5/31 see\nnet:203.0.113.9 see\n");

	expect_line(all, "net:2001:db8:7fff::1", "line 1: net:2001:db8::/33 see");
	expect_line(all, "net:2001:db8:8000::1", "no line matches: nothing is allowed");
	expect_line(all, "net:198.51.100.4", "line 2: net:198.51.100.5/31 see");
	expect_line(all, "net:198.51.100.6", "no line matches: nothing is allowed");
	expect_line(all, "net:203.0.113.9", "line 3: net:203.0.113.9 see");
	expect_line(all, "net:203.0.113.8", "no line matches: nothing is allowed");
	access_free(&all);
}

Test(access, certificates_are_known_by_each_of_their_names)
{
	struct access *all = read_file("cert:cn=worker-* net:127.0.0.0/8 work=*\n"
				       "cert:dns=Shop.example.org submit=a,b\n"
				       "cert:sha256=5F:0c:AA manage\n"
				       "\"cert:cn=Some Body\" see\n"
				       "cert none\n");

	cr_expect_eq(access_cert_line(all), 1);
	expect_line(all, "cert:cn=worker-7 net:127.1.1.1", "line 1: cert:cn=worker-* net:127.0.0.0/8 work=*");
	expect_line(all, "cert:cn=worker-7", "line 5: cert none");
	expect_line(all, "cert:cn=Worker-7 net:127.1.1.1", "line 5: cert none");
	expect_line(all, "cert:cn=x cert:dns=SHOP.example.org", "line 2: cert:dns=Shop.example.org submit=a,b");
	expect_line(all, "cert:sha256=5f:0C:aa", "line 3: cert:sha256=5F:0c:AA manage");
	expect_line(all, "cert:sha256=5f0caa", "line 3: cert:sha256=5F:0c:AA manage");
	expect_line(all, "cert:sha256=5f0cab", "line 5: cert none");
	expect_line(all, "net:127.1.1.1", "no line matches: nothing is allowed");
	access_free(&all);
}

Test(access, a_pattern_of_one_kind_of_name_does_not_match_another)
{
	struct access *all = read_file("cert:cn=* see\ncert:uri=spiffe://a/* manage\n");

	expect_line(all, "cert:dns=cn=x", "no line matches: nothing is allowed");
	expect_line(all, "cert:uri=spiffe://a/b", "line 2: cert:uri=spiffe://a/* manage");
	access_free(&all);
}

Test(access, lists_of_functions_are_anchored_and_what_is_taken_away_wins)
{
	expect_rights("submit=invoice.*,mail work=!billing.*,*",
	    "submit:invoice.x submit:mail -submit:mail.x -submit:xmail -submit: work:a work: -work:billing.x -see");
	expect_rights("work=billing.ok,*,!billing.*", "-work:billing.ok work:x -submit:x");
	expect_rights("submit=?at,\"a b\"", "submit:cat -submit:at -submit:a -submit:b");
}

Test(access, each_level_has_those_below_it)
{
	expect_rights("see", "see -manage -admin -submit:x -work:x");
	expect_rights("manage submit=*", "see manage -admin submit:x -work:x");
	expect_rights("admin", "see manage admin -submit:x");
	expect_rights("all", "see manage admin submit:x work:x submit:");
	expect_rights("none", "-see -submit:x -work:x");
}

Test(access, without_a_file_the_machine_itself_may_all_and_others_may_not_manage)
{
	static const struct {
		struct access_peer peer;
		enum access_right level;
	} peers[] = {
		{ { "/run/socket", 33, "gear", { "", 0 } }, ACCESS_ADMIN },
		{ { "/run/socket", ACCESS_NO_USER, "gear", { "", 0 } }, ACCESS_SEE },
		{ { "127.1.2.3", ACCESS_NO_USER, "http", { "", 0 } }, ACCESS_ADMIN },
		{ { "::1", ACCESS_NO_USER, "gear", { "", 0 } }, ACCESS_ADMIN },
		{ { "::ffff:127.0.0.1", ACCESS_NO_USER, "gear", { "", 0 } }, ACCESS_ADMIN },
		{ { "192.0.2.1", ACCESS_NO_USER, "gear", { "", 0 } }, ACCESS_SEE },
	};
	struct access *all = access_new_default();

	cr_expect(access_is_default(all));
	for (size_t i = 0; i < sizeof peers / sizeof *peers; i++) {
		const struct access_rights *rights = access_judge(all, &peers[i].peer);

		cr_expect_eq(rights->level, peers[i].level, "%s", peers[i].peer.address);
		cr_expect(rights->submits_all && rights->works_all);
	}
	access_free(&all);
}

#define NEITHER \
	" is neither who (any, unix, net:, cert, on:) nor a right (submit=, work=, see, manage, admin, none, all)"

Test(access, each_mistake_is_one_sentence_with_its_line)
{
	expect_wrong("", 0, "it has no rule, so nobody would be allowed anything");
	expect_wrong("# nothing\n\n", 0, "it has no rule, so nobody would be allowed anything");
	expect_wrong("any all\nanybody all\n", 2, "anybody" NEITHER);
	expect_wrong("any write\n", 1, "write" NEITHER);
	expect_wrong("any see net:127.0.0.0/8\n", 1, "net:127.0.0.0/8" NEITHER);
	expect_wrong("any\n", 1, "it does not say what is allowed; none is for nothing");
	expect_wrong("see\n", 1, "it does not say who: begin with any, unix, net:, cert or on:");
	expect_wrong("any net:::1 see\n", 1, "net:::1: any stands alone, for all words must be true");
	expect_wrong("net:::1 any see\n", 1, "any: any stands alone, for all words must be true");
	expect_wrong(
	    "net:127.0.0.0/8 net:::1 see\n", 1, "net:::1: net: is given twice, and both must be true; write net:A,B");
	expect_wrong("unix:root unix:bob see\n", 1, "unix:bob: such a word is there already, and both must be true");
	expect_wrong("on:http on:gear see\n", 1, "on:gear: such a word is there already, and both must be true");
	expect_wrong("unix net:::1 see\n", 1, "net:::1: unix and net: are never true together");
	expect_wrong("net:::1 unix see\n", 1, "unix: unix and net: are never true together");
	expect_wrong("unix:eve see\n", 1, "unix:eve: this system has no such user");
	expect_wrong("unix: see\n", 1, "unix:: this system has no such user");
	expect_wrong("unix:4294967295 see\n", 1, "unix:4294967295: this system has no such user");
	expect_wrong("on:htpp see\n", 1, "on:htpp: no protocol has this name");
	expect_wrong("any see admin\n", 1, "admin: only one of see, manage, admin, none and all may stand here");
	expect_wrong("any none submit=*\n", 1, "none and all stand alone");
	expect_wrong("any work=* all\n", 1, "none and all stand alone");
	expect_wrong("any submit=a submit=b\n", 1, "submit= is given twice; write one list");
	expect_wrong("any work=\n", 1, "work= names no function; leave it out");
	expect_wrong("any work=a,,b\n", 1, "a,,b: a pattern is empty");
	expect_wrong("any work=a,!\n", 1, "a,!: a pattern is empty");
	expect_wrong("any work=!a\n", 1, "!a: it only takes away; begin with *, to give the others");
	expect_wrong("any \"see\n", 1, "a double quote is not closed");
	expect_wrong("any see \"\" all\n", 1, "a word is empty");
}

Test(access, each_mistake_in_a_network_or_a_certificate_is_one_sentence)
{
#define NO_NET " is no network, such as 192.0.2.0/24 or 2001:db8::/32"
	static const char *const nets[] = { "", "127.0.0.0/33", "127.0.0.0/", "127.0.0.0/-1", "127.0.0.0/8x", "127.0.0",
		"::/129", "host", "[::1]", "127.0.0.0/255.255.0.0", "127.0.0.1:80" };

	for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
		char line[128], why[128];

		snprintf(line, sizeof line, "net:%s see\n", nets[i]);
		snprintf(why, sizeof why, "net:%s" NO_NET, nets[i]);
		expect_wrong(line, 1, why);
	}
	expect_wrong("net:127.0.0.0/8,, see\n", 1, "net:" NO_NET);
	expect_wrong("cert:worker see\n", 1, "cert:worker: expected cn=, dns=, uri=, email= or sha256= and a pattern");
	expect_wrong("cert:cn= see\n", 1, "cert:cn=: expected cn=, dns=, uri=, email= or sha256= and a pattern");
}

Test(access, text_with_a_nul_and_too_many_lines_are_refused)
{
	char why[ACCESS_WHY];
	unsigned line;
	struct buf many = { 0 };

	cr_expect_null(access_new(slice_of("any all\n\0\n", 10), &names, &line, why));
	cr_expect_str_eq(why, "it is no text: it has a NUL");
	for (int i = 0; i <= ACCESS_LINES_MAX; i++)
		buf_add_str(&many, "any all\n");
	cr_expect_null(access_new(buf_slice(&many), &names, &line, why));
	cr_expect_eq(line, ACCESS_LINES_MAX + 1);
	cr_expect_str_eq(why, "the file has more than 1000 rules");
	buf_fini(&many);
}

Test(access, who_is_asked_about_must_be_said_in_full)
{
#define EXPECTED \
	": expected net:ADDRESS, unix:USER, on:PROTOCOL, or cert: and cn=, dns=, uri=, email= or sha256= with a text"
	static const char *const bad[] = { "any", "net:127.0.0.0/8", "net:x", "unix:eve", "unix", "on:x", "cert",
		"cert:x", "cert:cn=", "" };
	struct access *all = read_file("any all\n");

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char wanted[256];

		snprintf(wanted, sizeof wanted, "%s" EXPECTED, bad[i]);
		expect_line(all, bad[i], wanted);
	}
	access_free(&all);
}
