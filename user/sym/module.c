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

#include "sym/reader.h"

#define MAX_WAIT_MS 20000 /* for all answers about one file */

struct module {
	unsigned int users;
	uint32_t id;
	const char *path;
	struct names *names;
	struct reader *reader;
	int fd;
	uint64_t waited_ms;
	bool plain;    /* the helper has died of its debug information … */
	bool nameless; /* … or of it as a whole */
	uint64_t size; /* of the file */
	unsigned char build_id[IMAGE_MAX_BUILD_ID];
	size_t build_id_length;
	struct image_segment *segments; /* executable ones first */
	size_t segment_count;
};

static int open_file(struct module *m)
{
	struct image_facts facts;
	size_t bytes;

	if (reader_open(m->reader, m->id, m->path, m->fd, false, &facts))
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

int module_fd(const struct module *m)
{
	return m->fd;
}

bool module_is_same(const struct module *a, const struct module *b)
{
	return a->build_id_length && a->build_id_length == b->build_id_length &&
	       !memcmp(a->build_id, b->build_id, a->build_id_length) && a->path == b->path &&
	       a->size == b->size;
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

/* How many frames, or a negative errno. */
static ssize_t ask(struct module *m, uint64_t address, bool is_return,
		   struct sym_frame frames[DEBUGINFO_FRAMES_MAX])
{
	ssize_t n = reader_frames(m->reader, m->id, m->path, address, is_return, m->names, frames);

	if (n == -ECONNRESET && !m->plain) {
		m->plain = true;
		n = -ESTALE;
	}
	if (n != -ESTALE)
		return n;
	n = reader_open(m->reader, m->id, m->path, m->fd, m->plain, NULL);
	return n ? n
		 : reader_frames(m->reader, m->id, m->path, address, is_return, m->names, frames);
}

static void give_less(struct module *m)
{
	m->waited_ms = 0;
	if (!m->plain)
		reader_close(m->reader, m->id); /* and it will be opened anew */
	m->nameless = m->plain;
	m->plain = true;
}

size_t module_frames(struct module *m, uint64_t address, bool is_return,
		     struct sym_frame frames[DEBUGINFO_FRAMES_MAX])
{
	ssize_t count = -ENOENT;

	if (m->fd >= 0 && !m->nameless) {
		/* A server is waited for as well, which is not the file's fault. */
		uint64_t begun = now_ms() - reader_fetched_ms(m->reader);

		count = ask(m, address, is_return, frames);
		m->nameless = count < 0;
		m->waited_ms += now_ms() - reader_fetched_ms(m->reader) - begun;
	}
	if (m->waited_ms > MAX_WAIT_MS)
		give_less(m);
	if (count < 0) {
		frames[0] = (struct sym_frame){.offset = address};
		count = 1;
	}
	for (ssize_t i = 0; i < count; i++)
		frames[i].module = m->path;
	return (size_t)count;
}
