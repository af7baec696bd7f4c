/* SPDX-License-Identifier: BSD-3-Clause
 *
 * process.h - what the system knows of this process: threads, memory, descriptors.
 *
 * Runs on:  any thread; reads /proc/self, which does not wait for a disk.
 * Owns:     nothing.
 */
#ifndef PROTO_MONITOR_PROCESS_H
#define PROTO_MONITOR_PROCESS_H

#include <stdint.h>

enum { PROCESS_THREADS = 128 };

struct process {
	struct {
		char name[16]; /* "main", "io-1", "proc", "store", "log" */
		double cpu;    /* seconds */
	} threads[PROCESS_THREADS];
	unsigned thread_count;
	double cpu;        /* seconds, of all */
	uint64_t resident; /* bytes */
	uint64_t fds, max_fds;
};

/* What cannot be read is 0. */
void process_read(struct process *);

#endif
