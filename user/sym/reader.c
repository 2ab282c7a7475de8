/*
 * Hides the helper process. Its answers are checked as if the file had written them itself. Which
 * debug files are opened for it is decided here: regular ELF files that lie below /usr/lib/debug,
 * beside the file in question, or in .debug beside it; or what a server has under the build-id that
 * the file had when it was opened. So what a file might make of the process gets to see ELF files,
 * and nothing else of the machine.
 */
#include "sym/reader.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/pack.h"
#include "core/table.h"
#include "guard/fetch.h"
#include "guard/helper.h"
#include "sym/names.h"
#include "sym/reading.h"
#include "sym/regular.h"

#define DEBUG_ROOT  "/usr/lib/debug/"
#define MAX_FILES   (1 << 20) /* whose build-ids are remembered, while there are servers to ask */
#define MAX_FETCHES 3         /* of one file: a process that dies has to have it again */

struct identity {
	unsigned char build_id[IMAGE_MAX_BUILD_ID];
	uint32_t length;
	uint32_t fetches;
};

struct reader {
	struct helper *helper;
	struct fetch *fetch;     /* NULL: no server is asked */
	struct table identities; /* id -> struct identity */
	uint64_t deaths;
	bool lost, distrusted;
	reader_wait_fn wait;
	void *wait_context;
	const char *waiting; /* for an answer about that file, and it was told */
	const char *asked;   /* about that file */
	unsigned char answer[HELPER_MAX_BYTES];
};

struct reader *reader_new(const char *name)
{
	struct reader *r = calloc(1, sizeof(*r));
	struct helper_job job = reading_job;
	int err = -ENOMEM;

	job.name = name;
	if (r)
		table_init(&r->identities, sizeof(uint64_t), sizeof(struct identity), MAX_FILES);
	if (r)
		r->helper = helper_start(&job, &err);
	if (r && r->helper)
		return r;
	free(r);
	errno = -err;
	return NULL;
}

void reader_free(struct reader *r)
{
	if (!r)
		return;
	helper_stop(r->helper);
	table_fini(&r->identities);
	free(r);
}

void reader_use_fetch(struct reader *r, struct fetch *fetch)
{
	r->fetch = fetch;
}

uint64_t reader_fetched_ms(const struct reader *r)
{
	return r->fetch ? fetch_waited_ms(r->fetch) : 0;
}

uint64_t reader_unanswered(const struct reader *r)
{
	return r->fetch ? fetch_unanswered(r->fetch) : 0;
}

static void tell_wait(void *context, int64_t waited_ms)
{
	struct reader *r = context;

	(void)waited_ms;
	r->waiting = r->asked;
	r->wait(r->wait_context, r->asked);
}

void reader_on_wait(struct reader *r, reader_wait_fn wait, void *context)
{
	r->wait = wait;
	r->wait_context = context;
	helper_on_wait(r->helper, wait ? tell_wait : NULL, r);
}

void reader_distrust(struct reader *r)
{
	r->distrusted = true;
}

bool reader_is_distrusted(const struct reader *r)
{
	return r->distrusted;
}

uint64_t reader_deaths(const struct reader *r)
{
	return r->deaths;
}

bool reader_is_lost(const struct reader *r)
{
	return r->lost;
}

pid_t reader_keeper(const struct reader *r)
{
	return helper_keeper(r->helper);
}

bool reader_owns(const struct reader *r, pid_t pid)
{
	return helper_owns(r->helper, pid);
}

/* ---- debug files */

/* Whether the path is a name without a slash behind the first `n` bytes of `dir` and `more`. */
static bool lies_in(const char *path, const char *dir, size_t n, const char *more)
{
	const char *rest = path + n + strlen(more);

	return !strncmp(path, dir, n) && !strncmp(path + n, more, strlen(more)) && *rest &&
	       !strchr(rest, '/');
}

