/* SPDX-License-Identifier: BSD-3-Clause
 *
 * io_rig.h - an I/O class on its own: the test is the peers, the core and management.
 *
 * Runs on:  the test's thread, which plays all classes.
 * Owns:     everything it made; a message from rig_core() until the next call.
 */
#ifndef GEARMAND_TESTS_IO_RIG_H
#define GEARMAND_TESTS_IO_RIG_H

#include "base/buf.h"
#include "cross/msg.h"
#include "io/io.h"

struct rig {
	struct loop *loop;
	struct mbox *in, *proc, *mgmt;
	struct io *io;
	struct io_config config;
	struct service service;
	struct list core, management; /* taken, not looked at */
	struct msg *shown;
	uint64_t connections;
	bool answers_lines; /* text lines get an empty reply at once */
	uint64_t counts[STAT_COUNT];
};

/* Speaks the gear protocol; change `config` and `service` before the first rig_connect(). */
void rig_init(struct rig *);
void rig_fini(struct rig *);

/* A connection; returns the peer's end, non-blocking.  Its number is rig->connections.  The core has seen PEER_NEW,
 * unless there is a transport. */
int rig_connect(struct rig *);
void rig_pass(struct rig *);                        /* one pass of the loop, without sleeping */
void rig_write(struct rig *, int fd, struct slice); /* all of it, with passes */
/* What the peer has got since; with passes until nothing more comes. */
struct buf rig_read(struct rig *, int fd);
bool rig_at_end(struct rig *, int fd); /* does the peer see end of file?  Reads what is in front of it */

struct msg *rig_core(
    struct rig *); /* the next message to the core, COUNTS left out, with passes; NULL: there is none */
struct msg *rig_management(struct rig *);                  /* the same, to management */
void rig_tell(struct rig *, enum msg_kind, uint64_t peer); /* the core says so; with a pass */
void rig_text(struct rig *, uint64_t peer, const char *);  /* a PKT_TEXT reply; without */
void rig_reply(struct rig *, uint64_t peer, enum pkt_type, const char *arg, const char *data);

/* A packet in wire form at the end of `out`; `arg` ends with NULL, `data` may be NULL. */
void wire_packet(struct buf *out, bool response, uint32_t type, const char *const *arg, struct slice data);
#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define NO_ARGS   ((const char *const[]){ NULL })

#endif
