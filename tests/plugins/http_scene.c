/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What tests of proto-http say and expect.  See http_scene.h.
 *
 * Single-threaded; owns the text of the last response's head.
 */
#include "tests/plugins/http_scene.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static char last_head[65536];
static size_t next_job; /* not yet expected */

const struct gearmand_plugin *
http_plugin(void)
{
	static const struct gearmand_plugin *plugin;
	const char *folder = getenv("GEARMAND_PLUGIN_PATH");
	char path[4096];
	void *module;

	if (plugin)
		return plugin;
	snprintf(path, sizeof(path), "%s/proto-http.so", folder ? folder : "./modules");
	module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	cr_assert_not_null(module, "%s", dlerror());
	plugin = dlsym(module, "gearmand_plugin");
	if (!plugin)
		plugin = dlsym(module, "proto_http_LTX_gearmand_plugin");
	cr_assert_not_null(plugin);
	return plugin;
}

struct conn *
http_try(const char *const *settings, struct gearmand_error *err)
{
	struct host *h = calloc(1, sizeof(*h));

	cr_assert_not_null(h);
	host_init(h, http_plugin());
	/* What tests write in the Host header. */
	cr_assert(host_set(h, "http-host", strlen("http-host"), "h,a,b", err), "%s", err->text);
	for (; settings && *settings; settings++) {
		const char *equals = strchr(*settings, '=');

		cr_assert(host_set(h, *settings, (size_t)(equals - *settings), equals + 1, err), "%s", err->text);
	}
	if (host_open(h, err))
		return conn_new(h, "127.0.0.1:1");
	host_free(&h);
	return NULL;
}

struct conn *
http_new_with(const char *const *settings)
{
	struct gearmand_error err = { .text = "" };
	struct conn *f = http_try(settings, &err);

	cr_assert_not_null(f, "%s", err.text);
	next_job = 0;
	return f;
}

void
http_free(struct conn **f)
{
	struct host *h = (*f)->host;

	conn_free(f);
	host_free(&h);
	cr_assert_eq(host_blocks(), 0, "%ld blocks of memory are left", host_blocks());
}

struct conn *
http_new(void)
{
	return http_new_with(NULL);
}

void
http_end(struct conn **f)
{
	expect_silence(*f);
	expect_no_job(*f);
	http_free(f);
}

void
say_bytes(struct conn *f, const void *bytes, size_t len)
{
	cr_assert_not(f->closed, "the connection is closed already");
	conn_say(f, bytes, len, 0);
}

void
say(struct conn *f, const char *text)
{
	say_bytes(f, text, strlen(text));
}

/* ---- Jobs ----------------------------------------------------------------------------------- */

/* The question about exceptions comes first, once, and is answered here. */
static void
skip_option(struct conn *f)
{
	if (next_job >= f->request_count || f->requests[next_job].type != GEARMAND_OPTION_REQ)
		return;
	cr_assert_eq(next_job, 0, "an option is set in the middle of a connection");
	cr_assert_str_eq(f->requests[next_job].body.data, "exceptions");
	next_job++;
	conn_send(
	    f, GEARMAND_OPTION_RES, (const char *const[]){ "exceptions", NULL }, (struct gearmand_slice){ "", 0 });
}

void
expect_job_bytes(struct conn *f, uint32_t type, const char *function, const char *unique, const void *data, size_t len)
{
	struct pile want = { 0 };

	skip_option(f);
	cr_assert_lt(next_job, f->request_count, "no job was submitted; the client got: %s", f->out.data);
	pile_add(&want, function, strlen(function) + 1);
	pile_add(&want, unique, strlen(unique) + 1);
	pile_add(&want, data, len);
	cr_assert_eq(f->requests[next_job].type, type, "packet type %u", f->requests[next_job].type);
	cr_assert_eq(f->requests[next_job].body.len, want.len, "%zu bytes instead of %zu",
	    f->requests[next_job].body.len, want.len);
	cr_assert_arr_eq(f->requests[next_job].body.data, want.data, want.len);
	free(want.data);
	next_job++;
}

void
expect_job(struct conn *f, uint32_t type, const char *function, const char *unique, const char *data)
{
	expect_job_bytes(f, type, function, unique, data, strlen(data));
}

void
expect_no_job(const struct conn *f)
{
	size_t at =
	    next_job < f->request_count && f->requests[next_job].type == GEARMAND_OPTION_REQ ? next_job + 1 : next_job;

	cr_assert_eq(at, f->request_count, "a job was submitted that nobody expects");
}

size_t
expect_line(struct conn *f, const char *line)
{
	skip_option(f);
	cr_assert_lt(next_job, f->request_count, "no line was sent; the client got: %s", f->out.data);
	cr_assert_eq(f->requests[next_job].type, GEARMAND_TEXT, "packet type %u", f->requests[next_job].type);
	cr_assert_str_eq(f->requests[next_job].body.data, line);
	return next_job++;
}

void
tell(struct conn *f, size_t line, const char *answer)
{
	f->served = line + 1; /* conn_send() answers that */
	conn_send(f, GEARMAND_TEXT, (const char *const[]){ NULL }, (struct gearmand_slice){ answer, strlen(answer) });
	f->served = 0;
}

void
ask(struct conn *f, const char *line, const char *answer)
{
	tell(f, expect_line(f, line), answer);
}

void
created(struct conn *f)
{
	conn_send(f, GEARMAND_JOB_CREATED, (const char *const[]){ HANDLE, NULL }, (struct gearmand_slice){ "", 0 });
}

void
work_bytes(struct conn *f, uint32_t type, const void *data, size_t len)
{
	conn_send(f, type, (const char *const[]){ HANDLE, NULL }, (struct gearmand_slice){ data, len });
}

