/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `completion bash|zsh`: a script for the shell, made from the tables of commands and options.
 *
 * Runs on:  the only thread; pure but for standard output.
 * Owns:     nothing.
 *
 * The script looks at the words in front of the cursor that are no options, as `COUNT:WORDS`, and completes names of
 * commands, choices, and functions and handles that the server has.  Both shells share its middle.
 */
#include "options.h"
#include "runs.h"

static const char bash_head[] =
    "# Completion of gearmanctl for bash, made by `gearmanctl completion bash`.\n"
    "# Names come from a server: nothing expands them, and they are quoted.\n"
    "_gearmanctl_reply() {\n"
    "\tlocal word quoted\n"
    "\twhile IFS= read -r word; do\n"
    "\t\t[[ -n $word && $word == \"$cur\"* ]] && printf -v quoted %q \"$word\" && COMPREPLY+=(\"$quoted\")\n"
    "\tdone <<<\"$1\"\n"
    "}\n"
    "_gearmanctl() {\n"
    "\tlocal line=${COMP_LINE:0:COMP_POINT} all=() said=() options=() cur i\n"
    "\tread -ra all <<<\"$line\"\n"
    "\tcase $line in *[[:space:]]) all+=('') ;; esac\n"
    "\tCOMPREPLY=()\n"
    "\tcur=${all[${#all[@]} - 1]}\n"
    "\tfor ((i = 1; i < ${#all[@]} - 1; i++)); do\n"
    "\t\tcase ${all[i]} in\n";
static const char bash_options[] = ") options+=(\"${all[i]}\" \"${all[i + 1]}\"); ((i++)) ;;\n"
				   "\t\t-*) options+=(\"${all[i]}\") ;;\n"
				   "\t\t*) said+=(\"${all[i]}\") ;;\n"
				   "\t\tesac\n"
				   "\tdone\n";
static const char bash_tail[] =
    "\t# Readline sees a word behind a colon as one of its own.\n"
    "\t[[ $cur == *:* && $COMP_WORDBREAKS == *:* ]] && COMPREPLY=(\"${COMPREPLY[@]#\"${cur%\"${cur##*:}\"}\"}\")\n"
    "}\n"
    "complete -F _gearmanctl gearmanctl\n";

static const char zsh_head[] = "#compdef gearmanctl\n"
			       "# Completion of gearmanctl for zsh, made by `gearmanctl completion zsh`.\n"
			       "_gearmanctl_reply() {\n"
			       "\tcompadd -- ${(f)1}\n"
			       "}\n"
			       "_gearmanctl() {\n"
			       "\tlocal cur=${words[CURRENT]} i\n"
			       "\tlocal -a said options\n"
			       "\tfor ((i = 2; i < CURRENT; i++)); do\n"
			       "\t\tcase ${words[i]} in\n";
static const char zsh_options[] = ") options+=(\"${words[i]}\" \"${words[i + 1]}\"); ((i++)) ;;\n"
				  "\t\t-*) options+=(\"${words[i]}\") ;;\n"
				  "\t\t*) said+=(\"${words[i]}\") ;;\n"
				  "\t\tesac\n"
				  "\tdone\n";
static const char zsh_tail[] = "}\n"
			       "_gearmanctl \"$@\"\n";

/* The first column of a listing of four, whether a server stands in front or not. */
static const char ask_server[] =
    "\"$(gearmanctl \"${options[@]}\" --timeout=1 %s 2>/dev/null </dev/null | awk -F '\\t' '{ print $(NF - 3) }')\"";

/* Options with an argument, as a pattern. */
static void
print_pattern(void)
{
	const char *between = "\t\t";

#define X(id, letter, name, arg, of, help) \
	if ((arg) != NULL) { \
		printf("%s-%c | --%s", between, letter, name); \
		between = " | "; \
	}
	OPTIONS(X)
#undef X
}

static void
print_options(void)
{
	fputs("\tcase $cur in -*) _gearmanctl_reply '", stdout);
#define X(id, letter, name, arg, of, help) printf("--%s%s\n", name, (arg) == NULL ? "" : "=");
	OPTIONS(X)
#undef X
	fputs("'; return ;; esac\n", stdout);
}

/* Words that may follow those of `first`, the first `len` bytes of it; each once. */
static void
print_next_words(const char *first, size_t len)
{
	for (const struct command *c = commands; c->name != NULL; c++) {
		const char *from = c->name + (len > 0 ? len + 1 : 0);
		bool again = false;

		if (len > 0 && (strncmp(c->name, first, len) != 0 || c->name[len] != ' '))
			continue;
		for (const struct command *d = commands; d < c; d++)
			again = again || (len == 0 && strcspn(d->name, " ") == strcspn(from, " ") &&
					     strncmp(d->name, from, strcspn(from, " ")) == 0);
		if (!again)
			printf("%.*s\n", (int)strcspn(from, " "), from);
	}
}

static void
print_argument(const struct command *c, unsigned behind, const char *arg, size_t len)
{
	bool optional = arg[0] == '[';
	struct slice word = slice_of(arg + optional, len - 2 * optional);
	unsigned words = behind + (strchr(c->name, ' ') == NULL ? 1 : 2);

	if (!slice_is(word, "FUNCTION") && !slice_is(word, "HANDLE") && memchr(word.data, '|', word.len) == NULL)
		return;
	printf("\t%u:'%s'%s) _gearmanctl_reply ", words, c->name, behind > 0 ? "\\ *" : "");
	if (slice_is(word, "FUNCTION") || slice_is(word, "HANDLE")) {
		printf(ask_server, slice_is(word, "HANDLE") ? "jobs" : "status");
	} else {
		putchar('\'');
		for (size_t i = 0; i < word.len; i++)
			putchar(word.data[i] == '|' ? '\n' : word.data[i]);
		putchar('\'');
	}
	fputs(" ;;\n", stdout);
}

static void
print_cases(void)
{
	fputs("\tcase \"${#said[@]}:${said[*]}\" in\n\t0:) _gearmanctl_reply '", stdout);
	print_next_words("", 0);
	fputs("' ;;\n", stdout);
	for (const struct command *c = commands; c->name != NULL; c++) {
		size_t first = strcspn(c->name, " ");
		const char *arg = c->args;

		if (c->name[first] == ' ') {
			printf("\t1:%.*s) _gearmanctl_reply '", (int)first, c->name);
			print_next_words(c->name, first);
			fputs("' ;;\n", stdout);
		}
		for (unsigned i = 0; *arg != '\0'; i++) {
			size_t len = strcspn(arg, " ");

			print_argument(c, i, arg, len);
			arg += len + strspn(arg + len, " ");
		}
	}
	fputs("\tesac\n", stdout);
}

int
completion_run(const struct options *o, const struct command *c, char **words, unsigned count)
{
	bool zsh = strcmp(words[0], "zsh") == 0;

	(void)o;
	(void)count;
	if (!zsh && strcmp(words[0], "bash") != 0) {
		fprintf(stderr, "Usage: gearmanctl %s %s\n", c->name, c->args);
		return CTL_USAGE;
	}
	fputs(zsh ? zsh_head : bash_head, stdout);
	print_pattern();
	fputs(zsh ? zsh_options : bash_options, stdout);
	print_options();
	print_cases();
	fputs(zsh ? zsh_tail : bash_tail, stdout);
	return CTL_OK;
}
