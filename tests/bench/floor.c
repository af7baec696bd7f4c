/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The floor: a server that does the socket work of a job server and next to nothing else, so that the cost of a job
 * here is what the system calls alone cost, and the rest of a real server's cost is the price of its features.
 *
 * Runs on:  one thread, one epoll.
 * Owns:     its connections and one queue.
 *
 *   floor PORT
 * One queue for all functions; no uniques, priorities, limits or storage; a worker that sleeps is
 * woken by the next job.  It understands what tests/bench/load sends.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/mem.h"
#include "wire/packet.h"

enum { READ_BYTES = 65536, EVENTS = 256, HANDLE_BYTES = 32, BACKLOG = 1024, JOBS_FIRST = 4096 };

struct conn {
	int fd;
	bool wants_write;
	struct list sleeping; /* in f.sleepers */
	struct list dirty;    /* in f.dirty */
	struct buf in, out;
	size_t sent; /* bytes of `out` that are gone */
};

struct job {
	struct conn *client; /* NULL = background */
	char *body;          /* function, NUL, workload */
	size_t size;
};

static struct {
	int epoll, listener;
	struct list sleepers, dirty;
	struct job *jobs; /* by number, for ever */
	size_t first, next, cap;
} f;

static _Noreturn void
die(const char *what)
{
	perror(what);
	exit(2);
}

static void
watch(struct conn *c, int op, int fd, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = c };

	if (epoll_ctl(f.epoll, op, fd, &e) != 0)
		die("epoll_ctl");
}

static void
answer(struct conn *c, enum pkt_type type, const struct slice *parts, int count)
{
	char head[PKT_HEAD];
	size_t size = 0;

	if (c->fd < 0)
		return;
	for (int i = 0; i < count; i++)
		size += parts[i].len;
	pkt_head_write(head, true, type, (uint32_t)size);
	buf_add(&c->out, head, sizeof head);
	for (int i = 0; i < count; i++)
		buf_add_slice(&c->out, parts[i]);
	if (!list_is_linked(&c->dirty))
		list_push(&f.dirty, &c->dirty);
}

static struct slice
handle_of(size_t number, char out[HANDLE_BYTES])
{
	memcpy(out, "H:", 2);
	return slice_of(out, 2 + u64_to_text(out + 2, number));
}

static void
submit(struct conn *c, bool background, struct slice body)
{
	size_t function = strlen(body.data) + 1;
	size_t unique = strlen(body.data + function) + 1;
	size_t load = body.len - function - unique;
	struct list *sleeper = list_pop(&f.sleepers);
	char handle[HANDLE_BYTES];
	struct job *j;

	if (f.next == f.cap) {
		f.cap = f.cap == 0 ? JOBS_FIRST : f.cap * 2;
		f.jobs = mem_grow(f.jobs, f.cap * sizeof *f.jobs);
	}
	j = &f.jobs[f.next];
	j->client = background ? NULL : c;
	j->size = function + load;
	j->body = mem_grow(NULL, j->size);
	memcpy(j->body, body.data, function);
	memcpy(j->body + function, body.data + function + unique, load);
	answer(c, PKT_JOB_CREATED, &(struct slice){ handle, handle_of(f.next++, handle).len }, 1);
	if (sleeper != NULL)
		answer(LIST_ENTRY(sleeper, struct conn, sleeping), PKT_NOOP, NULL, 0);
}

static void
grab(struct conn *c)
{
	char handle[HANDLE_BYTES] = "";
	struct slice parts[2];
	struct job *j;

	if (f.first == f.next) {
		answer(c, PKT_NO_JOB, NULL, 0);
		return;
	}
	j = &f.jobs[f.first];
	parts[0] = slice_of(handle, handle_of(f.first++, handle).len + 1);
	handle[parts[0].len - 1] = '\0';
	parts[1] = slice_of(j->body, j->size);
	answer(c, PKT_JOB_ASSIGN, parts, 2);
	mem_free(j->body);
	j->body = NULL;
}

