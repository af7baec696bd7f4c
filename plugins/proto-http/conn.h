/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conn.h - an HTTP connection: one request after the other, each is a job, or a question about one.
 *
 * Runs on:  the I/O thread of the connection; the module is only read there.
 * Owns:     the parser and the request that is being served.
 *
 * A request goes
 *
 *   IDLE -> LINE -> HEADERS -> BODY -> WAIT -> IDLE        and from anywhere to CLOSED
 *
 * and while it WAITs for its job nothing is received, so pipelined requests are answered in order.
 *
 *   receive.c, admit.c   the way in: bytes -> request
 *   origin.c             what a browser was made to ask
 *   conn.c               the life of the connection, and what the core says of the request
 *   plain.c              a job, its result in one piece; a job in the background
 *   stream.c, events.c   a job, its result as it comes
 *   about.c              what is asked about a job by its handle
 *   answer.c, reply.c    the way out
 */
#ifndef PROTO_HTTP_CONN_H
#define PROTO_HTTP_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gearmand/module.h>
#include <gearmand/packet.h>

#include "head.h"
#include "parser.h"

enum { WEB_HANDLE_MOST = 63 };

struct web_module {
	const struct gearmand_host *host;
	const char *names, *origins; /* --http-host, --http-allow-origin; may be NULL */
	size_t max_header;           /* bytes of request line and headers */
	uint32_t idle_ms;            /* without progress, before the connection is closed; 0 = no bound */
};

struct web_conn;

/* What is done with what comes while a request waits.  All may be NULL, and each may end the request. */
struct web_manner {
	void (*created)(struct web_conn *);                               /* the job's handle is known */
	void (*heard)(struct web_conn *, const struct gearmand_packet *); /* of the job: WORK_*, ATTEMPT_VOID */
	/* The answer to a text line. */
	void (*told)(struct web_conn *, unsigned ask, struct gearmand_slice text);
	void (*tick)(struct web_conn *); /* web_conn_arm's time has passed */
};

extern const struct web_manner web_plain, web_stream, web_events, web_about, web_about_result, web_about_events,
    web_about_delete;

/* Which of its questions the core answers; a part of each packet's tag. */
enum web_ask { WEB_ASK_JOB, WEB_ASK_SHOW, WEB_ASK_FOLLOW, WEB_ASK_ASIDE /* nobody waits for the answer */ };

/* Bytes are taken in the states before WAIT. */
enum web_state { WEB_IDLE, WEB_LINE, WEB_HEADERS, WEB_BODY, WEB_WAIT, WEB_CLOSED };

/* What lives as long as one request, so that an idle connection is small. */
struct web_request {
	struct web_head head;
	const struct web_manner *manner;   /* from WAIT on */
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
	bool page_may_read;                /* it comes from a page of another origin that may use this service */
	bool background;                   /* the job is submitted in the background */
	bool begun_to_answer;              /* in pieces: the head of the answer is out */
	bool follows;           /* the job, by its handle; `unfollow` is owed when the request ends earlier */
	bool last_look;         /* `show job` is asked for the last time */
	uint32_t end;           /* the packet that ended the job that is followed; 0 = none yet */
	uint32_t wait;          /* seconds; 0 = not at all */
	struct gm_bytes handle; /* of the job */
	struct gm_bytes facts;  /* what `show job` said */
	struct gm_bytes kept;   /* struct gearmand_kept *, in order: what came as WORK_DATA */
	uint64_t kept_bytes;    /* in all of them */
};

struct web_conn {
	uint32_t magic;
	enum web_state state;
	const struct web_module *module;
	struct gearmand_conn *peer;
	struct web_request *request; /* not NULL in LINE, HEADERS, BODY and WAIT */
	uint64_t serial;             /* of the request; what the core says of earlier ones is nothing to it */
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

/* conn.c */
const struct gearmand_host *web_host(const struct web_conn *);
/* Call tick in that many milliseconds; 0 = never. */
void web_conn_arm(struct web_conn *, uint32_t ms);
/* The request is over: the next one, or close. */
void web_conn_next(struct web_conn *);
void web_conn_close(struct web_conn *);
uint64_t web_tag(const struct web_conn *, enum web_ask);
/* A text line: `words`, with the handle behind them. */
void web_ask(struct web_conn *, enum web_ask, const char *words, struct gearmand_slice handle);
/* WORK_EXCEPTION comes as such from now on. */
void web_ask_for_exceptions(struct web_conn *);

/* receive.c, admit.c */
extern const struct web_refusal web_not_http, web_bad_header, web_job_too_large, web_no_memory, web_long_head,
    web_noisy_body, web_bad_method;

/* The head is complete.  Moves on to BODY, or closes. */
void web_admit(struct web_conn *);
/* The request is whole: its job is submitted, or its question asked. */
void web_begin(struct web_conn *);
/* Remembers why the request must be refused as soon as what was read is looked at. */
void web_trouble(struct web_conn *, const struct web_refusal *);
/* More of the job that is being given to the host; `begun` is false after one that it did not take. */
void web_job_add(struct web_conn *, struct gearmand_slice);

/* plain.c */
void web_plain_heard(struct web_conn *, const struct gearmand_packet *);

/* about.c */
struct web_refusal web_about_check(struct web_conn *); /* what is wrong with the question; status 0 = nothing */
void web_about_begin(struct web_conn *);

#endif
