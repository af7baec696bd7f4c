/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Messages: made and freed here, whatever their kind.
 *
 * Runs on:  any thread.
 * Owns:     memory of small messages that are gone, per thread; a message belongs to who holds it.
 */
#include "cross/msg.h"

#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "wire/access.h"
#include "wire/policy.h"

/* A small message has SMALL_BYTES, whatever it needs of them. */
enum { MAGIC_SMALL = 0x4d736721, MAGIC_LARGE = 0x4d736741, SMALL_BYTES = sizeof(struct msg_packet) };

/* Small messages that this thread has freed, for the next that it makes.  A thread makes about as many as it
 * frees, but not the same: without this each would go back, under a lock, to the heap of the thread that made it. */
struct spare {
	struct spare *next;
};

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
enum { SPARES_MAX = 0 }; /* so that the use of a message that is gone is seen */
#else
enum { SPARES_MAX = 512 };
#endif

static _Thread_local struct spare *spares;
static _Thread_local int spare_count;

static void *
small_new(void)
{
	struct spare *s = spares;

	if (s == NULL)
		return mem_grow(NULL, SMALL_BYTES);
	spares = s->next;
	spare_count--;
	return s;
}

static void
small_free(void *p)
{
	struct spare *s = p;

	if (spare_count >= SPARES_MAX) {
		mem_free(p);
		return;
	}
	s->next = spares;
	spares = s;
	spare_count++;
}

void
msg_free_spares(void)
{
	while (spares != NULL)
		mem_free(small_new());
}

/* Without the zeros of `uninitialised` bytes at the end, which the caller fills. */
static void *
msg_raw(enum msg_kind kind, uint64_t peer, size_t size, size_t uninitialised)
{
	bool small = size <= SMALL_BYTES;
	struct msg *m = small ? small_new() : mem_grow(NULL, size);

	memset(m, 0, size - uninitialised);
	list_init(&m->link);
	m->magic = small ? MAGIC_SMALL : MAGIC_LARGE;
	m->kind = kind;
	m->peer = peer;
	return m;
}

void *
msg_new_sized(enum msg_kind kind, uint64_t peer, size_t size)
{
	CHECK(size >= sizeof(struct msg));
	return msg_raw(kind, peer, size, 0);
}

struct msg *
msg_new(enum msg_kind kind, uint64_t peer)
{
	return msg_raw(kind, peer, sizeof(struct msg), 0);
}

struct msg_packet *
msg_packet_new(uint64_t peer)
{
	return msg_raw(MSG_PACKET, peer, sizeof(struct msg_packet), sizeof(struct pkt));
}

struct msg_text *
msg_text_new(enum msg_kind kind, struct slice text)
{
	struct msg_text *m = msg_raw(kind, 0, sizeof *m + text.len + 1, text.len + 1);

	if (text.len > 0)
		memcpy(m->text, text.data, text.len);
	m->text[text.len] = '\0';
	return m;
}

struct msg_reply *
msg_reply_new(enum pkt_type type, uint64_t peer, size_t arg_bytes)
{
	struct msg_reply *m = msg_raw(MSG_REPLY, peer, sizeof *m + PKT_HEAD + arg_bytes, arg_bytes);

	m->msg.type = (uint16_t)type;
	m->head_len = PKT_HEAD;
	m->head_cap = (uint32_t)(PKT_HEAD + arg_bytes);
	return m;
}

void
msg_reply_arg(struct msg_reply *m, struct slice arg, bool last)
{
	CHECK(m->head_cap - m->head_len >= arg.len + !last);
	if (arg.len > 0)
		memcpy(m->head + m->head_len, arg.data, arg.len);
	m->head_len += (uint32_t)arg.len;
	if (!last)
		m->head[m->head_len++] = '\0';
}

void
msg_reply_data(struct msg_reply *m, struct blob *b, struct slice data)
{
	CHECK(m->msg.blob == NULL);
	if (data.len == 0)
		return;
	CHECK(b != NULL && data.data >= b->data && data.data + data.len <= b->data + b->len);
	m->msg.blob = blob_ref(b);
	m->data = data;
}

void
msg_free(struct msg **mp)
{
	struct msg *m = *mp;
	bool small;

	*mp = NULL;
	if (m == NULL)
		return;
	CHECK(m->magic == MAGIC_SMALL || m->magic == MAGIC_LARGE);
	CHECK(!list_is_linked(&m->link));
	if (m->blob != NULL)
		blob_unref(&m->blob);
	if (m->kind == MSG_CONN && MSG_AS(msg_conn, m)->fd >= 0)
		close(MSG_AS(msg_conn, m)->fd);
	if ((m->kind >= MSG_ADD && m->kind <= MSG_UNBURY) || m->kind == MSG_REPLAYED)
		mem_free(MSG_AS(msg_store, m)->reason);
	if (m->kind == MSG_POLICIES)
		policies_free(&MSG_AS(msg_policies, m)->policies);
	if (m->kind == MSG_ACCESS)
		access_free(&MSG_AS(msg_access, m)->access);
	small = m->magic == MAGIC_SMALL;
	m->magic = 0;
	if (small)
		small_free(m);
	else
		mem_free(m);
}

void
msg_free_all(struct list *l)
{
	struct list *node;

	while ((node = list_pop(l)) != NULL) {
		struct msg *m = MSG(node);

		msg_free(&m);
	}
}
