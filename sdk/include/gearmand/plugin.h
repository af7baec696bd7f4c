/* SPDX-License-Identifier: BSD-3-Clause
 *
 * plugin.h - what a module of gearmand is: one descriptor, found by the server.
 *
 * A module is a shared object with one exported data symbol, `gearmand_plugin`, made by
 * GEARMAND_QUEUE_PLUGIN, GEARMAND_PROTOCOL_PLUGIN or GEARMAND_TRANSPORT_PLUGIN.  It
 * links against nothing of the server: it is given a table of functions, struct gearmand_host.
 * It includes <gearmand/...> and nothing else of this project; <gearmand/module.h> has helpers.
 *
 * Threads.  Each callback names the thread that calls it:
 *   main    the main thread; at start-up no other thread exists yet
 *   store   the one thread that calls a queue module; the module may block.  After a close, another
 *           thread may open the store again.
 *   io      the I/O thread of the connection; the module must never block.  Several I/O threads may be in
 *           the module at the same time, each with connections of its own.
 *
 * Growth.  A module that is built today loads into every later server of the same major number.
 *   - Structs grow at their end only.
 *   - The server accepts a module whose major number is its own and whose minor number is not newer.  So a module
 *     may use all members, in structs that the server makes, that its own header shows.
 *   - Tables that a module makes (operations, descriptor, options) tell their size.  The server takes members
 *     that the size does not cover for 0 or NULL, which always means "as before".
 *   - Jobs, changes and packets have the same size in all of 1.x: they have room in reserve, which the maker of
 *     the struct sets to 0.
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

/* "GMPL".  The number of this interface is independent of the release's: the major number changes when modules
 * must be rebuilt, the minor number when something is added at the end of a struct. */
#define GEARMAND_PLUGIN_MAGIC     0x474d504cu
#define GEARMAND_PLUGIN_ABI_MAJOR 1u /* of this header */
#define GEARMAND_PLUGIN_ABI_MINOR 0u /* of this header */

/* What a module does; it has the operations of one kind. */
enum gearmand_kind {
	GEARMAND_KIND_QUEUE = 1,    /* keeps background jobs */
	GEARMAND_KIND_PROTOCOL = 2, /* turns bytes into packets, and packets into bytes */
	GEARMAND_KIND_TRANSPORT = 3 /* stands between the socket and a protocol: encryption, say */
};

/* ---- Options ---------------------------------------------------------------------- */

/* What an option's value is.  The server refuses what is no such value. */
enum gearmand_option_type {
	GEARMAND_OPT_SWITCH = 1, /* takes no argument; "1" when given */
	GEARMAND_OPT_STRING,
	GEARMAND_OPT_PATH,
	GEARMAND_OPT_INT,  /* decimal, signed; min and max are decimal too */
	GEARMAND_OPT_SIZE, /* bytes; K, M, G, T mean 1024, 1024^2 ... */
	GEARMAND_OPT_PORT  /* a number 0-65535 or a service name */
};

/* One command line option of the module, without the leading dashes.  The server parses command line and
 * configuration file, checks the value, prints the help, and hands the value over through
 * host->option().  A table ends with {0}.  A module that declares --ssl, --ssl-ca-file, --ssl-certificate or --ssl-key
 * sees what the server has for them: type, default and help are the server's. */
struct gearmand_option {
	const char *name;               /* without dashes; begins with the module's name */
	enum gearmand_option_type type; /* what its value is */
	const char *dflt;               /* as it would be typed; NULL = no value */
	const char *min;                /* INT and SIZE: the least that is allowed; NULL = no bound */
	const char *max;                /* the most; likewise */
	const char *value_name;         /* in the help, "FILE" say; NULL = by type */
	const char *help;               /* one sentence without a full stop */
	const char *const *aliases;     /* further names, not in the help; NULL-terminated, or NULL */
	bool secret;                    /* the value is never printed */
};

/* ---- Errors ------------------------------------------------------------------------ */

/* Why a store cannot be opened. */
enum gearmand_why {
	GEARMAND_WHY_PASSING = 0, /* may pass by itself: the database is down, say */
	GEARMAND_WHY_LASTING = 1, /* will not pass: a wrong option, password or table */
	GEARMAND_WHY_IN_USE = 2   /* another server has this store */
};

