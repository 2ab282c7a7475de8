// SPDX-License-Identifier: MIT
/* By process and number of the stack. When there is too much of it, all is dropped: what is needed
 * comes back at once, and nobody has to know how old anything is. */
#include "out/kept.h"

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

void kept_init(struct kept *k, size_t most)
{
	*k = (struct kept){.most = most};
	table_init(&k->texts, sizeof(struct key), sizeof(struct kept_text *), TEXTS_MAX);
}

static bool drop(const void *key, void *value, void *context)
{
	struct kept_text *text;

	(void)key;
	(void)context;
	memcpy(&text, value, sizeof(text));
	free(text);
	return false;
}

void kept_fini(struct kept *k)
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

static struct kept_text *text_of(const struct sink *s, const struct event *e, kept_write_fn write)
{
	struct kept_text *text = NULL;
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

static const struct kept_text *keep(struct kept *k, const struct key *key, struct kept_text *text)
{
	bool fresh;
	void *slot;

	if (k->bytes + text->length > k->most || k->texts.count == k->texts.cap) {
		size_t most = k->most;

		kept_fini(k);
		kept_init(k, most);
	}
	slot = table_insert(&k->texts, key, &fresh);
	if (!slot) {
		free(text);
		return NULL;
	}
	memcpy(slot, &text, sizeof(text));
	k->bytes += text->length;
	return text;
}

const struct kept_text *kept_get(struct kept *k, const struct sink *s, const struct event *e,
				 kept_write_fn write)
{
	struct kept_text *text;
	struct key key;
	const void *slot;

	if (!make_key(&key, s, e))
		return NULL;
	slot = table_find(&k->texts, &key);
	if (slot) {
		memcpy(&text, slot, sizeof(text));
		return text;
	}
	text = text_of(s, e, write);
	return text ? keep(k, &key, text) : NULL;
}
