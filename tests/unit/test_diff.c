// SPDX-License-Identifier: MIT
/* Two runs side by side: what a run is taken as, and that every call site of both is in the rows
 * once, as it has changed, against a search by hand. */
#include "out/diff.h"
#include "sites_run.h"

/* ---- one run ---- */

static void collect(struct diff_side *side)
{
	sink.ops->finish(&sink, &report);
	assert_int_equal(diff_take(&sink, side), 0);
}

static int begin_diff(void **state)
{
	begin(state);
	sink_fini(&sink);
	assert_int_equal(sink_init(&sink, &text_diff_sink, &info, stdout), 0);
	all = sink.state;
	sites_start(&sink);
	return 0;
}

/* Lines are other ones in another build: they do not tell call sites apart. */
static void test_lines(void **state)
{
	struct diff_side side;

	(void)state;
	frames[1][0] = frames[0][0];
	frames[1][0].line = 99;
	get(PID, "am", 1, 0x1000, 10);
	get(PID, "bm", 2, 0x2000, 30);
	get(PID, "cm", 3, 0x3000, 5);
	put(PID, 0x2000);
	collect(&side);
	assert_int_equal(side.count, 2);
	assert_string_equal(side.sites[0].path, "main;a");
	assert_int_equal(side.sites[0].figures.allocated.bytes, 40);
	assert_int_equal(side.sites[0].figures.live.bytes, 10);
	assert_int_equal(side.sites[0].figures.at_peak.bytes, 40);
	assert_int_equal(side.sites[0].figures.temporary, 0);
	assert_string_equal(side.sites[1].path, "main;c");
	assert_string_equal(side.sites[1].place, "c at x.c:3");
	assert_int_equal(side.all.live.bytes, 15);
	assert_true(side.exact);
	diff_side_fini(&side);
}

/* What is taken is gone; the sink frees nothing twice. */
static void test_taken(void **state)
{
	struct diff_side side, again;

	(void)state;
	get(PID, "am", 1, 0x1000, 10);
	report.counters[EVENT_LOST_RING_FULL] = 1;
	collect(&side);
	assert_int_equal(side.count, 1);
	assert_false(side.exact);
	assert_int_equal(diff_take(&sink, &again), 0);
	assert_int_equal(again.count, 0);
	assert_null(again.sites);
	diff_side_fini(&side);
}

static void test_empty(void **state)
{
	struct diff_side side;

	(void)state;
	collect(&side);
	assert_int_equal(side.count, 0);
	diff_side_fini(&side);
}

/* ---- two of them ---- */

#define MOST 12

struct made {
	struct diff_site sites[MOST];
	char paths[MOST][4];
};

/* Some of twelve paths, by name. */
static struct diff_side make(struct made *m, uint64_t *seed)
{
	struct diff_side side = {.sites = m->sites};

	for (unsigned int i = 0; i < MOST; i++) {
		struct diff_site *site = &m->sites[side.count];

		if (next_random(seed) % 3 == 0)
			continue;
		snprintf(m->paths[side.count], sizeof(m->paths[0]), "%c", (char)('a' + i));
		*site = (struct diff_site){.path = m->paths[side.count], .pooled = i >= 8};
		site->figures.live.bytes = next_random(seed) % 3;
		site->figures.allocated.bytes = next_random(seed) % 3;
		side.count++;
	}
	return side;
}

static const struct diff_site *find(const struct diff_side *side, const char *path)
{
	for (size_t i = 0; i < side->count; i++) {
		if (!strcmp(side->sites[i].path, path))
			return &side->sites[i];
	}
	return NULL;
}

static uint64_t apart(const struct diff_row *row, bool live)
{
	const struct diff_figures none = {0};
	const struct diff_figures *b = row->before ? &row->before->figures : &none;
	const struct diff_figures *a = row->after ? &row->after->figures : &none;
	int64_t change = live ? (int64_t)(a->live.bytes - b->live.bytes)
			      : (int64_t)(a->allocated.bytes - b->allocated.bytes);

	return (uint64_t)(change < 0 ? -change : change);
}

/* What is to come behind what. */
static bool is_behind(const struct diff_row *row, const struct diff_row *last)
{
	const struct diff_site *x = last->site, *y = row->site;

	if (x->pooled != y->pooled)
		return y->pooled;
	if (apart(last, true) != apart(row, true))
		return apart(last, true) > apart(row, true);
	if (apart(last, false) != apart(row, false))
		return apart(last, false) > apart(row, false);
	return strcmp(x->path, y->path) < 0;
}

static enum diff_change expected(const struct diff_row *row)
{
	const struct diff_figures *b, *a;

	if (!row->before || !row->after)
		return row->before ? DIFF_GONE : DIFF_NEW;
	b = &row->before->figures;
	a = &row->after->figures;
	if (a->live.bytes != b->live.bytes)
		return a->live.bytes > b->live.bytes ? DIFF_GROWN : DIFF_SHRUNK;
	if (a->allocated.bytes != b->allocated.bytes)
		return a->allocated.bytes > b->allocated.bytes ? DIFF_GROWN : DIFF_SHRUNK;
	return DIFF_SAME;
}

static void check(const struct diff_side *before, const struct diff_side *after)
{
	size_t count, same, in_both = 0;
	struct diff_row *rows = diff_rows(before, after, &count, &same);

	for (size_t i = 0; i < count; i++) {
		const char *path = rows[i].site->path;

		assert_ptr_equal(rows[i].before, find(before, path));
		assert_ptr_equal(rows[i].after, find(after, path));
		assert_int_equal(diff_change(&rows[i]), expected(&rows[i]));
		assert_int_not_equal(expected(&rows[i]), DIFF_SAME);
		assert_true(!i || is_behind(&rows[i], &rows[i - 1]));
		in_both += rows[i].before && rows[i].after;
	}
	assert_int_equal(count + same + in_both + same, before->count + after->count);
	free(rows);
}

static void test_rows(void **state)
{
	uint64_t seed = 11;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		struct made b, a;
		struct diff_side before = make(&b, &seed), after = make(&a, &seed);

		check(&before, &after);
		check(&before, &before);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lines, begin_diff, end),
		cmocka_unit_test_setup_teardown(test_taken, begin_diff, end),
		cmocka_unit_test_setup_teardown(test_empty, begin_diff, end),
		cmocka_unit_test(test_rows),
	};

	return cmocka_run_group_tests_name("diff", tests, NULL, NULL);
}
