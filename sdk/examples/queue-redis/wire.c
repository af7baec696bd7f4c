/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The connection to redis: commands go out, replies come in, and trouble becomes a sentence.
 *
 * Runs on:  the store thread.
 * Owns:     the connection of a store.
 *
 * Commands are written as redis reads them, each argument with its length before it, so any bytes are fine.
 */
#include "queue_redis.h"

void
rq_arg(struct rq_command *c, struct gearmand_slice arg)
{
	gm_addf(&c->text, "$%zu\r\n", arg.len);
	gm_add_slice(&c->text, arg);
	gm_add_text(&c->text, "\r\n");
	c->args++;
}

void
rq_arg_text(struct rq_command *c, const char *text)
{
	rq_arg(c, gm_slice(text));
}

void
rq_arg_number(struct rq_command *c, long long number)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", number);
	rq_arg_text(c, text);
}

void
rq_command_clear(struct rq_command *c)
{
	gm_bytes_clear(&c->text, 1 << 20);
	c->args = 0;
}

static bool
wire_fail(const struct rq_store *s, struct gearmand_error *err)
{
	const redisContext *r = s->redis;

	if (r == NULL || r->err == REDIS_ERR_OOM)
		return gm_fail(err, GEARMAND_WHY_PASSING, "%s: out of memory", s->name);
	if (r->err == REDIS_ERR_IO && (errno == EAGAIN || errno == EINPROGRESS || errno == ETIMEDOUT))
		return gm_fail(err, GEARMAND_WHY_PASSING, "%s: it does not answer", s->name);
	if (r->err == REDIS_ERR_EOF)
		return gm_fail(err, GEARMAND_WHY_PASSING, "%s: it closed the connection", s->name);
	return gm_fail(err, GEARMAND_WHY_PASSING, "%s: %s", s->name, r->errstr);
}

/* Scripts of old versions wrap what a command said, so it may stand anywhere. */
static enum gearmand_commit
wire_explain(const struct rq_store *s, const char *said, struct gearmand_error *err)
{
	static const struct {
		const char *sign;
		enum gearmand_commit outcome;
		enum gearmand_why why;
		const char *phrase;
	} all[] = {
		{ "OOM command", GEARMAND_COMMIT_FULL, GEARMAND_WHY_PASSING, "it is full (see its maxmemory)" },
		{ "READONLY", GEARMAND_COMMIT_BROKEN, GEARMAND_WHY_PASSING,
		    "it is a read-only replica; --redis-server must name its primary" },
		{ "MISCONF", GEARMAND_COMMIT_AGAIN, GEARMAND_WHY_PASSING,
		    "it cannot write to its disk, and so it takes no changes; its log says why" },
		{ "NOREPLICAS", GEARMAND_COMMIT_AGAIN, GEARMAND_WHY_PASSING,
		    "it has fewer replicas than its min-replicas-to-write" },
		{ "BUSY ", GEARMAND_COMMIT_AGAIN, GEARMAND_WHY_PASSING, "it is busy with somebody's script" },
		{ "LOADING", GEARMAND_COMMIT_BROKEN, GEARMAND_WHY_PASSING, "it is still loading its data" },
		{ "MASTERDOWN", GEARMAND_COMMIT_BROKEN, GEARMAND_WHY_PASSING, "it is a replica without its primary" },
		{ "NOAUTH", GEARMAND_COMMIT_BROKEN, GEARMAND_WHY_LASTING, "it wants a password: --redis-password" },
		{ "WRONGPASS", GEARMAND_COMMIT_BROKEN, GEARMAND_WHY_LASTING, "--redis-password is wrong" },
		{ "invalid password", GEARMAND_COMMIT_BROKEN, GEARMAND_WHY_LASTING, "--redis-password is wrong" },
		{ "AUTH", GEARMAND_COMMIT_BROKEN, GEARMAND_WHY_LASTING,
		    "it has no password, but --redis-password is given" },
		{ "MOVED", GEARMAND_COMMIT_BROKEN, GEARMAND_WHY_LASTING,
		    "it belongs to a cluster; use a single redis" },
		{ "CROSSSLOT", GEARMAND_COMMIT_BROKEN, GEARMAND_WHY_LASTING,
		    "it belongs to a cluster; use a single redis" },
		{ "", GEARMAND_COMMIT_BROKEN, GEARMAND_WHY_PASSING, NULL },
	};
	size_t i = 0;

	while (strstr(said, all[i].sign) == NULL)
		i++;
	gm_fail(err, all[i].why, "%s: %s", s->name, all[i].phrase != NULL ? all[i].phrase : said);
	return all[i].outcome;
}

bool
rq_send(struct rq_store *s, const struct rq_command *head, const struct rq_command *rest, struct gearmand_error *err)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "*%zu\r\n", head->args + rest->args);

	s->outcome = GEARMAND_COMMIT_BROKEN;
	if (head->text.failed || rest->text.failed ||
	    redisAppendFormattedCommand(s->redis, text, (size_t)len) != REDIS_OK ||
	    redisAppendFormattedCommand(s->redis, head->text.data, head->text.len) != REDIS_OK ||
	    redisAppendFormattedCommand(s->redis, rest->text.data, rest->text.len) != REDIS_OK)
		return gm_fail(err, GEARMAND_WHY_PASSING, "%s: out of memory", s->name);
	return true;
}

redisReply *
rq_read(struct rq_store *s, struct gearmand_error *err)
{
	void *reply = NULL;

	errno = 0;
	s->outcome = GEARMAND_COMMIT_BROKEN;
	if (redisGetReply(s->redis, &reply) != REDIS_OK)
		wire_fail(s, err);
	return reply;
}

redisReply *
rq_reply(struct rq_store *s, struct gearmand_error *err)
{
	redisReply *reply = rq_read(s, err);

	if (reply == NULL || reply->type != REDIS_REPLY_ERROR)
		return reply;
	s->outcome = wire_explain(s, reply->str, err);
	freeReplyObject(reply);
	return NULL;
}

redisReply *
rq_ask(struct rq_store *s, struct gearmand_error *err)
{
	static const struct rq_command none;

	return rq_send(s, &s->head, &none, err) ? rq_reply(s, err) : NULL;
}

bool
rq_connect(struct rq_store *s, struct gearmand_error *err)
{
	const char *server = s->host->option(s->host, "redis-server");
	const char *password = s->host->option(s->host, "redis-password");
	int port = (int)s->host->option_number(s->host, "redis-port");
	const struct timeval timeout = { s->timeout, 0 };
	redisReply *reply;
	bool is_path = server[0] == '/';

	snprintf(s->name, sizeof(s->name), is_path ? "redis %s" : "redis %s:%d", server, port);
	errno = 0;
	s->redis =
	    is_path ? redisConnectUnixWithTimeout(server, timeout) : redisConnectWithTimeout(server, port, timeout);
	if (s->redis == NULL || s->redis->err != 0 || redisSetTimeout(s->redis, timeout) != REDIS_OK)
		return wire_fail(s, err);
	if (!is_path)
		redisEnableKeepAlive(s->redis);
	if (password == NULL || password[0] == '\0')
		redisAppendCommand(s->redis, "PING"); /* a longer command would not be told that it needs a password */
	else
		redisAppendCommand(s->redis, "AUTH %s", password);
	reply = rq_reply(s, err);
	freeReplyObject(reply);
	return reply != NULL;
}