/* A sentence for the operator.  Belongs to the caller; is empty when the callback begins. */
struct gearmand_error {
	char text[512]; /* ends with a NUL; no full stop and no line end */
	enum gearmand_why
	    why; /* set by `open`, `replay`, `commit` and `check` of a queue module; the server acts on it */
};

#if defined(__GNUC__)
#define GEARMAND_PRINTF(string, first) __attribute__((format(printf, string, first)))
#else
#define GEARMAND_PRINTF(string, first)
#endif

/* ---- What the server offers -------------------------------------------------------- */

struct gearmand_conn;   /* a connection, opaque */
struct gearmand_thread; /* an I/O thread, opaque */
struct gearmand_kept;   /* data of a packet, opaque */
struct gearmand_job;
struct gearmand_change;
struct gearmand_packet;

/* A table for each module, valid from open until close. */
struct gearmand_host {
	size_t size;                /* of this struct in the server */
	void *own;                  /* the server's */
	const char *server_version; /* "0.1.0" */
	const char *identity;       /* 32 hexadecimal digits, random for each process */

	/* Any thread. */
	void (*log)(const struct gearmand_host *, enum gearmand_level, const char *format, ...) GEARMAND_PRINTF(3, 4);
	void (*error_set)(struct gearmand_error *, const char *format, ...) GEARMAND_PRINTF(2, 3); /* the text only */
	int64_t (*monotonic)(void);                                                                /* nanoseconds */
	int64_t (*wall)(void); /* nanoseconds since 1970 */
	/* What the server is at: "starting"; "standby" while another server has the store; "store" while the store
	 * cannot be opened; "replaying"; "serving"; "draining" once it is to end. */
	const char *(*phase)(void);

	/* Any thread; the module's own options only.  `option` returns NULL for an option without a value; a
	 * SWITCH is "1" or NULL, a PORT is the number as text.  Strings are valid until close. */
	const char *(*option)(const struct gearmand_host *, const char *name);
	/* The same as a number, for INT, SIZE, PORT and SWITCH; 0 without a value. */
	int64_t (*option_number)(const struct gearmand_host *, const char *name);

	/* Any thread.  Never NULL: the process ends when there is no memory for a size that a module chose.  For a
	 * size that a peer or a store chose use malloc(), which may fail. */
	void *(*allocate)(size_t size); /* zeroed */
	void (*release)(void *);        /* NULL is fine */

	/* Queue modules, in commit: the store can never take this change, for this reason.  The client that submitted
	 * the job gets an ERROR with the reason; the rest of the batch goes on. */
	void (*refuse)(struct gearmand_change *, const char *format, ...) GEARMAND_PRINTF(2, 3);

	/* Protocol and transport modules, in open (main).  Listen on this address ("127.0.0.1", "::1", "*",
	 * "unix:/path") and port.  `protocol`: what is spoken there, "gear" or the name of a protocol that the
	 * operator chose; NULL = a protocol module's own, for a transport "gear".  A transport's listeners have
	 * that transport.  `tag` comes back from listener_tag().  The server binds the sockets after all modules are
	 * open; an address that cannot be bound ends the start with a sentence. */
	bool (*listen)(const struct gearmand_host *, const char *protocol, const char *address, const char *port,
	    void *tag, struct gearmand_error *);
	/* Transport modules, in open (main): all connections to the listeners that the protocol has by itself go
	 * through this transport, except those of unix sockets. */
	bool (*cover)(const struct gearmand_host *, const char *protocol, struct gearmand_error *);
	/* Protocol modules, in open (main): a connection that is the module's own and has no peer, for requests that
	 * nobody asked it for.  It is made when the I/O threads begin and lives as long as they; what is written on it
	 * goes nowhere.  `tag` comes back from listener_tag(). */
	bool (*attend)(const struct gearmand_host *, void *tag, struct gearmand_error *);
	/* Protocol and transport modules (main): what the counter of that number shows from now on; for what is not
	 * counted, such as a time. */
	void (*show)(const struct gearmand_host *, unsigned counter, uint64_t value);

