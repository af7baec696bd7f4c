/* SPDX-License-Identifier: BSD-3-Clause
 *
 * list.h - doubly linked lists whose links live in their members.  Any thread; pure.
 *
 * A node that is in no list points at itself, so leaving a list twice is harmless
 * and is_linked can be asked of any initialised node.
 */
#ifndef GEARMAND_BASE_LIST_H
#define GEARMAND_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

struct list {
	struct list *next, *prev;
};

static inline void
list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool
list_is_empty(const struct list *l)
{
	return l->next == l;
}

static inline bool
list_is_linked(const struct list *node)
{
	return node->next != node;
}

/* `node` must be in no list. */
static inline void
list_push(struct list *l, struct list *node)
{
	node->prev = l->prev;
	node->next = l;
	l->prev->next = node;
	l->prev = node;
}

static inline void
list_push_front(struct list *l, struct list *node)
{
	list_push(l->next, node);
}

static inline void
list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

static inline struct list *
list_first(const struct list *l)
{
	return list_is_empty(l) ? NULL : l->next;
}

static inline struct list *
list_pop(struct list *l)
{
	struct list *node = list_first(l);

	if (node != NULL)
		list_remove(node);
	return node;
}

/* Moves all members of `from` to the end of `to`. */
static inline void
list_splice(struct list *to, struct list *from)
{
	if (list_is_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define LIST_ENTRY(node, type, member) CONTAINER_OF(node, type, member)

/* Members must not leave the list in the body; LIST_EACH_SAFE lets the current one leave. */
#define LIST_EACH(node, l) for (struct list *node = (l)->next; node != (l); node = node->next)
#define LIST_EACH_SAFE(node, l) \
	for (struct list *node = (l)->next, *node##_next = node->next; node != (l); \
	     node = node##_next, node##_next = node->next)

#endif
