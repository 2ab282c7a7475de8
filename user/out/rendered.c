// SPDX-License-Identifier: MIT
/* By process and number of the stack. When there is too much of it, all is dropped: what is needed
 * comes back at once, and nobody has to know how old anything is. */
#include "out/rendered.h"

#include <stdlib.h>
#include <string.h>

#define TEXTS_MAX (1U << 18)

/* `serial` is of what the process has mapped: with another mapping the same words have other names.
 * A stack that was cut is another text than the whole one. */
struct key {
	uint64_t id; /* of the stack; frames 0: the caller itself, which is all */
	uint64_t serial;
	uint32_t pid;
	uint16_t frames;
	uint8_t grade, why;
};

_Static_assert(sizeof(struct key) == 24, "a key has no padding");

void rendered_init(struct rendered *k, size_t most)
{
	*k = (struct rendered){.most = most};
	table_init(&k->texts, sizeof(struct key), sizeof(struct rendered_text *), TEXTS_MAX);
}

static bool drop(const void *key, void *value, void *context)
{
	struct rendered_text **slot = value;

	(void)key;
	(void)context;
	free(*slot);
	return false;
}

void rendered_fini(struct rendered *k)
{
	table_sweep(&k->texts, drop, NULL);
	table_fini(&k->texts);
}

/* Where a pool was made is no stack, and is seen once. */
static bool make_key(struct key *key, const struct sink *s, const struct event *e)
{
	if (e->kind == EVENT_POOL_CREATE || (!e->stack_id && e->frames != 1))
		return false;
	*key = (struct key){
		.id = e->stack_id ? e->stack_id : e->stack[0],
		.serial = symbolizer_serial(s->info->symbolizer, (pid_t)e->pid),
		.pid = e->pid,
		.frames = e->stack_id ? (uint16_t)e->frames : 0,
		.grade = (uint8_t)e->grade,
		.why = (uint8_t)e->why,
	};
	return true;
}

static struct rendered_text *text_of(const struct sink *s, const struct event *e,
				     rendered_write_fn write)
{
	struct rendered_text *text = NULL;
	char *bytes = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&bytes, &length);

	if (!out)
		return NULL;
	write(s, out, e);
	if (!(ferror(out) | fclose(out)))
		text = malloc(sizeof(*text) + length);
	if (text) {
		text->length = length;
		memcpy(text->bytes, bytes, length);
	}
	free(bytes);
	return text;
}

static const struct rendered_text *keep(struct rendered *k, const struct key *key,
					struct rendered_text *text)
{
	struct rendered_text **slot;
	bool fresh;

	if (k->bytes + text->length > k->most || k->texts.count == k->texts.cap) {
		size_t most = k->most;

		rendered_fini(k);
		rendered_init(k, most);
	}
	slot = table_insert(&k->texts, key, &fresh);
	if (!slot) {
		free(text);
		return NULL;
	}
	*slot = text;
	k->bytes += text->length;
	return text;
}

const struct rendered_text *rendered_get(struct rendered *k, const struct sink *s,
					 const struct event *e, rendered_write_fn write)
{
	struct rendered_text *text, *const *slot;
	struct key key;

	if (!make_key(&key, s, e))
		return NULL;
	slot = table_find(&k->texts, &key);
	if (slot)
		return *slot;
	text = text_of(s, e, write);
	return text ? keep(k, &key, text) : NULL;
}
