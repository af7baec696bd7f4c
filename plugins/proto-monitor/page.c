/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Answers with the page.
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     nothing.
 */
#include "monitor.h"
#include "page.h"

void
mon_answer_page(struct mon_conn *c)
{
	struct gm_bytes head = { .len = 0 };

	gm_addf(&head,
	    "HTTP/1.1 200 OK\r\n"
	    "Content-Type: text/html; charset=utf-8\r\n"
	    "Content-Length: %zu\r\n"
	    "Content-Security-Policy: %s\r\n"
	    "Cache-Control: no-store\r\n"
	    "X-Content-Type-Options: nosniff\r\n"
	    "Referrer-Policy: no-referrer\r\n"
	    "%s\r\n",
	    mon_page_len, mon_page_policy, c->request.keep_alive ? "" : "Connection: close\r\n");
	mon_host(c)->write(c->peer, gm_bytes_slice(&head));
	if (!c->request.is_head)
		mon_host(c)->write(c->peer, (struct gearmand_slice){ (const char *)mon_page, mon_page_len });
	gm_bytes_free(&head);
	mon_conn_next(c);
}
