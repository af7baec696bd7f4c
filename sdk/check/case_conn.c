/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Cases: connections of protocol and transport modules, with peers that are slow, rude, gone, and many.
 *
 * Runs on:  the process of a case.
 * Owns:     what peers say: the files of --input, and bytes that mean something to other programs.
 */
#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "conn.h"
#include "job.h"
#include "rig.h"
#include "story.h"

enum { GARBAGE_COUNT = 3000, MANY = 1000, LEAK_MOST = 16384, INPUTS_MOST = 256, WHOLE_MOST = 4096, FORMS = 3 };

static struct gearmand_slice inputs[INPUTS_MOST];
static size_t input_count;
static struct host *host;

/* ---- Ground ------------------------------------------------------------------------------- */

static struct gearmand_slice
contents(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct gearmand_slice s;
	char *bytes;
	long len;

	MUST(file && fseek(file, 0, SEEK_END) == 0, "%s: %s", path, strerror(errno));
	len = ftell(file);
	rewind(file);
	bytes = keep((size_t)len + 1);
	MUST(fread(bytes, 1, (size_t)len, file) == (size_t)len, "%s cannot be read", path);
	fclose(file);
	s = (struct gearmand_slice){ bytes, (size_t)len };
	return s;
}

/* A file, or all files of a folder. */
static void
read_inputs(const char *path)
{
	DIR *folder = opendir(path);
	const struct dirent *entry;

	if (!folder && input_count < INPUTS_MOST)
		inputs[input_count++] = contents(path);
	while (folder && (entry = readdir(folder)) != NULL) {
		if (entry->d_name[0] != '.')
			read_inputs(printed("%s/%s", path, entry->d_name).data);
	}
	if (folder)
		closedir(folder);
}

