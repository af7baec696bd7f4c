/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Cases: the file as the server's loader sees it.
 *
 * Runs on:  the process of a case.
 * Owns:     nothing.
 */
#include <ctype.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cases.h"
#include "rig.h"

void
server_takes_the_module(struct rig *r)
{
	MUST(r->kit->plugin != NULL, "plugin %s refused: %s", r->kit->file, r->kit->refusal.text);
}

/* "x-1.so" may also export x_1_LTX_gearmand_plugin. */
static const char *
prefixed_name(const char *file)
{
	const char *base = strrchr(file, '/') == NULL ? file : strrchr(file, '/') + 1;
	size_t len = strcspn(base, ".");
	char *name = keep(len + sizeof("_LTX_gearmand_plugin"));

	for (size_t i = 0; i < len; i++)
		name[i] = isalnum((unsigned char)base[i]) ? base[i] : '_';
	strcpy(name + len, "_LTX_gearmand_plugin");
	return name;
}

/* What linkers and sanitizers add. */
static bool
is_of_the_tools(const char *name)
{
	return strncmp(name, "__", 2) == 0 || strcmp(name, "_init") == 0 || strcmp(name, "_fini") == 0 ||
	       strcmp(name, "_edata") == 0 || strcmp(name, "_end") == 0;
}

static void
symbols_must_be(const char *image, const ElfW(Shdr) * table, const ElfW(Shdr) * strings, const char *prefixed)
{
	const ElfW(Sym) *symbol = (const void *)(image + table->sh_offset);
	size_t count = table->sh_size / sizeof(*symbol);

	for (size_t i = 0; i < count; i++) {
		const char *name = image + strings->sh_offset + symbol[i].st_name;

		if (symbol[i].st_shndx == SHN_UNDEF || ELF64_ST_BIND(symbol[i].st_info) == STB_LOCAL)
			continue;
		MUST(strcmp(name, "gearmand_plugin") == 0 || strcmp(name, prefixed) == 0 || is_of_the_tools(name),
		    "it also exports %s; compile with -fvisibility=hidden", name);
	}
}

void
file_exports_its_descriptor_alone(struct rig *r)
{
	int fd = open(r->kit->file, O_RDONLY | O_CLOEXEC);
	const ElfW(Shdr) * section;
	const ElfW(Ehdr) * head;
	const char *image;
	struct stat st;

	MUST(fd >= 0 && fstat(fd, &st) == 0 && st.st_size > (off_t)sizeof(*head), "%s cannot be read", r->kit->file);
	image = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	MUST(image != MAP_FAILED, "%s cannot be read", r->kit->file);
	close(fd);
	head = (const void *)image;
	MUST(memcmp(head->e_ident, ELFMAG, SELFMAG) == 0, "it is not a shared object");
	if (head->e_shoff == 0 || head->e_shoff + (uint64_t)head->e_shnum * sizeof(*section) > (uint64_t)st.st_size)
		skip("the file has no table of its sections");
	section = (const void *)(image + head->e_shoff);
	for (unsigned i = 0; i < head->e_shnum; i++)
		if (section[i].sh_type == SHT_DYNSYM)
			symbols_must_be(image, &section[i], &section[section[i].sh_link], prefixed_name(r->kit->file));
	munmap((void *)(uintptr_t)image, (size_t)st.st_size);
}
