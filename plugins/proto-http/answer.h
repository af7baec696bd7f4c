/* SPDX-License-Identifier: BSD-3-Clause
 *
 * answer.h - responses: sentences, results, and answers that come in pieces.
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     nothing; what came as WORK_DATA is kept by the host until it is written or dropped.
 *
 * An answer does not end the request: web_conn_next() does, or web_conn_close().
 */
#ifndef PROTO_HTTP_ANSWER_H
#define PROTO_HTTP_ANSWER_H

#include "conn.h"

/* Why: words of the server.  `code` is a Gearman error code, or empty. */
void web_answer_sentence(
    struct web_conn *, unsigned status, const char *command, struct gearmand_slice code, struct gearmand_slice why);
/* A refusal.  The request stays, for what is still to come of it. */
void web_answer_refusal(struct web_conn *, struct web_refusal);
/* What is still to come is not read: the host sees to it that the answer arrives in spite of that. */
void web_refuse_and_close(struct web_conn *, struct web_refusal);
/* A result: with status 200 all that was kept, then `data`. */
void web_answer_result(struct web_conn *, unsigned status, const char *command, struct gearmand_slice data);
/* A body of the module's own making; `more` are further headers, each with its CR LF. */
void web_answer_body(struct web_conn *, unsigned status, const char *command, const char *type,
    struct gearmand_slice more, struct gearmand_slice body);

/* An answer in pieces: head, pieces, end. */
void web_answer_begin(struct web_conn *, const char *type, const char *more);
void web_answer_piece(struct web_conn *, struct gearmand_slice);
void web_answer_data(struct web_conn *, struct gearmand_slice); /* of the packet at hand */
/* Ends the answer, and the request with it.  `trailer` is a header with its CR LF, or "". */
void web_answer_end(struct web_conn *, const char *trailer);
/* The same, for an answer that is not whole: any client sees that, for its last chunk is missing. */
void web_answer_break(struct web_conn *, const char *trailer);

/* Keeps a piece of the result.  False: the request was answered with why not, and is over. */
bool web_keep(struct web_conn *, struct gearmand_slice);
void web_kept_drop(struct web_conn *);

#endif
