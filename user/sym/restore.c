// SPDX-License-Identifier: MIT
/*
 * Hides that there is nothing to look at. The decisions:
 *
 * - A recording is somebody else's: it names files, and those are opened. What is no ELF file is
 *   not handed to the helper process, and a file counts only when it is what the recording says.
 * - Names that the recording brings are answers given ahead (cache.h), under the offset in the file
 *   where that is not there, and the ELF address where it is: as the question will be put. They are
 *   never kept for later runs, since nobody vouches for them.
 * - Whatever a recording makes us remember has an end, however long it is.
 */
#include "sym/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sym/module.h"
#include "sym/modules.h"
#include "sym/names.h"
#include "sym/regular.h"
#include "sym/state.h"

#define MAX_MODULES (1u << 18)
#define MAX_OPEN    (1u << 13)   /* of these; each takes a descriptor here and in the helper */
#define MAX_FRAMES  (1u << 22)   /* that come with a recording */
#define MAX_TEXT    (256u << 20) /* bytes of all names */

void restored_fini(struct restored *r)
{
	for (size_t i = 0; i < r->count; i++)
		module_unref(r->at[i]);
	free(r->at);
}

/* ---- files ---- */

static int reserve_module(struct restored *r)
{
	size_t capacity = r->capacity ? r->capacity * 2 : 64;
	struct module **at;

	if (r->count >= MAX_MODULES)
		return -ENOSPC;
	if (r->count < r->capacity)
		return 0;
	at = reallocarray(r->at, capacity, sizeof(struct module *));
	if (!at)
		return -ENOMEM;
	r->at = at;
	r->capacity = capacity;
	return 0;
}

/* The file as it is now, if it is an ELF file. *found: it is another one, and may be the same. */
static int open_again(struct symbolizer *s, const struct sym_file *file, bool *found)
{
	struct stat st;
	int fd;

	*found = false;
	if (!strcmp(file->path, "[vdso]"))
		return file->build_id_size ? modules_open_vdso(s->modules) : -1;
	if (file->path[0] != '/' || !file->size)
		return -1;
	fd = s->restored.open < MAX_OPEN ? regular_open(file->path, &st) : -EMFILE;
	s->losses.files += fd == -EMFILE || fd == -ENFILE;
	if (fd < 0 || regular_is_elf(fd))
		return fd;
	close(fd);
	*found = !file->build_id_size && (uint64_t)st.st_size == file->size;
	return -1;
}

static bool is_same(const struct module *m, const struct sym_file *file)
{
	struct sym_file now;

	survey_file(m, &now);
	if (now.build_id_size != file->build_id_size)
		return false;
	return file->build_id_size ? !memcmp(now.build_id, file->build_id, now.build_id_size)
				   : now.size == file->size;
}

int restore_module(struct symbolizer *s, const struct sym_file *file, bool *found)
{
	struct restored *r = &s->restored;
	struct module *m;
	int fd, err;

	*found = false;
	r->any = true;
	if (file->build_id_size > SYM_MAX_BUILD_ID)
		return -EINVAL;
	err = names_bytes(s->names) < MAX_TEXT ? reserve_module(r) : -ENOSPC;
	if (err)
		return err;
	fd = open_again(s, file, found);
	m = modules_make(s->modules, fd, file->path);
	if (m && fd >= 0 && !is_same(m, file)) {
		module_unref(m);
		m = modules_make(s->modules, -1, file->path);
	} else if (fd >= 0) {
		*found = true;
		r->open++;
	}
	if (!m)
		return -ENOMEM;
	r->at[r->count++] = m;
	return 0;
}

/* ---- processes ---- */

static bool are_mappings(const struct restored *r, const struct sym_mapping *m, size_t count)
{
	uint64_t end = 0, file_end;

	for (size_t i = 0; i < count; end = m[i++].end) {
		if (m[i].start >= m[i].end || m[i].start < end || m[i].module >= r->count ||
		    __builtin_add_overflow(m[i].offset, m[i].end - m[i].start, &file_end))
			return false;
	}
	return true;
}

