/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto-http: bounds of size and time, where it listens, and that it does not matter how bytes are cut.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/plugins/http_scene.h"

/* ---- Size --------------------------------------------------------------------------------------- */

/* A request whose head has exactly `size` bytes. */
static char *
head_of(size_t size)
{
	const char *before = "GET /f HTTP/1.1\r\nHost: h\r\nX: ";
	char *request = malloc(size + 1);

	cr_assert_not_null(request);
	memset(request, 'x', size);
	memcpy(request, before, strlen(before));
	memcpy(request + size - 4, "\r\n\r\n", 5);
	return request;
}

static void
expect_head_limit(const char *const *settings, size_t limit)
{
	char *fits = head_of(limit), *does_not = head_of(limit + 1);
	struct conn *f = http_new_with(settings);

	say(f, fits);
	serve(f, "x");
	expect_response(f, 200, "x");
	say(f, does_not);
	expect_refusal(f, 431, "too long");
	expect_closed(f);
	http_end(&f);
	free(fits);
	free(does_not);
}

Test(http_limits, head_may_have_8_kib_and_not_a_byte_more)
{
	expect_head_limit(NULL, 8192);
}

Test(http_limits, head_limit_is_an_option)
{
	expect_head_limit((const char *const[]){ "http-max-header=600", NULL }, 600);
	expect_head_limit((const char *const[]){ "http-max-header=300K", NULL }, 300 * 1024);
}

Test(http_limits, endless_request_line_is_431)
{
	struct conn *f = http_new();
	char *line = malloc(9001);

	cr_assert_not_null(line);
	memset(line, 'a', 9000);
	line[9000] = '\0';
	memcpy(line, "GET /", 5);
	say(f, line);
	expect_refusal(f, 431, "too long");
	expect_closed(f);
	free(line);
	http_end(&f);
}

Test(http_limits, endless_empty_lines_are_not_kept)
{
	struct conn *f = http_new();

	for (int i = 0; i < 20000; i++)
		say(f, "\r\n");
	expect_open(f);
	cr_assert_eq(f->in.len, 0);
	say(f, "GET /f HTTP/1.1\r\nHost: h\r\n\r\n");
	serve(f, "x");
	expect_response(f, 200, "x");
	http_end(&f);
}

Test(http_limits, announced_job_larger_than_a_packet_is_413_before_it_comes)
{
	struct conn *f = http_new();

	f->max_packet = 100; /* "f", NUL, "-", NUL, and 96 bytes */
	say(f, "POST /f HTTP/1.1\r\nHost: h\r\nContent-Length: 97\r\nExpect: 100-continue\r\n\r\n");
	expect_refusal(f, 413, "larger");
	expect_closed(f);
	http_end(&f);
}

Test(http_limits, job_of_exactly_a_packet_is_taken)
{
	struct conn *f = http_new();
	char body[97] = { 0 };

	memset(body, 'x', 96);
	f->max_packet = 100;
	say(f, "POST /f HTTP/1.1\r\nHost: h\r\nContent-Length: 96\r\n\r\n");
	say(f, body);
	expect_job(f, GEARMAND_SUBMIT_JOB, "f", "-", body);
	http_end(&f);
}

Test(http_limits, unannounced_job_is_413_when_it_passes_the_limit)
{
	struct conn *f = http_new();

	f->max_packet = 10; /* "f", NUL, "-", NUL, and 6 bytes */
	say(f, "POST /f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n");
	expect_silence(f);
	say(f, "1\r\n7\r\n");
	expect_refusal(f, 413, "larger");
	expect_closed(f);
	http_end(&f);
}

Test(http_limits, chunk_that_announces_too_much_is_413_at_once)
{
	struct conn *f = http_new();

	say(f, "POST /f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nffffffff\r\n");
	expect_refusal(f, 413, "larger");
	expect_closed(f);
	http_end(&f);
	f = http_new();
	f->max_packet = 10; /* "f", NUL, "-", NUL, and 6 bytes */
	say(f, "POST /f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\n");
	expect_silence(f);
	say(f, "def\r\n0\r\n\r\n");
	expect_job(f, GEARMAND_SUBMIT_JOB, "f", "-", "abcdef");
	http_end(&f);
}

