/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The redis queue: background jobs as hashes in a redis or a Valkey.
 *
 * Runs on:  the store thread.
 * Owns:     the store, from open to close.
 *
 * One server has the jobs of a prefix.  `owner` says who had them last, and each batch asks for it; it never expires.
 * `lock` says that this server lives: it expires unless commits and checks renew it, and then another server may make
 * itself the owner.  A lock is worth nothing whose server is a process of this machine that has ended.
 */
#include <inttypes.h>
#include <signal.h>

#include "queue_redis.h"

#define STORE_MAGIC 0x64727571u /* "qurd" */
#define IDENTITY    "32"        /* characters of host->identity */

enum { LOOK_AGAIN = 20 /* ms */, BULK_MOST = 512 << 20 /* redis' own bound */ };

/* ARGV: this server, ms, a text of the lock that does not count, "1" when the store broke.  The first write needs no
 * room, and behind one redis does not refuse others: so a full queue can be opened, and worked off. */
static const char take_script[] =
    "local lock, owner, me = redis.call('GET', KEYS[2]), redis.call('GET', KEYS[1]), string.sub(ARGV[1], 1, " IDENTITY
    ") "
    "local function is_others(text) return text and string.sub(text, 1, " IDENTITY ") ~= me end "
    "if ARGV[4] == '1' and is_others(owner) then return {'missed', owner, 0, 0} end "
    "if is_others(lock) and lock ~= ARGV[3] then return {'taken', lock, redis.call('PTTL', KEYS[2]), 0} end "
    "redis.call('DEL', KEYS[2]) "
    "redis.call('SET', KEYS[1], ARGV[1]) "
    "redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2]) "
    "return {'ours', '', 0, tonumber(redis.call('GET', KEYS[3]) or 0)}";

static const char leave_script[] =
    "if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end return 1";

struct rq_store *
rq_store_of(void *store)
{
	return GM_STORE(struct rq_store, store, STORE_MAGIC);
}

bool
rq_lose(const struct rq_store *s, const char *why, struct gearmand_error *err)
{
	return gm_fail(err, GEARMAND_WHY_IN_USE, "%s, prefix %s: %s", s->name, s->prefix, why);
}

/* ---- The lock ----------------------------------------------------------------------- */

/* A process id means something within one boot of a machine, and there in one space of ids. */
static void
name_me(struct rq_store *s)
{
	FILE *boot = fopen("/proc/sys/kernel/random/boot_id", "re");
	char machine[41] = "", space[40] = "", host[65] = "";

	if (boot == NULL || fscanf(boot, "%40s", machine) != 1 ||
	    readlink("/proc/self/ns/pid", space, sizeof(space) - 1) < 0)
		snprintf(machine, sizeof(machine), "?%s", s->host->identity);
	if (boot != NULL)
		fclose(boot);
	gethostname(host, sizeof(host) - 1);
	snprintf(s->me, sizeof(s->me), "%s %" PRId64 " %d %s%s %s", s->host->identity, s->host->monotonic(),
	    (int)getpid(), machine, space, host[0] == '\0' ? "?" : host);
}

/* Another server has the lock.  True: look again, it may be gone or has gone; *ttl is what was seen last. */
static bool
may_end(const struct rq_store *s, const char *lock, long long ttl, long long *last, char gone[RQ_ME],
    struct gearmand_error *err)
{
	char machine[82] = "", host[65] = "?", ours[82] = "", why[200];
	int pid = 0;
	bool is_near, lives;

	sscanf(lock, "%*s %*s %d %81s %64s", &pid, machine, host);
	sscanf(s->me, "%*s %*s %*s %81s", ours);
	is_near = pid > 0 && strcmp(machine, ours) == 0;
	lives = is_near && pid != getpid() && (kill(pid, 0) == 0 || errno != ESRCH);
	if (is_near && !lives)
		snprintf(gone, RQ_ME, "%s", lock);
	if (!lives && (is_near || (ttl >= 0 && ttl <= *last))) {
		*last = ttl;
		return true;
	}
	s->memory->standby.saw_owner = true;
	snprintf(why, sizeof(why),
	    "another gearmand is using it (process %d on %s); each server needs a prefix of its own", pid, host);
	return rq_lose(s, why, err);
}

