/* SPDX-License-Identifier: BSD-3-Clause
 *
 * http_scene.h - a test of proto-http reads like the conversation: say bytes, expect a job, answer it, expect a
 * response.
 *
 * Single-threaded; the module is loaded from $GEARMAND_PLUGIN_PATH, once per process.
 */
#ifndef TESTS_HTTP_SCENE_H
#define TESTS_HTTP_SCENE_H

#include "sdk/check/story.h"

#define HANDLE "H:test:1"

/* Settings are "name=value". */
const struct gearmand_plugin *http_plugin(void);
/* NULL, and the reason in *err: the module does not open. */
struct conn *http_try(const char *const *settings, struct gearmand_error *err);
struct conn *http_new_with(const char *const *settings);
struct conn *http_new(void);
void http_free(struct conn **);
void http_end(struct conn **); /* and nothing was left unexpected */

/* Bytes of the client; the second takes any, NUL too. */
void say(struct conn *, const char *text);
void say_bytes(struct conn *, const void *bytes, size_t len);

/* The next job submitted, and no other one before it.  `http_job` takes any bytes as data. */
void expect_job(struct conn *, uint32_t type, const char *function, const char *unique, const char *data);
void expect_job_bytes(
    struct conn *, uint32_t type, const char *function, const char *unique, const void *data, size_t len);
void expect_no_job(const struct conn *);

/* The next text line, with its answer; answers may also be given later, in any order. */
void ask(struct conn *, const char *line, const char *answer);
size_t expect_line(struct conn *, const char *line); /* its number, for tell() */
void tell(struct conn *, size_t line, const char *answer);

/* Packets of the server about job HANDLE. */
void created(struct conn *);
void work(struct conn *, uint32_t type, const char *data);
void work_bytes(struct conn *, uint32_t type, const void *data, size_t len);
void status(struct conn *, const char *numerator, const char *denominator);
void error(struct conn *, const char *code, const char *text);
/* The next job is expected, whatever it is, and completed with this. */
void serve(struct conn *, const char *result);

/* The next response; its shape is checked: one Content-Length that is true, Server, no stray bytes. */
void expect_response(struct conn *, unsigned status, const char *body);
void expect_response_bytes(struct conn *, unsigned status, const void *body, size_t len);
/* The same, of an error: the body is one sentence that has `word` in it. */
void expect_refusal(struct conn *, unsigned status, const char *word);
/* To HEAD: no body, but its length. */
void expect_bare_response(struct conn *, unsigned status, size_t length);
void expect_continue(struct conn *);
/* An answer in pieces: its head, and what comes next of it. */
void expect_head(struct conn *, unsigned status);
void expect_bytes(struct conn *, const char *bytes);
/* Of the response that was expected last; NULL = has no such header. */
void expect_header(const char *name, const char *value);
void expect_version(const char *version);

void expect_silence(const struct conn *);
void expect_open(const struct conn *);
void expect_closed(const struct conn *);

/* A connection whose first request was refused with this, and which is closed. */
void expect_refused(const char *request, unsigned status, const char *word);

#endif
