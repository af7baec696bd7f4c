/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A connection to a memcached, on which many commands are sent before their replies are read.
 *
 * Runs on:  the store thread; the thread that renews the lock has a connection of its own.
 * Owns:     the socket, what is to be sent, and what has come and was not taken yet.
 *
 * libmemcached cannot do this: it drops the replies of commands that it gathers, so that all jobs would have to be read
 * back to know which of them are stored; and it does not know the command that lists all keys.
 *
 * After any failure the connection is of no use: a part of a command may have been sent.
 */
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "queue_memcached.h"

/* Bytes: taken at once; of buffers that are kept; that come behind a value at least. */
enum { TAKE = 1 << 16, KEPT = 1 << 20, BEHIND = sizeof("\r\nEND\r\n") - 1 };

/* NULL: errno says why. */
bool
mc_wire_fail(const struct mc_wire *w, const char *why, struct gearmand_error *err)
{
	if (why == NULL && errno == EPIPE)
		why = "it closed the connection";
	if (why == NULL)
		why = errno == EAGAIN || errno == EINPROGRESS ? "it does not answer" : strerror(errno);
	return gm_fail(err, GEARMAND_WHY_PASSING, "memcached %s: %s", w->node->name, why);
}

bool
mc_wire_is_odd(const struct mc_wire *w, const char *line, struct gearmand_error *err)
{
	const char *behind = strstr(line, "_ERROR ");

	return gm_fail(err, strstr(line, "unauthenticated") ? GEARMAND_WHY_LASTING : GEARMAND_WHY_PASSING,
	    "memcached %s: it says \"%.100s\"", w->node->name, behind == NULL ? line : behind + strlen("_ERROR "));
}

bool
mc_wire_open(struct mc_wire *w, const struct mc_node *n, struct gearmand_error *err)
{
	const struct timeval patience = { .tv_sec = n->timeout };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct addrinfo local = { .ai_family = AF_UNIX, .ai_addr = (struct sockaddr *)&un, .ai_addrlen = sizeof(un) };
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
	const int on = 1;
	char port[8];

	*w = (struct mc_wire){ .node = n, .fd = -1 };
	snprintf(port, sizeof(port), "%u", (unsigned)n->port);
	memcpy(un.sun_path, n->host, strnlen(n->host, sizeof(un.sun_path) - 1));
	if (n->host[0] != '/' && getaddrinfo(n->host, port, &hints, &found) != 0)
		return mc_wire_fail(w, "its address is not found", err);
	for (struct addrinfo *a = found == NULL ? &local : found; a != NULL && w->fd < 0; a = a->ai_next) {
		int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
			w->fd = fd;
		else if (fd >= 0)
			close(fd);
	}
	if (found != NULL)
		freeaddrinfo(found);
	return w->fd >= 0 || mc_wire_fail(w, NULL, err);
}

void
mc_wire_close(struct mc_wire *w)
{
	if (w->node != NULL && w->fd >= 0)
		close(w->fd);
	gm_bytes_free(&w->out);
	gm_bytes_free(&w->in);
	w->node = NULL;
}

/* What has come goes behind what was not taken yet.  Waits for it, unless `flags` say otherwise. */
static bool
receive(struct mc_wire *w, int flags, struct gearmand_error *err)
{
	ssize_t n;

	w->in.len -= w->at;
	if (w->at > 0)
		memmove(w->in.data, w->in.data + w->at, w->in.len);
	w->at = 0;
	if (w->in.len == 0)
		gm_bytes_clear(&w->in, KEPT);
	if (gm_room(&w->in, TAKE) == NULL)
		return mc_wire_fail(w, "out of memory", err);
	n = recv(w->fd, w->in.data + w->in.len, TAKE, flags);
	if (n == 0)
		return mc_wire_fail(w, "it closed the connection", err);
	w->in.len += n > 0 ? (size_t)n : 0;
	return n > 0 || errno == EINTR || (errno == EAGAIN && flags != 0) || mc_wire_fail(w, NULL, err);
}

