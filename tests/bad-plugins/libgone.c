/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The library of missing-library.c.
 */
void gone(void);

void
gone(void)
{
}
