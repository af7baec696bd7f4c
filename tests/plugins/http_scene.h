/* SPDX-License-Identifier: BSD-3-Clause
 *
 * http_scene.h - a test of proto-http reads like the conversation: say bytes, expect a job, answer it, expect a
 * response.
 *
 * Single-threaded; the module is loaded from $GEARMAND_PLUGIN_PATH, once per process.
 */
#ifndef TESTS_HTTP_SCENE_H
#define TESTS_HTTP_SCENE_H

#include "tests/plugins/proto_host.h"

#define HANDLE "H:test:1"

/* Settings are "name=value". */
const struct gearmand_plugin *http_plugin(void);
struct fake *http_new_with(const char *const *settings);
struct fake *http_new(void);
void http_end(struct fake **); /* and nothing was left unexpected */

/* Bytes of the client; the second takes any, NUL too. */
void say(struct fake *, const char *text);
void say_bytes(struct fake *, const void *bytes, size_t len);

/* The next job submitted, and no other one before it.  `http_job` takes any bytes as data. */
void expect_job(struct fake *, uint32_t type, const char *function, const char *unique, const char *data);
void expect_job_bytes(
    struct fake *, uint32_t type, const char *function, const char *unique, const void *data, size_t len);
void expect_no_job(const struct fake *);

/* Packets of the server about job HANDLE. */
void created(struct fake *);
void work(struct fake *, uint32_t type, const char *data);
void work_bytes(struct fake *, uint32_t type, const void *data, size_t len);
void status(struct fake *, const char *numerator, const char *denominator);
void error(struct fake *, const char *code, const char *text);
/* The next job is expected, whatever it is, and completed with this. */
void serve(struct fake *, const char *result);

/* The next response; its shape is checked: one Content-Length that is true, Server, no stray bytes. */
void expect_response(struct fake *, unsigned status, const char *body);
void expect_response_bytes(struct fake *, unsigned status, const void *body, size_t len);
/* The same, of an error: the body is one sentence that has `word` in it. */
void expect_refusal(struct fake *, unsigned status, const char *word);
/* To HEAD: no body, but its length. */
void expect_bare_response(struct fake *, unsigned status, size_t length);
void expect_continue(struct fake *);
/* Of the response that was expected last; NULL = has no such header. */
void expect_header(const char *name, const char *value);
void expect_version(const char *version);

void expect_silence(const struct fake *);
void expect_open(const struct fake *);
void expect_closed(const struct fake *);

/* A connection whose first request was refused with this, and which is closed. */
void expect_refused(const char *request, unsigned status, const char *word);

#endif
