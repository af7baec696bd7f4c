/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Buffers, and slices read as text and numbers.
 */
#include <inttypes.h>
#include <stdio.h>

#include <criterion/criterion.h>

#include "base/buf.h"

static void
expect(const struct buf *b, const char *bytes, size_t n)
{
	cr_assert_eq(b->len, n);
	cr_assert_leq(b->len, b->cap);
	cr_assert_arr_eq(b->data, bytes, n);
}

#define EXPECT(b, text) expect(b, text, sizeof(text) - 1)

Test(buf, holds_what_was_added_in_order)
{
	struct buf b = { 0 };

	buf_add(&b, "a\0b", 3);
	buf_add_slice(&b, slice_str("cd"));
	buf_add_slice(&b, slice_of(NULL, 0));
	buf_add_str(&b, "");
	buf_add_str(&b, "ef");
	buf_add_char(&b, '\n');
	EXPECT(&b, "a\0bcdef\n");
	cr_assert(slice_eq(buf_slice(&b), slice_of("a\0bcdef\n", 8)));
	buf_fini(&b);
	cr_assert_null(b.data);
	cr_assert_eq(b.len, 0);
	buf_add_str(&b, "again");
	EXPECT(&b, "again");
	buf_fini(&b);
}

Test(buf, grows_from_one_byte_to_a_megabyte)
{
	struct buf b = { 0 };

	for (size_t i = 0; i < 1 << 20; i++)
		buf_add_char(&b, (char)(i * 7));
	cr_assert_eq(b.len, (size_t)1 << 20);
	for (size_t i = 0; i < 1 << 20; i++)
		cr_assert_eq(b.data[i], (char)(i * 7));
	buf_fini(&b);
}

Test(buf, room_is_writable_and_changes_nothing_by_itself)
{
	struct buf b = { 0 };

	cr_assert_not_null(buf_room(&b, 0));
	buf_add_str(&b, "x");
	memset(buf_room(&b, 100000), 'y', 100000);
	EXPECT(&b, "x");
	b.len += 2;
	EXPECT(&b, "xyy");
	buf_fini(&b);
}

Test(buf, drop_forgets_from_the_front_and_frees_when_nothing_is_left)
{
	struct buf b = { 0 };

	buf_add_str(&b, "head and tail");
	buf_drop(&b, 0);
	buf_drop(&b, 9);
	EXPECT(&b, "tail");
	buf_drop(&b, 4);
	cr_assert_null(b.data);
	buf_drop(&b, 0);
}

Test(buf, writes_numbers_in_decimal)
{
	struct buf b = { 0 };
	char digits[20];

	buf_add_u64(&b, 0);
	buf_add_char(&b, ' ');
	buf_add_u64(&b, UINT64_MAX);
	buf_add_char(&b, ' ');
	buf_add_i64(&b, INT64_MIN);
	buf_add_char(&b, ' ');
	buf_add_i64(&b, INT64_MAX);
	buf_add_char(&b, ' ');
	buf_add_i64(&b, -1);
	EXPECT(&b, "0 18446744073709551615 -9223372036854775808 9223372036854775807 -1");
	buf_fini(&b);
	cr_assert_eq(u64_to_text(digits, 4730), 4u);
	cr_assert_arr_eq(digits, "4730", 4);
	cr_assert_eq(u64_to_text(digits, UINT64_MAX), 20u);
}

Test(buf, numbers_of_any_length_are_those_of_printf_and_are_read_back)
{
	char digits[20], want[24];
	uint64_t back, edge = 1;

	for (int length = 0; length <= 20; length++, edge *= 10) {
		for (uint64_t value = edge - 2; value != edge + 3; value++) {
			size_t n = u64_to_text(digits, value);

			cr_assert_eq(snprintf(want, sizeof want, "%" PRIu64, value), (int)n);
			cr_assert_arr_eq(digits, want, n);
			cr_assert(slice_to_u64(slice_of(digits, n), UINT64_MAX, &back));
			cr_assert_eq(back, value);
		}
	}
}

