/* SPDX-License-Identifier: BSD-3-Clause
 *
 * An I/O class on its own; see io_rig.h.
 *
 * Runs on:  the test's thread.
 * Owns:     what a rig has.
 */
#include "tests/unit/io_rig.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/role.h"
#include "cross/log.h"

void
rig_init(struct rig *r)
{
	*r = (struct rig){
		.config = { .number = 1,
		    .max_packet = 1 << 20,
		    .max_line = 8192,
		    .max_output = 1 << 20,
		    .max_unsent = 8 << 20,
		    .pause_output = 1 << 18,
		    .max_waiting = 1000 },
		.service = { .name = "gear", .protocol = &gear_protocol },
	};
	role_take(&io_role);
	r->loop = loop_new();
	CHECK(r->loop != NULL);
	waker_bind(loop_waker(r->loop));
	r->in = mbox_new(loop_waker(r->loop));
	r->proc = mbox_new(loop_waker(r->loop));
	r->mgmt = mbox_new(loop_waker(r->loop));
	list_init(&r->core);
	list_init(&r->management);
	log_start(r->mgmt, GEARMAND_LOG_WARNING);
}

void
rig_fini(struct rig *r)
{
	io_free(&r->io);
	log_start(NULL, GEARMAND_LOG_WARNING);
	mbox_free(&r->in);
	mbox_free(&r->proc);
	mbox_free(&r->mgmt);
	msg_free(&r->shown);
	msg_free_all(&r->core);
	msg_free_all(&r->management);
	loop_free(&r->loop);
}

int
rig_connect(struct rig *r)
{
	struct msg_conn *conn = msg_new_sized(MSG_CONN, ++r->connections, sizeof *conn);
	struct msg *m = &conn->msg;
	int end[2], made = socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, end);

	CHECK(made == 0);
	if (r->io == NULL)
		r->io = io_new(r->loop, &r->config, r->in, r->proc, r->mgmt);
	conn->fd = end[0];
	conn->service = &r->service;
	conn->listener = "192.0.2.1:4730";
	strcpy(conn->address, "192.0.2.7");
	strcpy(conn->port, "5000");
	mbox_post(r->in, &m);
	rig_pass(r);
	if (r->service.transport != NULL)
		return end[1];
	m = rig_core(r);
	CHECK(m != NULL && m->kind == MSG_PEER_NEW && m->peer == r->connections);
	return end[1];
}

static void
rig_answer_lines(struct rig *r, const struct list *msgs)
{
	LIST_EACH(node, msgs)
		if (MSG(node)->kind == MSG_PACKET && MSG(node)->type == PKT_TEXT)
			rig_text(r, MSG(node)->peer, "");
}

void
rig_pass(struct rig *r)
{
	struct rider rider = io_rider(r->io);
	struct list posted;
	nsec_t due = NEVER;

	list_init(&posted);
	event_base_loop(loop_base(r->loop), EVLOOP_ONCE | EVLOOP_NONBLOCK);
	rider.turn(rider.self, &due);
	mbox_take(r->proc, &posted);
	if (r->answers_lines)
		rig_answer_lines(r, &posted);
	list_splice(&r->core, &posted);
	mbox_take(r->mgmt, &r->management);
}

void
rig_write(struct rig *r, int fd, struct slice s)
{
	while (s.len > 0) {
		ssize_t n = send(fd, s.data, s.len, MSG_NOSIGNAL);

		CHECK(n > 0 || errno == EAGAIN);
		rig_pass(r);
		if (n > 0)
			s = slice_of(s.data + n, s.len - (size_t)n);
	}
	rig_pass(r);
}

/* True at the end of file. */
static bool
read_into(struct rig *r, int fd, struct buf *got)
{
	int silent = 0;

	while (silent < 3) {
		ssize_t n = recv(fd, buf_room(got, 65536), 65536, 0);

		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return true;
		CHECK(n > 0 || errno == EAGAIN);
		got->len += n > 0 ? (size_t)n : 0;
		silent = n > 0 ? 0 : silent + 1;
		rig_pass(r);
	}
	return false;
}

struct buf
rig_read(struct rig *r, int fd)
{
	struct buf got = { 0 };

	read_into(r, fd, &got);
	return got;
}

bool
rig_at_end(struct rig *r, int fd)
{
	struct buf got = { 0 };
	bool at_end = read_into(r, fd, &got);

	buf_fini(&got);
	return at_end;
}

static void
rig_add_counts(struct rig *r, const struct msg_counts *c)
{
	for (int i = 0; i < STAT_COUNT; i++)
		r->counts[i] += c->by[i];
}

static struct msg *
next_to_core(struct rig *r)
{
	struct list *node;

	while ((node = list_pop(&r->core)) != NULL) {
		struct msg *m = MSG(node);

		if (m->kind != MSG_COUNTS)
			return m;
		rig_add_counts(r, MSG_AS(msg_counts, m));
		msg_free(&m);
	}
	return NULL;
}

struct msg *
rig_core(struct rig *r)
{
	msg_free(&r->shown);
	r->shown = next_to_core(r);
	for (int passes = 0; r->shown == NULL && passes < 3; passes++) {
		rig_pass(r);
		r->shown = next_to_core(r);
	}
	return r->shown;
}

struct msg *
rig_management(struct rig *r)
{
	struct list *node = list_pop(&r->management);

	msg_free(&r->shown);
	r->shown = node == NULL ? NULL : MSG(node);
	return r->shown;
}

void
rig_tell(struct rig *r, enum msg_kind kind, uint64_t peer)
{
	struct msg *m = msg_new(kind, peer);

	mbox_post(r->in, &m);
	rig_pass(r);
}

void
rig_text(struct rig *r, uint64_t peer, const char *text)
{
	struct msg_reply *reply = msg_reply_new(PKT_TEXT, peer, strlen(text));
	struct msg *m = &reply->msg;

	msg_reply_arg(reply, slice_str(text), true);
	mbox_post(r->in, &m);
}

void
rig_reply(struct rig *r, uint64_t peer, enum pkt_type type, const char *arg, const char *data)
{
	struct msg_reply *reply = msg_reply_new(type, peer, strlen(arg) + 1);
	struct msg *m = &reply->msg;

	msg_reply_arg(reply, slice_str(arg), data == NULL);
	if (data != NULL) {
		struct blob *b = blob_copy(slice_str(data));

		msg_reply_data(reply, b, blob_slice(b));
		blob_unref(&b);
	}
	mbox_post(r->in, &m);
}

void
wire_packet(struct buf *out, bool response, uint32_t type, const char *const *arg, struct slice data)
{
	const struct pkt_info *info = pkt_info(type);
	char head[PKT_HEAD];
	struct buf body = { 0 };

	for (int i = 0; arg[i] != NULL; i++) {
		buf_add_str(&body, arg[i]);
		if (arg[i + 1] != NULL || info == NULL || info->last == PKT_LAST_OPAQUE)
			buf_add_char(&body, '\0');
	}
	buf_add_slice(&body, data);
	pkt_head_write(head, response, type, (uint32_t)body.len);
	buf_add(out, head, sizeof head);
	buf_add_slice(out, buf_slice(&body));
	buf_fini(&body);
}
