// SPDX-License-Identifier: MIT
/*
 * The other side of tables.c, in a process that can do nothing but this. Of a file it keeps the
 * rules alone, until the next one comes.
 */
#include "sym/tabling.h"

#include <errno.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/unwind.h"
#include "sym/unwind.h"

struct tabling {
	uint32_t id; /* of the file, when `known` */
	bool known;
	struct unwind_rules rules;
	uint64_t end;
};

/* Read, not mapped: a file that is cut meanwhile would end this process. A file that cannot be read
 * is one without rules. */
static void read_rules(struct tabling *t, uint32_t id, int fd)
{
	Elf *elf;

	unwind_rules_fini(&t->rules);
	t->end = 0;
	t->id = id;
	t->known = true;
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (elf && unwind_read(elf, &t->rules, &t->end))
		unwind_rules_fini(&t->rules);
	elf_end(elf);
}

int tabling_reserve(struct unwind_rules *r, size_t count)
{
	if (count <= r->capacity)
		return 0;
	unwind_rules_fini(r);
	r->at = malloc(count * sizeof(*r->at));
	if (!r->at)
		return -ENOMEM;
	r->capacity = count;
	return 0;
}

static size_t put_part(const struct tabling *t, size_t first, unsigned char *bytes)
{
	const struct tabling_answer head = {
		.base = t->rules.base, .end = t->end, .count = (uint32_t)t->rules.count};
	size_t n = t->rules.count - first;

	if (n > TABLING_PART)
		n = TABLING_PART;
	memcpy(bytes, &head, sizeof(head));
	if (n)
		memcpy(bytes + sizeof(head), t->rules.at + first, n * sizeof(*t->rules.at));
	return sizeof(head) + n * sizeof(*t->rules.at);
}

static size_t answer(void *context, struct helper_worker *w, const void *question, size_t len,
		     int fd, unsigned char bytes[HELPER_MAX_BYTES])
{
	struct tabling *t = context;
	struct tabling_question q = {0};

	(void)w;
	if (len == sizeof(q))
		memcpy(&q, question, len);
	if (fd >= 0) {
		read_rules(t, q.id, fd);
		close(fd);
	}
	if (len != sizeof(q) || !t->known || t->id != q.id || q.first > t->rules.count)
		return 0;
	return put_part(t, q.first, bytes);
}

static struct tabling tabling;

const struct helper_job tabling_job = {
	.name = "alloctrace-cfi",
	.answer = answer,
	.context = &tabling,
	.seconds = HELPER_SECONDS,
};