	/* Protocol and transport modules, in a callback of that connection (io). */

	/* A packet for the core, of any type that a client or a worker may send; see <gearmand/packet.h>.  `pkt` is
	 * copied. An administrative line is a packet of type GEARMAND_TEXT; its one reply is a packet of that type. */
	void (*request)(struct gearmand_conn *, const struct gearmand_packet *);
	/* The same by parts, for a packet whose body comes in pieces: `type`, and the body in wire
	 * form (arguments with a NUL behind each, then data).  `size` is a hint, 0 = not known. */
	void (*body_begin)(struct gearmand_conn *, uint32_t type, size_t size, uint64_t tag);
	/* False when the body passes the server's packet limit or no memory is left: then the request is dropped, and
	 * body_end must not be called. */
	bool (*body_add)(struct gearmand_conn *, struct gearmand_slice);
	void (*body_end)(struct gearmand_conn *);  /* the request is whole, and goes to the core */
	void (*body_drop)(struct gearmand_conn *); /* nothing happens when no body was begun */
	/* Bytes for the peer; copied. */
	void (*write)(struct gearmand_conn *, struct gearmand_slice);
	/* The same for the data of the packet that `send` was called with, or a part of it; not copied where that is
	 * possible. */
	void (*write_data)(struct gearmand_conn *, struct gearmand_slice);
	/* Keeps such data for later; it is shared with others that keep it, and not copied, where that is possible.
	 * NULL: too much waits in this server already. */
	struct gearmand_kept *(*keep)(struct gearmand_conn *, struct gearmand_slice);
	/* Writes what was kept.  Takes it, and belongs to the connection that `keep` was called for; each piece must be
	 * given to this or to `drop_kept` before the end of conn_free. */
	void (*write_kept)(struct gearmand_conn *, struct gearmand_kept **);
	/* Lets go of what was kept; also after close. */
	void (*drop_kept)(struct gearmand_conn *, struct gearmand_kept **);
	/* Close when everything written so far has gone out.  Neither `receive` nor `send` is called any more. */
	void (*close)(struct gearmand_conn *);
	/* Call the protocol's `tick` of this connection once, in so many milliseconds; 0 = not any more. */
	void (*tick_in)(struct gearmand_conn *, uint32_t ms);
	size_t (*max_packet)(const struct gearmand_conn *); /* bytes of a packet's body */
	/* "192.0.2.1:4730", "[2001:db8::1]:4730" or a unix socket's path; valid during the callback. */
	const char *(*peer_address)(const struct gearmand_conn *);
	/* Who the peer is, as far as the transport proved: tokens ("cn=...", "dns=...") with a NUL behind each; empty
	 * when nothing is proved.  Valid during the callback. */
	struct gearmand_slice (*identity_of)(const struct gearmand_conn *);
	const char *(*listener)(const struct gearmand_conn *); /* the address that the peer connected to */
	void *(*listener_tag)(const struct gearmand_conn *);   /* what `listen` was given; NULL for others' listeners */
	const char *(*protocol_name)(const struct gearmand_conn *); /* "gear", "http" */
	/* Adds to the counter of that number in the module's table; see `counters` of the descriptor. */
	void (*count)(struct gearmand_conn *, unsigned counter, uint64_t n);
	/* Protocol modules (io): call `thread_tick` of this thread once, in so many milliseconds; 0 = not any more. */
	void (*thread_tick_in)(struct gearmand_thread *, uint32_t ms);

	/* Transport modules, in a callback of that connection (io). */

	/* Plain bytes from the peer, for the protocol above; copied. */
	void (*deliver)(struct gearmand_conn *, struct gearmand_slice);
	/* The peer has ended its sending side, as its end of file says without a transport.  Nothing is delivered after
	 * that; replies that are owed still go out through `send`. */
	void (*deliver_end)(struct gearmand_conn *);
	/* Call the transport's `tick` of this connection once, in so many milliseconds; 0 = not any more. */
	void (*transport_tick_in)(struct gearmand_conn *, uint32_t ms);
	/* Tokens with a NUL behind each, "cn=", "dns=", "uri=", "email=" and "sha256=" for access rules; copied. Before
	 * the first `deliver`. */
	void (*set_identity)(struct gearmand_conn *, struct gearmand_slice tokens);
	/* The peer's real address, where the socket's is that of a proxy; copied, at most 63 and 7 bytes.  Before the
	 * first `deliver`.  Listings and log lines show it from then on. */
	void (*set_peer)(struct gearmand_conn *, const char *address, const char *port);
	/* Has the transport's `work` done, once, for this connection, and then calls `worked`.  Until then no callback
	 * of this connection's transport is called, and the peer's bytes are not read.  Last call of a `receive` or
	 * `worked`. */
	void (*aside)(struct gearmand_conn *);
};

