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
 * and while it WAITs nothing is read, so requests are answered in order.
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
	MON_HEALTH_MS = 1000  /* ... when it is asked whether it lives */
};

struct mon_module {
	const struct gearmand_host *host;
	const char *names; /* --monitor-host */
	size_t max_functions;
	atomic_int_fast64_t scrape_ns; /* that the last exposition took */
};

enum mon_state { MON_READ, MON_WAIT, MON_CLOSED };

struct mon_conn {
	uint32_t magic;
	enum mon_state state;
	struct mon_module *module;
	struct gearmand_conn *peer;
	bool partial;               /* READ: the head has begun */
	uint64_t body_left;         /* of a request that is answered already */
	struct mon_request request; /* WAIT */
	struct gm_bytes name;       /* what '*' stands for in its route, decoded */
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

/* routes.c: serves the request that was read. */
void mon_route(struct mon_conn *);

/* answer.c: each is a whole answer. */
void mon_answer(struct mon_conn *, unsigned status, const char *type, struct gearmand_slice body);
void mon_refuse(struct mon_conn *, unsigned status, const char *why);

/* page.c: the page for browsers. */
void mon_answer_page(struct mon_conn *);

#endif
