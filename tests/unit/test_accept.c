/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Accepting: numbers, turns, and what happens when the system gives no more descriptors.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "cross/log.h"
#include "cross/loop.h"
#include "cross/msg.h"
#include "cross/service.h"
#include "mgmt/accept.h"
#include "mgmt/options.h"
#include "mgmt/serving.h"

enum { IOS = 3 };

struct hall {
	struct loop *loop;
	struct mbox *io[IOS], *log;
	struct serving_place place;
	struct listeners listeners;
	struct acceptor *acceptor;
	unsigned came[IOS]; /* connections, by I/O thread */
	unsigned total, complaints;
	int keepalive, user_timeout; /* of the last one */
	uint64_t numbers;            /* one bit for each that was given */
	unsigned wanted;             /* stop when so many came ... */
	unsigned complaints_wanted;  /* ... and so much was complained of */
};

static int
option_of(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof value;

	cr_assert_eq(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

static void
hall_take(struct hall *h)
{
	struct list msgs, *node;

	list_init(&msgs);
	for (unsigned i = 0; i < IOS; i++)
		mbox_take(h->io[i], &msgs);
	mbox_take(h->log, &msgs);
	while ((node = list_pop(&msgs)) != NULL) {
		struct msg *m = MSG(node);

		if (m->kind == MSG_LOG) {
			h->complaints++;
		} else {
			const struct msg_conn *c = MSG_AS(msg_conn, m);

			cr_assert_eq(m->kind, MSG_CONN);
			cr_assert(m->peer < 64 && !(h->numbers >> m->peer & 1), "each number is given once");
			cr_assert_str_eq(c->address, "127.0.0.1");
			cr_assert_eq(c->service, &h->place.service);
			h->numbers |= UINT64_C(1) << m->peer;
			h->came[c->io]++;
			h->total++;
			h->keepalive = option_of(c->fd, SOL_SOCKET, SO_KEEPALIVE);
			h->user_timeout = option_of(c->fd, IPPROTO_TCP, TCP_USER_TIMEOUT);
		}
		msg_free(&m); /* closes the socket */
	}
}

static bool
hall_turn(void *self, nsec_t *due_r)
{
	struct hall *h = self;

	(void)due_r;
	hall_take(h);
	if (h->total >= h->wanted && h->complaints >= h->complaints_wanted)
		loop_stop(h->loop);
	return false;
}

static void
hall_open(struct hall *h, int fd_max)
{
	struct accept_config config = { .listeners = &h->listeners,
		.io = h->io,
		.io_count = IOS,
		.fd_max = fd_max,
		.keepalive_idle = 120,
		.keepalive_interval = 30,
		.keepalive_count = 4 };
	static char address[] = "127.0.0.1", *const loopback[] = { address };
	struct gearmand_error err;

	memset(h, 0, sizeof *h);
	h->place =
	    (struct serving_place){ .service.name = "test", .addresses = loopback, .address_count = 1, .port = "0" };
	role_take(&mgmt_role);
	role_assume(&mgmt_role);
	h->loop = loop_new();
	waker_bind(loop_waker(h->loop));
	for (unsigned i = 0; i < IOS; i++)
		h->io[i] = mbox_new(loop_waker(h->loop));
	h->log = mbox_new(loop_waker(h->loop));
	log_start(h->log, GEARMAND_LOG_NOTICE);
	loop_add_rider(h->loop, (struct rider){ hall_turn, h });
	cr_assert(listeners_bind(&h->listeners, &h->place, 64, &err), "%s", err.text);
	h->acceptor = acceptor_new(loop_base(h->loop), &config);
	acceptor_start(h->acceptor, false);
}

static void
hall_close(struct hall *h)
{
	log_start(NULL, GEARMAND_LOG_FATAL);
	acceptor_free(&h->acceptor);
	text_list_fini(&h->place.names);
	for (unsigned i = 0; i < IOS; i++)
		mbox_free(&h->io[i]);
	mbox_free(&h->log);
	loop_free(&h->loop);
}

static void
hall_await(struct hall *h, unsigned connections, unsigned complaints)
{
	h->wanted = connections;
	h->complaints_wanted = complaints;
	loop_run(h->loop);
}

static int
knock(const struct hall *h)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sa.sin_port = htons((uint16_t)atoi(h->listeners.at[0].port));
	cr_assert(fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0);
	return fd;
}

Test(accept, connections_go_to_io_threads_in_turn, .timeout = 20)
{
	struct hall h;
	uint64_t without;
	int guests[2 * IOS];

	hall_open(&h, 10000);
	for (int i = 0; i < 2 * IOS; i++)
		guests[i] = knock(&h);
	hall_await(&h, 2 * IOS, 0);
	for (unsigned i = 0; i < IOS; i++)
		cr_assert_eq(h.came[i], 2);
	cr_assert_eq(h.numbers, 0x7e, "from 1 up");
	role_assume(&mgmt_role);
	cr_assert_eq(acceptor_take_refused(h.acceptor, &without), 0);
	for (int i = 0; i < 2 * IOS; i++)
		close(guests[i]);
	hall_close(&h);
}

Test(accept, a_peer_whose_machine_vanished_is_noticed, .timeout = 20)
{
	struct hall h;
	int guest;

	hall_open(&h, 10000);
	guest = knock(&h);
	hall_await(&h, 1, 0);
	cr_assert_eq(h.keepalive, 1);
	cr_assert_eq(h.user_timeout, 1000 * (120 + 4 * 30), "as long with bytes on their way");
	close(guest);
	hall_close(&h);
}

Test(accept, spare_descriptors_are_not_given_to_connections, .timeout = 20)
{
	struct hall h;
	uint64_t without;
	char byte;
	int guest;

	hall_open(&h, 3); /* all of ours are higher */
	guest = knock(&h);
	hall_await(&h, 0, 1);
	cr_assert_eq(read(guest, &byte, 1), 0, "it is closed at once");
	role_assume(&mgmt_role);
	cr_assert_eq(acceptor_take_refused(h.acceptor, &without), 1);
	cr_assert_eq(without, 1);
	cr_assert_eq(acceptor_take_refused(h.acceptor, &without), 0, "they are taken once");
	close(guest);
	hall_close(&h);
}

/* accept4() says EMFILE: one complaint, a rest, and the guest is served when there are descriptors again. */
Test(accept, out_of_descriptors_it_rests_and_recovers, .timeout = 20)
{
	struct rlimit before, now;
	struct hall h;
	int guest;

	hall_open(&h, 1 << 20);
	guest = knock(&h);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	now = before;
	now.rlim_cur = 0;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &now), 0);
	hall_await(&h, 0, 1);
	cr_assert_eq(h.total, 0);
	/* It has tried again meanwhile, or does so from now on: nothing more is said while it lasts. */
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	hall_await(&h, 1, 2);
	cr_assert_eq(h.total, 1);
	cr_assert_eq(h.complaints, 2, "and when it is over, that is said");
	close(guest);
	hall_close(&h);
}