Test(http_limits, arguments_or_query_larger_than_a_packet_are_413)
{
	struct conn *f = http_new();

	f->max_packet = 10;
	say(f, "GET /function HTTP/1.1\r\nHost: h\r\n\r\n");
	expect_refusal(f, 413, "larger");
	expect_open(f);
	say(f, "GET /f?1234567 HTTP/1.1\r\nHost: h\r\n\r\n");
	expect_refusal(f, 413, "larger");
	http_end(&f);
}

Test(http_limits, job_that_memory_is_out_for_is_503)
{
	struct conn *f = http_new();

	f->memory = 10;
	say(f, "POST /f HTTP/1.1\r\nHost: h\r\nContent-Length: 20\r\n\r\n01234567890123456789");
	expect_refusal(f, 503, "memory");
	expect_closed(f);
	http_end(&f);
}

/* Says `text` `count` times, or until the connection is closed. */
static void
say_often(struct conn *f, const char *text, int count)
{
	for (int i = 0; i < count && !f->closed; i++)
		say(f, text);
}

Test(http_limits, endless_chunk_extension_is_431)
{
	struct conn *f = http_new();

	say(f, "POST /f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;");
	say_often(f, "long-name-of-an-extension", 1000);
	expect_refusal(f, 431, "extensions");
	expect_closed(f);
	http_end(&f);
}

Test(http_limits, endless_trailers_are_431)
{
	struct conn *f = http_new();

	say(f, "POST /f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n");
	say_often(f, "Trailer: x\r\n", 1000);
	expect_refusal(f, 431, "trailers");
	expect_closed(f);
	http_end(&f);
}

