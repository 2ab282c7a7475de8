/* SPDX-License-Identifier: MIT */
/*
 * What a sink has written of a stack, kept for the next event that came along it: a name is looked
 * up, quoted and formatted once, and copied from then on.
 */
#ifndef ALLOCTRACE_OUT_KEPT_H
#define ALLOCTRACE_OUT_KEPT_H

#include <stdio.h>

#include "core/table.h"
#include "out/sink.h"

#define KEPT_MOST_BYTES (64U << 20) /* of text; beyond that all of it is dropped, and made anew */

struct kept_text {
	size_t length;
	char bytes[];
};

struct kept {
	struct table texts; /* private: struct key -> struct kept_text * */
	size_t bytes, most;
};

/* Writes what is to be kept of the event's stack, and nothing that another event along it would not
 * say as well. */
typedef void (*kept_write_fn)(const struct sink *s, FILE *out, const struct event *e);

void kept_init(struct kept *k, size_t most);
void kept_fini(struct kept *k); /* zeros are allowed */

/*
 * The text of the event's stack, by `write` the first time; it lives until the next call. NULL: it
 * is not to be kept, since the stack has no number, or memory is out.
 */
const struct kept_text *kept_get(struct kept *k, const struct sink *s, const struct event *e,
				 kept_write_fn write);

#endif
