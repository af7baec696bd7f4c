/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Lists whose links live in their members.
 */
#include <criterion/criterion.h>

#include "base/list.h"

struct item {
	int number;
	struct list link;
};

static struct item items[6];
static struct list all, other;

static void
setup(void)
{
	list_init(&all);
	list_init(&other);
	for (int i = 0; i < 6; i++) {
		items[i].number = i;
		list_init(&items[i].link);
	}
}

TestSuite(list, .init = setup);

/* The numbers of the members, as one decimal number: 1, 2, 3 is 123. */
static int
spelled(const struct list *l)
{
	int n = 0, back = 0, digit = 1;

	LIST_EACH(node, l) {
		n = n * 10 + LIST_ENTRY(node, struct item, link)->number;
	}
	for (const struct list *node = l->prev; node != l; node = node->prev, digit *= 10)
		back += digit * LIST_ENTRY(node, struct item, link)->number;
	cr_assert_eq(n, back, "forwards %d, backwards %d", n, back);
	return n;
}

Test(list, keeps_the_order_of_pushes)
{
	cr_assert(list_is_empty(&all));
	cr_assert_null(list_first(&all));
	list_push(&all, &items[2].link);
	list_push(&all, &items[3].link);
	list_push_front(&all, &items[1].link);
	cr_assert_eq(spelled(&all), 123);
	cr_assert_eq(list_first(&all), &items[1].link);
}

Test(list, pop_takes_from_the_front_until_it_is_empty)
{
	list_push(&all, &items[1].link);
	list_push(&all, &items[2].link);
	cr_assert_eq(list_pop(&all), &items[1].link);
	cr_assert_not(list_is_linked(&items[1].link));
	cr_assert_eq(list_pop(&all), &items[2].link);
	cr_assert_null(list_pop(&all));
}

Test(list, leaving_twice_is_harmless)
{
	list_push(&all, &items[1].link);
	list_push(&all, &items[2].link);
	cr_assert(list_is_linked(&items[1].link));
	list_remove(&items[1].link);
	list_remove(&items[1].link);
	cr_assert_not(list_is_linked(&items[1].link));
	cr_assert_eq(spelled(&all), 2);
}

Test(list, splice_moves_everything_behind_what_is_there)
{
	list_push(&all, &items[1].link);
	list_push(&other, &items[2].link);
	list_push(&other, &items[3].link);
	list_splice(&all, &other);
	cr_assert_eq(spelled(&all), 123);
	cr_assert(list_is_empty(&other));
	list_splice(&all, &other);
	cr_assert_eq(spelled(&all), 123);
	list_splice(&other, &all);
	cr_assert_eq(spelled(&other), 123);
	cr_assert(list_is_empty(&all));
}

Test(list, the_current_member_may_leave_a_safe_walk)
{
	for (int i = 1; i < 6; i++)
		list_push(&all, &items[i].link);
	LIST_EACH_SAFE(node, &all) {
		if (LIST_ENTRY(node, struct item, link)->number % 2 == 0)
			list_remove(node);
	}
	cr_assert_eq(spelled(&all), 135);
}
