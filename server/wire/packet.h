/* SPDX-License-Identifier: BSD-3-Clause
 *
 * packet.h - the binary protocol's one table, and what is made from it.
 *
 * Runs on:  any thread; pure functions, nothing is allocated.
 *
 * A packet is a 12-byte head (magic, type, body size; big endian) and a body.  The
 * body is `args` arguments, each but the last ended by NUL; when the last is OPAQUE
 * it is data of any bytes, which comes after all `args` NULs.
 */
#ifndef GEARMAND_WIRE_PACKET_H
#define GEARMAND_WIRE_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "wire/error_code.h"

enum { PKT_HEAD = 12, PKT_ARGS_MAX = 8 };

/* Longest handle, unique and reducer in bytes (1.1 says 64 with the NUL for handles). */
enum { HANDLE_MAX = 63, UNIQUE_MAX = 64, REDUCER_MAX = 64, OPTION_NAME_MAX = 63, CLIENT_ID_MAX = 127 };
/* All arguments of a request together with their NULs, without the data (1.1's receive buffer).  What the server
 * sends itself is not bounded: a handle comes on top of the names that were sent. */
enum { PKT_ARG_BYTES_MAX = 8192 };

/* Who may send it: REQ to the server, RES by the server, BOTH; NONE is a hole or a packet
 * that this server never takes (ERROR INVALID_COMMAND).
 *
 *    nr  name                      way   args  last     handled by */
/* clang-format off */
#define PACKETS(X) \
	X( 1, CAN_DO,                   REQ,  1,    TEXT,    can_do) \
	X( 2, CANT_DO,                  REQ,  1,    TEXT,    cant_do) \
	X( 3, RESET_ABILITIES,          REQ,  0,    NOTHING, reset_abilities) \
	X( 4, PRE_SLEEP,                REQ,  0,    NOTHING, pre_sleep) \
	X( 5, UNUSED,                   NONE, 0,    NOTHING, unexpected) \
	X( 6, NOOP,                     RES,  0,    NOTHING, unexpected) \
	X( 7, SUBMIT_JOB,               REQ,  2,    OPAQUE,  submit) \
	X( 8, JOB_CREATED,              RES,  1,    TEXT,    unexpected) \
	X( 9, GRAB_JOB,                 REQ,  0,    NOTHING, grab) \
	X(10, NO_JOB,                   RES,  0,    NOTHING, unexpected) \
	X(11, JOB_ASSIGN,               RES,  2,    OPAQUE,  unexpected) \
	X(12, WORK_STATUS,              BOTH, 3,    TEXT,    work_status) \
	X(13, WORK_COMPLETE,            BOTH, 1,    OPAQUE,  work_complete) \
	X(14, WORK_FAIL,                BOTH, 1,    TEXT,    work_fail) \
	X(15, GET_STATUS,               REQ,  1,    TEXT,    get_status) \
	X(16, ECHO_REQ,                 REQ,  0,    OPAQUE,  echo) \
	X(17, ECHO_RES,                 RES,  0,    OPAQUE,  unexpected) \
	X(18, SUBMIT_JOB_BG,            REQ,  2,    OPAQUE,  submit) \
	X(19, ERROR,                    RES,  2,    TEXT,    unexpected) \
	X(20, STATUS_RES,               RES,  5,    TEXT,    unexpected) \
	X(21, SUBMIT_JOB_HIGH,          REQ,  2,    OPAQUE,  submit) \
	X(22, SET_CLIENT_ID,            REQ,  1,    TEXT,    set_client_id) \
	X(23, CAN_DO_TIMEOUT,           REQ,  2,    TEXT,    can_do_timeout) \
	X(24, ALL_YOURS,                NONE, 0,    NOTHING, unexpected) \
	X(25, WORK_EXCEPTION,           BOTH, 1,    OPAQUE,  work_exception) \
	X(26, OPTION_REQ,               REQ,  1,    TEXT,    option) \
	X(27, OPTION_RES,               RES,  1,    TEXT,    unexpected) \
	X(28, WORK_DATA,                BOTH, 1,    OPAQUE,  work_data) \
	X(29, WORK_WARNING,             BOTH, 1,    OPAQUE,  work_data) \
	X(30, GRAB_JOB_UNIQ,            REQ,  0,    NOTHING, grab) \
	X(31, JOB_ASSIGN_UNIQ,          RES,  3,    OPAQUE,  unexpected) \
	X(32, SUBMIT_JOB_HIGH_BG,       REQ,  2,    OPAQUE,  submit) \
	X(33, SUBMIT_JOB_LOW,           REQ,  2,    OPAQUE,  submit) \
	X(34, SUBMIT_JOB_LOW_BG,        REQ,  2,    OPAQUE,  submit) \
	X(35, SUBMIT_JOB_SCHED,         REQ,  7,    OPAQUE,  submit_sched) \
	X(36, SUBMIT_JOB_EPOCH,         REQ,  3,    OPAQUE,  submit_epoch) \
	X(37, SUBMIT_REDUCE_JOB,        REQ,  3,    OPAQUE,  submit_reduce) \
	X(38, SUBMIT_REDUCE_JOB_BACKGROUND, REQ, 3, OPAQUE,  submit_reduce) \
	X(39, GRAB_JOB_ALL,             REQ,  0,    NOTHING, grab) \
	X(40, JOB_ASSIGN_ALL,           RES,  4,    OPAQUE,  unexpected) \
	X(41, GET_STATUS_UNIQUE,        REQ,  1,    TEXT,    get_status_unique) \
	X(42, STATUS_RES_UNIQUE,        RES,  6,    TEXT,    unexpected)