static bool is_harmless(const char *file, const char *path)
{
	const char *slash = strrchr(file, '/');
	size_t n = slash ? (size_t)(slash + 1 - file) : 0;

	if (strstr(path, "/../"))
		return false;
	if (!strncmp(path, DEBUG_ROOT, strlen(DEBUG_ROOT)))
		return true;
	return file[0] == '/' && (lies_in(path, file, n, "") || lies_in(path, file, n, ".debug/"));
}

static void remember(struct reader *r, uint64_t id, const struct image_facts *facts)
{
	struct identity *i;
	bool fresh;

	if (!r->fetch || !facts->build_id_length)
		return;
	i = table_insert(&r->identities, &id, &fresh);
	if (!i || !fresh)
		return;
	memcpy(i->build_id, facts->build_id, sizeof(i->build_id));
	i->length = (uint32_t)facts->build_id_length;
}

/* What the servers have, unless they had nothing, or the process wants it too often: what `counts`
 * is wanted by it. */
static int open_fetched(struct reader *r, uint64_t id, bool counts)
{
	struct identity *i = table_find(&r->identities, &id);
	struct stat st;
	int fd;

	if (!i || !r->fetch || i->fetches >= MAX_FETCHES)
		return -1;
	fd = fetch_file(r->fetch, i->build_id, i->length);
	i->fetches = fd < 0 ? MAX_FETCHES : i->fetches + counts;
	if (fd < 0 || (!fstat(fd, &st) && S_ISREG(st.st_mode)))
		return fd;
	close(fd);
	return -1;
}

/* Beside a file may lie what somebody else has put there, and a path may be another's in another
 * mount namespace: its owner's debug file it is, or root's or ours. */
static int open_here(const struct reader_file *file, const char *path)
{
	struct stat st = {0};
	int fd = regular_open(path, &st);

	if (fd < 0 || !st.st_uid || st.st_uid == geteuid() || st.st_uid == file->uid)
		return fd;
	close(fd);
	return -1;
}

static int open_debug(struct reader *r, const struct reader_file *file, const char *path,
		      bool counts)
{
	int fd = -1;

	if (!strcmp(path, READING_FETCH))
		fd = open_fetched(r, file->id, counts);
	else if (is_harmless(file->path, path))
		fd = open_here(file, path);
	if (fd < 0 || regular_is_elf(fd))
		return fd < 0 ? -1 : fd;
	close(fd);
	return -1;
}

int reader_open_debug(struct reader *r, const struct reader_file *file, const char *path)
{
	return open_debug(r, file, path, false);
}

/* What is being asked, and about which file. */
struct subject {
	struct reader *reader;
	const struct reader_file *file;
};

static int open_wanted(void *context, const char *path)
{
	const struct subject *subject = context;
	const struct reader_file *file = subject->file;
	int fd = open_debug(subject->reader, file, path, true);

	if (file->wanted)
		file->wanted(file->context, path, fd);
	return fd;
}

/* ---- questions */

/* What came is in *in. 0 or a negative errno. */
static int ask(struct reader *r, const struct pack *question, int fd,
	       const struct reader_file *file, struct pack *in)
{
	struct subject subject = {r, file};
	ssize_t n = -EMSGSIZE;

	r->asked = file->path;
	if (!question->failed)
		n = helper_ask(r->helper, question->bytes, question->used, fd, r->answer,
			       open_wanted, &subject);
	if (r->waiting)
		r->wait(r->wait_context, NULL);
	r->waiting = NULL;
	r->deaths += n == -ECONNRESET;
	r->lost |= n == -ENOTCONN;
	*in = pack_over(r->answer, n < 0 ? 0 : (size_t)n);
	return n < 0 ? (int)n : 0;
}