/* ---- Queue modules ----------------------------------------------------------------- */

/* How urgent a job is; within one function the more urgent runs first. */
enum gearmand_priority { GEARMAND_HIGH = 0, GEARMAND_NORMAL = 1, GEARMAND_LOW = 2 }; /* as gearmand 1.1 stores them */

enum {
	GEARMAND_JOB_NO_UNIQUE = 1,      /* the client sent no unique: `unique` is a key that the server made */
	GEARMAND_JOB_UNIQUE_IS_DATA = 2, /* the client sent "-" (jobs with the same payload are one): likewise */
	GEARMAND_JOB_DEAD = 4            /* of BURY, and on replay: given up, kept for people to look at */
};

/* A background job as stored.  The key is (function, unique): any bytes but NUL, at most 8192 and 64.  The empty
 * function is a function like any other.  A dead job does not hold its key; it goes by its handle. */
struct gearmand_job {
	struct gearmand_slice function;  /* what is to be done; first half of the key */
	struct gearmand_slice unique;    /* second half of the key; never empty */
	struct gearmand_slice data;      /* any bytes, may be empty */
	struct gearmand_slice handle;    /* empty on replay when the store keeps none */
	struct gearmand_slice reducer;   /* usually empty */
	int64_t run_at;                  /* seconds since 1970; 0 = at once */
	enum gearmand_priority priority; /* as submitted */
	uint32_t flags;                  /* GEARMAND_JOB_*; 0 on replay when the store keeps none */
	/* What became of it so far.  A store that cannot keep these gives 0 and "" on replay. */
	uint32_t attempts;           /* that failed */
	uint32_t unused;             /* 0 */
	int64_t changed_at;          /* when it last failed, died or was sent again: seconds since 1970; 0 = never.
				      * Each change of a job has a later one than the change before */
	int64_t expires_at;          /* seconds since 1970; 0 = never */
	struct gearmand_slice error; /* of the last attempt; usually empty, at most 1000 bytes */
	uint64_t reserved[8];        /* 0 */
};

/* What a change asks of the store. */
enum gearmand_op {
	GEARMAND_ADD = 1,    /* the job is stored; what is stored under its key already is replaced, all of it */
	GEARMAND_REMOVE = 2, /* what is stored under this key is gone */
	/* Only for a module whose operations say keeps_dead. */
	GEARMAND_BURY = 3,  /* the job is kept among the dead under its handle, whatever its key; a dead job that has
			     * this handle already is replaced.  Jobs that are not dead are not touched */
	GEARMAND_UNBURY = 4 /* the dead job with this handle is gone */
};
/* What became of one change of a batch that is done. */
enum gearmand_outcome { GEARMAND_STORED = 0, GEARMAND_REFUSED = 1 };

/* One change of a batch; the server makes it. */
struct gearmand_change {
	enum gearmand_op op;           /* what is asked */
	enum gearmand_outcome outcome; /* STORED when commit is called; host->refuse changes it */
	char *reason;                  /* the server's */
	void *own;                     /* the server's */
	struct gearmand_job job;       /* slices are valid until commit returns.  REMOVE: function and unique only;
					* UNBURY: the handle only */
};

/* What became of a whole batch. */
enum gearmand_commit {
	GEARMAND_COMMIT_DONE = 0, /* every change that is not REFUSED is durable */
	GEARMAND_COMMIT_AGAIN,    /* the outcome is unknown, and the connection to the store is well: the server
				   * repeats the whole batch later */
	GEARMAND_COMMIT_BROKEN,   /* the same, but the store must be closed and opened first */
	GEARMAND_COMMIT_FULL      /* nothing was stored, for want of room.  The server then commits removals first
				   * and the rest in smaller pieces, and refuses the job that does not even fit alone; a
				   * BURY waits, and so does the REMOVE behind it */
};

