/*
 * Hides where a file is read: in the helper process, which gets it when it is first seen, and once
 * more when the process had to be replaced. A file of which the process has died is read by its
 * symbols alone, and when it dies of these as well, not at all: then there are addresses. The same
 * goes for one that has kept us waiting for too long in all.
 */
#include "sym/module.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sym/answers.h"
#include "guard/owner.h"
#include "sym/reader.h"
#include "sym/store.h"

#define MAX_WAIT_MS 20000 /* for all answers about one file */

struct module {
	unsigned int users;
	uint32_t id;
	const char *path;
	struct names *names;
	struct reader *reader;
	struct answers *answers; /* that are kept between runs; NULL: none are */
	int fd;
	uint64_t waited_ms;
	bool plain;    /* the helper has died of its debug information … */
	bool nameless; /* … or of it as a whole */
	struct owner owner;
	uint64_t size; /* of the file */
	unsigned char build_id[IMAGE_MAX_BUILD_ID];
	size_t build_id_length;
	struct image_segment *segments; /* executable ones first */
	size_t segment_count;
};

/* A debug file that others may have made can take hold of the process, and of what it says about
 * all files from then on. */
static void note_wanted(void *context, const char *path, int fd)
{
	const struct module *m = context;
	struct store_key key;

	if (fd >= 0 && !store_identify(fd, &key))
		reader_distrust(m->reader);
	if (m->answers)
		answers_wanted(m->answers, path, fd);
}

static struct reader_file file_of(struct module *m)
{
	return (struct reader_file){m->id, m->path, m->owner.known ? m->owner.uid : (uid_t)-1,
				    note_wanted, m};
}

static int open_file(struct module *m)
{
	struct image_facts facts;
	struct reader_file file;
	size_t bytes;

	m->owner = owner_of(m->fd);
	file = file_of(m);
	if (reader_open(m->reader, &file, m->fd, false, &facts))
		m->nameless = true;
	m->size = facts.size;
	memcpy(m->build_id, facts.build_id, sizeof(m->build_id));
	m->build_id_length = facts.build_id_length;
	if (!facts.segment_count)
		return 0;
	bytes = facts.segment_count * sizeof(*m->segments);
	m->segments = malloc(bytes);
	if (!m->segments)
		return -ENOMEM;
	memcpy(m->segments, facts.segments, bytes);
	m->segment_count = facts.segment_count;
	return 0;
}

struct module *module_new(int fd, const char *path, struct names *names, struct reader *reader,
			  uint32_t id)
{
	struct module *m = calloc(1, sizeof(*m));

	if (!m) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	m->users = 1;
	m->id = id;
	m->path = path;
	m->names = names;
	m->reader = reader;
	m->fd = fd;
	if (fd >= 0 && open_file(m)) {
		module_unref(m);
		return NULL;
	}
	return m;
}

struct module *module_ref(struct module *m)
{
	m->users++;
	return m;
}

void module_unref(struct module *m)
{
	if (!m || --m->users)
		return;
	answers_free(m->answers);
	if (m->fd >= 0) {
		if (!m->nameless)
			reader_close(m->reader, m->id);
		close(m->fd);
	}
	free(m->segments);
	free(m);
}

bool module_is_shared(const struct module *m)
{
	return m->users > 1;
}

static int open_debug(void *context, const char *path)
{
	struct module *m = context;
	const struct reader_file file = file_of(m);

	return reader_open_debug(m->reader, &file, path);
}

void module_keep(struct module *m, struct store *store)
{
	if (m->fd >= 0)
		m->answers = answers_new(store, m->fd, m->path, m->names, open_debug, m);
}

void module_keep_answer(struct module *m, const struct sym_address *at,
			const struct sym_frame *frames, size_t count)
{
	if (m->answers && !m->plain && !m->nameless && !reader_is_distrusted(m->reader))
		answers_add(m->answers, at, frames, count);
}

uint32_t module_id(const struct module *m)
{
	return m->id;
}

const char *module_path(const struct module *m)
{
	return m->path;
}

bool module_is_open(const struct module *m)
{
	return m->fd >= 0;
}

size_t module_build_id(const struct module *m, const unsigned char **build_id)
{
	*build_id = m->build_id;
	return m->build_id_length;
}

uint64_t module_size(const struct module *m)
{
	return m->size;
}

bool module_is_generated(const struct module *m)
{
	return !strcmp(m->path, "[anon]") || !strncmp(m->path, "/memfd:", 7);
}

int module_fd(const struct module *m)
{
	return m->fd;
}

