/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Accepts connections, numbers them from 1 up and hands them to I/O threads in turn.
 *
 * Runs on:  management thread.
 * Owns:     the events on the listening sockets.
 *
 * No error of accept4() ends the server or makes it spin.  When something has run out (descriptors, memory),
 * accepting rests for a moment; some descriptors are never given to connections, so that
 * stores, modules and the log go on.
 */
#include "mgmt/accept.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "cross/log.h"
#include "cross/mbox.h"
#include "cross/msg.h"
#include "mgmt/serving.h"

enum { ACCEPTS_PER_EVENT = 64, REST_MS = 100 };

/* A bound that is reached, or a failing system: said when it begins, and when it is over. */
enum trouble_kind { TOO_MANY, NO_DESCRIPTORS, SYSTEM_FAILS, TROUBLES };

struct trouble {
	bool is_on;
	nsec_t last;
	uint64_t count; /* times since it began */
};

/* A listening socket's event. */
struct gate {
	struct acceptor *a;
	unsigned number; /* of the listener */
	struct event *readable;
};

struct acceptor {
	struct accept_config config;
	struct event_base *base;
	struct gate **gates OWNED_BY(mgmt_role); /* by listener; NULL: not opened yet */
	unsigned gate_count OWNED_BY(mgmt_role);
	struct event *rest OWNED_BY(mgmt_role); /* timer: accept again */
	uint64_t last OWNED_BY(mgmt_role);      /* number of the last connection */
	uint64_t open OWNED_BY(mgmt_role);      /* handed over and not ended */
	/* Since it was last asked: in all, and for want of descriptors. */
	uint64_t refused OWNED_BY(mgmt_role), without_descriptors OWNED_BY(mgmt_role);
	struct trouble troubles[TROUBLES] OWNED_BY(mgmt_role);
};

/* What to do after one accept4(). */
enum accepted { ACCEPT_MORE, ACCEPT_NONE_LEFT, ACCEPT_REST };

struct acceptor *
acceptor_new(struct event_base *base, const struct accept_config *config)
{
	struct acceptor *a = mem_new(sizeof *a);

	a->config = *config;
	a->base = base;
	return a;
}

static void
close_gates(struct acceptor *a, bool early_too) RUNS_ON(mgmt_role)
{
	struct listeners *ls = a->config.listeners;

	for (unsigned i = ls->count; i-- > 0;) {
		if (!early_too && serving_is_early(ls->at[i].service))
			continue;
		listeners_remove(ls, i);
		if (i >= a->gate_count)
			continue;
		if (a->gates[i] != NULL)
			event_free(a->gates[i]->readable);
		mem_free(a->gates[i]);
		memmove(&a->gates[i], &a->gates[i + 1], (--a->gate_count - i) * sizeof *a->gates);
		for (unsigned k = i; k < a->gate_count; k++)
			if (a->gates[k] != NULL)
				a->gates[k]->number = k;
	}
}

void
acceptor_free(struct acceptor **ap)
{
	struct acceptor *a = *ap;

	*ap = NULL;
	if (a == NULL)
		return;
	role_assume(&mgmt_role);
	close_gates(a, true);
	mem_free(a->gates);
	if (a->rest != NULL)
		event_free(a->rest);
	mem_free(a);
}

/* True when it begins. */
static bool
trouble_is_new(struct acceptor *a, enum trouble_kind kind) RUNS_ON(mgmt_role)
{
	struct trouble *t = &a->troubles[kind];
	bool is_new = !t->is_on;

	*t = (struct trouble){ .is_on = true, .last = clock_mono(), .count = is_new ? 1 : t->count + 1 };
	return is_new;
}

/* A connection was taken. */
static void
look_for_calm(struct acceptor *a) RUNS_ON(mgmt_role)
{
	static const char *const what[TROUBLES] = {
		[TOO_MANY] = "--max-connections closed one",
		[NO_DESCRIPTORS] = "the limit of descriptors closed one",
		[SYSTEM_FAILS] = "the system refused one",
	};

	for (unsigned i = 0; i < TROUBLES; i++) {
		struct trouble *t = &a->troubles[i];

		if (!t->is_on || clock_mono() - t->last < a->config.calm)
			continue;
		t->is_on = false;
		log_post(GEARMAND_LOG_NOTICE, "connections are accepted again; %s %llu times", what[i],
		    (unsigned long long)t->count);
	}
}