/* clang-format on */

enum pkt_type {
	PKT_TEXT = 0, /* not on the wire: an administrative text line travels inside the server as type 0 */
#define X(nr, name, way, args, last, handler) PKT_##name = nr,
	PACKETS(X)
#undef X
	    PKT_TYPES
};

enum pkt_way { PKT_WAY_NONE, PKT_WAY_REQ, PKT_WAY_RES, PKT_WAY_BOTH };
enum pkt_last { PKT_LAST_NOTHING, PKT_LAST_TEXT, PKT_LAST_OPAQUE };

struct pkt_info {
	const char *name;
	enum pkt_way way;
	uint8_t args; /* all arguments; with OPAQUE the data comes after them and is not counted */
	enum pkt_last last;
};

/* NULL for a type that is not in the table (and for 0). */
const struct pkt_info *pkt_info(uint32_t type);

enum pkt_verdict { PKT_OK, PKT_MORE, PKT_BAD };

struct pkt_head {
	bool is_response; /* magic \0RES */
	uint32_t type;    /* as sent: may be in no table */
	uint32_t size;    /* body bytes */
};

/* Reads the head at the start of `in`: MORE when shorter than 12 bytes, BAD when the magic is neither. */
enum pkt_verdict pkt_head_parse(struct slice in, struct pkt_head *head_r);
void pkt_head_write(char out[PKT_HEAD], bool is_response, uint32_t type, uint32_t size);

/* A packet's body taken apart: views into the body. */
struct pkt {
	uint32_t type;
	uint32_t argc;
	struct slice data;              /* OPAQUE only */
	struct slice arg[PKT_ARGS_MAX]; /* those from argc on are undefined */
};

/* Takes a whole body apart by the table.  False: *error_r is INVALID_COMMAND (no such type), TOO_FEW_ARGUMENTS or
 * ARGUMENT_TOO_LARGE; else it means nothing.  For the reduce submits a fourth argument is taken when what follows the
 * third starts with NUL (libgearman sends an empty fourth argument; the protocol text has three).  A NUL at the end of
 * a last TEXT argument is part of it.  Zero-argument packets may have a body, which is ignored. */
bool pkt_split(uint32_t type, struct slice body, struct pkt *pkt_r, enum wire_error *error_r);

#endif