void
work(struct conn *f, uint32_t type, const char *data)
{
	work_bytes(f, type, data, strlen(data));
}

void
status(struct conn *f, const char *numerator, const char *denominator)
{
	conn_send(f, GEARMAND_WORK_STATUS, (const char *const[]){ HANDLE, numerator, denominator, NULL },
	    (struct gearmand_slice){ "", 0 });
}

void
error(struct conn *f, const char *code, const char *text)
{
	conn_send(f, GEARMAND_ERROR, (const char *const[]){ code, text, NULL }, (struct gearmand_slice){ "", 0 });
}

void
serve(struct conn *f, const char *result)
{
	skip_option(f);
	cr_assert_lt(next_job, f->request_count, "no job was submitted; the client got: %s", f->out.data);
	next_job++;
	created(f);
	work(f, GEARMAND_WORK_COMPLETE, result);
}

/* ---- Responses -------------------------------------------------------------------------------- */

/* The value of a header of `last_head`, or NULL; it must not be there twice. */
static const char *
header(const char *name, char *value, size_t size)
{
	size_t len = strlen(name);
	const char *found = NULL;

	for (const char *line = strstr(last_head, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
		if (strncasecmp(line + 2, name, len) != 0 || line[2 + len] != ':')
			continue;
		cr_assert_null(found, "%s is there twice", name);
		snprintf(value, size, "%.*s", (int)strcspn(line + 4 + len, "\r"), line + 4 + len);
		found = value;
	}
	return found;
}

/* Moves one head from the output to `last_head`. */
void
expect_head(struct conn *f, unsigned want)
{
	const char *end = strstr(f->out.data, "\r\n\r\n");
	char value[64];
	unsigned minor, code;
	size_t len;

	cr_assert_not_null(end, "no response, but: %s", f->out.data);
	len = (size_t)(end - f->out.data) + 4;
	cr_assert_lt(len, sizeof(last_head));
	memcpy(last_head, f->out.data, len);
	last_head[len] = '\0';
	pile_cut(&f->out, len);
	cr_assert_eq(sscanf(last_head, "HTTP/1.%1u %3u ", &minor, &code), 2, "status line: %s", last_head);
	cr_assert_eq(code, want, "status %u instead of %u: %s%s", code, want, last_head, f->out.data);
	for (const char *p = last_head; *p; p++)
		cr_assert(*p == '\r' ? p[1] == '\n' : *p == '\n' ? p[-1] == '\r' : isprint((unsigned char)*p));
	cr_assert_not_null(header("Server", value, sizeof(value)));
	cr_assert_str_eq(value, "Gearman/9.8.7");
}

/* ... and returns the Content-Length. */
static size_t
take_head(struct conn *f, unsigned want)
{
	char value[64];

	expect_head(f, want);
	cr_assert_not_null(header("Content-Length", value, sizeof(value)));
	return strtoul(value, NULL, 10);
}

void
expect_response_bytes(struct conn *f, unsigned want, const void *body, size_t len)
{
	size_t announced = take_head(f, want);

	cr_assert_eq(
	    announced, len, "Content-Length is %zu, not %zu: %.*s", announced, len, (int)announced, f->out.data);
	cr_assert_leq(announced, f->out.len, "the body is short");
	cr_assert_arr_eq(f->out.data, body, len);
	pile_cut(&f->out, len);
}

void
expect_response(struct conn *f, unsigned want, const char *body)
{
	expect_response_bytes(f, want, body, strlen(body));
}

void
expect_refusal(struct conn *f, unsigned want, const char *word)
{
	size_t announced = take_head(f, want);
	const char *end;

	cr_assert_leq(announced, f->out.len, "the body is short");
	cr_assert_gt(announced, 1);
	end = memchr(f->out.data, '\n', announced);
	cr_assert_eq(end, f->out.data + announced - 1, "one line");
	cr_assert(memmem(f->out.data, announced, word, strlen(word)), "no '%s' in: %s", word, f->out.data);
	pile_cut(&f->out, announced);
	expect_header("Content-Type", "text/plain; charset=utf-8");
}

void
expect_bare_response(struct conn *f, unsigned want, size_t length)
{
	cr_assert_eq(take_head(f, want), length);
}

void
expect_bytes(struct conn *f, const char *bytes)
{
	size_t len = strlen(bytes);

	cr_assert(
	    f->out.len >= len && memcmp(f->out.data, bytes, len) == 0, "instead of '%s': '%s'", bytes, f->out.data);
	pile_cut(&f->out, len);
}

void
expect_continue(struct conn *f)
{
	expect_bytes(f, "HTTP/1.1 100 Continue\r\n\r\n");
}

void
expect_header(const char *name, const char *want)
{
	char value[4096];
	const char *found = header(name, value, sizeof(value));

	if (want == NULL)
		cr_assert_null(found, "%s: %s", name, found);
	else
		cr_assert(found && strcmp(found, want) == 0, "%s: %s", name, found ? found : "(none)");
}

void
expect_version(const char *version)
{
	cr_assert_eq(strncmp(last_head, version, strlen(version)), 0, "%s", last_head);
}

void
expect_silence(const struct conn *f)
{
	cr_assert_eq(f->out.len, 0, "unexpected: %s", f->out.data);
}

void
expect_open(const struct conn *f)
{
	cr_assert_not(f->closed, "the connection is closed");
}

void
expect_closed(const struct conn *f)
{
	cr_assert(f->closed, "the connection is open");
}

void
expect_refused(const char *request, unsigned want, const char *word)
{
	struct conn *f = http_new();

	say(f, request);
	expect_refusal(f, want, word);
	expect_header("Connection", "close");
	expect_closed(f);
	http_end(&f);
}