static void take_facts(struct pack *in, struct image_facts *f)
{
	f->size = unpack_number(in);
	f->build_id_length = unpack_number(in);
	if (f->build_id_length > IMAGE_MAX_BUILD_ID)
		in->failed = true;
	for (size_t i = 0; i < f->build_id_length && !in->failed; i++)
		f->build_id[i] = (unsigned char)unpack_number(in);
	f->segment_count = unpack_number(in);
	if (f->segment_count > IMAGE_MAX_SEGMENTS)
		in->failed = true;
	for (size_t i = 0; i < f->segment_count && !in->failed; i++) {
		struct image_segment *s = &f->segments[i];

		s->offset = unpack_number(in);
		s->file_size = unpack_number(in);
		s->address = unpack_number(in);
		s->memory_size = unpack_number(in);
		s->executable = unpack_number(in);
	}
}

int reader_open(struct reader *r, const struct reader_file *file, int fd, bool plain,
		struct image_facts *facts)
{
	unsigned char bytes[PATH_MAX + 64];
	struct pack question = pack_over(bytes, sizeof(bytes)), in;
	struct image_facts read = {0};
	int err;

	pack_number(&question, READING_OPEN);
	pack_number(&question, file->id);
	pack_number(&question, plain);
	pack_text(&question, file->path, PATH_MAX);
	err = ask(r, &question, fd, file, &in);
	if (!err)
		take_facts(&in, &read);
	if (!err && in.failed)
		err = -EBADMSG;
	if (err)
		memset(&read, 0, sizeof(read));
	remember(r, file->id, &read);
	if (facts)
		*facts = read;
	return err;
}

static int take_number(struct pack *in)
{
	uint64_t n = unpack_number(in);

	return n > INT_MAX ? 0 : (int)n;
}

static void take_frame(struct pack *in, struct names *names, struct sym_frame *f)
{
	*f = (struct sym_frame){0};
	f->function = names_intern(names, unpack_text(in));
	f->file = names_intern(names, unpack_text(in));
	f->line = take_number(in);
	f->column = take_number(in);
	f->offset = unpack_number(in);
	f->inlined = unpack_number(in);
}

/* How many frames of an answer, which are in `frames`; 0: that is none. */
static size_t take_answer(struct pack *in, struct names *names,
			  struct sym_frame frames[DEBUGINFO_FRAMES_MAX])
{
	uint64_t count = unpack_number(in);

	if (!count || count > DEBUGINFO_FRAMES_MAX)
		return 0;
	for (size_t i = 0; i < count; i++)
		take_frame(in, names, &frames[i]);
	frames[count - 1].inlined = false;
	return in->failed ? 0 : count;
}

ssize_t reader_frames(struct reader *r, const struct reader_file *file,
		      const struct sym_address *at, size_t n, struct names *names,
		      reader_take_fn take, void *context)
{
	unsigned char bytes[READING_MAX_ADDRESSES * 16 + 64];
	struct pack question = pack_over(bytes, sizeof(bytes)), in;
	struct sym_frame frames[DEBUGINFO_FRAMES_MAX];
	uint64_t answered;
	int err;

	if (n > READING_MAX_ADDRESSES)
		n = READING_MAX_ADDRESSES;
	pack_number(&question, READING_FRAMES);
	pack_number(&question, file->id);
	pack_number(&question, n);
	for (size_t i = 0; i < n; i++) {
		pack_number(&question, at[i].address);
		pack_number(&question, at[i].is_return);
	}
	err = ask(r, &question, -1, file, &in);
	if (err)
		return err;
	answered = unpack_number(&in);
	if (!answered)
		return in.failed ? -EBADMSG : -ESTALE;
	for (size_t i = 0; i < answered; i++) {
		size_t count = answered > n ? 0 : take_answer(&in, names, frames);

		if (!count)
			return -EBADMSG;
		take(context, i, frames, count);
	}
	return (ssize_t)answered;
}

void reader_close(struct reader *r, uint32_t id)
{
	unsigned char bytes[64];
	struct pack question = pack_over(bytes, sizeof(bytes)), in;
	const struct reader_file file = {.id = id, .path = ""};
	uint64_t key = id;

	pack_number(&question, READING_CLOSE);
	pack_number(&question, id);
	ask(r, &question, -1, &file, &in);
	table_remove(&r->identities, &key);
}
