/* SPDX-License-Identifier: MIT */
/* What a live symbolizer knows of a process, told to one that is fed, as a recording would. */
#ifndef ALLOCTRACE_TESTS_RETELL_H
#define ALLOCTRACE_TESTS_RETELL_H

#include "sym/module.h"
#include "sym/restore.h"

#define RETELL_MAX 256

/* All zero is the beginning. One serves one pair of symbolizers. */
struct retelling {
	uint32_t ids[RETELL_MAX]; /* of the files, by number */
	bool found[RETELL_MAX];
	size_t count;
};

static inline uint32_t retold_number(const struct retelling *r, uint32_t id)
{
	uint32_t number = 0;

	while (number < r->count && r->ids[number] != id)
		number++;
	return number;
}

static inline uint32_t retell_module(struct retelling *r, const struct module *m,
				     struct symbolizer *to)
{
	uint32_t number = retold_number(r, module_id(m));
	struct sym_file file;

	if (number < r->count)
		return number;
	assert_true(r->count < RETELL_MAX);
	survey_file(m, &file);
	assert_int_equal(restore_module(to, &file, &r->found[number]), 0);
	r->ids[r->count++] = module_id(m);
	return number;
}

static inline void retell_space(struct retelling *r, struct symbolizer *from, pid_t pid,
				struct symbolizer *to)
{
	static struct sym_mapping mappings[4096];
	uint64_t serial;
	const struct space *space = survey_space(from, pid, &serial);

	assert_non_null(space);
	assert_true(serial && space->count <= 4096);
	for (size_t i = 0; i < space->count; i++) {
		const struct space_mapping *m = &space->at[i];

		mappings[i] = (struct sym_mapping){m->start, m->end, m->offset,
						   retell_module(r, m->module, to)};
	}
	assert_int_equal(restore_space(to, pid, false, mappings, space->count), 0);
}

/* The live answer for a word of a stack, ahead of the question; false: it lies in no file. */
static inline bool retell_names(const struct retelling *r, struct symbolizer *from, pid_t pid,
				uint64_t word, struct symbolizer *to)
{
	bool is_return = event_word_is_return(word);
	struct sym_stack stack = symbolizer_resolve(from, pid, event_word_address(word), is_return);
	struct sym_address at;
	uint32_t id;

	if (!survey_locate(from, pid, word, &id, &at))
		return false;
	assert_int_equal(restore_names(to, retold_number(r, id), &at, stack.frames, stack.count),
			 0);
	return true;
}

#endif
