/*
 * One ELF file as the helper process reads it, with its debug information: what module.h stands for
 * on the other side.
 */
#ifndef ALLOCTRACE_SYM_IMAGE_H
#define ALLOCTRACE_SYM_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sym/debuginfo.h"

#define IMAGE_MAX_BUILD_ID 64
#define IMAGE_MAX_SEGMENTS 256

struct image_segment {
	uint64_t offset, file_size;    /* in the file */
	uint64_t address, memory_size; /* in memory */
	bool executable;
};

/* What is known before the first lookup; zeros when the file is not ELF. */
struct image_facts {
	uint64_t size; /* of the file */
	unsigned char build_id[IMAGE_MAX_BUILD_ID];
	size_t build_id_length;
	struct image_segment segments[IMAGE_MAX_SEGMENTS]; /* executable ones first */
	size_t segment_count;
};

struct image;

/* The file of that path, open for reading, or -1: a separate debug file. */
typedef int (*image_want_fn)(void *context, const char *path);

/*
 * Takes over `fd` in every case; `path` and `names` are borrowed, `want` may be NULL. `plain`: by
 * its symbols alone, whatever debug information there is. NULL when memory is out.
 */
struct image *image_new(int fd, const char *path, struct names *names, bool plain,
			image_want_fn want, void *context);
void image_free(struct image *m); /* NULL is allowed */

const struct image_facts *image_facts(const struct image *m);
int image_want(const struct image *m, const char *path);

/*
 * The frames at an ELF address, innermost first, at least one; with `is_return` of the call before
 * it. Everything is set but module_offset; strings belong to `names`. The first call reads debug
 * information, which can take a second.
 */
size_t image_frames(struct image *m, uint64_t address, bool is_return,
		    struct sym_frame frames[DEBUGINFO_FRAMES_MAX]);

#endif
