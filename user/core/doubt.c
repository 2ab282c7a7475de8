// SPDX-License-Identifier: MIT
/* What is known well enough to be told, and what still waits. */
#include "core/doubt.h"

#include <stdlib.h>
#include <string.h>

#define MAX_SUSPECTS 256
#define MAX_TOLD     (1 << 16) /* in a process */

struct told_key {
	uint64_t check, row, site, other_site;
};

struct suspect {
	struct finding finding; /* its stack is a copy, owned */
	struct told_key key;
	uint64_t watched, since_ns, due_ns;
	uint64_t times; /* seen */
};

const char *finding_name(enum finding_check check)
{
	static const char *const names[FINDING_NR_CHECKS] = {
		[FINDING_OUTSIDE] = "chunk-outside-region",
		[FINDING_MISALIGNED] = "misaligned",
		[FINDING_OVERLAPPING] = "overlapping",
		[FINDING_TWICE_OUT] = "handed-out-twice",
		[FINDING_TWICE_FREED] = "freed-twice",
		[FINDING_OTHER_POOL] = "freed-to-other-pool",
		[FINDING_LEAKED] = "leaked-at-destroy",
		[FINDING_REGION_FREED] = "region-freed-while-live",
		[FINDING_DOUBLE_FREE] = "double-free",
		[FINDING_INVALID_FREE] = "invalid-free",
		[FINDING_MISMATCHED] = "mismatched-free",
	};

	return names[check];
}

uint64_t doubt_known_since(struct heap *h)
{
	struct findings *c = &h->findings;

	if (c->known_since)
		c->lost_ns = c->known_since(c->context);
	return c->lost_ns;
}

static bool is_shared(struct heap *h, struct pool_state *state, const struct finding *f)
{
	const struct findings *c = &h->findings;
	uint64_t addr = f->base ? f->base : f->addr; /* a misplaced chunk lies anywhere */

	if (!state->shared_known) {
		state->shared_known = true;
		state->shared = c->is_shared && c->is_shared(c->context, f->pid, addr);
	}
	return state->shared;
}

bool doubt_is_sound(struct heap *h, struct pool_state *state, const struct finding *f,
		    uint64_t since_ns)
{
	if (is_shared(h, state, f))
		return false;
	/* What is doubtful already is not asked about again: a flood of it must cost little. */
	if (since_ns > h->findings.lost_ns && since_ns > doubt_known_since(h))
		return true;
	h->findings.doubtful++;
	return false;
}

bool doubt_block_is_sound(struct heap *h, struct heap_process *p, const struct finding *f,
			  uint64_t since_ns)
{
	const struct findings *c = &h->findings;
	uint64_t begun = since_ns ? since_ns : 1; /* nothing at all was lost */

	if (h->refused || p->unsure)
		return false;
	if (c->since_ns && begun <= c->since_ns + DOUBT_LATE_NS)
		return false;
	if (begun <= c->lost_ns || begun <= doubt_known_since(h)) {
		h->findings.doubtful++;
		return false;
	}
	if (c->may_tell && !c->may_tell(c->context, f, since_ns))
		return false;
	p->unsure = c->is_shared && c->is_shared(c->context, f->pid, f->addr);
	return !p->unsure;
}

static struct told_key key_of(const struct heap *h, const struct finding *f)
{
	uint64_t row = f->pool ? 0 : UINT64_MAX;

	while (row < h->pool_count && h->pool_rows[row].name != f->pool)
		row++;
	return (struct told_key){.check = f->check,
				 .row = row,
				 .site = f->frames ? f->stack[0] : 0,
				 .other_site = f->other_site};
}

static void tell(struct heap *h, struct heap_process *p, const struct finding *f,
		 const struct told_key *key, uint64_t times)
{
	struct findings *c = &h->findings;
	bool fresh;

	if (!p->told.key_size)
		table_init(&p->told, sizeof(struct told_key), 0, MAX_TOLD);
	if (!table_insert(&p->told, key, &fresh)) {
		c->refused++;
		return;
	}
	c->seen[f->check] += times;
	if (!fresh)
		return;
	c->told[f->check]++;
	c->on_finding(c->context, f);
}

void doubt_tell(struct heap *h, struct heap_process *p, const struct finding *f)
{
	struct told_key key = key_of(h, f);

	tell(h, p, f, &key, 1);
}

bool doubt_was_told(struct heap *h, struct heap_process *p, const struct finding *f)
{
	struct told_key key = key_of(h, f);

	if (!p->told.count || !table_find(&p->told, &key))
		return false;
	h->findings.seen[f->check]++;
	return true;
}

/* ---- suspects ---- */

static struct pool_state *state_of(struct heap_process *p, const struct finding *f)
{
	return p ? table_find(&p->pools, &f->pool_addr) : NULL;
}

static struct heap_process *process_of(const struct heap *h, uint64_t pid)
{
	return table_find(&h->processes, &pid);
}

static void remove_suspect(struct heap *h, size_t i, struct pool_state *state)
{
	struct findings *c = &h->findings;

	if (state)
		state->suspects--;
	free((void *)c->suspects[i].finding.stack);
	c->suspects[i] = c->suspects[--c->suspect_count];
	c->due_ns = UINT64_MAX;
	for (size_t k = 0; k < c->suspect_count; k++) {
		if (c->suspects[k].due_ns < c->due_ns)
			c->due_ns = c->suspects[k].due_ns;
	}
}

