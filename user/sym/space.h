/* The executable mappings of one process, and the module behind each. */
#ifndef ALLOCTRACE_SYM_SPACE_H
#define ALLOCTRACE_SYM_SPACE_H

#include <stddef.h>
#include <stdint.h>

struct module;

/* One mapping holds one reference to its module. */
struct space_mapping {
	uint64_t start, end; /* addresses; end is the first one outside */
	uint64_t offset;     /* of `start` in the file */
	struct module *module;
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

/* Makes `to`, an empty space, a copy of `from`. 0 or -ENOMEM with `to` empty. */
int space_copy(struct space *to, const struct space *from);

/* The mapping that holds the address, or NULL. The view is good until the space changes. */
const struct space_mapping *space_find(const struct space *s, uint64_t address);

/* Gives the references back; the space is empty afterwards and may be used again. */
void space_fini(struct space *s);

#endif