/* When sockets are full replies are taken, for memcached takes no more commands before somebody does. */
bool
mc_wire_send(struct mc_wire *w, struct gearmand_error *err)
{
	struct pollfd p = { .fd = w->fd, .events = POLLIN | POLLOUT };

	if (w->out.failed)
		return mc_wire_fail(w, "out of memory", err);
	for (size_t sent = 0; sent < w->out.len;) {
		ssize_t n = send(w->fd, w->out.data + sent, w->out.len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0)
			sent += (size_t)n;
		else if ((errno != EAGAIN && errno != EINTR) || poll(&p, 1, 1000 * w->node->timeout) == 0)
			return mc_wire_fail(w, NULL, err);
		else if ((p.revents & POLLIN) != 0 && !receive(w, MSG_DONTWAIT, err))
			return false;
	}
	gm_bytes_clear(&w->out, KEPT);
	return true;
}

bool
mc_wire_line(struct mc_wire *w, const char *command, char **line_r, struct gearmand_error *err)
{
	char *end;

	gm_add_text(&w->out, command);
	if (w->out.len > 0 && !mc_wire_send(w, err))
		return false;
	while (w->at == w->in.len || (end = memchr(w->in.data + w->at, '\n', w->in.len - w->at)) == NULL) {
		if (!receive(w, 0, err))
			return false;
	}
	*line_r = w->in.data + w->at;
	w->at = (size_t)(end + 1 - w->in.data);
	*end = '\0';
	(*line_r)[strcspn(*line_r, "\r")] = '\0';
	return true;
}

enum mc_reply
mc_wire_reply(struct mc_wire *w, struct gearmand_error *err)
{
	static const struct {
		const char *begins;
		enum mc_reply means;
	} all[] = { { "STORED", MC_DONE }, { "DELETED", MC_DONE }, { "TOUCHED", MC_DONE },
		{ "NOT_STORED", MC_NOT_DONE }, { "NOT_FOUND", MC_NOT_DONE }, { "EXISTS", MC_NOT_DONE },
		{ "SERVER_ERROR object too large", MC_TOO_LARGE }, { "SERVER_ERROR out of memory", MC_FULL } };
	char *line;

	if (!mc_wire_line(w, "", &line, err))
		return MC_FAILED;
	for (size_t i = 0; i < GM_COUNT(all); i++) {
		if (gm_begins(gm_slice(line), all[i].begins))
			return all[i].means;
	}
	mc_wire_is_odd(w, line, err);
	return MC_FAILED;
}

void
mc_say(struct mc_wire *w, const char *verb, const struct mc_key *key, const char *rest)
{
	gm_add_text(&w->out, verb);
	gm_add(&w->out, key->text, key->len);
	gm_add_text(&w->out, rest);
}

bool
mc_wire_value(struct mc_wire *w, struct mc_value *v, struct gearmand_error *err)
{
	char *line;

	*v = (struct mc_value){ .is_there = false };
	if (!mc_wire_line(w, "", &line, err))
		return false;
	if (strcmp(line, "END") == 0)
		return true;
	if (sscanf(line, "VALUE %*s %" SCNu32 " %zu %" SCNu64, &v->flags, &v->data.len, &v->cas) < 2)
		return mc_wire_is_odd(w, line, err);
	while (w->in.len - w->at < v->data.len + BEHIND) {
		if (!receive(w, 0, err))
			return false;
	}
	v->is_there = true;
	v->data.data = w->in.data + w->at;
	w->in.data[w->at + v->data.len] = '\0';
	w->at += v->data.len + BEHIND;
	return true;
}

bool
mc_get(struct mc_wire *w, const struct mc_key *key, struct mc_value *v, struct gearmand_error *err)
{
	mc_say(w, "gets ", key, "\r\n");
	return mc_wire_value(w, v, err);
}

bool
mc_delete(struct mc_wire *w, const struct mc_key *key, struct gearmand_error *err)
{
	mc_say(w, "delete ", key, "\r\n");
	return mc_wire_reply(w, err) != MC_FAILED;
}
