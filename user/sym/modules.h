/* The files mapped by all processes, each opened once. */
#ifndef ALLOCTRACE_SYM_MODULES_H
#define ALLOCTRACE_SYM_MODULES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sym/proc.h"

struct module;
struct modules;
struct names;
struct reader;
struct store;

/* An empty set, or NULL when memory is out; `names` and `reader` are borrowed. */
struct modules *modules_new(struct names *names, struct reader *reader);

/*
 * From now on answers are kept in the store, and what others than root and we may have written is
 * read by `guests`, so that it cannot change what is said, and kept, of the rest. Both are
 * borrowed. Before the first mapping.
 */
void modules_keep(struct modules *t, struct store *store, struct reader *guests);

/* Gives up the set's own references. NULL is allowed. */
void modules_free(struct modules *t);

/*
 * The module of an executable mapping, opened now when it is not known. *m holds a reference for
 * the caller. 0, or -ENOMEM. A file that cannot be opened yields a module without functions, and
 * *lost is set when that was for want of descriptors.
 */
int modules_get(struct modules *t, pid_t pid, const struct proc_mapping *mapping, struct module **m,
		bool *lost);

/*
 * A module of its own of the file `fd` with that path, outside the set, and of none with -1; takes
 * over `fd` in every case. The caller has the one reference. NULL when memory is out.
 */
struct module *modules_make(struct modules *t, int fd, const char *path);

/* The code of "[vdso]" as this kernel has it, a file of the caller's; -1: there is none. */
int modules_open_vdso(const struct modules *t);

/* Closes the modules nobody else uses. */
void modules_sweep(struct modules *t);

#endif
