/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Documents say what the server's tables say: docs/protocol.md packets with their numbers and arguments, and
 * errors; docs/operating.md counters.
 */
#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "cross/stats.h"
#include "wire/error_code.h"
#include "wire/packet.h"

static char text[65536];

static void
read_document(const char *name)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/docs/%s", TOP_SRCDIR, name);
	f = fopen(path, "r");
	cr_assert_not_null(f, "%s cannot be read", path);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	cr_assert(feof(f), "%s is longer than this test expects", path);
	fclose(f);
}

static void
read_protocol(void)
{
	read_document("protocol.md");
}

TestSuite(protocol_doc, .init = read_protocol);

/* "handle, numerator, denominator" is three; "function, unique + data" two, and data. */
static void
expect_arguments(const struct pkt_info *info, const char *cell)
{
	unsigned args = 0;
	bool data = strstr(cell, "+ data") != NULL;

	if (cell[0] != '\0' && strncmp(cell, "+ data", 6) != 0)
		args = 1;
	for (const char *c = cell; *c != '\0'; c++)
		args += *c == ',';
	cr_assert_eq(args, info->args, "%s: '%s'", info->name, cell);
	cr_assert_eq(data, info->last == PKT_LAST_OPAQUE, "%s: '%s'", info->name, cell);
}

static void
expect_senders(const struct pkt_info *info, const char *cell)
{
	bool by_server = strstr(cell, "server") != NULL;
	bool by_peer = strstr(cell, "client") != NULL || strstr(cell, "worker") != NULL || strstr(cell, "any") != NULL;

	cr_assert_eq(by_server, info->way == PKT_WAY_RES || info->way == PKT_WAY_BOTH, "%s: '%s'", info->name, cell);
	cr_assert_eq(by_peer, info->way == PKT_WAY_REQ || info->way == PKT_WAY_BOTH, "%s: '%s'", info->name, cell);
}

Test(protocol_doc, has_each_packet_with_its_sender_and_arguments)
{
	unsigned rows = 0;

	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		char name[64], senders[64], arguments[128] = "";
		unsigned number;

		if (sscanf(line, "| %u | %63[A-Z_] | %63[a-z, -] | %127[^|]", &number, name, senders, arguments) < 3)
			continue;
		arguments[strcspn(arguments, "|")] = '\0';
		cr_assert_eq(number, ++rows, "%s is out of order", name);
		cr_assert_not_null(pkt_info(number), "%u is no packet", number);
		cr_assert_str_eq(name, pkt_info(number)->name);
		expect_senders(pkt_info(number), senders);
		expect_arguments(pkt_info(number), arguments);
	}
	cr_assert_eq((int)rows, (int)PKT_TYPES - 1);
}

Test(protocol_doc, has_each_error_with_its_text)
{
	for (unsigned i = 0; i < WIRE_ERROR_COUNT; i++) {
		char row[256];

		snprintf(row, sizeof(row), "| `%s` | %s", wire_error_code((enum wire_error)i),
		    wire_error_text((enum wire_error)i));
		cr_assert_not_null(strstr(text, row), "no row begins with: %s", row);
	}
}

Test(operating_doc, has_each_counter_with_its_meaning)
{
	static const char *const meanings[] = {
#define X(name, meaning) meaning,
		STATS(X)
#undef X
	};

	read_document("operating.md");
	for (unsigned i = 0; i < STAT_COUNT; i++) {
		char row[256];

		snprintf(row, sizeof(row), "| `%s` | %s |", stat_name(i), meanings[i]);
		cr_assert_not_null(strstr(text, row), "no row is: %s", row);
	}
}
