/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Names of servers, taken apart.
 *
 * Runs on:  the only thread; pure.
 * Owns:     copies of the words.
 */
#include <stdlib.h>
#include <sys/un.h>

#include "base/buf.h"
#include "base/mem.h"
#include "target.h"

static const char default_port[] = "4730";

static bool
is_port(struct slice text)
{
	uint64_t port;

	return slice_to_u64(text, 65535, &port) && port > 0;
}

static bool
read_unix(struct target *t, struct slice path, const char **why_r)
{
	*why_r = "the path of a unix socket is empty or too long";
	if (path.len == 0 || path.len >= sizeof((struct sockaddr_un *)NULL)->sun_path)
		return false;
	t->path = mem_dup(path.data, path.len);
	return true;
}

/* Parts a host from its port; `port` stays as it is when there is none. */
static bool
part_host(struct slice text, struct slice *host_r, struct slice *port, const char **why_r)
{
	bool bracket = text.len > 0 && text.data[0] == '[';
	const char *end = text.data + text.len;
	const char *colon = memchr(text.data, ':', text.len);

	*host_r = text;
	if (bracket) {
		const char *close = memchr(text.data, ']', text.len);

		*why_r = "an IPv6 address in brackets is followed by nothing or by a colon and a port";
		if (close == NULL || (close + 1 < end && close[1] != ':'))
			return false;
		*host_r = slice_of(text.data + 1, (size_t)(close - text.data) - 1);
		colon = close + 1 < end ? close + 1 : NULL;
	} else if (colon != NULL) {
		*why_r = memchr(text.data, ',', text.len) != NULL
			     ? "it names one server; give the option again for each"
			     : "an IPv6 address is written in brackets";
		if (memchr(colon + 1, ':', (size_t)(end - colon) - 1) != NULL)
			return false;
		*host_r = slice_of(text.data, (size_t)(colon - text.data));
	}
	if (colon != NULL)
		*port = slice_of(colon + 1, (size_t)(end - colon) - 1);
	return true;
}

static bool
read_host(struct target *t, struct slice text, const char **why_r)
{
	struct slice host, port = slice_str(default_port);

	if (!part_host(text, &host, &port, why_r))
		return false;
	*why_r = "the host is empty";
	if (host.len == 0)
		return false;
	*why_r = "a port is a number from 1 to 65535";
	if (!is_port(port))
		return false;
	t->host = mem_dup(host.data, host.len);
	t->port = mem_dup(port.data, port.len);
	return true;
}

static void
name_target(struct target *t)
{
	struct buf name = { 0 };
	bool brackets = t->host != NULL && strchr(t->host, ':') != NULL;

	if (t->path != NULL) {
		buf_add_str(&name, "unix:");
		buf_add_escaped(&name, slice_str(t->path));
	} else {
		buf_add_str(&name, brackets ? "[" : "");
		buf_add_escaped(&name, slice_str(t->host));
		buf_add_str(&name, brackets ? "]:" : ":");
		buf_add_str(&name, t->port);
	}
	t->name = mem_dup(name.data, name.len);
	buf_fini(&name);
}

static bool
add_slice(struct targets *targets, struct slice text, const char **why_r)
{
	static const char mark[] = "unix:";
	size_t skip = sizeof mark - 1;
	struct target t = { 0 };
	bool good;

	if (text.len >= skip && memcmp(text.data, mark, skip) == 0)
		good = read_unix(&t, slice_of(text.data + skip, text.len - skip), why_r);
	else
		good = read_host(&t, text, why_r);
	if (!good)
		return false;
	name_target(&t);
	targets->at = mem_grow(targets->at, (targets->count + 1) * sizeof *targets->at);
	targets->at[targets->count++] = t;
	return true;
}

bool
targets_add(struct targets *targets, const char *text, const char **why_r)
{
	return add_slice(targets, slice_str(text), why_r);
}

bool
targets_add_list(struct targets *targets, const char *text, const char **why_r)
{
	for (;;) {
		size_t len = strcspn(text, ",");

		if (!add_slice(targets, slice_of(text, len), why_r))
			return false;
		if (text[len] == '\0')
			return true;
		text += len + 1;
	}
}

void
targets_fini(struct targets *targets)
{
	for (unsigned i = 0; i < targets->count; i++) {
		mem_free(targets->at[i].name);
		mem_free(targets->at[i].host);
		mem_free(targets->at[i].port);
		mem_free(targets->at[i].path);
	}
	mem_free(targets->at);
	*targets = (struct targets){ 0 };
}
