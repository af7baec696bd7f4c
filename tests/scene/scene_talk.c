/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Peers of a scene: what they send, and what they are told; see scene.h.
 *
 * Runs on:  the test's thread.
 * Owns:     nothing; what was said is the scene's until it is looked at.
 */
#include "tests/scene/scene_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

void
tell_bytes(struct scene *s, int peer, enum pkt_type type, struct slice body)
{
	struct msg_packet *m = msg_new_sized(MSG_PACKET, (uint64_t)peer, sizeof *m);
	enum wire_error why;

	m->msg.type = (uint16_t)type;
	m->tag = s->tag;
	m->msg.blob = blob_copy(body);
	if (type == PKT_TEXT)
		m->pkt.data = blob_slice(m->msg.blob);
	else
		cr_assert(pkt_split(type, blob_slice(m->msg.blob), &m->pkt, &why));
	scene_post(s, &m->msg);
}

void
tell_(struct scene *s, int peer, enum pkt_type type, const char *const *words)
{
	struct buf body = { 0 };
	unsigned args = type == PKT_TEXT ? 0 : pkt_info(type)->args;
	bool opaque = type != PKT_TEXT && pkt_info(type)->last == PKT_LAST_OPAQUE;

	for (unsigned i = 0; words[i] != NULL; i++) {
		buf_add_str(&body, words[i]);
		if (i + 1 < args || (opaque && i + 1 == args))
			buf_add_char(&body, '\0');
	}
	tell_bytes(s, peer, type, buf_slice(&body));
	buf_fini(&body);
}

static struct msg *
next_said(struct scene *s, int peer)
{
	LIST_EACH_SAFE(node, &s->said) {
		struct msg *m = MSG(node);

		if (m->peer == (uint64_t)peer) {
			list_remove(node);
			return m;
		}
	}
	return NULL;
}

struct msg_reply *
next_reply(struct scene *s, int peer)
{
	struct msg *m = next_said(s, peer);

	return m == NULL ? NULL : MSG_AS(msg_reply, m);
}

void
scene_set_tag(struct scene *s, uint64_t tag)
{
	s->tag = tag;
}

void
expect_tag_(struct scene *s, int peer, uint64_t tag, const char *file, int line)
{
	struct msg *m = next_said(s, peer);

	cr_assert(m != NULL && m->kind == MSG_REPLY, "%s:%d: peer %d: nothing was said", file, line, peer);
	cr_assert_eq(MSG_AS(msg_reply, m)->tag, tag, "%s:%d: tag %llu", file, line,
	    (unsigned long long)MSG_AS(msg_reply, m)->tag);
	msg_free(&m);
}

static void
describe(struct buf *out, const struct msg *m)
{
	const struct msg_reply *reply = MSG_AS(msg_reply, m);

	if (m == NULL || m->kind != MSG_REPLY) {
		buf_add_str(out, m == NULL ? "silence" : "message of kind ");
		if (m != NULL)
			buf_add_u64(out, m->kind);
	} else {
		buf_add_str(out, m->type == PKT_TEXT ? "TEXT" : pkt_info(m->type)->name);
		buf_add_char(out, ' ');
		buf_add_escaped(out, slice_of(reply->head + PKT_HEAD, reply->head_len - PKT_HEAD));
		buf_add_char(out, '|');
		buf_add_escaped(out, reply->data);
	}
	buf_add_char(out, '\0');
}

/* Body of the reply against the wanted words; "*" takes everything up to its end. */
static bool
matches(const struct msg_reply *reply, enum pkt_type type, const char *const *words)
{
	struct buf body = { 0 };
	unsigned args = pkt_info(type)->args;
	bool opaque = pkt_info(type)->last == PKT_LAST_OPAQUE, same = true;
	size_t at = 0;

	buf_add(&body, reply->head + PKT_HEAD, reply->head_len - PKT_HEAD);
	buf_add_slice(&body, reply->data);
	for (unsigned i = 0; same && words[i] != NULL; i++) {
		bool has_nul = i + 1 < args || (opaque && i + 1 == args);
		const char *end = has_nul && at < body.len ? memchr(body.data + at, '\0', body.len - at) : NULL;
		size_t len = end != NULL ? (size_t)(end - body.data) - at : body.len - at;

		same = (!has_nul || end != NULL) &&
		       (strcmp(words[i], "*") == 0 || slice_is(slice_of(body.data + at, len), words[i]));
		at += len + has_nul;
	}
	same = same && at == body.len;
	buf_fini(&body);
	return same;
}

