/*
 * Processes and files that are not there: a symbolizer that is told by a recording what they were
 * (restore_*), and what a recording has to keep of those that are (survey_*). Restored names are
 * looked up like all others, by symbolizer_resolve and symbolizer_prepare.
 */
#ifndef ALLOCTRACE_SYM_RESTORE_H
#define ALLOCTRACE_SYM_RESTORE_H

#include "sym/symbolizer.h"

#define SYM_MAX_BUILD_ID 32

struct sym_file {
	const char *path;
	uint8_t build_id[SYM_MAX_BUILD_ID];
	size_t build_id_size; /* 0: none */
	uint64_t size;        /* bytes; 0: there is no file, as for "[vdso]" and "[anon]" */
};

struct sym_mapping {
	uint64_t start, end, offset;
	uint32_t module;
};

/*
 * The file with the next number, from 0. It is opened as the caller may open it and has names if it
 * is the same: its build-id is that, or, without one, its size. *found tells. Of a file that is not
 * (gone, replaced, closed to the caller) only what restore_names says is known. 0 or a negative
 * errno.
 */
int restore_module(struct symbolizer *s, const struct sym_file *file, bool *found);

/* What the process has mapped as code from now on. `fresh`: its number was another one's before.
 * -EINVAL: a mapping is none, or of no file. */
int restore_space(struct symbolizer *s, pid_t pid, bool fresh, const struct sym_mapping *mappings,
		  size_t count);

/* The next bytes of the process's perf map (sym/perfmap.h); `anew`: what came before is forgotten.
 */
int restore_code(struct symbolizer *s, pid_t pid, bool anew, const char *bytes, size_t size);

/* The answer for an address of a file, before it is asked for; an answer that is there stays.
 * Frames and their strings are copied. -EINVAL: there is no such file. */
int restore_names(struct symbolizer *s, uint32_t module, const struct sym_address *at,
		  const struct sym_frame *frames, size_t count);

/* What the process has mapped, and a number that changes with it (of another kind than
 * symbolizer_serial: generated code does not change it); NULL: it is not known. The space lives
 * until the symbolizer is told anything. */
const struct space *survey_space(struct symbolizer *s, pid_t pid, uint64_t *serial);

/* What a recording has to know of a mapped file. */
void survey_file(const struct module *m, struct sym_file *file);

/* Where an address lies: the module's id (module_id) and the address there, as restore_names wants
 * it. False: in no file, or in code whose names the process itself may have given (survey_on_code).
 */
bool survey_locate(struct symbolizer *s, pid_t pid, uint64_t word, uint32_t *module,
		   struct sym_address *at);

/* Told whatever is read of a perf map, as it is read. */
typedef void (*survey_code_fn)(void *context, pid_t pid, bool anew, const char *bytes, size_t size);
void survey_on_code(struct symbolizer *s, survey_code_fn fn, void *context);

#endif