/* Until the store is ours, or known to be another's who lives. */
static bool
lock_take(struct rq_store *s, struct gearmand_error *err)
{
	char gone[RQ_ME] = "";
	long long ttl = INT64_MAX, sequence;
	redisReply *reply;
	bool again;

	do {
		rq_script(s, &s->head, take_script);
		rq_arg_text(&s->head, gone);
		rq_arg_number(&s->head, s->memory->was_broken);
		reply = rq_ask(s, err);
		if (reply == NULL)
			return false;
		s->is_ours = strcmp(reply->element[0]->str, "ours") == 0;
		sequence = reply->element[3]->integer;
		again = false;
		if (strcmp(reply->element[0]->str, "missed") == 0)
			rq_lose(s, "another gearmand has had it meanwhile, and may have left jobs in it", err);
		else if (!s->is_ours)
			again = may_end(s, reply->element[1]->str, reply->element[2]->integer, &ttl, gone, err);
		freeReplyObject(reply);
		if (again)
			gm_pause(LOOK_AGAIN);
	} while (again);
	if (s->is_ours && s->memory->was_broken && sequence < s->memory->sequence)
		s->host->log(s->host, GEARMAND_LOG_WARNING,
		    "%s was emptied, or came back with older data: jobs that wait here run, but those that it has "
		    "lost do not survive a restart of this server",
		    s->name);
	if (s->is_ours)
		s->memory->sequence = sequence;
	s->renewed_at = s->host->monotonic();
	return s->is_ours;
}

/* ---- Opening ------------------------------------------------------------------------ */

/* "" where we may not ask. */
static void
setting_of(struct rq_store *s, const char *name, char value[32], struct gearmand_error *err)
{
	redisReply *reply;

	redisAppendCommand(s->redis, "CONFIG GET %s", name);
	reply = rq_read(s, err);
	if (reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2)
		snprintf(value, 32, "%s", reply->element[1]->str);
	freeReplyObject(reply);
}

static bool
settings_look(struct rq_store *s, bool tell, struct gearmand_error *err)
{
	char most[32] = "", policy[32] = "", append[32] = "";

	setting_of(s, "proto-max-bulk-len", most, err);
	setting_of(s, "maxmemory-policy", policy, err);
	setting_of(s, "appendonly", append, err);
	s->job_most = most[0] == '\0' ? BULK_MOST : strtoll(most, NULL, 10);
	if (tell && strncmp(policy, "allkeys", 7) == 0)
		s->host->log(s->host, GEARMAND_LOG_NOTICE,
		    "%s throws jobs away when it is full; with maxmemory-policy noeviction it refuses new ones instead",
		    s->name);
	if (tell && strcmp(append, "no") == 0)
		s->host->log(s->host, GEARMAND_LOG_NOTICE,
		    "%s writes no append-only file (appendonly): when it ends, jobs may be lost that were acknowledged",
		    s->name);
	return s->redis->err == 0;
}

static void
rq_close(void **store)
{
	struct gearmand_error ignored;
	struct rq_store *s;

	if (*store == NULL)
		return;
	s = rq_store_of(*store);
	*store = NULL;
	if (s->is_ours)
		s->memory->was_broken = s->is_broken;
	if (s->is_ours && !s->is_broken) {
		rq_script(s, &s->head, leave_script);
		freeReplyObject(rq_ask(s, &ignored));
	}
	redisFree(s->redis);
	gm_bytes_free(&s->head.text);
	gm_bytes_free(&s->batch.text);
	gm_bytes_free(&s->key);
	gm_bytes_free(&s->second);
	s->magic = 0;
	s->host->release(s);
}

