/* SPDX-License-Identifier: BSD-3-Clause
 *
 * talker.h - a protocol for tests of what an I/O thread does for modules: it says in words what it is called with.
 *
 * Runs on:  the test's thread.
 * Owns:     nothing; there is one talker, that of the latest connection.
 *
 * A request is a line, and the next is taken when it is answered.
 */
#ifndef GEARMAND_TESTS_TALKER_H
#define GEARMAND_TESTS_TALKER_H

#include <gearmand/plugin.h>

struct talker {
	struct gearmand_conn *conn;
	bool busy;
	size_t claim;  /* says it used that many bytes more than there are */
	uint32_t refs; /* of the data's blob, after write_data */
	bool added;    /* what body_add said */
	bool keeps;    /* it keeps the data of WORK_DATA until the end of the job */
	struct gearmand_kept *kept;
};

extern struct talker talker;
extern struct gearmand_host talker_host; /* what it calls; filled by the test */
extern const struct gearmand_protocol_ops talker_ops;
void *talker_new(void *module, void *thread, struct gearmand_conn *);

#endif