static void
complete(struct slice body)
{
	size_t number = strtoul(body.data + 2, NULL, 10);

	if (number < f.next && f.jobs[number].client != NULL)
		answer(f.jobs[number].client, PKT_WORK_COMPLETE, &body, 1);
}

static void
pre_sleep(struct conn *c)
{
	if (f.first < f.next)
		answer(c, PKT_NOOP, NULL, 0);
	else if (!list_is_linked(&c->sleeping))
		list_push(&f.sleepers, &c->sleeping);
}

static void
take(struct conn *c, uint32_t type, struct slice body)
{
	switch (type) {
	case PKT_SUBMIT_JOB:
	case PKT_SUBMIT_JOB_BG:
		submit(c, type == PKT_SUBMIT_JOB_BG, body);
		break;
	case PKT_GRAB_JOB:
		grab(c);
		break;
	case PKT_WORK_COMPLETE:
		complete(body);
		break;
	case PKT_PRE_SLEEP:
		pre_sleep(c);
		break;
	case PKT_ECHO_REQ:
		answer(c, PKT_ECHO_RES, &body, 1);
		break;
	default:
		break;
	}
}

/* The struct stays: jobs may refer to it. */
static void
hang_up(struct conn *c)
{
	close(c->fd);
	c->fd = -1;
	list_remove(&c->sleeping);
	list_remove(&c->dirty);
	buf_fini(&c->in);
	buf_fini(&c->out);
}

static void
readable(struct conn *c)
{
	ssize_t n = read(c->fd, buf_room(&c->in, READ_BYTES), READ_BYTES);
	size_t used = 0;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		hang_up(c);
		return;
	}
	c->in.len += (size_t)n;
	for (;;) {
		struct slice rest = slice_of(c->in.data + used, c->in.len - used);
		struct pkt_head head;

		if (pkt_head_parse(rest, &head) != PKT_OK || rest.len - PKT_HEAD < head.size)
			break;
		take(c, head.type, slice_of(rest.data + PKT_HEAD, head.size));
		used += PKT_HEAD + (size_t)head.size;
	}
	memmove(c->in.data, c->in.data + used, c->in.len - used);
	c->in.len -= used;
}

static void
flush(struct conn *c)
{
	ssize_t n = send(c->fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);
	bool blocked;

	c->sent += n > 0 ? (size_t)n : 0;
	blocked = c->sent < c->out.len;
	if (!blocked)
		c->out.len = c->sent = 0;
	if (blocked != c->wants_write)
		watch(c, EPOLL_CTL_MOD, c->fd, blocked ? EPOLLIN | EPOLLOUT : EPOLLIN);
	c->wants_write = blocked;
}

static void
greet(void)
{
	int one = 1, fd = accept4(f.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct conn *c;

	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	c = mem_new(sizeof *c);
	c->fd = fd;
	list_init(&c->sleeping);
	list_init(&c->dirty);
	watch(c, EPOLL_CTL_ADD, fd, EPOLLIN);
}

static void
pass(void)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(f.epoll, events, EVENTS, -1);
	struct list *node;

	for (int i = 0; i < n; i++) {
		struct conn *c = events[i].data.ptr;

		if (c == NULL) {
			greet();
			continue;
		}
		if ((events[i].events & EPOLLOUT) != 0 && !list_is_linked(&c->dirty))
			list_push(&f.dirty, &c->dirty);
		if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0)
			readable(c);
	}
	while ((node = list_pop(&f.dirty)) != NULL)
		flush(LIST_ENTRY(node, struct conn, dirty));
}

int
main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1;

	if (argc != 2)
		return 2;
	at.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
	list_init(&f.sleepers);
	list_init(&f.dirty);
	f.epoll = epoll_create1(EPOLL_CLOEXEC);
	f.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(f.listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(f.listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(f.listener, BACKLOG) != 0)
		die("listen");
	watch(NULL, EPOLL_CTL_ADD, f.listener, EPOLLIN);
	for (;;)
		pass();
}
