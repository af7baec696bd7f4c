/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Listening sockets.  A name may stand for several addresses: all are bound; those of a family that this
 * machine does not have are left out as long as one is bound.
 *
 * Runs on:  main thread at start-up; closing also on the management thread.
 * Owns:     the sockets.
 *
 * Sockets listen from here on, so that a port in use is found before the start is called a success;
 * who connects waits in the backlog until the server serves.
 */
#include "mgmt/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "cross/service.h"
#include "mgmt/fail.h"
#include "mgmt/listen_unix.h"
#include "mgmt/options.h"
#include "mgmt/serving.h"

enum { PORT_TRIES = 16 }; /* ports that the system may choose until one is free at all addresses */

/* One listeners_bind() under way. */
struct binding {
	struct listeners *to;
	struct serving_place *want;
	int backlog;
	unsigned before;  /* listeners that were there already */
	bool any_port;    /* port 0 was asked for ... */
	in_port_t chosen; /* ... and this is what the system chose, network order; 0 = not yet */
	bool taken;       /* the chosen port is in use at another address: choose again */
	struct gearmand_error *err;
};

struct listen_name {
	char text[280];
};

static struct listen_name
listener_name(const struct listener *l)
{
	struct listen_name name;

	if (l->is_unix)
		snprintf(name.text, sizeof name.text, "unix:%s", l->host);
	else if (strchr(l->host, ':') != NULL)
		snprintf(name.text, sizeof name.text, "[%s]:%s", l->host, l->port);
	else
		snprintf(name.text, sizeof name.text, "%s:%s", l->host, l->port);
	return name;
}

/* A transport that covers TCP connections leaves those of the machine alone. */
static const struct service *
service_on_unix(const struct serving_place *place)
{
	return place->on_unix != NULL ? place->on_unix : &place->service;
}

static void
add(struct listeners *ls, struct serving_place *place, struct listener *l)
{
	text_list_add(&place->names, listener_name(l).text);
	l->name = place->names.at[place->names.count - 1];
	ls->at = mem_grow(ls->at, (ls->count + 1) * sizeof *ls->at);
	ls->at[ls->count++] = *l;
}

void
listeners_remove(struct listeners *ls, unsigned i)
{
	struct listener *l = &ls->at[i];

	if (l->ino != 0)
		listen_unix_remove(l->host, l->dev, l->ino);
	close(l->fd);
	memmove(l, l + 1, (--ls->count - i) * sizeof *l);
}

void
listeners_cut(struct listeners *ls, unsigned count)
{
	while (ls->count > count)
		listeners_remove(ls, ls->count - 1);
}

static in_port_t *
port_of(struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET6)
		return &((struct sockaddr_in6 *)(void *)sa)->sin6_port;
	return &((struct sockaddr_in *)(void *)sa)->sin_port;
}

static void
name_address(struct listener *l, const struct sockaddr *sa, socklen_t len)
{
	if (getnameinfo(sa, len, l->host, sizeof l->host, l->port, sizeof l->port, NI_NUMERICHOST | NI_NUMERICSERV) !=
	    0) {
		snprintf(l->host, sizeof l->host, "?");
		l->port[0] = '\0';
	}
}

