/* The other side of reader.c, in a process that can do nothing but this. */
#include "sym/reading.h"

#include <time.h>
#include <unistd.h>

#include "core/pack.h"
#include "core/table.h"
#include "sym/image.h"
#include "sym/names.h"

#define MAX_IMAGES (1 << 20)
#define SHORT_NAME 256 /* when whole names would not fit: so many do, in so many frames */

/* Then what is answered is handed over: nobody waits for all when one address takes long, and each
 * has the time that a question may take. */
#define ENOUGH_MS 100

struct reading {
	struct names *names;
	struct table images; /* id -> struct image * */
};

static int want(void *context, const char *path)
{
	return helper_want(context, path);
}

static void pack_facts(struct pack *out, const struct image_facts *f)
{
	pack_number(out, f->size);
	pack_number(out, f->build_id_length);
	for (size_t i = 0; i < f->build_id_length; i++)
		pack_number(out, f->build_id[i]);
	pack_number(out, f->segment_count);
	for (size_t i = 0; i < f->segment_count; i++) {
		const struct image_segment *s = &f->segments[i];

		pack_number(out, s->offset);
		pack_number(out, s->file_size);
		pack_number(out, s->address);
		pack_number(out, s->memory_size);
		pack_number(out, s->executable);
	}
}

static void open_image(struct reading *r, struct helper_worker *w, struct pack *in, int fd,
		       struct pack *out)
{
	uint64_t id = unpack_number(in);
	bool plain = unpack_number(in);
	const char *path = names_intern(r->names, unpack_text(in));
	struct image **slot, *image;
	bool fresh;

	if (fd < 0 || !path)
		return;
	image = image_new(fd, path, r->names, plain, want, w);
	slot = image ? table_insert(&r->images, &id, &fresh) : NULL;
	if (!slot) {
		image_free(image);
		return;
	}
	if (!fresh)
		image_free(*slot);
	*slot = image;
	pack_facts(out, image_facts(image));
}

static void pack_frames(struct pack *out, const struct sym_frame *frames, size_t count, size_t most)
{
	pack_number(out, count);
	for (size_t i = 0; i < count; i++) {
		pack_text(out, frames[i].function, most);
		pack_text(out, frames[i].file, most);
		pack_number(out, (uint64_t)frames[i].line);
		pack_number(out, (uint64_t)frames[i].column);
		pack_number(out, frames[i].offset);
		pack_number(out, frames[i].inlined);
	}
}

/* One more answer in `out`; false: there is no room for it. The first one finds room, if need be
 * by shorter names. */
static bool add_answer(struct image *image, uint64_t address, bool is_return, bool first,
		       struct pack *out)
{
	struct sym_frame frames[DEBUGINFO_FRAMES_MAX];
	size_t count = image_frames(image, address, is_return, frames);
	const struct pack before = *out;

	pack_frames(out, frames, count, READING_MAX_NAME);
	if (!out->failed)
		return true;
	*out = before;
	if (first)
		pack_frames(out, frames, count, SHORT_NAME);
	return first;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* How many are answered is known at the end, and stands at the beginning. */
static void find_frames(struct reading *r, struct pack *in, struct pack *out)
{
	uint64_t id = unpack_number(in), n = unpack_number(in), done = 0;
	struct image **image = table_find(&r->images, &id);
	struct pack head = *out;
	uint64_t begun = now_ms();

	pack_number(out, 0);
	while (image && done < n && now_ms() - begun < ENOUGH_MS) {
		uint64_t address = unpack_number(in);
		bool is_return = unpack_number(in);

		if (in->failed || !add_answer(*image, address, is_return, !done, out))
			break;
		done++;
	}
	pack_number(&head, done);
}

static void close_image(struct reading *r, struct pack *in)
{
	uint64_t id = unpack_number(in);
	struct image **image = table_find(&r->images, &id);

	if (!image)
		return;
	image_free(*image);
	table_remove(&r->images, &id);
}

/* Everything begins with the first question: in the memory of this worker alone. */
static bool begin(struct reading *r)
{
	if (r->names)
		return true;
	r->names = names_new();
	table_init(&r->images, sizeof(uint64_t), sizeof(struct image *), MAX_IMAGES);
	return r->names;
}

static size_t answer(void *context, struct helper_worker *w, const void *question, size_t len,
		     int fd, unsigned char bytes[HELPER_MAX_BYTES])
{
	struct pack in = pack_over((void *)question, len);
	struct pack out = pack_over(bytes, HELPER_MAX_BYTES);
	struct reading *r = context;
	uint64_t what = unpack_number(&in);

	if (!begin(r))
		what = UINT64_MAX;
	if (what == READING_OPEN)
		open_image(r, w, &in, fd, &out);
	else if (fd >= 0)
		close(fd);
	if (what == READING_FRAMES)
		find_frames(r, &in, &out);
	if (what == READING_CLOSE)
		close_image(r, &in);
	return out.failed ? 0 : out.used;
}

static struct reading reading;

const struct helper_job reading_job = {
	.name = "alloctrace-sym",
	.answer = answer,
	.context = &reading,
	.seconds = HELPER_SECONDS,
};
