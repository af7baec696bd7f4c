/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One connection to a memcached: bytes out, lines and blocks in.
 *
 * Runs on:  the store thread; the one that renews the lock has links of its own.
 * Owns:     socket and buffers.
 *
 * A link remembers which replies are due, in their order.  When one is LATE nothing is lost: what is unsent will
 * be sent and what is due be read before anything new, so a batch that is repeated comes behind its first try in
 * the same stream, and can never be overtaken by it.
 */
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "queue_memcached.h"

enum { READ_LEAST = 65536, LINE_MOST = 8192, LINKS_MOST = 256, SAID_MOST = 100 };

/* Seconds: a peer that is silent is probed after this; ms: one that acknowledges nothing is given up. */
enum { PROBE_AFTER = 30, PROBE_EVERY = 10, PROBES = 3, UNHEARD_MOST = 60000 };

static enum mc_state __attribute__((format(printf, 2, 3))) gone(struct mc_link *l, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(l->trouble, sizeof(l->trouble), format, args);
	va_end(args);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	return MC_GONE;
}

void
mc_link_close(struct mc_link *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	mc_text_clear(&l->out);
	mc_text_clear(&l->in);
	l->sent = l->used = l->at = 0;
	l->due_first = l->due_end = 0;
	l->keys = l->taken = 0;
}

void
mc_link_free(struct mc_link *l)
{
	mc_link_close(l);
	mc_text_free(&l->out);
	mc_text_free(&l->in);
	free(l->due);
	l->due = NULL;
	l->due_size = 0;
}

/* ---- Waiting and sending ------------------------------------------------------------------- */

/* For bytes from `l`, or to be connected; meanwhile the others may send.  LATE: nothing happened. */
static enum mc_state
await(struct mc_pool *p, struct mc_link *l, short events)
{
	struct pollfd fds[LINKS_MOST + 1];
	nfds_t count = 0;
	int got;

	fds[count++] = (struct pollfd){ .fd = p->stop_fd, .events = POLLIN };
	for (size_t i = 0; i < p->count; i++) {
		struct mc_link *other = &p->links[i];
		bool sends = other->sent < other->out.len;

		fds[count++] = (struct pollfd){ .fd = other->fd,
			.events = (short)((other == l ? events : 0) | (sends ? POLLOUT : 0)) };
	}
	do
		got = poll(fds, count, p->patience);
	while (got < 0 && errno == EINTR);
	if (got <= 0 || fds[0].revents != 0)
		return MC_LATE;
	for (size_t i = 0; i < p->count; i++) {
		if ((fds[i + 1].revents & POLLOUT) != 0)
			mc_push(&p->links[i]);
	}
	return MC_WELL;
}

/* What went wrong is told to whoever reads next. */
void
mc_push(struct mc_link *l)
{
	while (l->fd >= 0 && l->sent < l->out.len) {
		ssize_t n = send(l->fd, l->out.data + l->sent, l->out.len - l->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0)
			l->sent += (size_t)n;
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR)
			l->sent = l->out.len;
	}
	mc_text_clear(&l->out);
	l->sent = 0;
}

/* ---- Connecting ---------------------------------------------------------------------------- */

static void
set_options(int fd)
{
	int on = 1, after = PROBE_AFTER, every = PROBE_EVERY, probes = PROBES, unheard = UNHEARD_MOST;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &after, sizeof(after));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unheard, sizeof(unheard));
}

static enum mc_state
connect_to(struct mc_pool *p, struct mc_link *l, const struct sockaddr *address, socklen_t len)
{
	int failed = 0;
	socklen_t size = sizeof(failed);
	enum mc_state state = MC_WELL;

	l->fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		return gone(l, "%s", strerror(errno));
	if (address->sa_family != AF_UNIX)
		set_options(l->fd);
	if (connect(l->fd, address, len) != 0 && errno != EINPROGRESS)
		return gone(l, "%s", strerror(errno));
	state = await(p, l, POLLOUT);
	if (state == MC_LATE)
		return gone(l, "it does not answer");
	if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &failed, &size) != 0 || failed != 0)
		return gone(l, "%s", strerror(failed != 0 ? failed : errno));
	return MC_WELL;
}

static enum mc_state
connect_to_path(struct mc_pool *p, struct mc_link *l)
{
	struct mc_node *n = l->node;
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	if (strlen(n->host) >= sizeof(to.sun_path))
		return gone(l, "the path of its socket is too long");
	strcpy(to.sun_path, n->host);
	memcpy(&n->address, &to, sizeof(to));
	n->address_len = sizeof(to);
	return connect_to(p, l, (const struct sockaddr *)&n->address, n->address_len);
}

