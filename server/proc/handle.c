/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Handles: written, read, and looked up.
 *
 * Runs on:  processing thread.
 * Owns:     struct prefix; jobs are borrowed.
 */
#include "proc/handle.h"

#include <string.h>

#include "base/mem.h"
#include "proc/job.h"

/* Splits "prefix:number"; false when it is not of that shape. */
static bool
split_handle(struct slice handle, struct slice *prefix_r, uint64_t *number_r)
{
	const char *colon = handle.len == 0 ? NULL : memrchr(handle.data, ':', handle.len);
	size_t at = colon == NULL ? 0 : (size_t)(colon - handle.data) + 1;

	if (at == 0 || handle.len > HANDLE_MAX || (handle.len > at + 1 && handle.data[at] == '0'))
		return false;
	*prefix_r = slice_of(handle.data, at - 1);
	return slice_to_u64(slice_of(handle.data + at, handle.len - at), UINT64_MAX, number_r);
}

static bool
is_prefix(const struct hash_node *node, const void *text)
{
	const struct prefix *prefix = CONTAINER_OF(node, struct prefix, by_text);

	return slice_eq(slice_of(prefix->text, prefix->len), *(const struct slice *)text);
}

/* NULL when there is none.  There are as many prefixes as servers had names whose jobs were replayed here; nearly
 * always it is our own. */
static struct prefix *
prefix_find(struct proc *p, struct slice text)
{
	struct hash_node *node;

	if (is_prefix(&p->prefix_at[0]->by_text, &text))
		return p->prefix_at[0];
	node = hash_find(&p->prefixes, hash_bytes(text, p->cfg.seed), is_prefix, &text);

	return node == NULL ? NULL : CONTAINER_OF(node, struct prefix, by_text);
}

struct prefix *
prefix_add(struct proc *p, struct slice text)
{
	struct prefix *prefix = mem_new(sizeof *prefix + text.len);

	prefix->number = (uint16_t)p->prefixes.count;
	prefix->len = (uint8_t)text.len;
	memcpy(prefix->text, text.data, text.len);
	hash_add(&p->prefixes, &prefix->by_text, hash_bytes(text, p->cfg.seed));
	p->prefix_at = mem_grow(p->prefix_at, p->prefixes.count * sizeof(struct prefix *));
	p->prefix_at[prefix->number] = prefix;
	return prefix;
}

void
handle_write(const struct proc *p, uint64_t number, unsigned prefix_number, struct handle_text *text_r)
{
	const struct prefix *prefix = p->prefix_at[prefix_number];

	memcpy(text_r->at, prefix->text, prefix->len);
	text_r->at[prefix->len] = ':';
	text_r->len = (uint8_t)(prefix->len + 1 + u64_to_text(text_r->at + prefix->len + 1, number));
	text_r->at[text_r->len] = '\0';
}

void
job_handle(const struct proc *p, const struct job *job, struct handle_text *text_r)
{
	handle_write(p, job_number(job), job->prefix, text_r);
}

static bool
has_prefix(const struct hash_node *node, const void *prefix)
{
	return CONTAINER_OF(node, struct job, by_handle)->prefix == *(const uint16_t *)prefix;
}

bool
handle_read(struct proc *p, struct slice handle, uint64_t *number_r, uint16_t *prefix_r)
{
	struct prefix *prefix;
	struct slice text;

	if (!split_handle(slice_without_nul(handle), &text, number_r) || (prefix = prefix_find(p, text)) == NULL)
		return false;
	*prefix_r = prefix->number;
	return true;
}

struct job *
job_find(struct proc *p, struct slice handle)
{
	struct hash_node *node;
	uint64_t number;
	uint16_t prefix;

	if (!handle_read(p, handle, &number, &prefix))
		return NULL;
	node = hash_find(&p->handles, handle_key(number, prefix), has_prefix, &prefix);
	return node == NULL ? NULL : CONTAINER_OF(node, struct job, by_handle);
}

uint64_t
handle_restore(struct proc *p, struct slice handle, uint16_t *prefix_r)
{
	struct slice text;
	struct prefix *prefix;
	uint64_t number;

	*prefix_r = 0;
	if (!split_handle(handle, &text, &number) || number == UINT64_MAX || job_find(p, handle) != NULL)
		return p->next_handle++;
	prefix = prefix_find(p, text);
	if (prefix == NULL && p->prefixes.count < UINT16_MAX)
		prefix = prefix_add(p, text);
	if (prefix == NULL)
		return p->next_handle++;
	*prefix_r = prefix->number;
	if (prefix->number == 0 && number >= p->next_handle)
		p->next_handle = number + 1;
	return number;
}
