/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aside.h - the thread that does what an I/O thread must not be held up by: handshakes of transports.
 *
 * Runs on:  a thread of its own, in every `-t`, only when a transport has such work.
 * Owns:     what waits for it; a connection's state while its work is done.
 */
#ifndef GEARMAND_IO_ASIDE_H
#define GEARMAND_IO_ASIDE_H

#include "cross/mbox.h"

/* Takes WORK, one after the other, and sends each back when it is done.  Returns at STOP; what waits is dropped. */
void aside_run(struct waker *, struct mbox *);

#endif