/* The monitor's: it is asked while the server starts and while it ends. */
Test(accept, early_listeners_are_served_before_the_others_and_after_them, .timeout = 20)
{
	static const struct gearmand_protocol_ops early_ops = { .early = true };
	static char address[] = "127.0.0.1", *const loopback[] = { address };
	struct serving_place late = { .service.name = "late", .addresses = loopback, .address_count = 1, .port = "0" };
	struct gearmand_error err;
	struct hall h;
	int guests[2];

	hall_open(&h, 10000);
	h.place.service.protocol = &early_ops;
	role_assume(&mgmt_role);
	cr_assert(listeners_bind(&h.listeners, &late, 64, &err), "%s", err.text);
	acceptor_start(h.acceptor, true);
	acceptor_start(h.acceptor, false);
	acceptor_stop(h.acceptor);
	cr_assert_eq(h.listeners.count, 1);
	guests[0] = knock(&h);
	hall_await(&h, 1, 0);
	acceptor_stop(h.acceptor);
	guests[1] = knock(&h);
	hall_await(&h, 2, 0);
	close(guests[0]);
	close(guests[1]);
	text_list_fini(&late.names);
	hall_close(&h);
}

Test(accept, a_module_has_a_connection_of_its_own_whose_far_end_is_kept, .timeout = 20)
{
	struct hall h;
	struct list msgs;
	int far;

	hall_open(&h, 10000);
	role_assume(&mgmt_role);
	far = acceptor_attend(h.acceptor, &h.place.service);
	cr_assert_geq(far, 0);
	list_init(&msgs);
	for (unsigned i = 0; i < IOS; i++)
		mbox_take(h.io[i], &msgs);
	cr_assert_eq(MSG(list_first(&msgs))->kind, MSG_CONN);
	cr_assert_str_eq(MSG_AS(msg_conn, MSG(list_first(&msgs)))->address, "test");
	msg_free_all(&msgs);
	close(far);
	hall_close(&h);
}

Test(accept, stopping_closes_the_doors, .timeout = 20)
{
	struct hall h;
	struct sockaddr_in sa = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	hall_open(&h, 10000);
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sa.sin_port = htons((uint16_t)atoi(h.listeners.at[0].port));
	role_assume(&mgmt_role);
	acceptor_stop(h.acceptor);
	acceptor_stop(h.acceptor);
	cr_assert_eq(h.listeners.count, 0);
	cr_assert_neq(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	close(fd);
	hall_close(&h);
}