Test(buf, escapes_control_bytes_and_nothing_else)
{
	struct buf b = { 0 };

	buf_add_escaped(&b, slice_of("a\nb\tc\0d\x7f", 8));
	EXPECT(&b, "a\\x0Ab\\x09c\\x00d\\x7F");
	buf_fini(&b);
	buf_add_escaped(&b, slice_str("resize \\ \"m\xc3\xbcll\" ~\xff"));
	EXPECT(&b, "resize \\ \"m\xc3\xbcll\" ~\xff");
	buf_fini(&b);
}

Test(slice, equal_is_equal_bytes)
{
	cr_assert(slice_eq(slice_of("a\0b", 3), slice_of("a\0b", 3)));
	cr_assert_not(slice_eq(slice_of("a\0b", 3), slice_of("a\0c", 3)));
	cr_assert_not(slice_eq(slice_of("a", 1), slice_of("ab", 2)));
	cr_assert(slice_eq(slice_of(NULL, 0), slice_of("", 0)));
	cr_assert(slice_is(slice_of("abc", 2), "ab"));
}

Test(slice, only_ascii_letters_have_two_cases)
{
	cr_assert(slice_is_nocase(slice_str("ExCePtions-[1]"), "exceptionS-[1]"));
	cr_assert_not(slice_is_nocase(slice_str("exception"), "exceptions"));
	cr_assert_not(slice_is_nocase(slice_str("exceptions "), "exceptions"));
	cr_assert_not(slice_is_nocase(slice_str("[@"), "{`"));
	cr_assert_not(slice_is_nocase(slice_str("\xc4"), "\xe4"));
	cr_assert(slice_is_nocase(slice_of(NULL, 0), ""));
}

Test(slice, strict_numbers_are_digits_within_a_bound)
{
	static const char *const bad[] = { "", " 1", "1 ", "+1", "-1", "1x", "0x1", "1.0", "18446744073709551616",
		"99999999999999999999999" };
	uint64_t n = 7;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_not(slice_to_u64(slice_str(bad[i]), UINT64_MAX, &n), "'%s' is taken for a number", bad[i]);
	cr_assert_not(slice_to_u64(slice_of("1\0", 2), UINT64_MAX, &n));
	cr_assert_not(slice_to_u64(slice_str("60"), 59, &n));
	cr_assert_eq(n, 7u, "a refused number must not be stored");
	cr_assert(slice_to_u64(slice_str("59"), 59, &n) && n == 59);
	cr_assert(slice_to_u64(slice_str("0007"), 59, &n) && n == 7);
	cr_assert(slice_to_u64(slice_str("18446744073709551615"), UINT64_MAX, &n) && n == UINT64_MAX);
}

Test(slice, lenient_numbers_are_what_strtoll_makes_of_them)
{
	static const struct {
		const char *text;
		int64_t value;
	} good[] = { { "", 0 }, { "abc", 0 }, { "12abc", 12 }, { "-5", -5 }, { "+7", 7 }, { " \t\n12", 12 },
		{ "- 1", 0 }, { "--1", 0 }, { "12 34", 12 }, { "-", 0 }, { "9223372036854775807", INT64_MAX },
		{ "-9223372036854775808", INT64_MIN }, { "0000000000000000000000001", 1 } };
	int64_t n = 7;

	cr_assert_not(slice_to_i64_lenient(slice_str("9223372036854775808"), &n));
	cr_assert_not(slice_to_i64_lenient(slice_str("-9223372036854775809"), &n));
	cr_assert_not(slice_to_i64_lenient(slice_str("99999999999999999999x"), &n));
	cr_assert_eq(n, 7);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		cr_assert(slice_to_i64_lenient(slice_str(good[i].text), &n));
		cr_assert_eq(n, good[i].value, "'%s' gave %ld", good[i].text, (long)n);
	}
}