Test(http_limits, many_small_chunks_are_no_matter)
{
	struct conn *f = http_new();
	char data[20001] = { 0 };

	say(f, "POST /f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
	memset(data, 'x', 20000);
	say_often(f, "1\r\nx\r\n", 20000);
	say(f, "0\r\n\r\n");
	expect_job(f, GEARMAND_SUBMIT_JOB, "f", "-", data);
	http_end(&f);
}

/* ---- Time ------------------------------------------------------------------------------------------- */

Test(http_limits, silent_connection_is_closed_without_a_word)
{
	struct conn *f = http_new();

	cr_assert_eq(f->tick_ms, 60000);
	say(f, "\r\n");
	cr_assert(conn_tick(f));
	expect_closed(f);
	http_end(&f);
}

Test(http_limits, head_that_does_not_end_is_408_however_it_trickles)
{
	struct conn *f = http_new();

	conn_say(f, "GET /f HTTP/1.1\r\nHost: h\r\nX: y", 30, 1);
	cr_assert_eq(f->tick_ms, 60000);
	cr_assert(conn_tick(f));
	expect_refusal(f, 408, "time");
	expect_closed(f);
	http_end(&f);
}

Test(http_limits, body_may_take_its_time_while_it_moves)
{
	struct conn *f = http_new();

	say(f, "POST /f HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n");
	for (const char *p = "ab"; *p; p++) {
		conn_say(f, p, 1, 0);
		cr_assert(conn_tick(f));
		expect_open(f);
	}
	cr_assert(conn_tick(f));
	expect_refusal(f, 408, "time");
	expect_closed(f);
	http_end(&f);
}

Test(http_limits, waiting_for_a_job_has_no_time_limit_and_the_next_request_has)
{
	struct conn *f = http_new();

	say(f, "GET /f HTTP/1.1\r\nHost: h\r\n\r\n");
	cr_assert_eq(f->tick_ms, 0);
	serve(f, "x");
	expect_response(f, 200, "x");
	cr_assert_eq(f->tick_ms, 60000);
	cr_assert(conn_tick(f));
	expect_closed(f);
	http_end(&f);
}

Test(http_limits, timeout_is_an_option_and_0_is_none)
{
	struct conn *f = http_new_with((const char *const[]){ "http-idle-timeout=5", NULL });

	cr_assert_eq(f->tick_ms, 5000);
	http_end(&f);
	f = http_new_with((const char *const[]){ "http-idle-timeout=0", NULL });
	say(f, "POST /f HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n");
	cr_assert_eq(f->tick_ms, 0);
	http_end(&f);
}

/* ---- Listening ----------------------------------------------------------------------------------------- */

static void
expect_listens(const char *const *settings, const char *want)
{
	struct conn *f = http_new_with(settings);

	cr_assert_str_eq(f->host->listens.data, want);
	http_end(&f);
}

Test(http_limits, listens_on_loopback_port_8080_unless_told_otherwise)
{
	struct conn *f = http_new();

	cr_assert(strcmp(f->host->listens.data, "127.0.0.1 8080\n::1 8080\n") == 0 ||
		      strcmp(f->host->listens.data, "127.0.0.1 8080\n") == 0,
	    "%s", f->host->listens.data);
	http_end(&f);
	expect_listens((const char *const[]){ "http-listen=*", "http-port=81", NULL }, "* 81\n");
	expect_listens((const char *const[]){ "http-listen=127.0.0.1,::1,unix:/run/x", NULL },
	    "127.0.0.1 8080\n::1 8080\nunix:/run/x 8080\n");
}

static void
expect_no_open(const char *setting, const char *word)
{
	struct gearmand_error err = { .text = "" };
	struct conn *f = http_try((const char *const[]){ setting, NULL }, &err);

	cr_assert_null(f);
	cr_assert(strstr(err.text, word), "%s", err.text);
}

Test(http_limits, address_that_cannot_be_is_refused_with_a_sentence)
{
	char long_one[400] = "http-listen=";

	memset(long_one + 12, 'a', 380);
	expect_no_open("http-listen=192.0.2.1", "192.0.2.1");
	expect_no_open("http-listen=", "empty");
	expect_no_open("http-listen=127.0.0.1,,::1", "empty");
	expect_no_open(long_one, "too long");
}

/* ---- Cuts ------------------------------------------------------------------------------------------------- */

static struct pile
contents(const char *folder, const char *name)
{
	struct pile text = { 0 };
	char path[4096 + 256], buf[4096];
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "rb");
	cr_assert_not_null(file, "%s", path);
	while ((n = fread(buf, 1, sizeof(buf), file)) > 0)
		pile_add(&text, buf, n);
	fclose(file);
	return text;
}

/* Everything that the fuzzer begins with, cut at every place, and in pieces of every size up to 17. */
Test(http_limits, cuts_do_not_matter)
{
	const char *top = getenv("top_srcdir");
	char folder[4096];
	struct conn *f = http_new();
	struct dirent *entry;
	DIR *dir;
	int files = 0;

	snprintf(folder, sizeof(folder), "%s/tests/fuzz/corpus/http", top ? top : ".");
	dir = opendir(folder);
	cr_assert_not_null(dir, "%s", folder);
	while ((entry = readdir(dir)) != NULL) {
		struct gearmand_slice said;
		struct pile input, whole;

		if (entry->d_name[0] == '.')
			continue;
		input = contents(folder, entry->d_name);
		said = pile_slice(&input);
		whole = story_of(f->host, said, (struct cut){ 0 });
		for (size_t piece = 1; piece <= 17; piece++)
			cr_assert(story_is(f->host, &whole, said, (struct cut){ .piece = piece }),
			    "%s in pieces of %zu", entry->d_name, piece);
		for (size_t cut = 1; cut < input.len; cut++)
			cr_assert(story_is(f->host, &whole, said, (struct cut){ .first = cut }), "%s cut at %zu",
			    entry->d_name, cut);
		pile_free(&whole);
		pile_free(&input);
		files++;
	}
	closedir(dir);
	cr_assert_gt(files, 20);
	http_end(&f);
}