/* Called once for each stored job, in the order in which they were stored; the job is copied.  False = stop,
 * the server is shutting down. */
typedef bool gearmand_replay_f(void *sink, const struct gearmand_job *);

/* What lives longer than one opening of the store. */
struct gearmand_opening {
	size_t size;   /* of this struct in the server */
	bool is_first; /* of this process */
	void *memory;  /* the module's; NULL at first, kept by the server until `forget` */
};

/* All on the store thread; all may block. */
struct gearmand_queue_ops {
	size_t size; /* sizeof(struct gearmand_queue_ops) when the module was built */
	/* False: the error says why, *store_r is untouched. */
	bool (*open)(const struct gearmand_host *, struct gearmand_opening *, void **store_r, struct gearmand_error *);
	/* Streams: memory use must not grow with the number of jobs.  Dead jobs come last, with GEARMAND_JOB_DEAD among
	 * their flags, in the order in which they were buried.  False and an error, unless the sink said stop. */
	bool (*replay)(void *store, gearmand_replay_f *, void *sink, struct gearmand_error *);
	/* A batch, all or nothing where the store can.  A key stands in it once.  ADD of a key that is stored replaces
	 * the job, which goes to the end of the order; REMOVE of a key that is not stored is fine.  BURY and UNBURY are
	 * the same with handles; a handle stands in the batch once.  A job that dies is BURY and then REMOVE, one that
	 * is sent again is ADD and, in a later batch, UNBURY: so a store without transactions must keep to the order of
	 * these four.  When a crash comes between the two, the server finds both records at the next replay and removes
	 * the one with the earlier changed_at.  Must be idempotent:
	 * the server repeats a batch whose outcome is unknown.  With any result but DONE the error says why.  BROKEN
	 * with GEARMAND_WHY_IN_USE: another server has had this store meanwhile, and may have left jobs in it that this
	 * server does not know; the server stops.  A commit may come without a replay only after a store broke. */
	enum gearmand_commit (*commit)(void *store, struct gearmand_change *, size_t count, struct gearmand_error *);
	/* Takes; may be called after BROKEN. */
	void (*close)(void **store);
	/* May be NULL.  True: ADDs come in one batch at orderly shutdown only; until then jobs are kept
	 * in memory and acknowledged at once. */
	bool (*adds_at_shutdown)(void *store);
	/* May be NULL.  Called every two seconds or so while there is nothing to commit: is the store still there, and
	 * still ours?  So trouble is seen before a job meets it, and a lock that runs out can be renewed.  The
	 * results are those of commit, and so is the error. */
	enum gearmand_commit (*check)(void *store, struct gearmand_error *);
	/* May be NULL.  Takes the memory of the opening; called once, after the last close. */
	void (*forget)(void **memory);
	/* May be NULL.  SIGHUP: read files again that options name.  False: the store goes on as before, the error says
	 * why. */
	bool (*reload)(void *store, struct gearmand_error *);
	/* It keeps dead jobs.  False: the server has its dead list in memory alone, and BURY and UNBURY never come. */
	bool keeps_dead;
};

/* ---- Protocol modules -------------------------------------------------------------- */

/* A packet taken apart.  Types and arguments are those of the Gearman binary protocol; see
 * <gearmand/packet.h>.  Slices belong to the caller and are valid during the call. */
struct gearmand_packet {
	uint32_t type;                /* enum gearmand_packet_type */
	uint32_t argc;                /* how many arguments there are */
	struct gearmand_slice arg[8]; /* without the NUL behind each */
	struct gearmand_slice data;   /* types that carry data only */
	/* Of a request, any number: comes back with each packet that answers it, and for a submission with everything
	 * that is said of its job.  0 for packets that answer no request. */
	uint64_t tag;
	uint64_t reserved[7]; /* 0 */
};

/* Bytes that `receive` may leave unused while it waits for more.  Past that the connection is not read, and when
 * nothing is awaited from the core it is closed with a line in the log. */
