/* SPDX-License-Identifier: BSD-3-Clause
 *
 * host.h - the table of services that a module gets, as the server gives it, but watchful.  For the check kit, and for
 * tests and benches of modules.
 *
 * Runs on:  the thread that made it; what the table offers also on threads of the module.
 * Owns:     the values of the module's options.
 *
 * Who uses it says what fail() and note_if_failed() do: see kit.h.
 */
#ifndef CHECK_HOST_H
#define CHECK_HOST_H

#include <stdbool.h>

#include <gearmand/plugin.h>

enum { HOST_VALUES_MOST = 64, HOST_LINE_MOST = 2048 };

/* Bytes that grow; always NUL-terminated behind `len` once something was added, be it nothing. */
struct pile {
	char *data;
	size_t len;
};

void pile_add(struct pile *, const void *bytes, size_t len);
void pile_cut(struct pile *, size_t len); /* that many from the front */
void pile_free(struct pile *);
struct gearmand_slice pile_slice(const struct pile *);

struct host {
	struct gearmand_host table; /* what the module gets */
	const struct gearmand_plugin *plugin;
	struct host_value {
		const struct gearmand_option *option;
		char *text; /* NULL = no value */
		int64_t number;
	} values[HOST_VALUES_MOST];
	int value_count;
	char log[HOST_LINE_MOST]; /* the latest line; "" = nothing was logged */

	/* Queue modules. */
	const struct gearmand_queue_ops *ops;
	struct gearmand_opening opening;

	/* Protocol and transport modules; see conn.h. */
	void *module, *thread;
	struct pile listens; /* "PROTOCOL address port\n" ... */
	bool is_opening, is_open;
};

struct words;

/* All options have their defaults. */
void host_init(struct host *, const struct gearmand_plugin *);
/* `len` bytes are the option's name or alias; `given` is NULL for a switch.  False: the error says what is wrong. */
bool host_set(struct host *, const char *name, size_t len, const char *given, struct gearmand_error *);
/* Reads the module's options, as the server does. */
bool host_options_read(struct host *, const struct words *, struct gearmand_error *);
void host_options_print(const struct gearmand_plugin *);
void host_free_values(struct host *);

/* Blocks of memory that modules have of host->allocate. */
long host_blocks(void);

/* Set while a commit is on: is this one of its changes?  NULL = any may be refused. */
extern bool (*host_is_change)(const struct gearmand_change *);

void host_be_another(void); /* from now on this process is another server: in a child of the kit */

#endif
