/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Any bytes as an access file: it is refused with one sentence, or each line that decides is one of it, and is the
 * first that a file of the lines from there on would let decide.
 *
 * Runs on:  one thread; keeps nothing between inputs.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "wire/access.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
find_user(const char *name, uint32_t *user_r)
{
	*user_r = (uint32_t)name[0];
	return name[0] != 'x';
}

static const char *const protocols[] = { "gear", "http", "monitor", NULL };
static const struct access_names names = { find_user, protocols };

static const struct access_peer peers[] = {
	{ "127.0.0.1", ACCESS_NO_USER, "gear", { "", 0 } },
	{ "2001:db8::1", ACCESS_NO_USER, "http", { "cn=worker-1\0dns=w.example\0", 25 } },
	{ "/run/socket", 'a', "monitor", { "", 0 } },
	{ "", ACCESS_NO_USER, "gear", { "sha256=5f0c\0uri=a", 17 } },
};

/* Where the line begins. */
static struct slice
from_line(struct slice text, unsigned line)
{
	while (--line > 0)
		slice_split(text, '\n', &text);
	return text;
}

static void
look(const struct access *all, struct slice text, const struct access_peer *peer)
{
	const struct access_rights *rights = access_judge(all, peer);
	char why[ACCESS_WHY] = "";
	struct access *rest;
	unsigned line;
	bool submits = access_lets(rights, ACCESS_SUBMIT, slice_str("mail.x"));

	CHECK(!rights->submits_all || submits);
	CHECK(access_lets(rights, ACCESS_SEE, slice_str("")) || !access_lets(rights, ACCESS_ADMIN, slice_str("")));
	if (rights->line == 0) {
		CHECK(!submits && rights->level == ACCESS_NOTHING);
		return;
	}
	rest = access_new(from_line(text, rights->line), &names, &line, why);
	CHECK(rest != NULL && access_judge(rest, peer)->line == 1);
	CHECK(slice_eq(access_judge(rest, peer)->text, rights->text));
	access_free(&rest);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of(data, size);
	char why[ACCESS_WHY] = "";
	unsigned line;
	struct access *all = access_new(text, &names, &line, why);

	CHECK((all == NULL) == (why[0] != '\0') && memchr(why, '\0', sizeof why) != NULL);
	for (size_t i = 0; all != NULL && i < sizeof peers / sizeof *peers; i++)
		look(all, text, &peers[i]);
	access_free(&all);
	return 0;
}
