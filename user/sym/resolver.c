// SPDX-License-Identifier: MIT
/*
 * Hides which answers were given before. They are remembered per file and ELF address, so they
 * serve all processes that map the file, wherever they map it. The names of generated code are
 * those of one process, and of one time: these answers are remembered under a number that the
 * process gives up as soon as code at a place that had a name has got another one.
 */
#include "sym/resolver.h"

#include <stdlib.h>
#include <string.h>

#include "core/event.h"
#include "sym/cache.h"
#include "sym/module.h"
#include "sym/names.h"
#include "sym/perfmap.h"
#include "sym/processes.h"
#include "sym/question.h"

#define UNKNOWN    "[unknown]"
#define UNKNOWN_ID 0 /* no module has it */

void resolver_init(struct resolver *r, struct names *names, struct cache *cache)
{
	*r = (struct resolver){.names = names, .cache = cache, .next_perfmap_id = UINT32_MAX};
}

static const struct sym_frame no_answer = {.module = UNKNOWN};

/* The address as the module counts, see sym_frame. */
static uint64_t address_in_module(const struct space_mapping *m, uint64_t address)
{
	uint64_t offset = address - m->start + m->offset, elf_address;

	if (module_address(m->module, offset, &elf_address))
		return elf_address;
	return strcmp(module_path(m->module), "[anon]") ? offset : address;
}

/* The address of the code that is meant: with `is_return` the last byte of the call before it. */
static uint64_t address_of_code(uint64_t address, bool is_return)
{
	return address - (is_return && address);
}

/* False: the answer is known, and in *known. */
static bool put_question(struct resolver *r, const struct process *p, uint64_t address,
			 bool is_return, struct question *q, struct sym_stack *known)
{
	const struct space_mapping *m;

	*q = (struct question){.key.module = UNKNOWN_ID};
	q->key.is_return = is_return && address;
	q->key.address = address_of_code(address, is_return);
	m = p ? space_find(&p->space, q->key.address) : NULL;
	if (m) {
		q->module = m->module;
		q->key.module = module_id(m->module);
		q->key.address = address_in_module(m, q->key.address);
	}
	return !cache_find(r->cache, &q->key, known);
}

/* What is asked of one module. */
struct asking {
	struct resolver *resolver;
	const struct question *questions;
	struct sym_stack answer; /* the last one */
};

static void take_answer(void *context, size_t index, struct sym_frame *frames, size_t count)
{
	struct asking *a = context;
	struct resolver *r = a->resolver;
	const struct question *q = &a->questions[index];
	const struct sym_address at = question_address(q);

	for (size_t i = 0; i < count; i++)
		frames[i].module_offset = at.address;
	if (cache_find(r->cache, &q->key, &a->answer))
		return;
	a->answer = (struct sym_stack){1, &no_answer};
	if (cache_add(r->cache, &q->key, frames, count, &a->answer))
		r->refused++;
	else if (q->module)
		module_keep_answer(q->module, &at, a->answer.frames, a->answer.count);
}

/* The mapping, if it holds code to which the process itself may have given a name; or NULL. */
static const struct space_mapping *find_generated(const struct process *p, uint64_t address)
{
	const struct space_mapping *m = p && p->perfmap ? space_find(&p->space, address) : NULL;

	return m && module_is_generated(m->module) ? m : NULL;
}

/* False: the process itself has given it no name. `address` is one of code. */
static bool answer_generated(struct resolver *r, struct process *p, uint64_t address,
			     bool is_return, struct sym_stack *answer)
{
	const struct space_mapping *m = find_generated(p, address);
	struct cache_key key = {.address = address, .is_return = is_return};
	struct sym_frame frame = {0};
	uint64_t start, generation;
	const char *name = m ? perfmap_find(p->perfmap, address, &start) : NULL;

	if (!name)
		return false;
	generation = perfmap_generation(p->perfmap);
	if (!p->perfmap_id || generation != p->perfmap_generation)
		p->perfmap_id = r->next_perfmap_id--;
	p->perfmap_generation = generation;
	key.module = p->perfmap_id;
	if (cache_find(r->cache, &key, answer))
		return true;
	frame.module = module_path(m->module);
	frame.function = names_intern(r->names, name);
	frame.offset = address + is_return - start;
	frame.module_offset = address_in_module(m, address) + is_return;
	*answer = (struct sym_stack){1, &no_answer};
	if (cache_add(r->cache, &key, &frame, 1, answer))
		r->refused++;
	return true;
}