/* The first of its addresses that answers. */
static enum mc_state
connect_to_host(struct mc_pool *p, struct mc_link *l)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all = NULL;
	struct mc_node *n = l->node;
	int failed = getaddrinfo(n->host, n->port, &hints, &all);
	enum mc_state state = MC_GONE;

	if (failed != 0)
		return gone(l, "%s", failed == EAI_SYSTEM ? strerror(errno) : gai_strerror(failed));
	for (const struct addrinfo *a = all; a != NULL && state != MC_WELL; a = a->ai_next) {
		state = connect_to(p, l, a->ai_addr, a->ai_addrlen);
		if (state == MC_WELL) {
			memcpy(&n->address, a->ai_addr, a->ai_addrlen);
			n->address_len = a->ai_addrlen;
		}
	}
	freeaddrinfo(all);
	return state;
}

enum mc_state
mc_link_open(struct mc_pool *p, struct mc_link *l)
{
	mc_link_close(l);
	if (l->node->address_len > 0)
		return connect_to(p, l, (const struct sockaddr *)&l->node->address, l->node->address_len);
	return l->node->host[0] == '/' ? connect_to_path(p, l) : connect_to_host(p, l);
}

/* ---- Reading ------------------------------------------------------------------------------- */

/* Moves what is unread to the front, with room for at least so many bytes behind it. */
static bool
make_room(struct mc_link *l, size_t more)
{
	struct mc_text *t = &l->in;

	if (l->used > 0 && t->data != NULL) {
		memmove(t->data, t->data + l->used, t->len - l->used);
		t->len -= l->used;
		l->at -= l->used;
		l->used = 0;
	}
	if (t->len == 0)
		mc_text_clear(t);
	return mc_text_room(t, more > READ_LEAST ? more : READ_LEAST);
}

/* Some bytes, and room for `wanted` if there will be so many. */
static enum mc_state
more(struct mc_pool *p, struct mc_link *l, size_t wanted)
{
	ssize_t n;

	if (l->fd < 0)
		return MC_GONE;
	if (!make_room(l, wanted))
		return gone(l, "out of memory for what it sends");
	for (;;) {
		mc_push(l);
		n = recv(l->fd, l->in.data + l->in.len, l->in.size - l->in.len, MSG_DONTWAIT);
		if (n > 0)
			break;
		if (n == 0)
			return gone(l, "it closed the connection");
		if (errno != EAGAIN && errno != EINTR)
			return gone(l, "%s", strerror(errno));
		if (errno == EAGAIN && await(p, l, POLLIN) == MC_LATE) {
			l->at = l->used;
			return MC_LATE;
		}
	}
	l->in.len += (size_t)n;
	return MC_WELL;
}

const char *
mc_said(struct mc_link *l, struct gearmand_slice line)
{
	char said[SAID_MOST + 1];
	size_t len = line.len < SAID_MOST ? line.len : SAID_MOST;

	for (size_t i = 0; i < len; i++)
		said[i] = isprint((unsigned char)line.data[i]) ? line.data[i] : '?';
	said[len] = '\0';
	snprintf(l->trouble, sizeof(l->trouble), "it says \"%s\"", said);
	return l->trouble;
}

enum mc_state
mc_odd(struct mc_link *l, struct gearmand_slice line)
{
	mc_said(l, line);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	return MC_GONE;
}

enum mc_state
mc_line(struct mc_pool *p, struct mc_link *l, struct gearmand_slice *line_r)
{
	size_t looked_at = 0;

	for (;;) {
		const char *from = l->in.data == NULL ? "" : l->in.data + l->at;
		size_t have = l->in.len - l->at;
		const char *end = memchr(from + looked_at, '\n', have - looked_at);
		enum mc_state state;

		if (end != NULL) {
			size_t len = (size_t)(end - from);

			l->at += len + 1;
			*line_r = (struct gearmand_slice){ from, len > 0 && end[-1] == '\r' ? len - 1 : len };
			return MC_WELL;
		}
		if (have > LINE_MOST)
			return mc_odd(l, (struct gearmand_slice){ from, have });
		looked_at = have;
		state = more(p, l, 0);
		if (state != MC_WELL)
			return state;
	}
}

enum mc_state
mc_block(struct mc_pool *p, struct mc_link *l, size_t len, struct gearmand_slice *block_r)
{
	while (l->in.len - l->at < len + 2) {
		enum mc_state state = more(p, l, len + 2 - (l->in.len - l->at));

		if (state != MC_WELL)
			return state;
	}
	*block_r = (struct gearmand_slice){ l->in.data + l->at, len };
	l->at += len + 2;
	return MC_WELL;
}

/* ---- Replies ------------------------------------------------------------------------------- */

void
mc_expect(struct mc_link *l, enum mc_kind kind, size_t number)
{
	if (l->due_end == l->due_size) {
		size_t size = l->due_size == 0 ? 64 : l->due_size * 2;
		struct mc_ask *due = reallocarray(l->due, size, sizeof(*due));

		if (due == NULL) {
			l->out.failed = true;
			return;
		}
		l->due = due;
		l->due_size = size;
	}
	l->due[l->due_end++] = (struct mc_ask){ .kind = kind, .number = (uint32_t)number };
}

