/*
 * The names that a traced process gives its generated code: /tmp/perf-PID.map, in its own mount
 * namespace and with its own number. The file is somebody else's: it counts only when it is a
 * regular one that belongs to the user the process runs as, and is read as text, up to a size.
 */
#ifndef ALLOCTRACE_SYM_PERFMAP_H
#define ALLOCTRACE_SYM_PERFMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sym/jit.h"

struct perfmap;

/* Told the next bytes of a process's file; `anew`: what came before is forgotten. There may be no
 * bytes then. */
typedef void (*perfmap_tell_fn)(void *context, pid_t pid, bool anew, const char *bytes,
				size_t size);

/* What all that belong together share. The owner changes the moment when events may have come that
 * are younger than the last look; the next question then looks again. */
struct perfmaps {
	struct jit_room room;
	uint64_t moment;
	perfmap_tell_fn tell; /* NULL: nobody */
	void *tell_context;
};

/*
 * For a process that lives: takes hold of its /tmp, and reads nothing yet. `all` is borrowed.
 * `parent`, which may be NULL, has the names of what the process was forked with; a reference is
 * taken. NULL when memory is out. The caller has one reference.
 */
struct perfmap *perfmap_new(pid_t pid, struct perfmaps *all, struct perfmap *parent);

/* The same for a process that is not there: it has what perfmap_add tells. */
struct perfmap *perfmap_restored(struct perfmaps *all, struct perfmap *parent);

/* Takes the next bytes of its file, as perfmap_tell_fn gives them. */
void perfmap_add(struct perfmap *m, bool anew, const char *bytes, size_t size);

struct perfmap *perfmap_ref(struct perfmap *m); /* returns m; NULL is allowed */
void perfmap_unref(struct perfmap *m);          /* NULL is allowed */

/* The process ends, or has just done so: the file is read once more, and never again. */
void perfmap_end(struct perfmap *m);

/* As jit_find; what has been added to the file is read first, once a moment. */
const char *perfmap_find(struct perfmap *m, uint64_t address, uint64_t *start);

/* Another number when more has been read; the file is looked at as in perfmap_find. */
uint64_t perfmap_readings(struct perfmap *m);

/* Another number when an answer that was given may be another one now. */
uint64_t perfmap_generation(const struct perfmap *m);

#endif
