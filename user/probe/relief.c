// SPDX-License-Identifier: MIT
/* One word, two sides. */
#include "probe/relief.h"

bool relief_take(struct relief *r, struct event *e)
{
	if (!r->untold_ns)
		return false;
	event_make_pressure(e, EVENT_WHOLE, r->untold_ns);
	r->untold_ns = 0;
	return true;
}

void relief_give(struct relief *r, __u64 *word, uint64_t now_ns)
{
	__u64 seen = __atomic_load_n(word, __ATOMIC_RELAXED);

	if (event_word_level(seen) == EVENT_WHOLE ||
	    now_ns < event_word_since(seen) + RELIEF_REST_NS)
		return;
	if (__atomic_compare_exchange_n(word, &seen, event_level_word(EVENT_WHOLE, now_ns), false,
					__ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		r->untold_ns = now_ns;
}