struct sym_stack resolver_find(struct resolver *r, struct process *p, uint64_t address,
			       bool is_return)
{
	struct question q;
	struct asking asking = {.resolver = r, .questions = &q};
	struct sym_address at;

	if (answer_generated(r, p, address_of_code(address, is_return), is_return && address,
			     &asking.answer) ||
	    !put_question(r, p, address, is_return, &q, &asking.answer))
		return asking.answer;
	at = question_address(&q);
	if (q.module) {
		r->kept += module_frames(q.module, &at, 1, take_answer, &asking);
	} else {
		struct sym_frame unknown = {.module = UNKNOWN, .offset = at.address};

		take_answer(&asking, 0, &unknown, 1);
	}
	return asking.answer;
}

/* Asks the module of the first question what is asked of it; how many questions that were. */
static size_t ask_one_module(struct resolver *r, const struct question *questions, size_t n)
{
	struct asking asking = {.resolver = r, .questions = questions};
	struct sym_address at[MODULE_AT_ONCE];
	size_t count = 0;

	for (; count < n && count < MODULE_AT_ONCE; count++) {
		if (questions[count].module != questions[0].module)
			break;
		at[count] = question_address(&questions[count]);
	}
	r->kept += module_frames(questions[0].module, at, count, take_answer, &asking);
	return count;
}

void resolver_prepare(struct resolver *r, const struct process *p, const uint64_t *words, size_t n)
{
	struct question *questions;
	struct sym_stack known;
	size_t count = 0;

	if (cache_is_full(r->cache))
		return;
	questions = calloc(n, sizeof(*questions));
	if (!questions)
		return;
	for (size_t i = 0; i < n; i++) {
		uint64_t address = event_word_address(words[i]);
		bool is_return = event_word_is_return(words[i]);
		struct question *q = &questions[count];

		if (!find_generated(p, address_of_code(address, is_return)) &&
		    put_question(r, p, address, is_return, q, &known))
			count += q->module ? 1 : 0;
	}
	count = questions_sort(questions, count);
	for (size_t done = 0; done < count;)
		done += ask_one_module(r, questions + done, count - done);
	free(questions);
}

bool resolver_locate(const struct process *p, uint64_t word, uint32_t *module,
		     struct sym_address *at)
{
	uint64_t address = event_word_address(word), start;
	bool is_return = event_word_is_return(word) && address;
	uint64_t code = address_of_code(address, is_return);
	const struct space_mapping *m = space_find(&p->space, code);

	if (!m || !strcmp(module_path(m->module), "[anon]"))
		return false;
	/* A library may lie in memory as well, and has its names from its file. */
	if (find_generated(p, code) && perfmap_find(p->perfmap, code, &start))
		return false;
	*module = module_id(m->module);
	*at = (struct sym_address){code - m->start + m->offset + is_return, is_return};
	return true;
}

int resolver_add(struct resolver *r, const struct module *m, const struct sym_address *at,
		 const struct sym_frame *frames, size_t count)
{
	bool is_return = at->is_return && at->address;
	uint64_t offset = address_of_code(at->address, is_return);
	struct cache_key key = {offset, module_id(m), is_return};
	struct sym_stack answer;
	int err;

	module_address(m, offset, &key.address);
	if (cache_find(r->cache, &key, &answer))
		return 0;
	err = cache_add(r->cache, &key, frames, count, &answer);
	r->refused += err != 0;
	return err;
}
