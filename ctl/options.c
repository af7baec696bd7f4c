/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Options, from one table: getopt_long(3) is told of them, and --help is made of them.
 *
 * Runs on:  the only thread, at the start.
 * Owns:     the servers' names; all else points into argv.
 */
#include "config.h"

#include <getopt.h>
#include <stdlib.h>
#include <time.h>

#include "options.h"

static const struct {
	char letter;
	const char *name, *arg, *of, *help;
} table[] = {
#define X(id, letter, name, arg, of, help) { letter, name, arg, of, help },
	OPTIONS(X)
#undef X
};

static bool
read_seconds(const char *text, uint64_t most, int64_t *ms_r)
{
	uint64_t seconds;

	if (!slice_to_u64(slice_str(text), most, &seconds) || seconds == 0)
		return false;
	*ms_r = (int64_t)seconds * 1000;
	return true;
}

/* A Unix time, or +N with s, m, h or d. */
static bool
read_when(const char *text, uint64_t *when_r)
{
	static const struct {
		char unit;
		unsigned seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	struct slice number = slice_str(text);
	uint64_t value, seconds = 1;

	if (text[0] != '+')
		return slice_to_u64(number, INT64_MAX, when_r) && *when_r > 0;
	number = slice_of(text + 1, number.len - 1);
	for (size_t i = 0; i < sizeof units / sizeof *units && number.len > 0; i++) {
		if (number.data[number.len - 1] == units[i].unit) {
			seconds = units[i].seconds;
			number.len--;
			break;
		}
	}
	if (!slice_to_u64(number, UINT32_MAX, &value))
		return false;
	*when_r = (uint64_t)time(NULL) + value * seconds;
	return true;
}

static bool
read_priority(const char *text, enum priority *priority_r)
{
	static const char *const names[] = { "high", "normal", "low" };

	for (unsigned i = 0; i < 3; i++) {
		if (strcmp(text, names[i]) == 0) {
			*priority_r = (enum priority)i;
			return true;
		}
	}
	return false;
}

static bool
option_set(struct options *o, enum option_id id, const char *value)
{
	const char *why = "";
	bool good = true;

	o->given |= 1u << id;
	switch (id) {
	case OPTION_HOST:
		good = targets_add(&o->targets, value, &why);
		break;
	case OPTION_TIMEOUT:
		good = read_seconds(value, 86400, &o->timeout);
		why = "write seconds, from 1 to 86400";
		break;
	case OPTION_INTERVAL:
		good = read_seconds(value, 3600, &o->interval);
		why = "write seconds, from 1 to 3600";
		break;
	case OPTION_PRIORITY:
		good = read_priority(value, &o->priority);
		why = "write high, normal or low";
		break;
	case OPTION_WHEN:
		good = read_when(value, &o->when);
		why = "write a Unix time, or + and a number of seconds (or with m, h, d)";
		break;
	case OPTION_UNIQUE:
		o->unique = value;
		break;
	case OPTION_JSON:
		o->json = true;
		break;
	case OPTION_YES:
		o->yes = true;
		break;
	case OPTION_BACKGROUND:
		o->background = true;
		break;
	case OPTION_SSL:
		o->ssl = true;
		break;
	case OPTION_CA:
		o->secure.ca = value;
		o->ssl = true;
		break;
	case OPTION_CERT:
		o->secure.certificate = value;
		o->ssl = true;
		break;
	case OPTION_KEY:
		o->secure.key = value;
		o->ssl = true;
		break;
	case OPTION_INSECURE:
		o->secure.insecure = o->ssl = true;
		break;
	case OPTION_HELP:
		o->help = true;
		break;
	case OPTION_VERSION:
		o->version = true;
		break;
	case OPTION_COUNT:
		break;
	}
	if (!good)
		fprintf(stderr, "gearmanctl: --%s: %s\n", table[id].name, why);
	return good;
}

static const char *
from_environment(const char *value, const char *name)
{
	const char *said = getenv(name);

	return value == NULL && said != NULL && said[0] != '\0' ? said : value;
}

/* The names that libgearman's clients have for them.  A certificate of the command line has its key there, too. */
static void
add_default_files(struct secure_settings *s)
{
	s->ca = from_environment(s->ca, "GEARMAND_CA_CERTIFICATE");
	if (s->certificate == NULL)
		s->key = from_environment(s->key, "GEARMAN_CLIENT_KEY");
	s->certificate = from_environment(s->certificate, "GEARMAN_CLIENT_PEM");
}

static bool
add_default_targets(struct options *o)
{
	const char *named = getenv("GEARMAN_SERVER"), *why;

	if (o->targets.count > 0)
		return true;
	if (targets_add_list(&o->targets, named == NULL || named[0] == '\0' ? "127.0.0.1" : named, &why))
		return true;
	fprintf(stderr, "gearmanctl: GEARMAN_SERVER: %s\n", why);
	return false;
}

bool
options_read(struct options *o, int argc, char **argv, int *words_r)
{
	struct option known[OPTION_COUNT + 1] = { 0 };
	char letters[2 * OPTION_COUNT + 1] = "", *end = letters;
	int got;

	*o = (struct options){ .timeout = 5000, .interval = 2000, .priority = PRIORITY_NORMAL };
	for (int i = 0; i < OPTION_COUNT; i++) {
		known[i] = (struct option){ table[i].name, table[i].arg != NULL, NULL, table[i].letter };
		*end++ = table[i].letter;
		if (table[i].arg != NULL)
			*end++ = ':';
	}
	while ((got = getopt_long(argc, argv, letters, known, NULL)) != -1) {
		int id = 0;

		while (id < OPTION_COUNT && table[id].letter != got)
			id++;
		if (id == OPTION_COUNT || !option_set(o, (enum option_id)id, optarg))
			return false;
	}
	*words_r = optind;
	add_default_files(&o->secure);
	return add_default_targets(o);
}

bool
options_fit(const struct options *o, const struct command *c)
{
	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		if ((o->given & 1u << i) == 0 || table[i].of == NULL || strcmp(table[i].of, c->name) == 0)
			continue;
		fprintf(
		    stderr, "gearmanctl: --%s is an option of %s, not of %s\n", table[i].name, table[i].of, c->name);
		return false;
	}
	return true;
}

