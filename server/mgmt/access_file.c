/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Access rules come from a file, whole or not at all.
 *
 * Runs on:  main thread.
 * Owns:     nothing.
 *
 * Names of users are looked up here, once, so that no connection waits for that.
 */
#include "mgmt/access_file.h"

#include <pwd.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "cross/log.h"
#include "mgmt/fail.h"
#include "mgmt/plugins.h"
#include "mgmt/slurp.h"
#include "wire/access.h"

static bool
user_number(const char *name, uint32_t *user_r)
{
	const struct passwd *entry = getpwnam(name);

	if (entry != NULL)
		*user_r = entry->pw_uid;
	return entry != NULL;
}

/* The caller frees; ends with NULL. */
static const char **
known_protocols(const struct plugins *all)
{
	const char **names = mem_new((plugins_count(all) + 4) * sizeof(*names)), **end = names;

	*end++ = "gear";
	*end++ = "http";
	*end++ = "monitor";
	for (unsigned i = 0; i < plugins_count(all); i++)
		if (plugins_at(all, i)->desc->kind == GEARMAND_KIND_PROTOCOL)
			*end++ = plugins_at(all, i)->desc->name;
	return names;
}

static bool
slurp_rules(const char *path, struct buf *text, struct gearmand_error *err)
{
	struct gearmand_error trouble = { .text = "" };
	mode_t mode;

	if (!slurp(path, text, &mode, &trouble))
		return error_fail(err, "access file %s: %s", path, trouble.text);
	return (mode & S_IWOTH) == 0 ||
	       error_fail(err, "access file %s: everybody may write to it; chmod o-w takes that away", path);
}

struct access *
access_file_read(const char *path, const struct plugins *all, struct gearmand_error *err)
{
	const char **protocols = known_protocols(all);
	const struct access_names names = { user_number, protocols };
	struct access *access = NULL;
	struct buf text = { 0 };
	char why[ACCESS_WHY] = "";
	unsigned line = 0;

	if (path == NULL)
		access = access_new_default();
	else if (!slurp_rules(path, &text, err))
		access = NULL;
	else if ((access = access_new(buf_slice(&text), &names, &line, why)) == NULL && line > 0)
		error_fail(err, "access file %s, line %u: %s", path, line, why);
	else if (access == NULL)
		error_fail(err, "access file %s: %s", path, why);
	buf_fini(&text);
	mem_free(protocols);
	return access;
}

struct access *
access_file_load(const char *path, const struct plugins *all, struct gearmand_error *err)
{
	struct access *access = access_file_read(path, all, err);
	unsigned line = access == NULL ? 0 : access_cert_line(access);

	if (line > 0 && !plugins_prove(all)) {
		error_fail(err,
		    "access file %s, line %u: cert: nobody's certificate is verified; use --ssl-verify=optional or "
		    "required",
		    path, line);
		access_free(&access);
	} else if (access != NULL && path != NULL) {
		log_post(GEARMAND_LOG_NOTICE, "access rules read from %s: %zu", path, access_count(access));
	}
	return access;
}

bool
access_file_explain(const char *path, const struct plugins *all, const struct text_list *words, struct buf *out,
    struct gearmand_error *err)
{
	const char **protocols = known_protocols(all);
	const struct access_names names = { user_number, protocols };
	struct access *access = access_file_read(path, all, err);
	bool good = access != NULL;

	if (good && words->count == 0) {
		buf_add_str(out, "rules: ");
		buf_add_u64(out, access_count(access));
	} else if (good && !access_explain(access, words->at, words->count, &names, out)) {
		good = error_fail(err, "%.*s", (int)out->len, out->data);
		buf_fini(out);
	}
	if (good)
		buf_add_char(out, '\n');
	access_free(&access);
	mem_free(protocols);
	return good;
}