bool module_is_same(const struct module *a, const struct module *b)
{
	return a->build_id_length && a->build_id_length == b->build_id_length &&
	       !memcmp(a->build_id, b->build_id, a->build_id_length) && a->path == b->path &&
	       a->size == b->size && a->owner.known && b->owner.known &&
	       a->owner.uid == b->owner.uid;
}

bool module_address(const struct module *m, uint64_t offset, uint64_t *address)
{
	/* Segments may share bytes of the file; code is looked for in the executable ones first. */
	for (size_t i = 0; i < m->segment_count; i++) {
		const struct image_segment *s = &m->segments[i];

		if (offset >= s->offset && offset - s->offset < s->file_size) {
			*address = offset - s->offset + s->address;
			return true;
		}
	}
	return false;
}

bool module_code(const struct module *m, uint64_t offset, uint64_t size, uint64_t *address)
{
	/* A mapping begins and ends with a page, and those may hold bytes of other segments. */
	for (size_t i = 0; i < m->segment_count && m->segments[i].executable; i++) {
		const struct image_segment *s = &m->segments[i];

		if (offset >= s->offset + s->file_size || s->offset >= offset + size)
			continue;
		*address = offset - s->offset + s->address;
		return true;
	}
	return false;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Hands answers on as of this module; `index` tells which of its questions are asked. */
struct taker {
	const struct module *module;
	const size_t *index;
	module_take_fn take;
	void *context;
};

static void take_part(void *context, size_t index, struct sym_frame *frames, size_t count)
{
	const struct taker *t = context;

	for (size_t i = 0; i < count; i++)
		frames[i].module = t->module->path;
	t->take(t->context, t->index[index], frames, count);
}

/* How many were answered, or a negative errno. */
static ssize_t ask(struct module *m, const struct sym_address *at, size_t n, struct taker *t)
{
	const struct reader_file file = file_of(m);
	ssize_t k = reader_frames(m->reader, &file, at, n, m->names, take_part, t);

	if (k == -ECONNRESET && !m->plain) {
		m->plain = true;
		k = -ESTALE;
	}
	if (k != -ESTALE)
		return k;
	k = reader_open(m->reader, &file, m->fd, m->plain, NULL);
	return k ? k : reader_frames(m->reader, &file, at, n, m->names, take_part, t);
}

static void give_less(struct module *m)
{
	m->waited_ms = 0;
	if (!m->plain)
		reader_close(m->reader, m->id); /* and it will be opened anew */
	m->nameless = m->plain;
	m->plain = true;
}

/* As ask(), within the time that a file has. */
static ssize_t ask_in_time(struct module *m, const struct sym_address *at, size_t n,
			   struct taker *t)
{
	/* A server is waited for as well, which is not the file's fault. */
	uint64_t begun = now_ms() - reader_fetched_ms(m->reader);
	ssize_t k = ask(m, at, n, t);

	m->nameless = k < 0;
	m->waited_ms += now_ms() - reader_fetched_ms(m->reader) - begun;
	if (m->waited_ms > MAX_WAIT_MS)
		give_less(m);
	return k;
}

/* At most MODULE_AT_ONCE of them. */
static void ask_all(struct module *m, const struct sym_address *at, size_t n, struct taker *t)
{
	size_t done = 0;

	while (done < n && m->fd >= 0 && !m->nameless) {
		ssize_t k = ask_in_time(m, at + done, n - done, t);

		done += k > 0 ? (size_t)k : 0;
		t->index += k > 0 ? (size_t)k : 0;
	}
	for (; done < n; done++, t->index++) {
		struct sym_frame none = {.offset = at[done].address};

		take_part(t, 0, &none, 1);
	}
}

/* An answer of an earlier run, if there is one. */
static bool take_kept(struct module *m, const struct sym_address *at, struct taker *t,
		      const size_t *index)
{
	struct sym_frame copy[DEBUGINFO_FRAMES_MAX];
	const struct sym_frame *frames;
	size_t count = m->answers ? answers_find(m->answers, at, &frames) : 0;

	if (!count)
		return false;
	memcpy(copy, frames, count * sizeof(*copy));
	t->index = index;
	take_part(t, 0, copy, count);
	return true;
}

size_t module_frames(struct module *m, const struct sym_address *at, size_t n, module_take_fn take,
		     void *context)
{
	struct taker t = {m, NULL, take, context};
	struct sym_address asked[MODULE_AT_ONCE];
	size_t index[MODULE_AT_ONCE], count = 0;

	for (size_t i = 0; i < n; i++) {
		if (take_kept(m, &at[i], &t, &i))
			continue;
		asked[count] = at[i];
		index[count++] = i;
	}
	t.index = index;
	ask_all(m, asked, count, &t);
	return n - count;
}
