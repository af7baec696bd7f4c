/* SPDX-License-Identifier: BSD-3-Clause
 *
 * replay.c - runs a fuzz target without libFuzzer, so that `make check` can with any compiler.
 *
 *   fuzz_x [-mutate=N] [-seed=N] FILE|FOLDER...
 *
 * Each file is given to the target as it is, and then N times with some bytes changed, cut or
 * repeated.  The changes depend on the seed and the file alone, so a crash comes again.  Words that begin with
 * '-' and mean something to libFuzzer only are ignored.  Single-threaded; owns the one input buffer.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MOST = 1 << 20 };

static uint64_t state;
static unsigned long mutations, inputs;

static uint64_t
random_below(uint64_t bound)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return bound == 0 ? 0 : state % bound;
}

/* A copy of exactly `size` bytes, so that a sanitizer sees a read past the end. */
static void
try_input(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size > 0 ? size : 1);

	if (copy == NULL)
		abort();
	if (size > 0)
		memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
	inputs++;
}

static size_t
change_once(uint8_t *data, size_t size)
{
	static const uint8_t telling[] = { 0, 1, 0x7f, 0x80, 0xff, '\n', '\r', ' ', '%', '-' };
	size_t at = random_below(size), len = random_below(size - at < 16 ? size - at : 16) + 1;

	if (size == 0)
		return 0;
	switch (random_below(5)) {
	case 0:
		data[at] ^= (uint8_t)(1u << random_below(8));
		return size;
	case 1:
		data[at] = telling[random_below(sizeof telling)];
		return size;
	case 2:
		return at; /* cut */
	case 3:
		if (at + len > size)
			return size;
		memmove(data + at, data + at + len, size - at - len);
		return size - len;
	default:
		if (at + len > size || size + len > INPUT_MOST)
			return size;
		memmove(data + at + len, data + at, size - at);
		return size + len;
	}
}

static void
try_changed(const uint8_t *data, size_t size)
{
	static uint8_t changed[INPUT_MOST];
	uint64_t seed = state;

	for (unsigned long i = 0; i < mutations; i++) {
		size_t len = size;
		memcpy(changed, data, size);
		for (uint64_t n = random_below(4) + 1; n > 0; n--)
			len = change_once(changed, len);
		try_input(changed, len);
	}
	state = seed; /* the next file's changes do not depend on this one */
}

static bool
try_file(const char *path)
{
	static uint8_t data[INPUT_MOST];
	FILE *file = fopen(path, "rb");
	size_t size;

	if (file == NULL) {
		perror(path);
		return false;
	}
	size = fread(data, 1, sizeof data, file);
	fclose(file);
	try_input(data, size);
	try_changed(data, size);
	return true;
}

static bool
try_path(const char *path)
{
	struct stat st;
	struct dirent **names = NULL;
	int count;
	bool good = true;

	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
		return try_file(path);
	count = scandir(path, &names, NULL, alphasort);
	if (count < 0) {
		perror(path);
		return false;
	}
	for (int i = 0; i < count; i++) {
		char full[4096];
		snprintf(full, sizeof full, "%s/%s", path, names[i]->d_name);
		if (names[i]->d_name[0] != '.')
			good = try_file(full) && good;
		free(names[i]);
	}
	free(names);
	return good;
}

int
main(int argc, char **argv)
{
	uint64_t seed = 1;
	bool good = true;

	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "-mutate=", 8) == 0)
			mutations = strtoul(argv[i] + 8, NULL, 10);
		else if (strncmp(argv[i], "-seed=", 6) == 0)
			seed = strtoull(argv[i] + 6, NULL, 10);
	}
	state = seed * 0x9e3779b97f4a7c15u | 1;
	for (int i = 1; i < argc; i++)
		if (argv[i][0] != '-')
			good = try_path(argv[i]) && good;
	printf("%lu inputs, seed %" PRIu64 "\n", inputs, seed);
	return good && inputs > 0 ? 0 : 1;
}