static void
close_at_once(struct acceptor *a, int fd) RUNS_ON(mgmt_role)
{
	close(fd);
	a->refused++;
}

static void
set_tcp_options(const struct accept_config *c, int fd)
{
	int idle = c->keepalive_idle, interval = c->keepalive_interval, count = c->keepalive_count;
	/* A peer that vanished with bytes on their way to it is not probed: it is given up after the same time. */
	int64_t ms = idle > 0 && interval > 0 && count > 0 ? INT64_C(1000) * (idle + interval * count) : -1;
	const struct {
		int level, name, value; /* -1 = leave it */
	} options[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ SOL_SOCKET, SO_KEEPALIVE, idle != 0 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, idle == 0 ? -1 : idle },
		{ IPPROTO_TCP, TCP_KEEPINTVL, idle == 0 ? -1 : interval },
		{ IPPROTO_TCP, TCP_KEEPCNT, idle == 0 ? -1 : count },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, ms > INT_MAX ? INT_MAX : (int)ms },
	};

	/* A peer that is gone already makes these fail; its I/O thread will see. */
	for (unsigned i = 0; i < sizeof options / sizeof options[0]; i++)
		if (options[i].value >= 0)
			(void)setsockopt(
			    fd, options[i].level, options[i].name, &options[i].value, sizeof options[i].value);
}

static void
name_peer(struct msg_conn *m, const struct sockaddr_storage *sa, const struct listener *l)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)sa;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)sa;

	if (l->is_unix) {
		snprintf(m->address, sizeof m->address, "%.*s", (int)sizeof m->address - 1, l->host);
	} else if (sa->ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &v6->sin6_addr, m->address, sizeof m->address);
		snprintf(m->port, sizeof m->port, "%u", ntohs(v6->sin6_port));
	} else {
		inet_ntop(AF_INET, &v4->sin_addr, m->address, sizeof m->address);
		snprintf(m->port, sizeof m->port, "%u", ntohs(v4->sin_port));
	}
}

/* The user at the other end, as the kernel has known it since connect(2). */
static void
name_user(struct msg_conn *m, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof peer;

	m->has_user = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid != (uid_t)-1;
	if (m->has_user)
		m->user = peer.uid;
}

static void
hand_over(struct acceptor *a, int fd, const struct sockaddr_storage *sa, const struct listener *l) RUNS_ON(mgmt_role)
{
	struct msg_conn *conn = msg_new_sized(MSG_CONN, ++a->last, sizeof *conn);
	struct msg *m = &conn->msg;
	unsigned io = (unsigned)(a->last % a->config.io_count);

	conn->fd = fd;
	conn->io = (uint16_t)io;
	conn->service = l->service;
	conn->listener = l->name;
	conn->is_own = l->fd < 0;
	name_peer(conn, sa, l);
	if (l->is_unix)
		name_user(conn, fd);
	if (log_wants(GEARMAND_LOG_INFO))
		log_post(GEARMAND_LOG_INFO, "Accepted connection %llu from %s%s%s (%s)", (unsigned long long)a->last,
		    conn->address, conn->port[0] != '\0' ? ":" : "", conn->port, l->service->name);
	a->open++;
	mbox_post(a->config.io[io], &m);
}

/* No connection was to be had; the errno says why. */
static enum accepted
accept_failed(struct acceptor *a, int why) RUNS_ON(mgmt_role)
{
	switch (why) {
	case EAGAIN:
		return ACCEPT_NONE_LEFT;
	/* The peer or the network, not us: see accept(2). */
	case EINTR:
	case ECONNABORTED:
	case EPROTO:
	case ENETDOWN:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case ENONET:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ETIMEDOUT:
	case EPERM:
		return ACCEPT_MORE;
	default:
		if (trouble_is_new(a, SYSTEM_FAILS))
			log_post(GEARMAND_LOG_ERROR, "cannot accept connections for the moment: %s", strerror(why));
		return ACCEPT_REST;
	}
}

