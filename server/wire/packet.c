/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Packet heads to and from bytes, and bodies taken apart by the one table.
 *
 * Runs on:  any thread; pure.  Everything that comes out is a view into what went in.
 */
#include "wire/packet.h"

static const char magic_request[4] = { '\0', 'R', 'E', 'Q' };
static const char magic_response[4] = { '\0', 'R', 'E', 'S' };

static const struct pkt_info infos[PKT_TYPES] = {
#define X(nr, name_, way_, args_, last_, handler) \
	[nr] = { .name = #name_, .way = PKT_WAY_##way_, .args = args_, .last = PKT_LAST_##last_ },
	PACKETS(X)
#undef X
};

const struct pkt_info *
pkt_info(uint32_t type)
{
	return type == 0 || type >= PKT_TYPES ? NULL : &infos[type];
}

static uint32_t
get_u32(const char *at)
{
	const unsigned char *b = (const unsigned char *)at;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void
put_u32(char *at, uint32_t value)
{
	at[0] = (char)(value >> 24);
	at[1] = (char)(value >> 16);
	at[2] = (char)(value >> 8);
	at[3] = (char)value;
}

enum pkt_verdict
pkt_head_parse(struct slice in, struct pkt_head *head_r)
{
	if (in.len < PKT_HEAD)
		return PKT_MORE;

	bool is_response = memcmp(in.data, magic_response, sizeof(magic_response)) == 0;

	if (!is_response && memcmp(in.data, magic_request, sizeof(magic_request)) != 0)
		return PKT_BAD;
	*head_r = (struct pkt_head){
		.is_response = is_response,
		.type = get_u32(in.data + 4),
		.size = get_u32(in.data + 8),
	};
	return PKT_OK;
}

void
pkt_head_write(char out[PKT_HEAD], bool is_response, uint32_t type, uint32_t size)
{
	memcpy(out, is_response ? magic_response : magic_request, 4);
	put_u32(out + 4, type);
	put_u32(out + 8, size);
}

/* A body being taken apart. */
struct cutter {
	struct slice rest;
	size_t allowed; /* bytes that arguments may still take, with their NULs */
};

/* The next argument that a NUL ends.  The search is bounded by the body and by what
 * arguments may take, so a large payload is never searched. */
static bool
cut_arg(struct cutter *c, struct slice *arg_r, enum wire_error *error_r)
{
	size_t n = c->rest.len < c->allowed ? c->rest.len : c->allowed;
	const char *nul = n == 0 ? NULL : memchr(c->rest.data, '\0', n);
	size_t len;

	if (nul == NULL) {
		*error_r = c->rest.len > c->allowed ? WIRE_ARGUMENT_TOO_LARGE : WIRE_TOO_FEW_ARGUMENTS;
		return false;
	}
	len = (size_t)(nul - c->rest.data);
	*arg_r = slice_of(c->rest.data, len);
	c->rest = slice_of(nul + 1, c->rest.len - len - 1);
	c->allowed -= len + 1;
	return true;
}

/* libgearman sends a fourth, always empty argument after the reducer. */
static bool
has_fourth_reduce_arg(const struct pkt *pkt, struct slice rest)
{
	return (pkt->type == PKT_SUBMIT_REDUCE_JOB || pkt->type == PKT_SUBMIT_REDUCE_JOB_BACKGROUND) && rest.len > 0 &&
	       rest.data[0] == '\0';
}

bool
pkt_split(uint32_t type, struct slice body, struct pkt *pkt_r, enum wire_error *error_r)
{
	const struct pkt_info *info = pkt_info(type);
	struct cutter c = { .rest = body, .allowed = PKT_ARG_BYTES_MAX };
	uint32_t ended;

	pkt_r->type = type;
	pkt_r->argc = 0;
	pkt_r->data = slice_of("", 0);
	if (info == NULL) {
		*error_r = WIRE_INVALID_COMMAND;
		return false;
	}
	if (info->last == PKT_LAST_NOTHING)
		return true;
	if (info->way == PKT_WAY_RES)
		c.allowed = SIZE_MAX;
	ended = info->last == PKT_LAST_TEXT ? info->args - 1u : info->args;
	while (pkt_r->argc < ended)
		if (!cut_arg(&c, &pkt_r->arg[pkt_r->argc++], error_r))
			return false;
	if (info->last == PKT_LAST_TEXT) {
		pkt_r->arg[pkt_r->argc++] = c.rest;
		*error_r = WIRE_ARGUMENT_TOO_LARGE;
		return c.rest.len <= c.allowed;
	}
	if (has_fourth_reduce_arg(pkt_r, c.rest)) {
		pkt_r->arg[pkt_r->argc++] = slice_of(c.rest.data, 0);
		c.rest = slice_of(c.rest.data + 1, c.rest.len - 1);
	}
	pkt_r->data = c.rest;
	return true;
}