/* A mapping too many is counted, and the others are as good as before. */
static int make_space(struct symbolizer *s, const struct sym_mapping *m, size_t count,
		      struct space *space)
{
	*space = (struct space){0};
	for (size_t i = 0; i < count; i++) {
		const struct space_mapping added = {m[i].start, m[i].end, m[i].offset,
						    s->restored.at[m[i].module], 0};
		int err = space_insert(space, &added);

		s->losses.mappings += err == -ENOSPC;
		if (err == -ENOMEM) {
			space_fini(space);
			return err;
		}
	}
	return 0;
}

/* The process of that number, also one that has ended, unless that was another one. */
static int get_process(struct symbolizer *s, pid_t pid, bool fresh, struct process **p)
{
	s->restored.any = true;
	*p = fresh ? NULL : processes_find(&s->processes, pid);
	if (*p)
		return 0;
	processes_remove(&s->processes, pid);
	return state_count_refused(s, processes_insert(&s->processes, pid, p));
}

/* As a live one has one from its first mapping on that holds generated code: children that are
 * forked before there are names have these as well. */
static void have_perfmap(struct symbolizer *s, struct process *p)
{
	for (size_t i = 0; i < p->space.count && !p->perfmap; i++)
		if (module_is_generated(p->space.at[i].module))
			p->perfmap = perfmap_restored(&s->perfmaps, NULL);
}

int restore_space(struct symbolizer *s, pid_t pid, bool fresh, const struct sym_mapping *mappings,
		  size_t count)
{
	struct process *p;
	int err;

	if (!are_mappings(&s->restored, mappings, count))
		return -EINVAL;
	err = get_process(s, pid, fresh, &p);
	if (err)
		return err;
	space_fini(&p->space);
	processes_renumber(&s->processes, p);
	p->complete = true;
	s->changes++;
	if (!processes_hold(&s->processes, p, count)) {
		s->losses.mappings += count;
		return -ENOSPC;
	}
	err = make_space(s, mappings, count, &p->space);
	have_perfmap(s, p);
	return err;
}

int restore_code(struct symbolizer *s, pid_t pid, bool anew, const char *bytes, size_t size)
{
	struct process *p;
	int err = get_process(s, pid, false, &p);

	if (err)
		return err;
	if (!p->perfmap)
		p->perfmap = perfmap_restored(&s->perfmaps, NULL);
	if (!p->perfmap)
		return -ENOMEM;
	perfmap_add(p->perfmap, anew, bytes, size);
	return 0;
}

/* ---- names ---- */

/* A text that there is no memory for makes the answer none. */
static bool take_text(struct symbolizer *s, const char **text)
{
	const char *given = *text;

	*text = names_intern(s->names, given);
	return !given || *text;
}

static bool take_frame(struct symbolizer *s, const struct module *m, struct sym_frame *f)
{
	f->module = module_path(m);
	f->line = f->line > 0 ? f->line : 0;
	f->column = f->column > 0 ? f->column : 0;
	return take_text(s, &f->function) && take_text(s, &f->file);
}

int restore_names(struct symbolizer *s, uint32_t module, const struct sym_address *at,
		  const struct sym_frame *frames, size_t count)
{
	struct restored *r = &s->restored;
	struct sym_frame *copy;
	int err = 0;

	if (module >= r->count || !count || count > SYM_MAX_FRAMES)
		return -EINVAL;
	if (names_bytes(s->names) >= MAX_TEXT || r->frames + count > MAX_FRAMES) {
		s->resolver.refused++;
		return 0;
	}
	copy = reallocarray(NULL, count, sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	memcpy(copy, frames, count * sizeof(*copy));
	for (size_t i = 0; i < count && !err; i++)
		if (!take_frame(s, r->at[module], &copy[i]))
			err = -ENOMEM;
	copy[count - 1].inlined = false;
	if (!err)
		err = resolver_add(&s->resolver, r->at[module], at, copy, count);
	if (!err)
		r->frames += count;
	free(copy);
	return err == -ENOSPC ? 0 : err;
}
