/* SPDX-License-Identifier: BSD-3-Clause
 *
 * plugin.h - what a module of gearmand is: one descriptor, found by the host.
 *
 * A module is a shared object with one exported data symbol, `gearmand_plugin`, made by
 * GEARMAND_QUEUE_PLUGIN, GEARMAND_PROTOCOL_PLUGIN or GEARMAND_TRANSPORT_PLUGIN.  It
 * links against nothing of the host: what it needs of the server it gets as a table of
 * functions, struct gearmand_host.  It includes <gearmand/...> and nothing else of ours.
 *
 * Thread contract: each callback says who calls it.
 *   start-up   the main thread, before any other thread exists
 *   store      the one thread that calls a queue module; it may block
 *   io         the I/O thread of the connection; must never block
 */
#ifndef GEARMAND_PLUGIN_H
#define GEARMAND_PLUGIN_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gearmand/level.h>
#include <gearmand/slice.h>

#ifdef __cplusplus
extern "C" {
#endif

/* "GMPL".  The interface version is independent of the release's: the major changes when a
 * module must be rebuilt, the minor when something is added at the end of a struct. */
#define GEARMAND_PLUGIN_MAGIC     0x474d504cu
#define GEARMAND_PLUGIN_ABI_MAJOR 1u
#define GEARMAND_PLUGIN_ABI_MINOR 0u

enum gearmand_kind {
	GEARMAND_KIND_QUEUE = 1,    /* keeps background jobs */
	GEARMAND_KIND_PROTOCOL = 2, /* bytes <-> packets */
	GEARMAND_KIND_TRANSPORT = 3 /* bytes <-> bytes, under a protocol */
};

/* ---- Options ---------------------------------------------------------------------- */

enum gearmand_option_type {
	GEARMAND_OPT_SWITCH = 1, /* takes no argument; "1" when given */
	GEARMAND_OPT_STRING,
	GEARMAND_OPT_PATH,
	GEARMAND_OPT_INT,  /* decimal, signed; min and max are decimal too */
	GEARMAND_OPT_SIZE, /* bytes; K, M, G, T mean 1024, 1024^2 ... */
	GEARMAND_OPT_PORT  /* a number 0-65535 or a service name */
};

/* One command line option of the module, without the leading dashes.  The host parses command
 * line and configuration file, checks the value, prints the help, and hands the value over
 * through host->option().  A table ends with {0}. */
struct gearmand_option {
	const char *name;
	enum gearmand_option_type type;
	const char *dflt;           /* as it would be typed; NULL = no value */
	const char *min, *max;      /* INT and SIZE; NULL = no bound */
	const char *value_name;     /* in the help, "FILE" say; NULL = by type */
	const char *help;           /* one sentence without a full stop */
	const char *const *aliases; /* further names, not in the help; NULL-terminated, or NULL */
	bool secret;                /* the value is never printed */
};

/* ---- Errors ------------------------------------------------------------------------ */

/* Why a store cannot be opened. */
enum gearmand_why {
	GEARMAND_WHY_PASSING = 0, /* it may pass by itself: the database is down, say */
	GEARMAND_WHY_LASTING = 1, /* it will not: a wrong option, password or table */
	GEARMAND_WHY_IN_USE = 2   /* another server has this store */
};

/* A sentence for the operator.  Owned by the caller; starts empty. */
struct gearmand_error {
	char text[512];
	enum gearmand_why why; /* set by `open` of a queue module, for the host to choose what to do */
};

#if defined(__GNUC__)
#define GEARMAND_PRINTF(string, first) __attribute__((format(printf, string, first)))
#else
#define GEARMAND_PRINTF(string, first)
#endif

/* ---- What the host offers ---------------------------------------------------------- */

struct gearmand_conn; /* a connection of the host, opaque */
struct gearmand_job;
struct gearmand_change;
struct gearmand_packet;

/* A table per module, valid from open until close.  `size` is the host's size of the struct:
 * ask GEARMAND_HOST_HAS(host, member) before using a member newer than minor 0. */
struct gearmand_host {
	size_t size;
	void *own;                  /* the host's */
	const char *server_version; /* "0.1.0" */

	/* Any thread. */
	void (*log)(const struct gearmand_host *, enum gearmand_level, const char *format, ...) GEARMAND_PRINTF(3, 4);
	void (*error_set)(struct gearmand_error *, const char *format, ...) GEARMAND_PRINTF(2, 3);
	int64_t (*monotonic)(void); /* nanoseconds */
	int64_t (*wall)(void);      /* nanoseconds since 1970 */

	/* Any thread; the module's own options only.  `option` gives NULL for one without a value; a
	 * SWITCH is "1" or NULL, a PORT is the number as text.  `option_number` is for
	 * INT, SIZE, PORT and SWITCH; 0 when without a value.  Valid until close. */
	const char *(*option)(const struct gearmand_host *, const char *name);
	int64_t (*option_number)(const struct gearmand_host *, const char *name);

	/* Any thread.  Never NULL: the process ends when there is no memory for a size we chose. */
	void *(*allocate)(size_t size); /* zeroed */
	void (*release)(void *);

	/* Queue modules, in commit: this change is refused for good, for this reason. */
	void (*refuse)(struct gearmand_change *, const char *format, ...) GEARMAND_PRINTF(2, 3);

	/* Protocol modules, in open: listen on this address ("127.0.0.1", "::1", "*", "unix:/path") and
	 * port for connections of this module.  Sockets are bound after all modules are open; an
	 * address that cannot be bound ends the start with a sentence. */
	bool (*listen)(const struct gearmand_host *, const char *address, const char *port, struct gearmand_error *);

	/* Protocol and transport modules, in a callback of that connection (io thread). */

	/* A packet for the core.  `pkt` is copied. */
	void (*request)(struct gearmand_conn *, const struct gearmand_packet *);
	/* The same by parts, for one whose body comes in pieces: `type` and the packet's body in wire
	 * form (arguments each ended by NUL, then data).  `size` is a hint.  `body_add` is
	 * false when the body passes the server's packet limit or memory is out: the request
	 * is dropped then, and body_end must not be called. */
	void (*body_begin)(struct gearmand_conn *, uint32_t type, size_t size);
	bool (*body_add)(struct gearmand_conn *, struct gearmand_slice);
	void (*body_end)(struct gearmand_conn *);
	void (*body_drop)(struct gearmand_conn *); /* no-op when none is begun */
	/* Bytes for the peer; copied. */
	void (*write)(struct gearmand_conn *, struct gearmand_slice);
	/* The data of the packet that `send` was called with, or a part of it; not copied. */
	void (*write_data)(struct gearmand_conn *, struct gearmand_slice);
	/* Close after everything written so far has gone out.  Nothing is received any more. */
	void (*close)(struct gearmand_conn *);
	/* Call `tick` of this connection once, in that many milliseconds; 0 = not any more. */
	void (*tick_in)(struct gearmand_conn *, uint32_t ms);
	size_t (*max_packet)(const struct gearmand_conn *); /* bytes of a packet's body */
	const char *(*peer_address)(const struct gearmand_conn *);
	/* Transport modules: plain bytes from the peer, for the protocol above; copied. */
	void (*deliver)(struct gearmand_conn *, struct gearmand_slice);
};

#define GEARMAND_HOST_HAS(host, member) \
	((host)->size >= offsetof(struct gearmand_host, member) + sizeof((host)->member))

/* ---- Queue modules ----------------------------------------------------------------- */

enum gearmand_priority { GEARMAND_HIGH = 0, GEARMAND_NORMAL = 1, GEARMAND_LOW = 2 }; /* as stored by 1.1 */

/* The client sent no unique, or "-" (coalesce on the payload): `unique` is a key that the host made. */
enum { GEARMAND_JOB_NO_UNIQUE = 1, GEARMAND_JOB_UNIQUE_IS_DATA = 2 };

/* A background job as stored.  The key is (function, unique): any bytes but NUL, at most 8192 and 64. */
struct gearmand_job {
	struct gearmand_slice function, unique;
	struct gearmand_slice data;    /* any bytes, may be empty */
	struct gearmand_slice handle;  /* empty on replay when the store has none */
	struct gearmand_slice reducer; /* usually empty */
	int64_t run_at;                /* seconds since 1970; 0 = at once */
	enum gearmand_priority priority;
	uint32_t flags; /* GEARMAND_JOB_*; 0 on replay when the store has none */
};

enum gearmand_op { GEARMAND_ADD = 1, GEARMAND_REMOVE = 2 };
enum gearmand_outcome { GEARMAND_STORED = 0, GEARMAND_REFUSED = 1 };

/* One change of a batch.  For REMOVE only function and unique are meaningful. */
struct gearmand_change {
	enum gearmand_op op;
	enum gearmand_outcome outcome; /* set through host->refuse; starts as STORED */
	struct gearmand_job job;       /* slices are valid until commit returns */
	char *reason;                  /* the host's */
};

enum gearmand_commit {
	GEARMAND_COMMIT_DONE = 0, /* every change that is not REFUSED is durable */
	GEARMAND_COMMIT_AGAIN,    /* nothing can be said; the host retries the whole batch, later */
	GEARMAND_COMMIT_BROKEN    /* the same, but close and open first */
};

/* Called once per stored job in the order they were stored; the job is copied.  False = stop,
 * the host is shutting down. */
typedef bool gearmand_replay_f(void *sink, const struct gearmand_job *);

/* All on the store thread; all may block. */
struct gearmand_queue_ops {
	size_t size; /* sizeof(struct gearmand_queue_ops) when the module was built */
	/* False: error says why, *store_r is untouched. */
	bool (*open)(const struct gearmand_host *, void **store_r, struct gearmand_error *);
	/* Streams: memory use must not grow with the number of jobs. */
	bool (*replay)(void *store, gearmand_replay_f *, void *sink, struct gearmand_error *);
	/* An ordered batch, all or nothing where the store can.  Must be idempotent: the host may
	 * repeat a batch whose outcome it did not learn.  ADD of a key that is stored replaces it,
	 * REMOVE of one that is not is fine.  With AGAIN and BROKEN the error says why.  BROKEN with
	 * GEARMAND_WHY_IN_USE in the error: another server has had this store meanwhile, and may have left jobs in it
	 * that this one does not know; the host stops.  A store may be opened without a replay only after one that
	 * broke. */
	enum gearmand_commit (*commit)(void *store, struct gearmand_change *, size_t count, struct gearmand_error *);
	/* Takes; may be called after BROKEN. */
	void (*close)(void **store);
	/* May be NULL.  True: ADDs come in one batch at orderly shutdown only; until then jobs are kept
	 * in memory and acknowledged at once. */
	bool (*adds_at_shutdown)(void *store);
	/* May be NULL.  Called every two seconds or so while there is nothing to commit: is the store still there, and
	 * still ours?  So trouble is seen before a job meets it, and a lock that runs out can be renewed.  The
	 * outcomes are those of commit, and so is the error. */
	enum gearmand_commit (*check)(void *store, struct gearmand_error *);
};

/* ---- Protocol modules -------------------------------------------------------------- */

/* A packet taken apart.  Types and arguments are those of the Gearman binary protocol; see
 * <gearmand/packet.h>.  Slices belong to the caller and are valid during the call. */
struct gearmand_packet {
	uint32_t type;
	uint32_t argc;
	struct gearmand_slice arg[8];
	struct gearmand_slice data; /* types that carry data only */
};

struct gearmand_protocol_ops {
	size_t size;
	/* start-up: calls host->listen for each address.  *module_r is the module's own, may be NULL. */
	bool (*open)(const struct gearmand_host *, void **module_r, struct gearmand_error *);
	void (*close)(void **module);
	/* io: a new connection; returns the module's state of it, not NULL. */
	void *(*conn_new)(void *module, struct gearmand_conn *);
	/* io: bytes from the peer.  Returns how many of them were used; the rest is presented again,
	 * with what came meanwhile, when more came or after a `send`. */
	size_t (*receive)(void *conn_state, struct gearmand_slice);
	/* io: a packet for the peer. */
	void (*send)(void *conn_state, const struct gearmand_packet *);
	/* io: host->tick_in has run out.  May be NULL when tick_in is not used. */
	void (*tick)(void *conn_state);
	void (*conn_free)(void **conn_state); /* io */
};

/* ---- Transport modules ------------------------------------------------------------- */

struct gearmand_transport_ops {
	size_t size;
	bool (*open)(const struct gearmand_host *, void **module_r, struct gearmand_error *); /* start-up */
	void (*close)(void **module);
	void *(*conn_new)(void *module, struct gearmand_conn *); /* io */
	/* io: bytes as they came from the socket; calls host->deliver with plain bytes and host->write with
	 * bytes for the socket.  False: the connection is closed. */
	bool (*receive)(void *conn_state, struct gearmand_slice);
	/* io: plain bytes for the peer; calls host->write with what goes to the socket. */
	bool (*send)(void *conn_state, struct gearmand_slice);
	/* io: who the peer is, as far as the transport can prove; NULL when it cannot.  May be NULL. */
	const char *(*identity)(void *conn_state);
	void (*conn_free)(void **conn_state); /* io */
};

/* ---- The descriptor ---------------------------------------------------------------- */

struct gearmand_plugin {
	/* The head: never changes, and is checked before anything behind it is read. */
	uint32_t magic, abi_major, abi_minor, size;
	uint32_t kind; /* enum gearmand_kind */
	/* Since 1.0. */
	const char *name;           /* what `-q` or `-r` says: letters, digits, '-' */
	const char *const *aliases; /* NULL-terminated, or NULL; case is ignored */
	const char *version;
	const char *summary;                    /* one line for --list-plugins */
	const struct gearmand_option *options;  /* may be NULL */
	const struct gearmand_queue_ops *queue; /* the one of its kind; the others are NULL */
	const struct gearmand_protocol_ops *protocol;
	const struct gearmand_transport_ops *transport;
};

/* libltdl finds `<module>_LTX_gearmand_plugin` under the plain name, so modules of one process may
 * also be linked in statically.  Build a static one with -DGEARMAND_PLUGIN_SYMBOL=<module>_LTX_gearmand_plugin
 * where <module> is the file's name with '_' for each byte that is no letter or digit. */
#ifndef GEARMAND_PLUGIN_SYMBOL
#define GEARMAND_PLUGIN_SYMBOL gearmand_plugin
#endif

#if defined(__GNUC__)
#define GEARMAND_EXPORT __attribute__((visibility("default")))
#else
#define GEARMAND_EXPORT
#endif

#define GEARMAND_PLUGIN_(kind_, member_, ops_, name_, aliases_, version_, summary_, options_) \
	extern GEARMAND_EXPORT const struct gearmand_plugin GEARMAND_PLUGIN_SYMBOL; \
	GEARMAND_EXPORT const struct gearmand_plugin GEARMAND_PLUGIN_SYMBOL = { \
		.magic = GEARMAND_PLUGIN_MAGIC, \
		.abi_major = GEARMAND_PLUGIN_ABI_MAJOR, \
		.abi_minor = GEARMAND_PLUGIN_ABI_MINOR, \
		.size = sizeof(struct gearmand_plugin), \
		.kind = (kind_), \
		.name = (name_), \
		.aliases = (aliases_), \
		.version = (version_), \
		.summary = (summary_), \
		.options = (options_), \
		.member_ = (ops_), \
	}

/* GEARMAND_QUEUE_PLUGIN("ring", ring_aliases, "1.0", "keeps jobs in a ring file", ring_options, &ring_ops); */
#define GEARMAND_QUEUE_PLUGIN(name, aliases, version, summary, options, ops) \
	GEARMAND_PLUGIN_(GEARMAND_KIND_QUEUE, queue, ops, name, aliases, version, summary, options)
#define GEARMAND_PROTOCOL_PLUGIN(name, aliases, version, summary, options, ops) \
	GEARMAND_PLUGIN_(GEARMAND_KIND_PROTOCOL, protocol, ops, name, aliases, version, summary, options)
#define GEARMAND_TRANSPORT_PLUGIN(name, aliases, version, summary, options, ops) \
	GEARMAND_PLUGIN_(GEARMAND_KIND_TRANSPORT, transport, ops, name, aliases, version, summary, options)

#ifdef __cplusplus
}
#endif
#endif
