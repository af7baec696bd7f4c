/* SPDX-License-Identifier: BSD-3-Clause
 *
 * monitor.h - a connection of the monitor: one request after the other, most of which ask the processing core.
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     the request that is being served.
 *
 * conn.c reads requests and keeps time, routes.c knows what is where, answer.c writes.  A request goes
 *
 *   READ -> WAIT (for the core) -> READ                    and from anywhere to CLOSED
 *
 * and while it WAITs nothing is read, so requests are answered in order.  A stream of events, and the connection that
 * the module has for itself, go on from WAIT to REST and back.
 */
#ifndef PROTO_MONITOR_MONITOR_H
#define PROTO_MONITOR_MONITOR_H

#include <stdatomic.h>

#include <gearmand/module.h>
#include <gearmand/packet.h>

#include "request.h"

enum {
	MON_IDLE_MS = 120000, /* between requests */
	MON_HEAD_MS = 10000,  /* for a whole head */
	MON_CORE_MS = 10000,  /* for what the core answers ... */
	MON_HEALTH_MS = 1000, /* ... when it is asked whether it lives */
	MON_SECOND_MS = 1000, /* between two events, and two points of history */
	MON_STREAMS_MOST = 16
};

struct mon_conn;
struct sheet;

/* What is served at a path; see routes.c. */
struct mon_route {
	enum mon_method method;
	const char *path, *command;
	void (*on_answer)(struct mon_conn *, struct gearmand_slice);
	const char *fields;               /* of the answer's lines */
	uint32_t ms;                      /* for the core to answer; 0 = MON_CORE_MS */
	void (*serve)(struct mon_conn *); /* comes first; NULL = the core is asked at once */
	const char *first;                /* a command whose answer goes with it: mon_conn.first */
};

struct mon_module {
	const struct gearmand_host *host;
	const char *names; /* --monitor-host */
	size_t max_functions;
	struct history *history;
	atomic_int_fast64_t scrape_ns; /* that the last exposition took */
	atomic_uint streams;           /* of events */
};

enum mon_state { MON_READ, MON_WAIT, MON_REST, MON_CLOSED };

struct mon_conn {
	uint32_t magic;
	enum mon_state state;
	struct mon_module *module;
	struct gearmand_conn *peer;
	bool partial;               /* READ: the head has begun */
	uint64_t body_left;         /* of a request that is answered already */
	struct mon_request request; /* WAIT */
	const struct mon_route *route;
	struct gm_bytes name;  /* what '*' stands for in its route, decoded */
	struct gm_bytes first; /* see mon_route.first */
	struct sheet *seen;    /* of a stream: what was sent last */
	bool is_stream, is_own;
	int64_t asked_at;
	void (*on_answer)(struct mon_conn *, struct gearmand_slice);
};

#define MON_CONN_MAGIC 0x6d6f6e63u

void *mon_conn_new(void *module, void *thread, struct gearmand_conn *);
size_t mon_conn_receive(void *conn, struct gearmand_slice);
void mon_conn_send(void *conn, const struct gearmand_packet *);
void mon_conn_tick(void *conn);
void mon_conn_free(void **conn);

const struct gearmand_host *mon_host(const struct mon_conn *);
/* A command for the core; `on_answer` gets all that it answers.  Without an answer in time the request is refused. */
void mon_ask(struct mon_conn *, struct gearmand_slice command, uint32_t ms,
    void (*on_answer)(struct mon_conn *, struct gearmand_slice));
/* The request is answered: on to the next one, or close. */
void mon_conn_next(struct mon_conn *);
void mon_conn_close(struct mon_conn *);
/* The route's question is asked again in so many milliseconds. */
void mon_rest(struct mon_conn *, uint32_t ms);

/* routes.c: serves the request that was read; asks what its route says. */
void mon_route(struct mon_conn *);
void mon_ask_route(struct mon_conn *);
extern const struct mon_route mon_own_route;

#define JSON "application/json"

/* What the routes do.  probes.c: */
void mon_serve_readiness(struct mon_conn *);
void mon_on_alive(struct mon_conn *, struct gearmand_slice);
void mon_on_ready(struct mon_conn *, struct gearmand_slice);
void mon_on_metrics(struct mon_conn *, struct gearmand_slice);
void mon_on_function_metrics(struct mon_conn *, struct gearmand_slice);
/* api.c: */
void mon_on_status(struct mon_conn *, struct gearmand_slice);
void mon_on_functions(struct mon_conn *, struct gearmand_slice);
void mon_on_function(struct mon_conn *, struct gearmand_slice);
void mon_on_rows(struct mon_conn *, struct gearmand_slice);
void mon_on_facts(struct mon_conn *, struct gearmand_slice);
void mon_on_data(struct mon_conn *, struct gearmand_slice);
void mon_on_workers(struct mon_conn *, struct gearmand_slice);
void mon_on_done(struct mon_conn *, struct gearmand_slice);
/* False: it is refused already. */
bool mon_read_sheet(struct mon_conn *, struct sheet *, struct gearmand_slice answer);
bool mon_is_refused(struct mon_conn *, struct gearmand_slice answer); /* "ERR ...": refused with its text */
void mon_serve_openapi(struct mon_conn *);
/* events.c: */
void mon_on_events(struct mon_conn *, struct gearmand_slice);
void mon_on_second(struct mon_conn *, struct gearmand_slice);
void mon_serve_events(struct mon_conn *);
void mon_serve_history(struct mon_conn *);
void mon_stream_drop(struct mon_conn *);

/* page.c: the page for browsers. */
void mon_answer_page(struct mon_conn *);

/* answer.c: each is a whole answer. */
void mon_answer(struct mon_conn *, unsigned status, const char *type, struct gearmand_slice body);
/* 200; takes the bytes. */
void mon_answer_bytes(struct mon_conn *, const char *type, struct gm_bytes *);
void mon_refuse(struct mon_conn *, unsigned status, const char *why);

#endif