enum { GEARMAND_UNUSED_MOST = 65536 };

/* All on the thread that stands in front; NULL is not allowed where nothing says so. */
struct gearmand_protocol_ops {
	size_t size; /* sizeof(struct gearmand_protocol_ops) when the module was built */
	/* main: calls host->listen for each address.  *module_r is the module's own, may be NULL. */
	bool (*open)(const struct gearmand_host *, void **module_r, struct gearmand_error *);
	void (*close)(void **module); /* main, when no I/O thread is left */
	/* io: a new connection; returns the module's state of it.  NULL: the connection is refused and closed.
	 * `thread` is what thread_new returned. */
	void *(*conn_new)(void *module, void *thread, struct gearmand_conn *);
	/* io: bytes from the peer.  Returns how many of them were used; the rest is presented again,
	 * with what came meanwhile, when more came or after a `send`. */
	size_t (*receive)(void *conn_state, struct gearmand_slice);
	/* io: a packet for the peer.  Not called after host->close.  A peer that has ended its sending side still gets
	 * the answers to what it asked; a foreground job that only it waits for is dropped. */
	void (*send)(void *conn_state, const struct gearmand_packet *);
	/* io: host->tick_in has run out.  May be NULL when tick_in is not used. */
	void (*tick)(void *conn_state);
	void (*conn_free)(void **conn_state); /* io */
	/* All three may be NULL.  io: the module's state of an I/O thread, made before its first connection. */
	void *(*thread_new)(void *module, struct gearmand_thread *);
	void (*thread_tick)(void *thread_state);  /* io: host->thread_tick_in has run out */
	void (*thread_free)(void **thread_state); /* io: after the thread's last connection */
	/* Both may be NULL.  main: SIGHUP; false: all stays as it was, the error says why.  Also called once when the
	 * server runs as another user since `open`; then false ends the start. */
	bool (*reload)(void *module, struct gearmand_error *);
	/* main: is the module ready to serve?  False: the error says in a few words what it waits for. */
	bool (*ready)(void *module, struct gearmand_error *);
	/* Its listeners are served as long as the server runs: before the store is open and its jobs are back, and
	 * while the server waits for its end.  Such a module sends no packets but GEARMAND_TEXT. */
	bool early;
};

/* ---- Transport modules ------------------------------------------------------------- */

/* All on the thread that stands in front; NULL is not allowed where nothing says so. */
struct gearmand_transport_ops {
	size_t size; /* sizeof(struct gearmand_transport_ops) when the module was built */
	/* main: calls host->listen or host->cover. */
	bool (*open)(const struct gearmand_host *, void **module_r, struct gearmand_error *);
	void (*close)(void **module); /* main, when no I/O thread is left */
	/* io: a new connection, before the protocol's conn_new.  NULL: the connection is refused and closed. */
	void *(*conn_new)(void *module, struct gearmand_conn *);
	/* io: bytes as they came from the socket, all of which are used; calls host->deliver with plain bytes and
	 * host->write with bytes for the socket.  An empty slice: the socket's end of file.  The transport then calls
	 * deliver_end, if it has not done so before.  False: the connection is closed. */
	bool (*receive)(void *conn_state, struct gearmand_slice);
	/* io: plain bytes for the peer, one packet or text at a time; calls host->write with what goes to the socket.
	 * False: the connection is closed. */
	bool (*send)(void *conn_state, struct gearmand_slice);
	void (*conn_free)(void **conn_state); /* io */
	/* All may be NULL. */
	/* io: once, before our end of file: calls host->write with the transport's own farewell. */
	void (*finish)(void *conn_state);
	/* io: host->transport_tick_in has run out.  False: the connection is closed. */
	bool (*tick)(void *conn_state);
	bool (*reload)(void *module, struct gearmand_error *); /* as in struct gearmand_protocol_ops */
	bool (*ready)(void *module, struct gearmand_error *);  /* likewise */
	/* A thread of the server's own: what host->aside was called for, when it takes so much processor time that it
	 * would hold up other connections.  It must not block, and calls only such services of the host as any thread
	 * may. */
	void (*work)(void *conn_state);
	/* io: `work` is done.  False: the connection is closed. */
	bool (*worked)(void *conn_state);
	/* main: does it prove who peers are, so that it may call host->set_identity?  NULL: it does not.
	 * Access rules about certificates need one that does. */
	bool (*proves)(void *module);
	void (*daily)(void *module); /* main: about once a day */
};

