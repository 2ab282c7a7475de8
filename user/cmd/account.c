// SPDX-License-Identifier: MIT
#include "cmd/account.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/apply.h"
#include "core/log.h"

/* What has been added up counts as seen. Frees that are not timed are in the totals alone. */
static void count_added(struct run *r, struct report *report)
{
	const struct functions *f = &r->options->functions;

	if (!options_add_up(r->options))
		return;
	r->unread = measure_read(&r->measure, &r->heap, r->names, r->info.start_ns,
				 r->info.start_ns + report->elapsed_ns);
	report->events += r->measure.added;
	for (size_t i = 0; i < f->count; i++) {
		if (function_frees(&f->rows[i]) && !f->rows[i].args.paired)
			report->events += r->totals[i].count;
	}
}

/* What was not sent belongs to the books as well, of functions and of pools. */
struct unsent_books {
	struct run *run;
	struct record_books *books;
	struct record_pool_totals *pools;
	size_t room;
};

static int add_pool(void *context, const struct event_pool *pool, const struct event_pool_totals *t)
{
	struct unsent_books *b = context;
	struct record_pool_totals *more;

	unsent_add(&b->run->unsent, pool, t);
	if (!recorder_is_on(&b->run->recorder))
		return 0;
	if (b->books->pool_count == b->room) {
		b->room = b->room ? 2 * b->room : 64;
		more = reallocarray(b->pools, b->room, sizeof(*more));
		if (!more)
			return -ENOMEM;
		b->pools = more;
	}
	b->pools[b->books->pool_count++] = (struct record_pool_totals){*pool, *t};
	b->books->pools = b->pools;
	return 0;
}

/* The counters have been read: see session_totals. The pools of the books are the caller's to free.
 */
static void count_unsent(struct run *r, struct record_books *books)
{
	struct unsent_books b = {.run = r, .books = books};
	int err;

	if (options_add_up(r->options))
		return;
	unsent_clear(&r->unsent);
	err = session_pools(r->session, add_pool, &b);
	if (!err && !r->options->sample_bytes)
		err = session_totals(r->session, books->unsent);
	if (err)
		log_warn("cannot read what has been counted: %s", strerror(-err));
	apply_totals(r, books->unsent);
}

void account_fill(struct run *r, struct report *report, bool final, struct record_books *books)
{
	uint64_t settled;

	*books = (struct record_books){.final = final};
	if (r->options->sample_bytes || options_add_up(r->options))
		session_totals(r->session, books->unsent);
	memcpy(r->totals, books->unsent, sizeof(r->totals));
	*report = apply_report(r, final);
	report->late = r->late;
	report->late_ns = r->late_ns;
	report->elapsed_ns = (r->over_ns ? r->over_ns : timeline_now()) - r->info.start_ns;
	report->malformed = session_malformed(r->session);
	session_counters(r->session, report->counters);
	count_added(r, report);
	count_unsent(r, books);
	settled = report->events + report_lost(report) + report->counters[EVENT_COUNTED_ONLY];
	if (report->counters[EVENT_ENTERED] > settled && !r->unread)
		report->in_flight = report->counters[EVENT_ENTERED] - settled;
}

void account_report(struct run *r, struct report *report, bool final)
{
	struct record_books books;

	account_fill(r, report, final, &books);
	account_free(&books);
}

void account_free(struct record_books *books)
{
	free((void *)books->pools);
	books->pools = NULL;
}

void account_record(struct run *r, const struct report *report, struct record_books *books)
{
	struct record record = {.kind = RECORD_BOOKS};

	books->elapsed_ns = report->elapsed_ns;
	memcpy(books->counters, report->counters, sizeof(books->counters));
	books->malformed = report->malformed;
	books->in_flight = report->in_flight;
	books->late = report->late;
	books->late_ns = report->late_ns;
	books->stacks_unknown = r->stacks.unknown;
	books->stacks_refused = r->stacks.refused;
	books->fate = report->fate;
	record.books = *books;
	recorder_put(&r->recorder, &record);
}
