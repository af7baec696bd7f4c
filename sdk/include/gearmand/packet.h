/* SPDX-License-Identifier: BSD-3-Clause
 *
 * packet.h - numbers of the Gearman binary protocol's packets, for protocol modules.
 *
 * Arguments in order; `+ data` means bytes of any kind after them.  A test holds this
 * list and the server's own packet table together.
 */
#ifndef GEARMAND_PACKET_H
#define GEARMAND_PACKET_H

/* Numbers as on the wire. */
enum gearmand_packet_type {
	/* An administrative line without its LF as data, and its one reply, whole. */
	GEARMAND_TEXT = 0,

	/* A client's, to the server. */
	GEARMAND_SUBMIT_JOB = 7,          /* function, unique + data */
	GEARMAND_SUBMIT_JOB_BG = 18,      /* function, unique + data */
	GEARMAND_SUBMIT_JOB_HIGH = 21,    /* function, unique + data */
	GEARMAND_SUBMIT_JOB_HIGH_BG = 32, /* function, unique + data */
	GEARMAND_SUBMIT_JOB_LOW = 33,     /* function, unique + data */
	GEARMAND_SUBMIT_JOB_LOW_BG = 34,  /* function, unique + data */
	GEARMAND_SUBMIT_JOB_EPOCH = 36,   /* function, unique, seconds since 1970 + data */
	GEARMAND_GET_STATUS = 15,         /* handle */
	GEARMAND_GET_STATUS_UNIQUE = 41,  /* unique */
	GEARMAND_ECHO_REQ = 16,           /* + data */
	GEARMAND_OPTION_REQ = 26,         /* option name: "exceptions" */

	/* A worker's, to the server.  Besides these, WORK_* below. */
	GEARMAND_CAN_DO = 1,  /* function */
	GEARMAND_CANT_DO = 2, /* function */
	GEARMAND_RESET_ABILITIES = 3,
	GEARMAND_PRE_SLEEP = 4,
	GEARMAND_GRAB_JOB = 9,
	GEARMAND_SET_CLIENT_ID = 22,  /* id */
	GEARMAND_CAN_DO_TIMEOUT = 23, /* function, milliseconds */
	GEARMAND_GRAB_JOB_UNIQ = 30,
	GEARMAND_GRAB_JOB_ALL = 39,

	/* From the server, and those of a worker's WORK_* that it passes on. */
	GEARMAND_NOOP = 6,
	GEARMAND_JOB_CREATED = 8, /* handle */
	GEARMAND_NO_JOB = 10,
	GEARMAND_JOB_ASSIGN = 11,        /* handle, function + data */
	GEARMAND_JOB_ASSIGN_UNIQ = 31,   /* handle, function, unique + data */
	GEARMAND_JOB_ASSIGN_ALL = 40,    /* handle, function, unique, reducer + data */
	GEARMAND_WORK_STATUS = 12,       /* handle, numerator, denominator */
	GEARMAND_WORK_COMPLETE = 13,     /* handle + data */
	GEARMAND_WORK_FAIL = 14,         /* handle */
	GEARMAND_WORK_EXCEPTION = 25,    /* handle + data; after OPTION_REQ exceptions only, else WORK_FAIL */
	GEARMAND_WORK_DATA = 28,         /* handle + data */
	GEARMAND_WORK_WARNING = 29,      /* handle + data */
	GEARMAND_ECHO_RES = 17,          /* + data */
	GEARMAND_ERROR = 19,             /* code, text */
	GEARMAND_STATUS_RES = 20,        /* handle, known, running, numerator, denominator */
	GEARMAND_OPTION_RES = 27,        /* option name */
	GEARMAND_STATUS_RES_UNIQUE = 42, /* unique, known, running, numerator, denominator, clients */

	/* To modules only, never on the wire.  The worker was lost: WORK_DATA and WORK_WARNING of this attempt are
	 * void, and another worker begins anew. */
	GEARMAND_ATTEMPT_VOID = 1000 /* handle */
};

#endif
