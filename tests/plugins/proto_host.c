/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A host for one protocol module and one connection.  See proto_host.h.
 *
 * Single-threaded; the module gets this struct as its host and as its connection.
 */
#include "proto_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
broken(const char *what)
{
	fprintf(stderr, "the module breaks its contract: %s\n", what);
	abort();
}

#define MUST(cond, what) \
	do { \
		if (!(cond)) \
			broken(what); \
	} while (0)

void
fake_text_add(struct fake_text *t, const void *bytes, size_t len)
{
	t->data = realloc(t->data, t->len + len + 1);
	MUST(t->data, "no memory for the test");
	if (len > 0)
		memcpy(t->data + t->len, bytes, len);
	t->len += len;
	t->data[t->len] = '\0';
}

void
fake_text_cut(struct fake_text *t, size_t len)
{
	MUST(len <= t->len, "more is taken than there is");
	if (len == 0)
		return;
	memmove(t->data, t->data + len, t->len - len);
	t->len -= len;
	t->data[t->len] = '\0';
}

static struct fake *
fake_of(struct gearmand_conn *conn)
{
	return (struct fake *)(void *)conn;
}

/* ---- The table ---------------------------------------------------------------------------- */

static GEARMAND_PRINTF(2, 3) void host_error_set(struct gearmand_error *err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
}

static void
host_log(const struct gearmand_host *host, enum gearmand_level level, const char *format, ...)
{
	(void)host, (void)level, (void)format;
}

static int64_t
host_time(void)
{
	return 1000000000;
}

static const char *
host_option(const struct gearmand_host *host, const char *name)
{
	const struct fake *f = (const struct fake *)host;
	size_t len = strlen(name);

	for (const char *const *s = f->settings; s && *s; s++)
		if (strncmp(*s, name, len) == 0 && (*s)[len] == '=')
			return *s + len + 1;
	for (const struct gearmand_option *o = f->plugin->options; o && o->name; o++)
		if (strcmp(o->name, name) == 0)
			return o->dflt;
	broken("an option is asked for that is not the module's");
	return NULL;
}

static int64_t
host_option_number(const struct gearmand_host *host, const char *name)
{
	const char *text = host_option(host, name);
	char *end;
	long long n = text ? strtoll(text, &end, 10) : 0;

	return text && *end == 'K' ? n * 1024 : n;
}

static void *
host_allocate(size_t size)
{
	void *p = calloc(1, size);

	MUST(p, "no memory for the test");
	return p;
}

static bool
host_listen(const struct gearmand_host *host, const char *protocol, const char *address, const char *port, void *tag,
    struct gearmand_error *err)
{
	struct fake *f = (struct fake *)(uintptr_t)host;

	(void)protocol;
	(void)tag;
	if (strcmp(address, "192.0.2.1") == 0) {
		host_error_set(err, "cannot listen on %s", address);
		return false;
	}
	fake_text_add(&f->listens, address, strlen(address));
	fake_text_add(&f->listens, " ", 1);
	fake_text_add(&f->listens, port, strlen(port));
	fake_text_add(&f->listens, "\n", 1);
	return true;
}

static void
submitted(struct fake *f, uint32_t type, struct fake_text *body)
{
	f->jobs = realloc(f->jobs, (f->job_count + 1) * sizeof(*f->jobs));
	MUST(f->jobs, "no memory for the test");
	f->jobs[f->job_count++] = (struct fake_request){ type, *body };
	*body = (struct fake_text){ 0 };
	if (type != GEARMAND_OPTION_REQ)
		f->waiting++;
}

static void
host_request(struct gearmand_conn *conn, const struct gearmand_packet *pkt)
{
	struct fake *f = fake_of(conn);
	struct fake_text body = { 0 };

	MUST(!f->closed, "a packet after close");
	for (uint32_t i = 0; i < pkt->argc; i++) {
		if (i > 0)
			fake_text_add(&body, "", 1);
		fake_text_add(&body, pkt->arg[i].data, pkt->arg[i].len);
	}
	fake_text_add(&body, pkt->data.data, pkt->data.len);
	submitted(f, pkt->type, &body);
}

static void
host_body_begin(struct gearmand_conn *conn, uint32_t type, size_t size, uint64_t tag)
{
	(void)tag;
	struct fake *f = fake_of(conn);

	MUST(!f->closed, "a packet after close");
	MUST(!f->in_body, "body_begin twice");
	(void)size;
	f->in_body = true;
	f->body_refused = false;
	f->body_type = type;
}

static bool
host_body_add(struct gearmand_conn *conn, struct gearmand_slice bytes)
{
	struct fake *f = fake_of(conn);

	MUST(f->in_body, "body_add without body_begin");
	if (bytes.len <= f->max_packet - f->body.len && bytes.len <= f->memory - f->body.len) {
		fake_text_add(&f->body, bytes.data, bytes.len);
		return true;
	}
	f->in_body = false;
	fake_text_cut(&f->body, f->body.len);
	return false;
}

static void
host_body_end(struct gearmand_conn *conn)
{
	struct fake *f = fake_of(conn);

	MUST(f->in_body, "body_end without a whole body");
	f->in_body = false;
	submitted(f, f->body_type, &f->body);
}

static void
host_body_drop(struct gearmand_conn *conn)
{
	struct fake *f = fake_of(conn);

	f->in_body = false;
	fake_text_cut(&f->body, f->body.len);
}

static void
host_write(struct gearmand_conn *conn, struct gearmand_slice bytes)
{
	struct fake *f = fake_of(conn);

	MUST(!f->closed, "bytes after close");
	fake_text_add(&f->out, bytes.data, bytes.len);
}