static void
conn_setup(struct rig *r)
{
	static const struct gearmand_slice common[] = {
		BYTES(""),
		BYTES("\n"),
		BYTES("\0REQ\0\0\0\x10\0\0\0\x02hi"),
		BYTES("\0REQ\0\0\0\x07\0\0\0\x05"
		      "f\0u\0d"),
		BYTES("status\nversion\r\n"),
		BYTES("GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
		BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
		BYTES("PROXY TCP4 192.0.2.7 198.51.100.1 56324 4730\r\nhi"),
		BYTES("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\xc6\x33\x64\x01\xdc\x04\x12\x7ahi"),
	};
	struct gearmand_error err = { .text = "" };

	for (size_t i = 0; i < GM_COUNT(common); i++)
		inputs[input_count++] = common[i];
	for (int i = 0; i < r->kit->inputs.count; i++)
		read_inputs(r->kit->inputs.at[i]);
	host = &r->host;
	MUST(host_open(host, &err), "open: %s", err.text);
}

static void
conn_teardown(void)
{
	host_close(host);
	MUST(host_blocks() == 0, "%ld blocks of memory were not given back to host->release", host_blocks());
}

/* A letter of what the peer says, at most this many of them being of interest. */
static size_t
bounded(struct gearmand_slice in)
{
	return in.len < WHOLE_MOST ? in.len : WHOLE_MOST;
}

/* ---- Cases ---------------------------------------------------------------------------------- */

void
cuts_do_not_matter(struct rig *r)
{
	conn_setup(r);
	for (size_t i = 0; i < input_count; i++) {
		struct pile whole = story_of(host, inputs[i], (struct cut){ 0 });

		for (size_t piece = 1; piece <= 17; piece++)
			MUST(story_is(host, &whole, inputs[i], (struct cut){ .piece = piece }),
			    "%s in pieces of %zu comes to something else than in one", shown(inputs[i]), piece);
		for (size_t first = 1; first < bounded(inputs[i]); first++)
			MUST(story_is(host, &whole, inputs[i], (struct cut){ .first = first }),
			    "%s cut behind byte %zu comes to something else than in one", shown(inputs[i]), first);
		pile_free(&whole);
	}
	conn_teardown();
}

void
late_answers_change_nothing(struct rig *r)
{
	conn_setup(r);
	for (size_t i = 0; i < input_count; i++) {
		struct pile whole = story_of(host, inputs[i], (struct cut){ 0 });

		for (size_t piece = 0; piece <= 1; piece++)
			MUST(story_is(host, &whole, inputs[i], (struct cut){ .piece = piece, .late = true }),
			    "%s comes to something else when answers come late", shown(inputs[i]));
		pile_free(&whole);
	}
	conn_teardown();
}

/* So far and no further: then the end of file, or time, or nothing at all; and the connection is freed. */
static void
stop_after(struct gearmand_slice said, bool answered, int form)
{
	struct conn *c = conn_new(host, "127.0.0.1:1");

	if (!c)
		return;
	c->on_request = answered ? story_serve : NULL;
	conn_say(c, said.data, said.len, 0);
	if (form == 1)
		conn_end(c);
	for (int i = 0; form == 2 && i < TICKS_MOST && conn_tick(c); i++)
		;
	conn_free(&c);
}

void
connection_may_stop_at_any_byte(struct rig *r)
{
	conn_setup(r);
	for (size_t i = 0; i < input_count; i++)
		for (size_t len = 0; len <= bounded(inputs[i]); len++)
			for (int form = 0; form < 2 * FORMS; form++)
				stop_after((struct gearmand_slice){ inputs[i].data, len }, form >= FORMS, form % FORMS);
	conn_teardown();
}

/* A number that looks random; the same in each run. */
static unsigned
next_number(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return *seed >> 8;
}

/* Some input with bytes changed, lost, doubled; or no input at all. */
static struct gearmand_slice
garbage(unsigned *seed, char *room)
{
	struct gearmand_slice from = inputs[next_number(seed) % input_count];
	size_t len = bounded(from);

	memcpy(room, from.data, len);
	for (unsigned n = next_number(seed) % 8; n > 0 && len > 0; n--)
		room[next_number(seed) % len] =
		    (char)(next_number(seed) % 3 ? next_number(seed) : next_number(seed) % 64);
	if (next_number(seed) % 4 == 0)
		len = len / 2;
	while (next_number(seed) % 4 == 0 && len + 64 < WHOLE_MOST)
		for (int i = 0; i < 64; i++)
			room[len++] = (char)next_number(seed);
	return (struct gearmand_slice){ room, len };
}

void
garbage_does_no_harm(struct rig *r)
{
	static char room[WHOLE_MOST + 64];
	unsigned seed = 1;

	conn_setup(r);
	for (int i = 0; i < GARBAGE_COUNT; i++) {
		struct gearmand_slice said = garbage(&seed, room);
		struct pile whole = story_of(host, said, (struct cut){ 0 });

		MUST(story_is(host, &whole, said, (struct cut){ .piece = 1 }),
		    "%s byte by byte comes to something else than in one", shown(said));
		pile_free(&whole);
	}
	conn_teardown();
}

/* Bytes that are no use to any protocol: it must not let them lie for ever. */
void
endless_input_is_bounded(struct rig *r)
{
	static const char *const patterns[] = { "a", "\r\n", " ", "a: b\r\n", "\xff", "0" };

	conn_setup(r);
	for (size_t i = 0; i < input_count; i++)
		for (size_t p = 0; p < GM_COUNT(patterns); p++) {
			struct conn *c = conn_new(host, "127.0.0.1:1");

			if (!c)
				continue;
			c->on_request = story_serve;
			conn_say(c, inputs[i].data, bounded(inputs[i]) / 2, 0);
			for (size_t said = 0; said < 1u << 19 && !c->closed; said += 4096) {
				char piece[4096];

				for (size_t at = 0; at < sizeof(piece); at++)
					piece[at] = patterns[p][at % strlen(patterns[p])];
				conn_say(c, piece, sizeof(piece), 0);
			}
			conn_free(&c);
		}
	conn_teardown();
}

/* What the server may say at any time, asked for or not. */
static void
say_everything(struct conn *c)
{
	static const struct gearmand_slice data = { "data", 4 };

	for (uint32_t type = 1; type <= 43; type++)
		conn_send(c, type, (const char *const[]){ "H:other:1", "1", "2", "3", "4", "5", NULL }, data);
	conn_send(c, GEARMAND_TEXT, (const char *const[]){ NULL }, data);
	conn_send(
	    c, GEARMAND_ATTEMPT_VOID, (const char *const[]){ "H:other:1", NULL }, (struct gearmand_slice){ "", 0 });
}

void
server_may_say_anything_at_any_byte(struct rig *r)
{
	if (r->kit->plugin->kind != GEARMAND_KIND_PROTOCOL)
		skip("a transport hears no packets");
	conn_setup(r);
	for (size_t i = 0; i < input_count; i++)
		for (size_t len = 0; len <= bounded(inputs[i]); len++) {
			struct conn *c = conn_new(host, "127.0.0.1:1");

			if (!c)
				continue;
			conn_say(c, inputs[i].data, len, 0);
			say_everything(c);
			conn_say(c, inputs[i].data + len, bounded(inputs[i]) - len, 0);
			conn_free(&c);
		}
	conn_teardown();
}

void
want_of_memory_is_survived(struct rig *r)
{
	conn_setup(r);
	for (size_t i = 0; i < input_count; i++)
		for (size_t memory = 0; memory < 64; memory++) {
			struct conn *c = conn_new(host, "127.0.0.1:1");

			if (!c)
				continue;
			c->memory = c->kept_most = memory;
			c->on_request = story_serve;
			conn_say(c, inputs[i].data, inputs[i].len, 0);
			conn_free(&c);
		}
	conn_teardown();
}

void
connections_do_not_know_each_other(struct rig *r)
{
	static struct conn *all[MANY];
	static struct pile alone[MANY];
	size_t longest = 0;

	conn_setup(r);
	for (size_t n = 0; n < MANY; n++) {
		all[n] = conn_new(host, "127.0.0.1:1");
		MUST(all[n], "connection %zu is refused", n);
		all[n]->on_request = story_serve;
		longest = bounded(inputs[n % input_count]) > longest ? bounded(inputs[n % input_count]) : longest;
	}
	for (size_t at = 0; at < longest; at++)
		for (size_t n = 0; n < MANY; n++)
			if (at < bounded(inputs[n % input_count]))
				conn_say(all[n], inputs[n % input_count].data + at, 1, 0);
	for (size_t n = 0; n < MANY; n++) {
		pile_add(&alone[n], all[n]->out.data, all[n]->out.len);
		MUST(n < input_count || (alone[n].len == alone[n % input_count].len &&
					    memcmp(alone[n].data, alone[n % input_count].data, alone[n].len) == 0),
		    "%s is answered in two ways on two connections", shown(inputs[n % input_count]));
		conn_free(&all[n]);
	}
	conn_teardown();
}

static void
pass_once(void)
{
	for (size_t i = 0; i < input_count; i++)
		for (int form = 0; form < 2 * FORMS; form++)
			for (size_t part = 0; part < 4; part++)
				stop_after((struct gearmand_slice){ inputs[i].data,
					       inputs[i].len * part / 3 > inputs[i].len ? inputs[i].len
											: inputs[i].len * part / 3 },
				    form >= FORMS, form % FORMS);
}

void
connections_leave_nothing(struct rig *r)
{
	size_t before;
	long blocks;

	conn_setup(r);
	for (int i = 0; i < 10; i++)
		pass_once();
	blocks = host_blocks();
	before = mallinfo2().uordblks;
	for (int i = 0; i < 100; i++)
		pass_once();
	MUST(host_blocks() == blocks, "%ld blocks of host->allocate were not released", host_blocks() - blocks);
	MUST(mallinfo2().uordblks < before + LEAK_MOST, "connections left %zu bytes of memory behind",
	    mallinfo2().uordblks - before);
	conn_teardown();
}

void
module_may_be_opened_again(struct rig *r)
{
	struct gearmand_error err = { .text = "" };

	conn_setup(r);
	for (int i = 0; i < 10; i++) {
		pass_once();
		host_close(host);
		MUST(host_blocks() == 0, "%ld blocks of memory were not given back to host->release", host_blocks());
		MUST(host_open(host, &err), "open for the second time: %s", err.text);
	}
	conn_teardown();
}