static enum accepted
accept_one(struct acceptor *a, const struct listener *l) RUNS_ON(mgmt_role)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof sa;
	int fd = accept4(l->fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return accept_failed(a, errno);
	if (a->config.max_connections != 0 && a->open >= a->config.max_connections) {
		close_at_once(a, fd);
		if (trouble_is_new(a, TOO_MANY))
			log_post(GEARMAND_LOG_ERROR,
			    "connection closed: %llu are open, as many as --max-connections allows",
			    (unsigned long long)a->open);
		return ACCEPT_MORE;
	}
	if (fd > a->config.fd_max) {
		close_at_once(a, fd);
		a->without_descriptors++;
		if (trouble_is_new(a, NO_DESCRIPTORS))
			log_post(GEARMAND_LOG_ERROR,
			    "connection closed: %llu are open and descriptors run out; raise --file-descriptors",
			    (unsigned long long)a->open);
		return ACCEPT_REST;
	}
	if (!l->is_unix)
		set_tcp_options(&a->config, fd);
	look_for_calm(a);
	hand_over(a, fd, &sa, l);
	return ACCEPT_MORE;
}

static void
rest(struct acceptor *a) RUNS_ON(mgmt_role)
{
	struct timeval tv = { .tv_usec = REST_MS * 1000 };

	for (unsigned i = 0; i < a->gate_count; i++)
		if (a->gates[i] != NULL)
			event_del(a->gates[i]->readable);
	event_add(a->rest, &tv);
}

static void
on_connection(evutil_socket_t fd, short what, void *arg)
{
	const struct gate *gate = arg;

	(void)fd;
	(void)what;
	role_assume(&mgmt_role);
	for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
		enum accepted next = accept_one(gate->a, &gate->a->config.listeners->at[gate->number]);

		if (next == ACCEPT_REST)
			rest(gate->a);
		if (next != ACCEPT_MORE)
			break;
	}
}

static void
open_gates(struct acceptor *a) RUNS_ON(mgmt_role)
{
	for (unsigned i = 0; i < a->gate_count; i++)
		if (a->gates[i] != NULL)
			event_add(a->gates[i]->readable, NULL);
}

static void
on_rested(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	role_assume(&mgmt_role);
	open_gates(arg);
}

static struct gate *
gate_new(struct acceptor *a, unsigned number) RUNS_ON(mgmt_role)
{
	struct gate *gate = mem_new(sizeof *gate);

	gate->a = a;
	gate->number = number;
	gate->readable =
	    event_new(a->base, a->config.listeners->at[number].fd, EV_READ | EV_PERSIST, on_connection, gate);
	CHECK(gate->readable != NULL);
	return gate;
}

void
acceptor_start(struct acceptor *a, bool early)
{
	const struct listeners *ls = a->config.listeners;

	if (a->rest == NULL)
		a->rest = evtimer_new(a->base, on_rested, a);
	a->gates = mem_grow(a->gates, ls->count * sizeof *a->gates);
	for (; a->gate_count < ls->count; a->gate_count++)
		a->gates[a->gate_count] = NULL;
	for (unsigned i = 0; i < ls->count; i++)
		if (a->gates[i] == NULL && (!early || serving_is_early(ls->at[i].service)))
			a->gates[i] = gate_new(a, i);
	open_gates(a);
}

int
acceptor_attend(struct acceptor *a, const struct service *service)
{
	const struct sockaddr_storage nobody = { .ss_family = AF_UNIX };
	struct listener l = { .fd = -1, .service = service, .is_unix = true, .name = service->name };
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
		return -1;
	snprintf(l.host, sizeof l.host, "%s", service->name);
	hand_over(a, ends[0], &nobody, &l);
	return ends[1];
}

void
acceptor_stop(struct acceptor *a)
{
	close_gates(a, false);
}

void
acceptor_conn_closed(struct acceptor *a)
{
	CHECK(a->open > 0);
	a->open--;
}

uint64_t
acceptor_take_refused(struct acceptor *a, uint64_t *without_descriptors_r)
{
	uint64_t refused = a->refused;

	*without_descriptors_r = a->without_descriptors;
	a->refused = a->without_descriptors = 0;
	return refused;
}
