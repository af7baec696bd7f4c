/* SPDX-License-Identifier: BSD-3-Clause
 *
 * packet.h - numbers of the Gearman binary protocol's packets, for protocol modules.
 *
 * Arguments in order; `+ data` means bytes of any kind after them.  A test holds this
 * list and the server's own packet table together.
 */
#ifndef GEARMAND_PACKET_H
#define GEARMAND_PACKET_H

enum gearmand_packet_type {
	/* To the server. */
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
	GEARMAND_TEXT = 0,                /* + an administrative line, without its LF */

	/* From the server. */
	GEARMAND_JOB_CREATED = 8,       /* handle */
	GEARMAND_WORK_STATUS = 12,      /* handle, numerator, denominator */
	GEARMAND_WORK_COMPLETE = 13,    /* handle + data */
	GEARMAND_WORK_FAIL = 14,        /* handle */
	GEARMAND_WORK_EXCEPTION = 25,   /* handle + data; after OPTION_REQ exceptions only, else WORK_FAIL */
	GEARMAND_WORK_DATA = 28,        /* handle + data */
	GEARMAND_WORK_WARNING = 29,     /* handle + data */
	GEARMAND_ECHO_RES = 17,         /* + data */
	GEARMAND_ERROR = 19,            /* code, text */
	GEARMAND_STATUS_RES = 20,       /* handle, known, running, numerator, denominator */
	GEARMAND_OPTION_RES = 27,       /* option name */
	GEARMAND_STATUS_RES_UNIQUE = 42 /* unique, known, running, numerator, denominator, clients */
};

#endif
