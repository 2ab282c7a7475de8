/* SPDX-License-Identifier: MIT */
/*
 * Processes and files that are not there: a symbolizer that is told by a recording what they were
 * (restore_*), and what a recording has to keep of those that are (survey_*). Restored names are
 * looked up like all others, by symbolizer_resolve and symbolizer_prepare; the lives of restored
 * processes are told by symbolizer_fork, symbolizer_exec and symbolizer_exit.
 *
 * A symbolizer does the one or the other: after the first restore_* nothing is asked of the
 * processes of this machine, and symbolizer_add_process and its like fail with -ESRCH.
 *
 * Where names lie in a file is told by offset in the file (sym_address.address), since the ELF
 * address is known only where the file is. With is_return it is the offset of what the call returns
 * to, as everywhere.
 *
 * A recording may come from anywhere. Everything is checked here but the texts, which end with a
 * zero and may hold any byte. What is kept of it has caps, and symbolizer_losses counts what they
 * refuse.
 */
#ifndef ALLOCTRACE_SYM_RESTORE_H
#define ALLOCTRACE_SYM_RESTORE_H

#include "sym/symbolizer.h"

struct module;

#define SYM_MAX_BUILD_ID 32   /* bytes; of a longer one these are the first */
#define SYM_MAX_FRAMES   1024 /* at one address */

struct sym_file {
	const char *path;
	uint8_t build_id[SYM_MAX_BUILD_ID];
	size_t build_id_size; /* 0: none */
	uint64_t size;        /* bytes; 0: there is no file, as for "[vdso]" and "[anon]" */
};

struct sym_mapping {
	uint64_t start, end, offset;
	uint32_t module; /* number */
};

/*
 * The file with the next number, from 0. It is opened as the caller may open it and has names if it
 * is the same: its build-id is that, or, when both have none, its size. *found tells; "[vdso]" is
 * found when this kernel has the same, and nothing else that is no file ever is. Of a file that is
 * not (gone, replaced, closed to the caller) only what restore_names says is known. 0, -EINVAL: a
 * build-id too long; -ENOMEM, or -ENOSPC: too many files.
 */
int restore_module(struct symbolizer *s, const struct sym_file *file, bool *found);

/*
 * What the process has mapped as code from now on, by ascending address. `fresh`: the number was
 * another one's before, or the process runs a new program; else one that has ended stays so, since
 * its last events may come late.
 * -EINVAL: a mapping is none, overlaps the one before, or is of no file, and nothing has changed;
 * -ENOMEM, or -ENOSPC (counted): nothing is known to be mapped.
 */
int restore_space(struct symbolizer *s, pid_t pid, bool fresh, const struct sym_mapping *mappings,
		  size_t count);

/* The next bytes of the process's perf map (sym/perfmap.h), maybe none; `anew`: what came before is
 * forgotten. 0, -ENOMEM, or -ENOSPC: too many processes (counted). */
int restore_code(struct symbolizer *s, pid_t pid, bool anew, const char *bytes, size_t size);

/*
 * The answer for a place in a file, before it is asked for; an answer that is there stays, and one
 * that there is no room for is counted and left out. Frames and their strings are copied; their
 * `module` is the file's path, whatever it says there. -EINVAL: there is no such file, or no such
 * number of frames; -ENOMEM.
 */
int restore_names(struct symbolizer *s, uint32_t module, const struct sym_address *at,
		  const struct sym_frame *frames, size_t count);

/* What the process has mapped, and a number that changes with it (of another kind than
 * symbolizer_serial: generated code does not change it), and is another one for each process; NULL:
 * it is not known. The space lives until the symbolizer is told anything. */
const struct space *survey_space(struct symbolizer *s, pid_t pid, uint64_t *serial);

/* What a recording has to know of a mapped file; the path lives until symbolizer_free. Costs
 * nothing: it was read when the file was first seen. */
void survey_file(const struct module *m, struct sym_file *file);

/*
 * Where a word of a stack (core/event.h) lies: the module's id (module_id) and the place there, as
 * restore_names wants it. False: in no file, or in code that the process itself has given a name
 * (survey_on_code), or could.
 */
bool survey_locate(struct symbolizer *s, pid_t pid, uint64_t word, uint32_t *module,
		   struct sym_address *at);

/*
 * Told whatever is read of a perf map, as it is read, for restore_code: in calls that resolve,
 * prepare or ask for a serial, and before an end, an exec or a fork to a number in use takes
 * effect. The process is the one whose map it is, also when it was a child of it that was asked
 * about. Without bytes when all was forgotten and nothing has come yet.
 */
typedef void (*survey_code_fn)(void *context, pid_t pid, bool anew, const char *bytes, size_t size);
void survey_on_code(struct symbolizer *s, survey_code_fn fn, void *context);

#endif