/* ---- The descriptor ---------------------------------------------------------------- */

/* What a protocol or transport module counts; the command `counters` shows it as MODULE_NAME. */
struct gearmand_counter {
	const char *name; /* small letters, digits, '_'; a '.' before what tells one of several from the others */
	const char *help; /* a few words without a full stop */
};

/* What a module exports, made by one of the macros below.  Its first six members are its head: they never change, and
 * are checked before anything behind them is read. */
struct gearmand_plugin {
	uint32_t magic;                               /* GEARMAND_PLUGIN_MAGIC */
	uint32_t abi_major;                           /* of the header that the module was built with */
	uint32_t abi_minor;                           /* likewise */
	uint32_t size;                                /* sizeof(struct gearmand_plugin) when the module was built */
	uint32_t kind;                                /* enum gearmand_kind */
	uint32_t option_size;                         /* sizeof(struct gearmand_option) when the module was built */
	const char *name;                             /* what `-q`, `-r` or `--transport` says: letters, digits, '-' */
	const char *const *aliases;                   /* NULL-terminated, or NULL; case is ignored */
	const char *version;                          /* the module's own; any text */
	const char *summary;                          /* one line for --list-plugins */
	const struct gearmand_option *options;        /* may be NULL */
	const struct gearmand_queue_ops *queue;       /* of a queue module, else NULL */
	const struct gearmand_protocol_ops *protocol; /* of a protocol module, else NULL */
	const struct gearmand_transport_ops *transport; /* of a transport module, else NULL */
	const struct gearmand_counter *counters; /* ends with a name of NULL; may be NULL.  Never grows a member */
};

/* For programs that hold several modules, tests say. */
#ifndef GEARMAND_PLUGIN_SYMBOL
#define GEARMAND_PLUGIN_SYMBOL gearmand_plugin
#endif

#if defined(__GNUC__)
#define GEARMAND_EXPORT __attribute__((visibility("default")))
#else
#define GEARMAND_EXPORT
#endif

#define GEARMAND_PLUGIN_( \
    kind_, name_, aliases_, version_, summary_, options_, queue_, protocol_, transport_, counters_) \
	extern GEARMAND_EXPORT const struct gearmand_plugin GEARMAND_PLUGIN_SYMBOL; \
	const struct gearmand_plugin GEARMAND_PLUGIN_SYMBOL = { GEARMAND_PLUGIN_MAGIC, GEARMAND_PLUGIN_ABI_MAJOR, \
		GEARMAND_PLUGIN_ABI_MINOR, sizeof(struct gearmand_plugin), (kind_), sizeof(struct gearmand_option), \
		(name_), (aliases_), (version_), (summary_), (options_), (queue_), (protocol_), (transport_), \
		(counters_) }

/* GEARMAND_QUEUE_PLUGIN("ring", ring_aliases, "1.0", "keeps jobs in a ring file", ring_options, &ring_ops); */
#define GEARMAND_QUEUE_PLUGIN(name, aliases, version, summary, options, ops) \
	GEARMAND_PLUGIN_(GEARMAND_KIND_QUEUE, name, aliases, version, summary, options, ops, NULL, NULL, NULL)
/* The same for a protocol module, whose counters may be NULL. */
#define GEARMAND_PROTOCOL_PLUGIN(name, aliases, version, summary, options, ops, counters) \
	GEARMAND_PLUGIN_(GEARMAND_KIND_PROTOCOL, name, aliases, version, summary, options, NULL, ops, NULL, counters)
/* The same for a transport module. */
#define GEARMAND_TRANSPORT_PLUGIN(name, aliases, version, summary, options, ops, counters) \
	GEARMAND_PLUGIN_(GEARMAND_KIND_TRANSPORT, name, aliases, version, summary, options, NULL, NULL, ops, counters)

#ifdef __cplusplus
}
#endif
#endif
