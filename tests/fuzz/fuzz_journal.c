/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Any bytes as FILE.journal beside a database that was not closed, and in that database's head: nothing breaks, and
 * what the journal says comes to the same when it is done twice.
 *
 * Single-threaded.  Owns a folder of its own with both files.
 *
 * Input: a byte, and as many pairs of a place in the head and what stands there; then a byte that tells what the rest
 * is: 0 = the journal, else the regions of a batch, which gets the right sum.
 */
#include <signal.h>
#include <sys/resource.h>

#include "plugins/queue-tokyo/queue_tokyo.h"

enum { FILE_BYTES = 4096, GROWN_MOST = 1 << 16, SIZE_AT = 56, FIRST_AT = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int fsync(int fd);

/* The disk is no part of it. */
int
fsync(int fd)
{
	(void)fd;
	return 0;
}

static char folder[] = "/tmp/gearmand-fuzz-journal.XXXXXX";
static char file_path[64], journal_path[80];

static void
remove_all(void)
{
	unlink(file_path);
	unlink(journal_path);
	rmdir(folder);
}

static GEARMAND_PRINTF(3, 4) void no_log(
    const struct gearmand_host *host, enum gearmand_level level, const char *format, ...)
{
	(void)host, (void)level, (void)format;
}

static void
prepare(void)
{
	const struct rlimit limit = { GROWN_MOST, GROWN_MOST };

	GM_CHECK(mkdtemp(folder) != NULL);
	snprintf(file_path, sizeof(file_path), "%s/q.tch", folder);
	snprintf(journal_path, sizeof(journal_path), "%s.journal", file_path);
	atexit(remove_all);
	signal(SIGXFSZ, SIG_IGN);
	GM_CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

/* Puts the file as the input wants it; how many bytes of it that took. */
static size_t
write_head(int fd, const uint8_t *data, size_t size)
{
	char file[FILE_BYTES] = "ToKyO CaBiNeT\n1.0:911\n";
	size_t at = 1, pairs = size == 0 ? 0 : data[0];

	file[33] = HDBFOPEN;
	file[34] = 4;
	file[40] = 16;               /* buckets */
	file[SIZE_AT + 1] = 16;      /* 4096 */
	file[FIRST_AT] = (char)0x80; /* 512 + 128 */
	file[FIRST_AT + 1] = 2;
	for (; pairs > 0 && at + 1 < size; pairs--, at += 2)
		file[data[at]] = (char)data[at + 1];
	GM_CHECK(ftruncate(fd, 0) == 0 && tk_write_at(fd, file, sizeof(file), 0));
	return at < size ? at : size;
}

static uint64_t
sum_of(const uint8_t *bytes, size_t len)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
	return sum;
}

static void
write_journal(const uint8_t *data, size_t size)
{
	const bool is_batch = size > 0 && data[0] != 0;
	int fd = open(journal_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct {
		char magic[8];
		uint64_t generation, of_batch, len, sum;
	} head = { "gmtcjnl2", 1, 1, 0, 0 };

	GM_CHECK(fd >= 0);
	data += size > 0;
	size -= size > 0;
	head.len = size;
	head.sum = sum_of(data, size);
	GM_CHECK(!is_batch || tk_write_at(fd, &head, sizeof(head), 0));
	GM_CHECK(tk_write_at(fd, data, size, is_batch ? (off_t)sizeof(head) : 0));
	close(fd);
}

static uint64_t
redo(struct tk_store *s)
{
	static uint8_t content[GROWN_MOST];
	struct gearmand_error err = { .text = "" };
	struct stat st;

	if (!tk_journal_redo(s, &err))
		GM_CHECK(err.text[0] != '\0');
	GM_CHECK(fstat(s->fd, &st) == 0 && tk_read_at(s->fd, content, (size_t)st.st_size, 0));
	return sum_of(content, (size_t)st.st_size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct gearmand_host host = { .log = no_log };
	struct tk_store s = { .host = &host, .path = file_path };
	struct gearmand_error err = { .text = "" };
	uint64_t sum;
	size_t used;

	if (file_path[0] == '\0')
		prepare();
	strcpy(s.name.path, file_path);
	s.fd = open(file_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	GM_CHECK(s.fd >= 0);
	used = write_head(s.fd, data, size);
	write_journal(data + used, size - used);
	sum = redo(&s);
	GM_CHECK(redo(&s) == sum);
	if (!tk_head_load(&s, &err))
		GM_CHECK(err.text[0] != '\0');
	gm_bytes_free(&s.redo);
	close(s.fd);
	return 0;
}
