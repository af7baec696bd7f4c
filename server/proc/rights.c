/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a peer may do, by the access rules; what it is told when it may not.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 */
#include "proc/rights.h"

#include "proc/reply.h"

/* Bytes of patterns and names that are compared for one unit of p->spent. */
enum { COMPARED_PER_UNIT = 4096 };

static const nsec_t minute = 60 * A_SECOND;

static PROC bool
is_let(struct proc *p, const struct peer *peer, enum access_right right, struct slice name)
{
	p->spent += peer->rights->patterns * (ACCESS_PATTERN_MAX + name.len) / COMPARED_PER_UNIT;
	return access_lets(peer->rights, right, name);
}

bool
rights_find_submit(struct proc *p, struct peer *peer, struct slice name, const struct func *func)
{
	if (!is_let(p, peer, ACCESS_SUBMIT, name))
		return false;
	if (func != NULL)
		peer->may_submit = func->number;
	return true;
}

bool
may_work(struct proc *p, const struct peer *peer, struct slice name)
{
	return peer->rights->works_all || is_let(p, peer, ACCESS_WORK, name);
}

static PROC void
add_line_number(const struct proc *p, const struct peer *peer, struct buf *out)
{
	if (access_is_default(p->access)) {
		buf_add_str(out, "there is no access file");
	} else if (peer->rights->line == 0) {
		buf_add_str(out, "no line of the access file matches");
	} else {
		buf_add_str(out, "line ");
		buf_add_u64(out, peer->rights->line);
		buf_add_str(out, " of the access file");
	}
}

static PROC void
log_refusal(struct proc *p, const struct peer *peer, enum access_right right, struct slice what)
{
	static const char *const rights[] = {
		[ACCESS_NOTHING] = "",
		[ACCESS_SEE] = "see",
		[ACCESS_MANAGE] = "manage",
		[ACCESS_ADMIN] = "admin",
		[ACCESS_SUBMIT] = "submit",
		[ACCESS_WORK] = "work",
	};
	struct buf line = { 0 };

	if (what.len > ACCESS_PATTERN_MAX)
		what.len = ACCESS_PATTERN_MAX;
	peer_add_address(peer, &line);
	buf_add_str(&line, ": not allowed: ");
	buf_add_escaped(&line, what);
	buf_add_str(&line, ", for want of the right ");
	buf_add_str(&line, rights[right]);
	buf_add_str(&line, ": ");
	add_line_number(p, peer, &line);
	proc_log(p, GEARMAND_LOG_WARNING, &line);
	buf_fini(&line);
}

/* One line for a connection and right in a minute. */
void
rights_note_refusal(struct proc *p, struct peer *peer, enum access_right right, struct slice what)
{
	uint16_t now = (uint16_t)(p->now.mono / minute);
	uint8_t bit = (uint8_t)(1u << right);

	count(p, STAT_refused_access);
	if (peer->told_minute != now)
		peer->told_rights = 0;
	if ((peer->told_rights & bit) != 0)
		return;
	peer->told_minute = now;
	peer->told_rights |= bit;
	log_refusal(p, peer, right, what);
}

static void
add_row(struct buf *out, const char *name, struct slice value)
{
	buf_add_str(out, name);
	buf_add_char(out, '\t');
	buf_add_escaped(out, value);
	buf_add_char(out, '\n');
}

static void
add_number_row(struct buf *out, const char *name, uint64_t number)
{
	char text[20];

	add_row(out, name, slice_of(text, u64_to_text(text, number)));
}

void
report_whoami(struct proc *p, struct peer *peer)
{
	struct slice identity = peer_identity(peer), text = peer->rights->text;
	struct buf out = { 0 }, address = { 0 };

	peer_add_address(peer, &address);
	add_row(&out, "address", buf_slice(&address));
	buf_fini(&address);
	add_row(&out, "protocol", slice_str(peer->protocol));
	if (peer->user != ACCESS_NO_USER)
		add_number_row(&out, "user", peer->user);
	while (identity.len > 0)
		add_row(&out, "identity", slice_split(identity, '\0', &identity));
	if (!access_is_default(p->access))
		add_number_row(&out, "line", peer->rights->line);
	add_row(&out, "rights", text.len > 0 ? text : slice_str("none"));
	buf_add_str(&out, ".\n");
	reply_text(p, peer, &out);
}
