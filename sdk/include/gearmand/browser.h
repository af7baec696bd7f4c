/* SPDX-License-Identifier: BSD-3-Clause
 *
 * browser.h - what a service that speaks HTTP asks of a request, because browsers run what strangers wrote.
 *
 * Header only, pure, any thread.  A page of a stranger can send requests to the services of its visitor's machine and
 * network.  gm_same_origin() refuses those, and gm_host_is_known() keeps such a page from calling itself a name that
 * leads to this machine.  A header that did not come is a slice whose `data` is NULL.
 */
#ifndef GEARMAND_BROWSER_H
#define GEARMAND_BROWSER_H

#include <arpa/inet.h>
#include <strings.h>

#include <gearmand/module.h>

/* Letter case is ignored. */
static inline bool
gm_is_word(struct gearmand_slice s, const char *word)
{
	return s.len == strlen(word) && strncasecmp(s.data, word, s.len) == 0;
}

/* Without its port. */
static inline struct gearmand_slice
gm_host_name(struct gearmand_slice host)
{
	size_t len = host.len;

	while (len > 0 && host.data[len - 1] >= '0' && host.data[len - 1] <= '9')
		len--;
	if (len > 0 && host.data[len - 1] == ':')
		host.len = len - 1;
	return host;
}

/* An address of IPv4, or one of IPv6 in brackets. */
static inline bool
gm_is_address(struct gearmand_slice name)
{
	unsigned char binary[16];
	char text[64];
	bool is_v6 = name.len > 2 && name.data[0] == '[' && name.data[name.len - 1] == ']';

	if (is_v6) {
		name.data++;
		name.len -= 2;
	}
	if (name.len == 0 || name.len >= sizeof(text) || gm_has_byte(name, '\0'))
		return false;
	memcpy(text, name.data, name.len);
	text[name.len] = '\0';
	return inet_pton(is_v6 ? AF_INET6 : AF_INET, text, binary) == 1;
}

/* Is this Host header an address, localhost, or one of the names, which commas part?  `*` among them means any name;
 * `names` may be NULL.  A request without the header is no browser's. */
static inline bool
gm_host_is_known(struct gearmand_slice host, const char *names)
{
	struct gearmand_slice name = gm_host_name(host);

	if (host.data == NULL || gm_is_address(name) || gm_is_word(name, "localhost"))
		return true;
	for (size_t len; names != NULL && *names != '\0'; names += len + (names[len] == ',')) {
		len = strcspn(names, ",");
		if (len == 1 && *names == '*')
			return true;
		if (len > 0 && len == name.len && strncasecmp(names, name.data, len) == 0)
			return true;
	}
	return false;
}

/* May a request that changes something be done?  `site` and `origin` are the headers Sec-Fetch-Site and Origin.  A
 * browser sends the first to origins that it trusts, and the second in any case; other programs send neither. */
static inline bool
gm_same_origin(struct gearmand_slice site, struct gearmand_slice origin, struct gearmand_slice host)
{
	const char *scheme_end;
	size_t skip;

	if (site.data != NULL)
		return gm_is(site, "same-origin") || gm_is(site, "none");
	if (origin.data == NULL)
		return true;
	scheme_end = (const char *)memmem(origin.data, origin.len, "://", 3);
	if (scheme_end == NULL || host.data == NULL)
		return false;
	skip = (size_t)(scheme_end - origin.data) + 3;
	return origin.len - skip == host.len && strncasecmp(origin.data + skip, host.data, host.len) == 0;
}

#endif
