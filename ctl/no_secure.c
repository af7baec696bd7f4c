/* SPDX-License-Identifier: BSD-3-Clause
 *
 * In place of secure.c, where there is no OpenSSL.
 *
 * Runs on:  the only thread.
 * Owns:     nothing.
 */
#include <stdio.h>

#include "base/check.h"
#include "secure.h"

bool
secure_setup(const struct secure_settings *settings)
{
	(void)settings;
	fputs("gearmanctl: --ssl: this gearmanctl was built without OpenSSL\n", stderr);
	return false;
}

bool
secure_is_on(void)
{
	return false;
}

void
secure_end(void)
{
}

struct secure *
secure_new(int fd, const char *host)
{
	(void)fd;
	(void)host;
	return NULL;
}

void
secure_free(struct secure **secure)
{
	CHECK(*secure == NULL);
}

int
secure_shake(struct secure *secure)
{
	(void)secure;
	return -1;
}

bool
secure_writes(const struct secure *secure)
{
	(void)secure;
	return false;
}

ssize_t
secure_read(struct secure *secure, void *to, size_t size)
{
	(void)secure;
	(void)to;
	(void)size;
	return -1;
}

ssize_t
secure_write(struct secure *secure, const void *from, size_t len)
{
	(void)secure;
	(void)from;
	(void)len;
	return -1;
}

const char *
secure_why(const struct secure *secure)
{
	(void)secure;
	return "";
}