static void convict(struct heap *h, size_t i)
{
	struct suspect s = h->findings.suspects[i];
	struct heap_process *p = process_of(h, s.finding.pid);
	struct pool_state *state = state_of(p, &s.finding);

	if (state && !heap_pool_is_arena(h, state) &&
	    doubt_is_sound(h, state, &s.finding, s.since_ns))
		tell(h, p, &s.finding, &s.key, s.times);
	remove_suspect(h, i, state);
}

static struct suspect *pending(struct heap *h, const struct told_key *key, uint32_t pid)
{
	struct findings *c = &h->findings;

	for (size_t i = 0; i < c->suspect_count; i++) {
		struct suspect *s = &c->suspects[i];

		if (s->finding.pid == pid && !memcmp(&s->key, key, sizeof(*key)))
			return s;
	}
	return NULL;
}

/* NULL: there is no room, or no memory. */
static struct suspect *new_suspect(struct heap *h, const struct finding *f)
{
	struct findings *c = &h->findings;
	size_t bytes = f->frames * sizeof(*f->stack);
	uint64_t *stack;

	if (!c->suspects)
		c->suspects = calloc(MAX_SUSPECTS, sizeof(*c->suspects));
	if (!c->suspects || c->suspect_count == MAX_SUSPECTS)
		return NULL;
	stack = malloc(bytes ? bytes : 1);
	if (!stack)
		return NULL;
	memcpy(stack, f->stack, bytes);
	c->suspects[c->suspect_count] = (struct suspect){.finding = *f};
	c->suspects[c->suspect_count].finding.stack = stack;
	return &c->suspects[c->suspect_count++];
}

void doubt_wait(struct heap *h, struct heap_process *p, struct pool_state *state,
		const struct finding *f, uint64_t watched, uint64_t since_ns)
{
	struct told_key key = key_of(h, f);
	struct suspect *s;

	if (!doubt_is_sound(h, state, f, since_ns))
		return;
	if (doubt_was_told(h, p, f))
		return;
	s = pending(h, &key, f->pid);
	if (s) {
		s->times++;
		return;
	}
	s = new_suspect(h, f);
	if (!s) {
		h->findings.refused++;
		return;
	}
	s->key = key;
	s->watched = watched;
	s->since_ns = since_ns;
	s->due_ns = f->ts_ns + DOUBT_LATE_NS;
	s->times = 1;
	state->suspects++;
	if (s->due_ns < h->findings.due_ns)
		h->findings.due_ns = s->due_ns;
}

static bool is_of_pool(const struct suspect *s, const struct event *e)
{
	return s->finding.pid == e->pid && s->finding.pool_addr == e->pool;
}

void doubt_acquit(struct heap *h, struct pool_state *state, const struct event *e)
{
	struct findings *c = &h->findings;
	uint64_t begin = event_begin_ns(e);

	for (size_t i = c->suspect_count; i-- > 0;) {
		const struct suspect *s = &c->suspects[i];

		if (!is_of_pool(s, e) || s->watched != e->addr)
			continue;
		if (e->tid == s->finding.tid && begin >= s->finding.ts_ns)
			continue;
		remove_suspect(h, i, state);
	}
}

/* No record comes any more: of a thread that was not allowed to write it, either. Where there never
 * was but one thread, none is missing. */
static void end_suspect(struct heap *h, size_t i)
{
	const struct suspect *s = &h->findings.suspects[i];
	const struct heap_process *p = process_of(h, s->finding.pid);

	if (p && (p->one_thread || s->due_ns <= h->findings.now_ns))
		convict(h, i);
	else
		remove_suspect(h, i, state_of(process_of(h, s->finding.pid), &s->finding));
}

void doubt_end_pool(struct heap *h, struct pool_state *state, const struct event *e)
{
	for (size_t i = h->findings.suspect_count; state->suspects && i-- > 0;) {
		if (is_of_pool(&h->findings.suspects[i], e))
			convict(h, i);
	}
}

void doubt_drop_pool(struct heap *h, struct pool_state *state, const struct event *e)
{
	for (size_t i = h->findings.suspect_count; state->suspects && i-- > 0;) {
		if (is_of_pool(&h->findings.suspects[i], e))
			remove_suspect(h, i, state);
	}
}

void doubt_end_process(struct heap *h, uint32_t pid)
{
	for (size_t i = h->findings.suspect_count; i-- > 0;) {
		if (h->findings.suspects[i].finding.pid == pid)
			end_suspect(h, i);
	}
}

void doubt_drop_process(struct heap *h, uint32_t pid)
{
	for (size_t i = h->findings.suspect_count; i-- > 0;) {
		const struct finding *f = &h->findings.suspects[i].finding;

		if (f->pid == pid)
			remove_suspect(h, i, state_of(process_of(h, pid), f));
	}
}

/* The one that has waited longest, if it is due by then; its place, or that behind the last. */
static size_t next_due(const struct findings *c, uint64_t until_ns)
{
	size_t next = c->suspect_count;

	for (size_t i = 0; i < c->suspect_count; i++) {
		if (c->suspects[i].due_ns > until_ns)
			continue;
		if (next == c->suspect_count || c->suspects[i].due_ns < c->suspects[next].due_ns)
			next = i;
	}
	return next;
}

void heap_settle_findings(struct heap *h, uint64_t until_ns)
{
	for (size_t i; (i = next_due(&h->findings, until_ns)) < h->findings.suspect_count;) {
		if (until_ns == UINT64_MAX)
			end_suspect(h, i);
		else
			convict(h, i);
	}
}

void doubt_fini(struct heap *h)
{
	while (h->findings.suspect_count)
		remove_suspect(h, h->findings.suspect_count - 1, NULL);
	free(h->findings.suspects);
	h->findings.suspects = NULL;
}