/* Bound and listening, or -1 with errno. */
static int
open_tcp(const struct sockaddr *sa, socklen_t len, int backlog)
{
	int on = 1, saved, fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	/* IPv4 has sockets of its own; one that takes both would collide with them. */
	if (sa->sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (bind(fd, sa, len) == 0 && listen(fd, backlog) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static bool
is_bound_already(const struct binding *b, const struct listener *l)
{
	for (unsigned i = b->before; i < b->to->count; i++)
		if (strcmp(b->to->at[i].host, l->host) == 0 && strcmp(b->to->at[i].port, l->port) == 0)
			return true;
	return false;
}

/* One numeric address.  Returns 0 or an errno. */
static int
bind_resolved(struct binding *b, struct sockaddr *sa, socklen_t len)
{
	struct listener l = { .fd = -1, .service = &b->want->service };
	struct sockaddr_storage real;
	socklen_t real_len = sizeof real;

	if (b->any_port)
		*port_of(sa) = b->chosen;
	name_address(&l, sa, len);
	if (is_bound_already(b, &l))
		return 0;
	if ((l.fd = open_tcp(sa, len, b->backlog)) < 0) {
		int why = errno;

		b->taken = b->chosen != 0 && why == EADDRINUSE;
		error_fail(b->err, "cannot listen on %s: %s", listener_name(&l).text, strerror(why));
		return why;
	}
	if (b->any_port && getsockname(l.fd, (struct sockaddr *)&real, &real_len) == 0) {
		b->chosen = *port_of((struct sockaddr *)&real);
		name_address(&l, (struct sockaddr *)&real, real_len);
	}
	add(b->to, b->want, &l);
	return 0;
}

/* Does this machine just not have such addresses? */
static bool
is_missing_family(int why)
{
	return why == EAFNOSUPPORT || why == EPROTONOSUPPORT || why == EADDRNOTAVAIL;
}

/* `host` NULL = loopback, or all addresses with AI_PASSIVE. */
static bool
bind_host(struct binding *b, const char *host, int flags)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP, .ai_flags = flags }, *all;
	unsigned bound = 0, missing = 0;
	int why = getaddrinfo(host, b->want->port, &hints, &all);

	if (why != 0)
		return error_fail(b->err, "cannot listen on %s:%s: %s",
		    host != NULL ? host
		    : flags != 0 ? "*"
				 : "localhost",
		    b->want->port, why == EAI_SYSTEM ? strerror(errno) : gai_strerror(why));
	why = 0;
	for (struct addrinfo *ai = all; ai != NULL && why == 0; ai = ai->ai_next) {
		why = bind_resolved(b, ai->ai_addr, ai->ai_addrlen);
		bound += why == 0;
		if (is_missing_family(why)) {
			missing++;
			why = 0;
		}
	}
	freeaddrinfo(all);
	return why == 0 && (bound > 0 || missing == 0);
}

static bool
bind_unix(struct binding *b, const char *path)
{
	struct listener l = { .service = service_on_unix(b->want), .is_unix = true };

	if ((l.fd = listen_unix(path, b->backlog, &b->to->unix_rights, &l.dev, &l.ino, b->err)) < 0)
		return false;
	snprintf(l.host, sizeof l.host, "%s", path);
	add(b->to, b->want, &l);
	return true;
}

static bool
bind_address(struct binding *b, const char *address)
{
	char inner[256];
	size_t len = strlen(address);

	if (strncmp(address, "unix:", 5) == 0)
		return bind_unix(b, address + 5);
	if (strcmp(address, "*") == 0)
		return bind_host(b, NULL, AI_PASSIVE);
	if (address[0] == '[' && address[len - 1] == ']' && len - 2 < sizeof inner) {
		snprintf(inner, sizeof inner, "%.*s", (int)(len - 2), address + 1);
		address = inner;
	}
	return bind_host(b, address, AI_PASSIVE);
}

static bool
bind_all(struct binding *b)
{
	b->chosen = 0;
	b->taken = false;
	if (b->want->address_count == 0)
		return bind_host(b, NULL, 0);
	for (unsigned i = 0; i < b->want->address_count; i++)
		if (!bind_address(b, b->want->addresses[i]))
			return false;
	return true;
}

bool
listeners_bind(struct listeners *ls, struct serving_place *want, int backlog, struct gearmand_error *err)
{
	struct binding b = {
		.to = ls, .want = want, .backlog = backlog < 0 ? INT_MAX : backlog, .before = ls->count, .err = err
	};
	int tries = 0;

	b.any_port = strcmp(want->port, "0") == 0;
	do {
		if (bind_all(&b))
			return true;
		listeners_cut(ls, b.before);
	} while (b.taken && ++tries < PORT_TRIES);
	return false;
}

bool
listeners_take(struct listeners *ls, int fd, struct serving_place *place, struct gearmand_error *err)
{
	struct listener l = { .fd = fd, .service = &place->service };
	struct sockaddr_storage sa;
	socklen_t len = sizeof sa, size = sizeof(int);
	int type = 0, listens = 0, flags = fcntl(fd, F_GETFL);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || !listens ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) != 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
		return error_fail(err, "descriptor %d that was passed for %s is not a listening stream socket", fd,
		    place->passed_name);
	if (sa.ss_family == AF_UNIX) {
		l.is_unix = true;
		l.service = service_on_unix(place);
		listen_unix_path(&sa, len, l.host, sizeof l.host);
	} else {
		name_address(&l, (struct sockaddr *)&sa, len);
	}
	add(ls, place, &l);
	return true;
}

bool
listeners_has(const struct listeners *ls, const struct service *service)
{
	for (unsigned i = 0; i < ls->count; i++)
		if (ls->at[i].service == service)
			return true;
	return false;
}

void
listeners_fini(struct listeners *ls)
{
	listeners_cut(ls, 0);
	mem_free(ls->at);
	ls->at = NULL;
}
