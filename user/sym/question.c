// SPDX-License-Identifier: MIT
#include "sym/question.h"

#include <stdlib.h>

struct sym_address question_address(const struct question *q)
{
	return (struct sym_address){q->key.address + q->key.is_return, q->key.is_return};
}

static int question_order(const void *a, const void *b)
{
	const struct cache_key *x = &((const struct question *)a)->key;
	const struct cache_key *y = &((const struct question *)b)->key;

	if (x->module != y->module)
		return x->module < y->module ? -1 : 1;
	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return x->is_return - y->is_return;
}

size_t questions_sort(struct question *questions, size_t n)
{
	size_t kept = 0;

	qsort(questions, n, sizeof(*questions), question_order);
	for (size_t i = 0; i < n; i++)
		if (!kept || question_order(&questions[kept - 1], &questions[i]))
			questions[kept++] = questions[i];
	return kept;
}
