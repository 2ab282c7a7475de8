/* The executable mappings of one process, and the module behind each. */
#ifndef ALLOCTRACE_SYM_SPACE_H
#define ALLOCTRACE_SYM_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct module;

/* One mapping holds one reference to its module. */
struct space_mapping {
	uint64_t start, end; /* addresses; end is the first one outside */
	uint64_t offset;     /* of `start` in the file */
	struct module *module;
	uint64_t since; /* when it came, CLOCK_MONOTONIC in ns, or any later time */
};

/* Sorted, without overlaps. All zero is an empty space. */
struct space {
	struct space_mapping *at;
	size_t count, capacity;
};

/*
 * Adds a mapping, cutting away what it overlaps, and takes a reference to its module. A null module
 * only clears the place. 0, -ENOMEM or -ENOSPC (too many mappings); the place is cleared even then.
 */
int space_insert(struct space *s, const struct space_mapping *m);

/* Whether that very mapping is there already: the same part of the same module at the same place.
 */
bool space_has(const struct space *s, const struct space_mapping *m);

/* Mappings that were in `old` already keep the time at which they came; whether there were others,
 * or fewer than in `old`. */
bool space_inherit(struct space *s, const struct space *old);

/* Makes `to`, an empty space, a copy of `from`. 0 or -ENOMEM with `to` empty. */
int space_copy(struct space *to, const struct space *from);

/* The mapping that holds the address, or NULL. The view is good until the space changes. */
const struct space_mapping *space_find(const struct space *s, uint64_t address);

/* Gives the references back; the space is empty afterwards and may be used again. */
void space_fini(struct space *s);

#endif
