/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bench_memcached - what the memcached module costs beside bare memcached; see bare.h.
 *
 * Runs on:  one thread.
 * Owns:     all items of the given memcached, which are removed again.
 *
 * WHERE is HOST:PORT, with an address for HOST.  Bare: items of the same size under keys of the same length; all
 * commands of a batch in one write, then all replies: one round trip, nothing else.  Fewer than 64 removals that come
 * alone wait 0.4 ms in the module, for more of them; so batches of 1 and 16 removals are slow here, and nobody waits
 * for them.  A memcached of its own for this: tests/stores/memcached.py.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/bare.h"

/* Of an item as the module makes it; of a command. */
enum { KEY = 6 + 24, HEAD = 32, COMMAND = 400 };

static int fd = -1;
static char value[256];
static char *commands;
static size_t size;

static void
bare_open(const char *where, struct host *h)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	const char *colon = strrchr(where, ':');
	char host[64];
	int on = 1;

	snprintf(host, sizeof(host), "%.*s", colon == NULL ? 0 : (int)(colon - where), where);
	if (colon == NULL || inet_pton(AF_INET, host, &to.sin_addr) != 1)
		bare_die("WHERE is ADDRESS:PORT");
	to.sin_port = htons((uint16_t)atoi(colon + 1));
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		bare_die("cannot connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	memset(value, 'v', HEAD + strlen(BARE_FUNCTION BARE_HANDLE BARE_DATA) + BARE_KEY - 1);
	fake_host_set(h, "libmemcached-servers", where);
	fake_host_set(h, "libmemcached-prefix", "bench_");
}

/* Sends, and reads as many lines. */
static void
exchange(size_t len, size_t lines)
{
	static char said[1 << 16];
	size_t sent = 0;

	while (sent < len || lines > 0) {
		ssize_t n = sent < len ? send(fd, commands + sent, len - sent, MSG_DONTWAIT) : 0;

		if (n > 0)
			sent += (size_t)n;
		n = recv(fd, said, sizeof(said), sent < len ? MSG_DONTWAIT : 0);
		if (n == 0)
			bare_die("memcached has closed");
		for (ssize_t i = 0; i < n; i++)
			lines -= said[i] == '\n';
		if (n > 6 && strncmp(said, "SERVER", 6) == 0)
			bare_die(said);
	}
}

static void
make_room(size_t count)
{
	if (count * COMMAND <= size)
		return;
	size = count * COMMAND;
	commands = realloc(commands, size);
	if (commands == NULL)
		bare_die("no memory");
}

/* The middle of a key tells it apart from all others. */
static void
bare_add(const bare_key *key, size_t count)
{
	size_t len = 0, bytes = strlen(value);

	make_room(count);
	for (size_t i = 0; i < count; i++)
		len += (size_t)sprintf(
		    commands + len, "set bare__%.24s 1 0 %zu\r\n%s\r\n", key[i] + BARE_KEY - 1 - 24, bytes, value);
	exchange(len, count);
}

static void
bare_remove(const bare_key *key, size_t count)
{
	size_t len = 0;

	make_room(count);
	for (size_t i = 0; i < count; i++)
		len += (size_t)sprintf(commands + len, "delete bare__%.24s\r\n", key[i] + BARE_KEY - 1 - 24);
	exchange(len, count);
}

static void
bare_begin(void)
{
}

static void
bare_end(void)
{
	make_room(1);
	exchange((size_t)sprintf(commands, "flush_all\r\n"), 1);
}

int
main(int argc, char **argv)
{
	static const struct bare b = { "bench_memcached", bare_open, bare_begin, bare_end, bare_add, bare_remove };
	int status = bare_main(&b, argc, argv);

	free(commands);
	close(fd);
	return status;
}
