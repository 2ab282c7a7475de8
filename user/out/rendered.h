/* SPDX-License-Identifier: MIT */
/*
 * What a sink has written of a stack, kept for the next event that came along it: a name is looked
 * up, quoted and formatted once, and copied from then on.
 */
#ifndef ALLOCTRACE_OUT_RENDERED_H
#define ALLOCTRACE_OUT_RENDERED_H

#include <stdio.h>

#include "core/table.h"
#include "out/sink.h"

#define RENDERED_MOST_BYTES \
	(64U << 20) /* of text; beyond that all of it is dropped, and made anew */

struct rendered_text {
	size_t length;
	char bytes[];
};

struct rendered {
	struct table texts; /* private: struct key -> struct rendered_text * */
	size_t bytes, most;
};

/* Writes what is to be kept of the event's stack, and nothing that another event along it would not
 * say as well. */
typedef void (*rendered_write_fn)(const struct sink *s, FILE *out, const struct event *e);

void rendered_init(struct rendered *k, size_t most);
void rendered_fini(struct rendered *k); /* zeros are allowed */

/*
 * The text of the event's stack, by `write` the first time; it lives until the next call. NULL: it
 * is not to be kept, since the stack has no number, or memory is out.
 */
const struct rendered_text *rendered_get(struct rendered *k, const struct sink *s,
					 const struct event *e, rendered_write_fn write);

#endif
