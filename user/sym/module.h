/*
 * One mapped file: an ELF file held open, or a place holder for what has no names ("[vdso]", a
 * file that is not ELF). Counts its users, since many processes share it. It is read by the helper
 * process (reader.h).
 */
#ifndef ALLOCTRACE_SYM_MODULE_H
#define ALLOCTRACE_SYM_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sym/debuginfo.h"

struct module;
struct reader;
struct store;

#define MODULE_AT_ONCE 1024 /* addresses */

/*
 * A module with one user, the caller. Takes over `fd` in every case; with -1, or when the file is
 * not ELF, the module has no functions. `path` is a string of `names`, which is borrowed; `id`
 * is what module_id returns, and `reader`, borrowed as well, knows the file by. NULL when memory is
 * out.
 */
struct module *module_new(int fd, const char *path, struct names *names, struct reader *reader,
			  uint32_t id);

/* From now on answers are kept in the store, if the file is one of which they may be; before any
 * question. The store is borrowed. */
void module_keep(struct module *m, struct store *store);

struct module *module_ref(struct module *m);   /* returns m */
void module_unref(struct module *m);           /* the last one closes the file; NULL is allowed */
bool module_is_shared(const struct module *m); /* has more than one user */

uint32_t module_id(const struct module *m);
const char *module_path(const struct module *m); /* a string of `names` */
bool module_is_open(const struct module *m);     /* holds a file, ELF or not */

/* What it was when it was opened: how long its build-id is, which is in *build_id, and its size in
 * bytes. 0: it has none, or could not be read. Views, for as long as the module is there. */
size_t module_build_id(const struct module *m, const unsigned char **build_id);
uint64_t module_size(const struct module *m);

/* It holds code that a process may have generated, and given names itself (perfmap.h). */
bool module_is_generated(const struct module *m);

/* The file, borrowed; -1: none is open. */
int module_fd(const struct module *m);

/* Both hold the same program: equal build-ids, paths and sizes, of one owner, whom nobody helps to
 * write. False for files without a build-id. */
bool module_is_same(const struct module *a, const struct module *b);

/* The ELF address of an offset in the file, by the program headers; false when none covers it. */
bool module_address(const struct module *m, uint64_t offset, uint64_t *address);

/* The same of the first of `size` bytes that are mapped as code, even if that one belongs to no
 * executable segment, but shares a page with it. */
bool module_code(const struct module *m, uint64_t offset, uint64_t size, uint64_t *address);

/* The answer to the question of that index; `frames` are the callee's to change until it returns.
 */
typedef void (*module_take_fn)(void *context, size_t index, struct sym_frame *frames, size_t count);

/*
 * The frames at n ELF addresses, at most MODULE_AT_ONCE, innermost first, at least one; each
 * address is handed over once, or once more with another answer after one that was damaged.
 * Everything is set but module_offset; strings belong to `names`. How many were known from earlier
 * runs. The first call reads debug information, which can take a second.
 */
size_t module_frames(struct module *m, const struct sym_address *at, size_t n, module_take_fn take,
		     void *context);

/* An answer of module_frames, which later runs may have; the frames are borrowed for as long as the
 * module is there. */
void module_keep_answer(struct module *m, const struct sym_address *at,
			const struct sym_frame *frames, size_t count);

#endif