void
expect_(struct scene *s, int peer, enum pkt_type type, const char *const *words, const char *file, int line)
{
	struct msg *m = next_said(s, peer);
	struct buf said = { 0 };
	bool right = m != NULL && m->kind == MSG_REPLY && m->type == type && matches(MSG_AS(msg_reply, m), type, words);

	describe(&said, m);
	cr_assert(right, "%s:%d: peer %d: expected %s %s, got %s", file, line, peer, pkt_info(type)->name,
	    words[0] == NULL ? "" : words[0], said.data);
	buf_fini(&said);
	msg_free(&m);
}

void
expect_kind_(struct scene *s, int peer, enum msg_kind kind, const char *file, int line)
{
	struct msg *m = next_said(s, peer);
	struct buf said = { 0 };

	describe(&said, m);
	cr_assert(m != NULL && m->kind == kind, "%s:%d: peer %d: got %s", file, line, peer, said.data);
	buf_fini(&said);
	msg_free(&m);
}

void
expect_silence_(struct scene *s, int peer, const char *file, int line)
{
	struct msg *m = next_said(s, peer);
	struct buf said = { 0 };

	describe(&said, m);
	cr_assert(m == NULL, "%s:%d: peer %d: expected silence, got %s", file, line, peer, said.data);
	buf_fini(&said);
}

void
ask_(struct scene *s, int peer, const char *line, const char *answer, const char *file, int at)
{
	tell_(s, peer, PKT_TEXT, (const char *const[]){ line, NULL });
	expect_text_(s, peer, answer, line, file, at);
}

void
expect_text_(struct scene *s, int peer, const char *answer, const char *line, const char *file, int at)
{
	struct msg_reply *reply;
	struct buf text = { 0 };

	reply = next_reply(s, peer);
	cr_assert(reply != NULL && reply->msg.type == PKT_TEXT, "%s:%d: no text", file, at);
	buf_add(&text, reply->head + PKT_HEAD, reply->head_len - PKT_HEAD);
	buf_add_slice(&text, reply->data);
	buf_add_char(&text, '\0');
	cr_assert_str_eq(text.data, answer, "%s:%d: `%s` was answered with `%s`", file, at, line, text.data);
	buf_fini(&text);
	struct msg *m = &reply->msg;
	msg_free(&m);
}

/* A listing that owes is paused meanwhile. */
int
read_listing(struct scene *s, int peer, int *turns_r, struct buf *text)
{
	bool is_end = false;
	int lines = 0;

	for (*turns_r = 1; !is_end && *turns_r < 1000; ++*turns_r) {
		struct msg *m = next_said(s, peer);

		if (m == NULL) {
			scene_wait(s, 1);
			continue;
		}
		if (m->kind == MSG_REPLY || m->kind == MSG_PART) {
			struct slice part = MSG_AS(msg_reply, m)->data;

			cr_assert(m->kind == MSG_REPLY || part.len <= 128 << 10, "a part of %zu bytes", part.len);
			for (size_t i = 0; i < part.len; i++)
				lines += part.data[i] == '\n';
			if (text != NULL)
				buf_add_slice(text, part);
		}
		is_end = m->kind == MSG_REPLY && m->type == PKT_TEXT;
		if (m->kind == MSG_PART)
			scene_post(s, msg_new(MSG_PART_TAKEN, (uint64_t)peer));
		msg_free(&m);
	}
	cr_assert(is_end, "the listing has no end");
	return lines;
}

static void
read_answer(struct scene *s, int peer, const char *line, struct buf *text)
{
	struct msg_reply *reply;
	struct msg *m;

	tell(s, peer, TEXT, line);
	reply = next_reply(s, peer);
	cr_assert(reply != NULL && reply->msg.type == PKT_TEXT, "no text");
	buf_add(text, reply->head + PKT_HEAD, reply->head_len - PKT_HEAD);
	buf_add_slice(text, reply->data);
	buf_add_char(text, '\0');
	m = &reply->msg;
	msg_free(&m);
}

bool
answer_has(struct scene *s, int peer, const char *line, const char *part)
{
	struct buf text = { 0 };
	bool has;

	read_answer(s, peer, line, &text);
	has = strstr(text.data, part) != NULL;
	buf_fini(&text);
	return has;
}

uint64_t
scene_counter(struct scene *s, int peer, const char *name)
{
	struct buf text = { 0 };
	const char *at;
	uint64_t n;

	read_answer(s, peer, "counters", &text);
	at = strstr(text.data, name);
	cr_assert_not_null(at, "no counter %s", name);
	n = strtoull(at + strlen(name), NULL, 10);
	buf_fini(&text);
	return n;
}