static void
help_option(FILE *out, unsigned i)
{
	char left[64];

	snprintf(left, sizeof left, "-%c, --%s%s%s", table[i].letter, table[i].name, table[i].arg == NULL ? "" : "=",
	    table[i].arg == NULL ? "" : table[i].arg);
	fprintf(out, "  %-40s %s%s%s%s\n", left, table[i].of == NULL ? "" : "(", table[i].of == NULL ? "" : table[i].of,
	    table[i].of == NULL ? "" : ") ", table[i].help);
}

void
options_help(FILE *out)
{
	fputs("Usage: gearmanctl [OPTION]... COMMAND [ARGUMENT]...\n"
	      "\n"
	      "Asks Gearman job servers, and tells them what to do.\n"
	      "\n"
	      "Commands:\n",
	    out);
	for (const struct command *c = commands; c->name != NULL; c++) {
		char left[64];

		snprintf(left, sizeof left, "%s %s", c->name, c->args);
		fprintf(out, "  %-40s %s\n", left, c->help);
	}
	fputs("\nOptions:\n", out);
	for (unsigned i = 0; i < OPTION_COUNT; i++)
		help_option(out, i);
	fputs(
	    "\nServers are those of --host, else those of GEARMAN_SERVER (commas between them), else 127.0.0.1:4730.\n"
	    "The status is 0 when all went well, 1 when a server refused, 2 when the command was called wrongly, 3 "
	    "when a server\n"
	    "could not be reached, did not prove who it is, did not answer in time or answered nonsense.\n",
	    out);
}

void
options_fini(struct options *o)
{
	targets_fini(&o->targets);
}