/* gearmand 1.1 looks at all keys that begin with the prefix, so ours begin with another byte. */
static bool
take_prefix(struct rq_store *s, struct gearmand_error *err)
{
	s->prefix = s->host->option(s->host, "redis-prefix");
	s->prefix_len = strlen(s->prefix);
	if (s->prefix_len == 0 || s->prefix_len > RQ_PREFIX_MOST)
		return gm_fail(err, GEARMAND_WHY_LASTING, "--redis-prefix takes 1 to %d bytes", (int)RQ_PREFIX_MOST);
	snprintf(s->hidden, sizeof(s->hidden), "%c%s:", s->prefix[0] == '@' ? '%' : '@', s->prefix);
	return true;
}

static bool
rq_open(const struct gearmand_host *host, struct gearmand_opening *opening, void **store_r, struct gearmand_error *err)
{
	struct rq_store *s = host->allocate(sizeof(*s));
	void *store = s;
	bool is_well;

	if (opening->memory == NULL)
		opening->memory = host->allocate(sizeof(struct rq_memory));
	*s = (struct rq_store){ .magic = STORE_MAGIC, .host = host, .memory = opening->memory };
	s->timeout = (int)host->option_number(host, "redis-timeout");
	s->lease = (int)host->option_number(host, "redis-lease");
	s->replicas = (int)host->option_number(host, "redis-wait");
	name_me(s);
	is_well = take_prefix(s, err) && rq_connect(s, err);
	if (is_well && gm_standby_waits(&s->memory->standby, host->monotonic()))
		is_well = rq_lose(
		    s, "it is left to the server that had it, which may come back to it after redis was away", err);
	if (is_well && lock_take(s, err) && settings_look(s, opening->is_first, err)) {
		s->memory->standby.saw_owner = false;
		*store_r = s;
		return true;
	}
	if (err->why == GEARMAND_WHY_PASSING)
		gm_standby_away(&s->memory->standby);
	s->is_broken = s->memory->was_broken; /* still */
	rq_close(&store);
	return false;
}

static enum gearmand_commit
rq_check(void *store, struct gearmand_error *err)
{
	return rq_commit(store, NULL, 0, err);
}

static const struct gearmand_option rq_options[] = {
	{ "redis-server", GEARMAND_OPT_STRING, .dflt = "127.0.0.1", .value_name = "HOST",
	    .help = "host of the redis, or the path of its socket" },
	{ "redis-port", GEARMAND_OPT_PORT, .dflt = "6379", .help = "port of the redis" },
	{ "redis-password", GEARMAND_OPT_STRING, .value_name = "TEXT", .help = "password of the redis",
	    .secret = true },
	{ "redis-prefix", GEARMAND_OPT_STRING, .dflt = "_gear_", .value_name = "TEXT",
	    .help = "what the keys of this server's jobs begin with" },
	{ "redis-timeout", GEARMAND_OPT_INT, .dflt = "5", .min = "1", .max = "3600", .value_name = "SECONDS",
	    .help = "seconds after which a redis that does not answer counts as stalled" },
	{ "redis-lease", GEARMAND_OPT_INT, .dflt = "10", .min = "4", .max = "3600", .value_name = "SECONDS",
	    .help = "seconds after which the jobs of a server that died with its machine may be taken over" },
	{ "redis-wait", GEARMAND_OPT_INT, .dflt = "0", .min = "0", .max = "100", .value_name = "REPLICAS",
	    .help = "replicas that must have a job before it is acknowledged" },
	{ 0 },
};

static const struct gearmand_queue_ops rq_ops = {
	.size = sizeof(struct gearmand_queue_ops),
	.open = rq_open,
	.replay = rq_replay,
	.commit = rq_commit,
	.close = rq_close,
	.check = rq_check,
	.forget = gm_forget,
	.keeps_dead = true,
};

GEARMAND_QUEUE_PLUGIN("redis", NULL, "1.0", "keeps background jobs in a redis or Valkey", rq_options, &rq_ops);
