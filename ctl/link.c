/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Connecting, sending, reading, and giving up in time.
 *
 * Runs on:  the only thread.
 * Owns:     sockets and buffers of its links.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "link.h"
#include "secure.h"

enum { READ_AT_ONCE = 65536, MS = 1000 };

int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * MS + t.tv_nsec / 1000000;
}

bool
link_has_ended(const struct link *link)
{
	return link->state == LINK_DONE || link->state == LINK_FAILED;
}

static void
close_socket(struct link *link)
{
	secure_free(&link->secure);
	if (link->fd >= 0)
		close(link->fd);
	link->fd = -1;
}

void
link_fail(struct link *link, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(link->why, sizeof link->why, format, args);
	va_end(args);
	link->state = LINK_FAILED;
	close_socket(link);
}

void
link_wait_forever(struct link *link)
{
	static const int on = 1, idle = 60, interval = 10, probes = 6;

	link->deadline = INT64_MAX;
	if (link->target->path != NULL)
		return;
	setsockopt(link->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(link->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
	setsockopt(link->fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
	setsockopt(link->fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

static void
start_talking(struct link *link)
{
	link->state = LINK_TALKING;
	link->reached = true;
	link->deadline = now_ms() + link->timeout;
}

/* A step of the handshake. */
static void
shake(struct link *link)
{
	int result = secure_shake(link->secure);

	if (result > 0)
		start_talking(link);
	else if (result < 0)
		link_fail(link, "%s", secure_why(link->secure));
}

static void
on_connected(struct link *link)
{
	if (!secure_is_on() || link->target->path != NULL) {
		start_talking(link);
		return;
	}
	link->state = LINK_SHAKING;
	link->deadline = now_ms() + link->timeout;
	link->secure = secure_new(link->fd, link->target->host);
	if (link->secure == NULL)
		link_fail(link, "no memory for TLS");
	else
		shake(link);
}

/* An address that does not answer leaves time for those behind it. */
static void
set_connect_deadline(struct link *link, const struct addrinfo *at)
{
	int64_t now = now_ms(), left = link->giving_up > now ? link->giving_up - now : 0;
	int addresses = 0;

	for (; at != NULL; at = at->ai_next)
		addresses++;
	link->deadline = now + left / (addresses > 0 ? addresses : 1);
}

/* False: not this address, errno says why. */
static bool
begin(struct link *link, int family, const struct sockaddr *address, socklen_t len)
{
	link->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (link->fd < 0)
		return false;
	if (connect(link->fd, address, len) == 0)
		on_connected(link);
	else if (errno != EINPROGRESS)
		return false;
	return true;
}

static void
try_next(struct link *link, int error)
{
	while (link->next != NULL) {
		struct addrinfo *at = link->next;

		close_socket(link);
		link->next = at->ai_next;
		set_connect_deadline(link, at);
		if (begin(link, at->ai_family, at->ai_addr, at->ai_addrlen))
			return;
		error = errno;
	}
	link_fail(link, "cannot connect: %s", strerror(error));
}

static void
start_unix(struct link *link)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strncpy(address.sun_path, link->target->path, sizeof address.sun_path - 1);
	if (!begin(link, AF_UNIX, (const struct sockaddr *)&address, sizeof address))
		link_fail(link, "cannot connect: %s", strerror(errno == EAGAIN ? ECONNREFUSED : errno));
}

static void
start_host(struct link *link)
{
	struct addrinfo want = { .ai_socktype = SOCK_STREAM };
	int error = getaddrinfo(link->target->host, link->target->port, &want, &link->addresses);

	link->next = link->addresses;
	if (error != 0)
		link_fail(
		    link, "cannot find the host: %s", error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
	else
		try_next(link, 0);
}

void
link_start(struct link *link, const struct target *target, int64_t timeout, link_take_f *take)
{
	link->target = target;
	link->timeout = timeout;
	link->take = take;
	link->fd = -1;
	link->reached = false;
	link->state = LINK_CONNECTING;
	link->giving_up = link->deadline = now_ms() + timeout;
	if (target->path != NULL)
		start_unix(link);
	else
		start_host(link);
}

void
link_fini(struct link *link)
{
	close_socket(link);
	if (link->addresses != NULL)
		freeaddrinfo(link->addresses);
	link->addresses = link->next = NULL;
	buf_fini(&link->in);
	buf_fini(&link->out);
	link->sent = 0;
}

static void
end_connecting(struct link *link)
{
	int error = 0;
	socklen_t len = sizeof error;

	if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error != 0)
		try_next(link, error);
	else
		on_connected(link);
}

static void
send_more(struct link *link)
{
	const char *from = link->out.data + link->sent;
	size_t len = link->out.len - link->sent;
	ssize_t n =
	    link->secure != NULL ? secure_write(link->secure, from, len) : send(link->fd, from, len, MSG_NOSIGNAL);

	if (n < 0 && errno == EPROTO && link->secure != NULL)
		link_fail(link, "%s", secure_why(link->secure));
	else if (n < 0 && errno != EAGAIN && errno != EINTR && errno != EPIPE && errno != ECONNRESET)
		link_fail(link, "cannot send: %s", strerror(errno));
	if (n <= 0) {
		/* What the server said before it closed is worth reading. */
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			link->sent = link->out.len;
		return;
	}
	link->sent += (size_t)n;
	if (link->deadline != INT64_MAX)
		link->deadline = now_ms() + link->timeout;
	if (link->sent == link->out.len) {
		buf_fini(&link->out);
		link->sent = 0;
	}
}

/* False: there is no more to be read now. */
static bool
read_some(struct link *link)
{
	char *to = buf_room(&link->in, READ_AT_ONCE);
	ssize_t n =
	    link->secure != NULL ? secure_read(link->secure, to, READ_AT_ONCE) : recv(link->fd, to, READ_AT_ONCE, 0);
	enum link_verdict verdict;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n < 0) {
		if (errno == EPROTO && link->secure != NULL)
			link_fail(link, "%s", secure_why(link->secure));
		else
			link_fail(link, "the connection broke: %s", strerror(errno));
		return false;
	}
	if (n == 0) {
		link_fail(link, "the server closed the connection before its answer had ended");
		return false;
	}
	link->in.len += (size_t)n;
	verdict = link->take(link);
	if (verdict == TAKE_DONE) {
		link->state = LINK_DONE;
		close_socket(link);
	} else if (verdict == TAKE_PROGRESS && link->deadline != INT64_MAX) {
		link->deadline = now_ms() + link->timeout;
	}
	return true;
}

/* What OpenSSL has read already does not show in poll(), so all of it is taken. */
static void
read_more(struct link *link)
{
	while (read_some(link) && link->secure != NULL && link->state == LINK_TALKING)
		;
}

static void
too_late(struct link *link)
{
	if (link->state == LINK_TALKING)
		link_fail(link, "no answer within %lld seconds", (long long)(link->timeout / MS));
	else if (link->state == LINK_SHAKING)
		link_fail(link, "no TLS handshake within %lld seconds; does this port speak TLS?",
		    (long long)(link->timeout / MS));
	else if (link->next != NULL)
		try_next(link, ETIMEDOUT);
	else
		link_fail(link, "no connection within %lld seconds", (long long)(link->timeout / MS));
}

static short
wanted_events(const struct link *link)
{
	if (link->state == LINK_CONNECTING)
		return POLLOUT;
	if (link->state == LINK_SHAKING)
		return secure_writes(link->secure) ? POLLOUT : POLLIN;
	return link->sent < link->out.len ? POLLIN | POLLOUT : POLLIN;
}

static void
happened(struct link *link, short events)
{
	if (link->state == LINK_CONNECTING) {
		if (events != 0)
			end_connecting(link);
	} else if (link->state == LINK_SHAKING) {
		if (events != 0)
			shake(link);
	} else {
		if ((events & POLLOUT) != 0 && link->sent < link->out.len)
			send_more(link);
		if ((events & (POLLIN | POLLHUP | POLLERR)) != 0 && link->state == LINK_TALKING)
			read_more(link);
	}
	if (!link_has_ended(link) && now_ms() >= link->deadline)
		too_late(link);
}

static int
wait_ms(int64_t until)
{
	int64_t left = until - now_ms();

	return until == INT64_MAX ? -1 : left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
}

bool
links_turn(struct link **links, unsigned count, int extra_fd, int64_t until)
{
	struct pollfd *polled = mem_new((count + 1) * sizeof *polled);
	bool any = false;

	if (until == 0)
		until = INT64_MAX;
	for (unsigned i = 0; i < count; i++) {
		bool ended = link_has_ended(links[i]);

		polled[i].fd = ended ? -1 : links[i]->fd;
		polled[i].events = wanted_events(links[i]);
		any = any || !ended;
		if (!ended && links[i]->deadline < until)
			until = links[i]->deadline;
	}
	polled[count] = (struct pollfd){ .fd = extra_fd, .events = POLLIN };
	if (any || extra_fd >= 0) {
		int ready = poll(polled, count + 1, wait_ms(until));

		for (unsigned i = 0; i < count; i++)
			if (!link_has_ended(links[i]))
				happened(links[i], ready > 0 ? polled[i].revents : 0);
	}
	mem_free(polled);
	return any;
}
