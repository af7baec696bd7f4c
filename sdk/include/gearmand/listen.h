/* SPDX-License-Identifier: BSD-3-Clause
 *
 * listen.h - the addresses of a protocol that an option lists.
 *
 * Header only, for `open` of a protocol or transport module (main thread).
 */
#ifndef GEARMAND_LISTEN_H
#define GEARMAND_LISTEN_H

#include <netinet/in.h>
#include <strings.h>
#include <sys/socket.h>

#include <gearmand/module.h>

/* A machine without IPv6 is no reason to refuse a start that nobody asked IPv6 of. */
static inline bool
gm_has_ipv6(void)
{
	struct sockaddr_in6 address;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok;

	if (fd < 0)
		return false;
	memset(&address, 0, sizeof(address));
	address.sin6_family = AF_INET6;
	address.sin6_addr = in6addr_loopback;
	ok = bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
	close(fd);
	return ok;
}

/* Listens on the addresses that commas part in option `list`, on the port of option `port`.  "localhost" is both
 * addresses that a machine has for itself. */
static inline bool
gm_listen_port(
    const struct gearmand_host *host, const char *list, const char *port, void *tag, struct gearmand_error *err)
{
	const char *at = host->option(host, list), *number = host->option(host, port);
	char address[256];

	for (;; at += strcspn(at, ",") + 1) {
		size_t len = strcspn(at, ",");
		bool ok;

		if (len == 0 || len >= sizeof(address)) {
			host->error_set(err, "%s: an address is %s", list, len == 0 ? "empty" : "too long");
			return false;
		}
		memcpy(address, at, len);
		address[len] = '\0';
		if (strcasecmp(address, "localhost") != 0)
			ok = host->listen(host, NULL, address, number, tag, err);
		else
			ok = host->listen(host, NULL, "127.0.0.1", number, tag, err) &&
			     (!gm_has_ipv6() || host->listen(host, NULL, "::1", number, tag, err));
		if (!ok || at[len] == '\0')
			return ok;
	}
}

/* "127.0.0.1:4731", "[::1]:4731", "*:4731", "unix:/path"; changes the word. */
static inline bool
gm_listen_one(const struct gearmand_host *host, const char *protocol, const char *option, char *word,
    struct gearmand_error *error)
{
	char *colon = strrchr(word, ':'), *address = word;

	if (strncmp(word, "unix:/", 6) == 0)
		return host->listen(host, protocol, word, "0", NULL, error);
	if (colon == NULL || colon == word || colon[1] == '\0')
		return gm_fail(error, GEARMAND_WHY_LASTING, "%s: '%s' is not ADDRESS:PORT", option, word);
	*colon = '\0';
	if (address[0] == '[' && colon[-1] == ']') {
		colon[-1] = '\0';
		address++;
	}
	return host->listen(host, protocol, address, colon + 1, NULL, error);
}

/* Listens where the module's option says: "ADDRESS:PORT,...", or nothing.  In open. */
static inline bool
gm_listen(const struct gearmand_host *host, const char *protocol, const char *option, struct gearmand_error *error)
{
	const char *given = host->option(host, option);
	char *text = given == NULL ? NULL : strdup(given), *rest = text, *word;
	bool good = true;

	while (good && (word = strsep(&rest, ",")) != NULL)
		good = gm_listen_one(host, protocol, option, word, error);
	free(text);
	return good;
}

#endif
