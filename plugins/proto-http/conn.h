/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conn.h - an HTTP connection: one request after the other, each becomes one job.
 *
 * Runs on:  the I/O thread of the connection; the module is only read there.
 * Owns:     the parser and the request that is being served.
 *
 * receive.c and admit.c are the way in (bytes -> job), answer.c the way out (packets -> response).  A request goes
 *
 *   IDLE -> LINE -> HEADERS -> BODY -> WAIT -> IDLE        and from anywhere to CLOSED
 *
 * and while it WAITs for its job nothing is received, so pipelined requests are answered in order.
 */
#ifndef PROTO_HTTP_CONN_H
#define PROTO_HTTP_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gearmand/packet.h>
#include <gearmand/module.h>

#include "head.h"
#include "parser.h"

struct web_module {
	const struct gearmand_host *host;
	size_t max_header; /* bytes of request line and headers */
	uint32_t idle_ms;  /* without progress, before the connection is closed; 0 = no bound */
};

/* Bytes are taken in the states before WAIT. */
enum web_state { WEB_IDLE, WEB_LINE, WEB_HEADERS, WEB_BODY, WEB_WAIT, WEB_CLOSED };

/* What lives as long as one request, so that an idle connection is small. */
struct web_request {
	struct web_head head;
	unsigned method;                   /* HTTP_GET and so on, as the parser calls them */
	uint64_t length;                   /* of Content-Length, when there is one */
	size_t head_bytes;                 /* used by the head so far */
	size_t quiet;                      /* bytes since the last one of the body: chunk heads, trailers */
	const char *unused;                /* while feeding: the first byte that is not counted in `quiet` */
	size_t offered;                    /* bytes given to the host for the job */
	const struct web_refusal *trouble; /* the first one that showed while bytes were read, or NULL */
	bool line_is_empty;                /* the header line that is being read has no byte yet */
	bool after_chunk;                  /* the next byte must be CR */
	bool after_cr;                     /* the next byte must be LF */
	bool head_done, whole;             /* the parser saw the end of the head, of the request */
	bool chunk_too_large;              /* the chunk that was announced last */
	bool answered;                     /* refused already; what still comes of it is thrown away */
	bool begun;                        /* body_begin was called */
	bool wants_body;                   /* not HEAD */
	struct gm_bytes handle;            /* of the job */
	struct gm_bytes kept;              /* struct gearmand_kept *, in order: what came as WORK_DATA */
	uint64_t kept_bytes;               /* in all of them */
};

struct web_conn {
	uint32_t magic;
	enum web_state state;
	const struct web_module *module;
	struct gearmand_conn *peer;
	struct web_request *request; /* not NULL in LINE, HEADERS, BODY and WAIT */
	web_parser parser;
	unsigned minor; /* of the request's version */
	bool keep_alive, exceptions_asked, progress;
};

#define WEB_CONN_MAGIC 0x68747470u

void *web_conn_new(void *module, void *thread, struct gearmand_conn *);
size_t web_conn_receive(void *conn, struct gearmand_slice);
void web_conn_send(void *conn, const struct gearmand_packet *);
void web_conn_tick(void *conn);
void web_conn_free(void **conn);

/* Between receive.c, admit.c and answer.c: */
extern const struct web_refusal web_not_http, web_bad_header, web_job_too_large, web_no_memory, web_long_head,
    web_noisy_body, web_bad_method;

/* The head is complete.  Moves on to BODY, or closes. */
void web_admit(struct web_conn *);
/* Remembers why the request must be refused as soon as what was read is looked at. */
void web_trouble(struct web_conn *, const struct web_refusal *);
/* More of the job that is being given to the host; `begun` is false after one that it did not take. */
void web_job_add(struct web_conn *, struct gearmand_slice);
/* Call tick in that many milliseconds; 0 = never. */
void web_conn_arm(struct web_conn *, uint32_t ms);
/* Answers with a refusal.  The request stays, for what is still to come of it. */
void web_answer_refusal(struct web_conn *, struct web_refusal);
/* What is still to come is not read: the host sees to it that the answer arrives in spite of that. */
void web_refuse_and_close(struct web_conn *, struct web_refusal);
/* The request is over: the next one, or close. */
void web_conn_next(struct web_conn *);
void web_conn_close(struct web_conn *);
const struct gearmand_host *web_host(const struct web_conn *);

#endif
