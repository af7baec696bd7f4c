/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table of services that a module gets, and what is behind its general half.
 *
 * Runs on:  any thread calls what the table offers (listen: main thread, in open); it only reads what was
 *           settled at start-up.
 * Owns:     addresses that protocol modules want to listen on.
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"
#include "cross/log.h"
#include "cross/mbox.h"
#include "cross/phase.h"
#include "mgmt/fail.h"
#include "mgmt/plugins_priv.h"

/* Longest log line of a module, and longest reason for a refusal. */
enum { TEXT_MAX = 2048 };

/* Made once: all modules of a process see the same. */
static const char *
process_identity(void)
{
	static const char digits[] = "0123456789abcdef";
	static char text[33];
	unsigned char bytes[16];

	if (text[0] != '\0')
		return text;
	CHECK(getrandom(bytes, sizeof(bytes), 0) == (ssize_t)sizeof(bytes));
	for (unsigned i = 0; i < sizeof(bytes); i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	return text;
}

static struct plugin *
owner(const struct gearmand_host *host)
{
	return host->own;
}

/* ---- Any thread --------------------------------------------------------------------- */

static void __attribute__((format(printf, 3, 4)))
host_log(const struct gearmand_host *host, enum gearmand_level level, const char *format, ...)
{
	char text[TEXT_MAX];
	size_t at;
	va_list args;

	if (!log_wants(level))
		return;
	at = (size_t)snprintf(text, sizeof(text), "%s: ", owner(host)->desc->name); /* at most 34 bytes */
	va_start(args, format);
	vsnprintf(text + at, sizeof(text) - at, format, args);
	va_end(args);
	log_post_text(level, slice_str(text));
}

static void __attribute__((format(printf, 2, 3))) host_error_set(struct gearmand_error *err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
}

static const char *
host_option(const struct gearmand_host *host, const char *name)
{
	const struct option *o = option_find_of(owner(host)->options, owner(host)->desc, name);

	return o == NULL ? NULL : o->text;
}

static int64_t
host_option_number(const struct gearmand_host *host, const char *name)
{
	const struct option *o = option_find_of(owner(host)->options, owner(host)->desc, name);

	return o == NULL || o->text == NULL ? 0 : o->number;
}

/* ---- Queue modules ------------------------------------------------------------------ */

static void __attribute__((format(printf, 2, 3))) host_refuse(struct gearmand_change *change, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	mem_free(change->reason);
	change->reason = mem_dup(text, strlen(text));
	change->outcome = GEARMAND_REFUSED;
}

/* ---- Protocol modules --------------------------------------------------------------- */

/* These two are for open(). */
static bool
is_opening(const struct plugin *p, const char *what, struct gearmand_error *err)
{
	return p->is_opening || error_fail(err, "module %s: %s() is for open() only", p->desc->name, what);
}

static bool
host_listen(const struct gearmand_host *host, const char *protocol, const char *address, const char *port, void *tag,
    struct gearmand_error *err)
{
	struct plugin *p = owner(host);

	if (!is_opening(p, "listen", err))
		return false;
	if (address == NULL || address[0] == '\0' || port == NULL)
		return error_fail(err, "module %s: listen() needs an address and a port", p->desc->name);
	p->listens = mem_grow(p->listens, (p->listen_count + 1) * sizeof(*p->listens));
	p->listens[p->listen_count++] = (struct plugin_listen){
		.protocol = protocol == NULL ? NULL : mem_dup(protocol, strlen(protocol)),
		.address = mem_dup(address, strlen(address)),
		.port = mem_dup(port, strlen(port)),
		.tag = tag,
	};
	return true;
}

static bool
host_cover(const struct gearmand_host *host, const char *protocol, struct gearmand_error *err)
{
	struct plugin *p = owner(host);

	if (!is_opening(p, "cover", err))
		return false;
	text_list_add(&p->covers, protocol);
	return true;
}

static bool
host_attend(const struct gearmand_host *host, void *tag, struct gearmand_error *err)
{
	struct plugin *p = owner(host);

	if (!is_opening(p, "attend", err))
		return false;
	p->attends = true;
	p->attend_tag = tag;
	return true;
}

static void
host_show(const struct gearmand_host *host, unsigned counter, uint64_t value)
{
	const struct gearmand_counter *table = owner(host)->desc->counters;

	for (unsigned i = 0; i <= counter; i++)
		CHECK(i < STAT_MODULES_MAX && table != NULL && table[i].name != NULL);
	owner(host)->shown[counter] = value;
}

void
plugin_listens_free(struct plugin *p)
{
	for (unsigned i = 0; i < p->listen_count; i++) {
		mem_free(p->listens[i].protocol);
		mem_free(p->listens[i].address);
		mem_free(p->listens[i].port);
	}
	mem_free(p->listens);
	p->listens = NULL;
	p->listen_count = 0;
	text_list_fini(&p->covers);
}

/* ---- The table ---------------------------------------------------------------------- */

void
plugin_host_init(struct plugin *p)
{
	p->host = (struct gearmand_host){
		.size = sizeof(p->host),
		.own = p,
		.server_version = GEARMAND_VERSION,
		.identity = process_identity(),
		.log = host_log,
		.error_set = host_error_set,
		.monotonic = clock_mono,
		.wall = clock_wall,
		.phase = phase_word,
		.option = host_option,
		.option_number = host_option_number,
		.allocate = mem_new,
		.release = mem_free,
		.refuse = host_refuse,
		.listen = host_listen,
		.cover = host_cover,
		.attend = host_attend,
		.show = host_show,
	};
}

void
plugins_set_services(struct plugins *all, const struct gearmand_host *io_services)
{
	for (unsigned i = 0; i < all->count; i++) {
		struct gearmand_host *host = &all->at[i]->host;
		size_t half = offsetof(struct gearmand_host, request);

		memcpy((char *)host + half, (const char *)io_services + half, sizeof(*host) - half);
	}
}

/* ---- Protocols and transports: their life ------------------------------------------- */

bool
plugin_open(struct plugin *p, struct gearmand_error *err)
{
	bool (*open)(const struct gearmand_host *, void **, struct gearmand_error *) =
	    p->desc->kind == GEARMAND_KIND_TRANSPORT ? p->desc->transport->open : p->desc->protocol->open;

	CHECK(p->desc->kind != GEARMAND_KIND_QUEUE && !p->is_open);
	p->is_opening = true;
	p->is_open = open(&p->host, &p->module, err);
	p->is_opening = false;
	if (!p->is_open && err->text[0] == '\0')
		return error_fail(err, "module %s did not open and does not say why", p->desc->name);
	return p->is_open;
}

void
plugin_close(struct plugin *p)
{
	if (!p->is_open)
		return;
	p->is_open = false;
	if (p->desc->kind == GEARMAND_KIND_TRANSPORT)
		p->desc->transport->close(&p->module);
	else
		p->desc->protocol->close(&p->module);
}

typedef bool ask_f(void *module, struct gearmand_error *);

/* The question that stands there in the operations of a protocol or transport; NULL: it has none, or is not open. */
static ask_f *
question_of(const struct plugin *p, size_t of_protocol, size_t of_transport)
{
	bool is_transport = p->desc->kind == GEARMAND_KIND_TRANSPORT;
	const char *ops = is_transport ? (const char *)p->desc->transport : (const char *)p->desc->protocol;
	ask_f *ask = NULL;

	if (p->is_open)
		memcpy(&ask, ops + (is_transport ? of_transport : of_protocol), sizeof(ask));
	return ask;
}

/* The open modules say yes to the question, or have none; the others are named in the log with their reason. */
static void
ask_modules(
    const struct plugins *all, size_t of_protocol, size_t of_transport, enum gearmand_level level, const char *what)
{
	for (unsigned i = 0; i < all->count; i++) {
		const struct plugin *p = all->at[i];
		ask_f *ask = question_of(p, of_protocol, of_transport);
		struct gearmand_error err = { .text = "" };

		if (ask != NULL && !ask(p->module, &err))
			log_post(level, "module %s %s: %s", p->desc->name, what, err.text);
	}
}

#define OPERATION(name) offsetof(struct gearmand_protocol_ops, name), offsetof(struct gearmand_transport_ops, name)

void
plugins_reload(struct plugins *all)
{
	ask_modules(all, OPERATION(reload), GEARMAND_LOG_ERROR, "stays as it was");
}

bool
plugins_prove(const struct plugins *all)
{
	for (unsigned i = 0; i < all->count; i++) {
		const struct plugin *p = all->at[i];

		if (p->desc->kind == GEARMAND_KIND_TRANSPORT && p->is_open && p->desc->transport->proves != NULL &&
		    p->desc->transport->proves(p->module))
			return true;
	}
	return false;
}

bool
plugins_read_again(struct plugins *all, const char *user, struct gearmand_error *err)
{
	for (unsigned i = 0; i < all->count; i++) {
		const struct plugin *p = all->at[i];
		ask_f *ask = question_of(p, OPERATION(reload));
		struct gearmand_error why = { .text = "" };

		if (ask != NULL && !ask(p->module, &why))
			return error_fail(err, "module %s, as user %s: %.400s", p->desc->name, user, why.text);
	}
	return true;
}

void
plugins_daily(struct plugins *all)
{
	for (unsigned i = 0; i < all->count; i++) {
		const struct plugin *p = all->at[i];

		if (p->is_open && p->desc->kind == GEARMAND_KIND_TRANSPORT && p->desc->transport->daily != NULL)
			p->desc->transport->daily(p->module);
	}
}

bool
plugins_take_shown(struct plugins *all, uint64_t by[STAT_ALL])
{
	bool changed = false;

	for (unsigned i = 0; i < all->count; i++) {
		struct plugin *p = all->at[i];

		for (unsigned k = 0; k < STAT_MODULES_MAX; k++) {
			if (p->shown[k] == p->told[k])
				continue;
			by[p->first_counter + k] += p->shown[k] - p->told[k];
			p->told[k] = p->shown[k];
			changed = true;
		}
	}
	return changed;
}

void
plugins_say_unready(const struct plugins *all)
{
	ask_modules(all, OPERATION(ready), GEARMAND_LOG_WARNING, "is not ready");
}