const struct mc_ask *
mc_next_due(const struct mc_link *l)
{
	return l->due_first < l->due_end ? &l->due[l->due_first] : NULL;
}

void
mc_reply_done(struct mc_link *l)
{
	l->used = l->at;
	l->taken = 0;
	if (++l->due_first == l->due_end)
		l->due_first = l->due_end = 0;
}

/* "VALUE key flags bytes cas" */
static bool
read_value_line(struct gearmand_slice line, struct mc_value *v, size_t *len_r)
{
	uint64_t numbers[3] = { 0 };
	int count = 0;

	if (!mc_begins(line, "VALUE "))
		return false;
	for (size_t i = sizeof("VALUE ") - 1; i < line.len && count < 3; i++) {
		if (line.data[i] == ' ')
			numbers[count++] = mc_number((struct gearmand_slice){ line.data + i + 1, line.len - i - 1 });
	}
	v->flags = (uint32_t)numbers[0];
	*len_r = (size_t)numbers[1];
	v->cas = numbers[2];
	return count >= 2 && *len_r <= (size_t)UINT32_MAX;
}

static bool
is_end(struct gearmand_slice line)
{
	return line.len == 3 && mc_begins(line, "END");
}

/* Behind the line of a value. */
static enum mc_state
read_data(struct mc_pool *p, struct mc_link *l, struct gearmand_slice line, struct mc_value *v)
{
	size_t len;
	enum mc_state state;

	if (!read_value_line(line, v, &len))
		return mc_odd(l, line);
	state = mc_block(p, l, len, &v->data);
	v->is_there = state == MC_WELL;
	return state;
}

enum mc_state
mc_read_value(struct mc_pool *p, struct mc_link *l, struct mc_value *v)
{
	struct gearmand_slice line;
	enum mc_state state = mc_line(p, l, &line);
	size_t end;

	*v = (struct mc_value){ .is_there = false };
	if (state != MC_WELL || is_end(line))
		return state;
	state = read_data(p, l, line, v);
	if (state != MC_WELL)
		return state;
	end = l->at - l->used;
	state = mc_line(p, l, &line);
	if (state == MC_WELL && !is_end(line))
		state = mc_odd(l, line);
	if (state == MC_WELL) /* the buffer may have moved */
		v->data.data = l->in.data + l->used + end - 2 - v->data.len;
	return state;
}

/* "VALUE key flags ..." */
static bool
is_of(struct gearmand_slice line, struct gearmand_slice key)
{
	size_t begin = sizeof("VALUE ") - 1;

	return line.len > begin + key.len && mc_begins(line, "VALUE ") &&
	       memcmp(line.data + begin, key.data, key.len) == 0 && line.data[begin + key.len] == ' ';
}

enum mc_state
mc_read_one(struct mc_pool *p, struct mc_link *l, struct gearmand_slice key, struct mc_value *v)
{
	size_t before = l->at - l->used;
	struct gearmand_slice line;
	enum mc_state state = mc_line(p, l, &line);

	*v = (struct mc_value){ .is_there = false };
	if (state != MC_WELL)
		return state;
	if (is_of(line, key))
		return read_data(p, l, line, v);
	if (!is_end(line) && !mc_begins(line, "VALUE "))
		return mc_odd(l, line);
	l->at = l->used + before; /* this one is missing: it is of one behind it */
	return MC_WELL;
}

enum mc_state
mc_read_one_done(struct mc_pool *p, struct mc_link *l)
{
	struct gearmand_slice line;
	enum mc_state state;

	l->used = l->at;
	if (++l->taken < mc_next_due(l)->number)
		return MC_WELL;
	state = mc_line(p, l, &line);
	if (state == MC_WELL && !is_end(line))
		state = mc_odd(l, line);
	if (state == MC_WELL)
		mc_reply_done(l);
	return state;
}

/* STATs or VALUEs, up to what ends them. */
static enum mc_state
skip_lines(struct mc_pool *p, struct mc_link *l)
{
	struct gearmand_slice line;
	struct mc_value v;
	enum mc_state state;

	do {
		state = mc_line(p, l, &line);
		if (state == MC_WELL && mc_begins(line, "VALUE "))
			state = read_data(p, l, line, &v);
		else if (state == MC_WELL && !mc_begins(line, "STAT "))
			return MC_WELL;
	} while (state == MC_WELL);
	return state;
}

enum mc_state
mc_settle(struct mc_pool *p, struct mc_link *l)
{
	const struct mc_ask *due;
	struct gearmand_slice line;
	enum mc_state state;

	if (l->fd < 0)
		return MC_GONE;
	while ((due = mc_next_due(l)) != NULL) {
		if (due->kind == MC_STORE || due->kind == MC_REMOVE)
			state = mc_line(p, l, &line);
		else
			state = skip_lines(p, l);
		if (state != MC_WELL)
			return state;
		mc_reply_done(l);
	}
	return MC_WELL;
}