static void
host_write_data(struct gearmand_conn *conn, struct gearmand_slice bytes)
{
	const struct fake *f = fake_of(conn);
	uintptr_t at = (uintptr_t)bytes.data, from = (uintptr_t)f->sending.data;

	MUST(at >= from && at + bytes.len <= from + f->sending.len, "write_data of what is not the packet's data");
	host_write(conn, bytes);
}

static void
host_close(struct gearmand_conn *conn)
{
	fake_of(conn)->closed = true;
}

static void
host_tick_in(struct gearmand_conn *conn, uint32_t ms)
{
	fake_of(conn)->tick_ms = ms;
}

static size_t
host_max_packet(const struct gearmand_conn *conn)
{
	return ((const struct fake *)(const void *)conn)->max_packet;
}

static const char *
host_peer_address(const struct gearmand_conn *conn)
{
	(void)conn;
	return "127.0.0.1:1";
}

static const struct gearmand_host table = {
	.size = sizeof(struct gearmand_host),
	.server_version = "9.8.7",
	.log = host_log,
	.error_set = host_error_set,
	.monotonic = host_time,
	.wall = host_time,
	.option = host_option,
	.option_number = host_option_number,
	.allocate = host_allocate,
	.release = free,
	.listen = host_listen,
	.request = host_request,
	.body_begin = host_body_begin,
	.body_add = host_body_add,
	.body_end = host_body_end,
	.body_drop = host_body_drop,
	.write = host_write,
	.write_data = host_write_data,
	.close = host_close,
	.tick_in = host_tick_in,
	.max_packet = host_max_packet,
	.peer_address = host_peer_address,
};

/* ---- What the test does --------------------------------------------------------------------- */

struct fake *
fake_new(const struct gearmand_plugin *plugin, const char *const *settings, struct gearmand_error *err)
{
	struct fake *f = host_allocate(sizeof(*f));

	f->host = table;
	f->plugin = plugin;
	f->settings = settings;
	f->max_packet = 64u << 20;
	f->memory = SIZE_MAX;
	fake_text_add(&f->out, "", 0);
	fake_text_add(&f->in, "", 0);
	fake_text_add(&f->listens, "", 0);
	if (!plugin->protocol->open(&f->host, &f->module, err)) {
		fake_free(&f);
		return NULL;
	}
	f->conn_state = plugin->protocol->conn_new(f->module, NULL, (struct gearmand_conn *)(void *)f);
	MUST(f->conn_state, "conn_new returns NULL");
	return f;
}

void
fake_free(struct fake **fake)
{
	struct fake *f = *fake;

	*fake = NULL;
	if (f->conn_state)
		f->plugin->protocol->conn_free(&f->conn_state);
	MUST(!f->conn_state, "conn_free leaves its pointer");
	MUST(!f->in_body, "a body is neither ended nor dropped");
	if (f->module)
		f->plugin->protocol->close(&f->module);
	for (size_t i = 0; i < f->job_count; i++)
		free(f->jobs[i].body.data);
	free(f->jobs);
	free(f->out.data);
	free(f->in.data);
	free(f->body.data);
	free(f->listens.data);
	free(f);
}

/* Presents what there is, in memory of exactly that size, so that a sanitizer sees each byte too many. */
static void
receive_once(struct fake *f)
{
	char *copy = malloc(f->in.len);
	size_t used;

	MUST(copy, "no memory for the test");
	memcpy(copy, f->in.data, f->in.len);
	used = f->plugin->protocol->receive(f->conn_state, (struct gearmand_slice){ copy, f->in.len });
	free(copy);
	MUST(used <= f->in.len, "more bytes are used than there were");
	fake_text_cut(&f->in, used);
}

static void
run(struct fake *f)
{
	for (;;) {
		bool moved = false;

		if (f->in.len > 0 && !f->closed) {
			receive_once(f);
			MUST(f->closed || f->in.len == 0 || f->waiting > 0, "input is left though nothing is awaited");
		}
		while (f->on_job && f->served < f->job_count) {
			struct fake_request job = f->jobs[f->served++];

			f->on_job(f, &job);
			moved = true;
		}
		if (!moved)
			return;
	}
}

void
fake_say(struct fake *f, const void *bytes, size_t len, size_t piece)
{
	const char *at = bytes;

	while (len > 0 && !f->closed) {
		size_t n = piece > 0 && piece < len ? piece : len;

		fake_text_add(&f->in, at, n);
		run(f);
		at += n;
		len -= n;
	}
}

void
fake_send(struct fake *f, uint32_t type, const char *const *args, struct gearmand_slice data)
{
	struct gearmand_packet pkt = { .type = type, .data = data };

	for (; args[pkt.argc]; pkt.argc++)
		pkt.arg[pkt.argc] = (struct gearmand_slice){ args[pkt.argc], strlen(args[pkt.argc]) };
	switch (type) {
	case GEARMAND_WORK_COMPLETE:
	case GEARMAND_WORK_FAIL:
	case GEARMAND_WORK_EXCEPTION:
	case GEARMAND_ERROR:
		f->waiting = 0;
		break;
	case GEARMAND_JOB_CREATED:
		if (f->job_count > 0)
			switch (f->jobs[f->job_count - 1].type) {
			case GEARMAND_SUBMIT_JOB_BG:
			case GEARMAND_SUBMIT_JOB_HIGH_BG:
			case GEARMAND_SUBMIT_JOB_LOW_BG:
				f->waiting = 0;
			}
	}
	f->sending = data;
	f->plugin->protocol->send(f->conn_state, &pkt);
	f->sending = (struct gearmand_slice){ NULL, 0 };
	if (!f->on_job)
		run(f);
}

bool
fake_tick(struct fake *f)
{
	if (f->tick_ms == 0)
		return false;
	f->tick_ms = 0;
	f->plugin->protocol->tick(f->conn_state);
	return true;
}
