// SPDX-License-Identifier: MIT
/* The sites that a report lists: in which order, and that their figures are those of a count by
 * hand. */
#include "sites_run.h"

/* ---- order and figures ---- */

/* What is equal goes by name, whatever the order in which it came. */
static void test_ties(void **state)
{
	static const char *const paths[] = {"am", "bm", "abm", "acm", "cm", "a", "bam"};
	uint64_t seed = 42;

	for (int turn = 0; turn < 20; turn++) {
		const char *mixed[sizeof(paths) / sizeof(paths[0])];
		size_t n = sizeof(paths) / sizeof(paths[0]);

		restart(state);
		memcpy(mixed, paths, sizeof(paths));
		for (size_t i = n; i-- > 1;) {
			size_t k = next_random(&seed) % (i + 1);
			const char *kept = mixed[i];

			mixed[i] = mixed[k];
			mixed[k] = kept;
		}
		for (size_t i = 0; i < n; i++)
			get(PID, mixed[i], i + 1, 0x1000 * (i + 1), 10);
		assert_string_equal(order_of("leaks"), "a|abm|acm|am|bam|bm|cm|");
		assert_string_equal(order_of("peak"), order_of("hot"));
	}
}

/* Blocks of which some are freed at once, in arrays. */
#define STACKS 8
#define ADDRS  50

struct model {
	uint64_t calls[STACKS], bytes[STACKS], temporary[STACKS];
	uint64_t live[STACKS], at_peak[STACKS], now, most;
	struct {
		int owner; /* -1: free */
		uint64_t size;
		uint64_t call; /* it was handed out by */
	} blocks[ADDRS];
	uint64_t call;
};

static const char *const stacks[STACKS] = {"am", "bm", "cm", "abm", "acm", "bcm", "abcm", "m"};

static void step(struct model *m, uint64_t *seed)
{
	size_t at = next_random(seed) % ADDRS;
	int owner = m->blocks[at].owner;
	uint64_t addr = 0x1000 * (at + 1);

	m->call++;
	if (owner >= 0) {
		put(PID, addr);
		m->live[owner] -= m->blocks[at].size;
		m->now -= m->blocks[at].size;
		m->temporary[owner] += m->call - m->blocks[at].call == 1;
		m->blocks[at].owner = -1;
		return;
	}
	owner = (int)(next_random(seed) % STACKS);
	m->blocks[at].owner = owner;
	m->blocks[at].size = next_random(seed) % 1000;
	m->blocks[at].call = m->call;
	get(PID, stacks[owner], (uint64_t)owner + 1, addr, m->blocks[at].size);
	m->calls[owner]++;
	m->bytes[owner] += m->blocks[at].size;
	m->live[owner] += m->blocks[at].size;
	m->now += m->blocks[at].size;
	if (m->now > m->most) {
		m->most = m->now;
		memcpy(m->at_peak, m->live, sizeof(m->live));
	}
}

static size_t stack_of(const struct site_row *row)
{
	size_t i = 0;

	while (strcmp(stacks[i], path_of(row)))
		i++;
	return i;
}

static void check_rows(const struct model *m, const char *name, const uint64_t *figures)
{
	size_t count;
	struct site_row *rows = rows_of(name, &count);
	uint64_t last = UINT64_MAX, sum = 0, expected = 0;

	for (size_t i = 0; i < count; i++) {
		size_t stack = stack_of(&rows[i]);

		assert_int_equal(rows[i].counts->allocated.blocks, m->calls[stack]);
		assert_int_equal(rows[i].counts->allocated.bytes, m->bytes[stack]);
		assert_int_equal(rows[i].counts->temporary, m->temporary[stack]);
		assert_int_equal(rows[i].counts->live.bytes, m->live[stack]);
		assert_int_equal(rows[i].at_peak.bytes, m->at_peak[stack]);
		assert_true(figures[stack] <= last);
		last = figures[stack];
		sum += last;
	}
	for (size_t i = 0; i < STACKS; i++)
		expected += figures[i];
	assert_int_equal(sum, expected);
	free(rows);
}

static void test_figures(void **state)
{
	uint64_t seed = 1;

	for (int turn = 0; turn < 10; turn++) {
		struct model m = {0};

		restart(state);
		for (size_t i = 0; i < ADDRS; i++)
			m.blocks[i].owner = -1;
		for (int i = 0; i < 3000; i++) {
			step(&m, &seed);
			if (i % 500 && i != 2999)
				continue;
			check_rows(&m, "leaks", m.live);
			check_rows(&m, "hot", m.calls);
			check_rows(&m, "temporary", m.temporary);
			check_rows(&m, "peak", m.at_peak);
		}
	}
}

/* Only what is old; how old the oldest is. */
static void test_older(void **state)
{
	size_t count;
	struct site_row *rows;

	(void)state;
	sites_fini(&sink);
	memset(all, 0, sizeof(*all));
	info.older_ns = 1000;
	sites_start(&sink);
	get(PID, "am", 1, 0x1000, 10);
	get(PID, "bm", 2, 0x2000, 99);
	clock_ns += 1000;
	get(PID, "am", 1, 0x3000, 20);
	get(PID, "cm", 3, 0x4000, 20);
	put(PID, 0x2000);
	rows = rows_of("leaks", &count);
	assert_int_equal(count, 1);
	assert_string_equal(path_of(rows), "am");
	assert_int_equal(rows->leak.old.bytes, 10);
	assert_int_equal(site_row_age(rows, &sink, &report), clock_ns - (START + 1));
	free(rows);
}

static void test_nothing(void **state)
{
	size_t count = 1;

	(void)state;
	assert_null(rows_of("leaks", &count));
	assert_int_equal(count, 0);
	get(PID, "am", 1, 0x1000, 10);
	assert_null(rows_of("temporary", &count));
	assert_int_equal(count, 0);
	assert_null(rows_of("sizes", &count));
	assert_int_equal(count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ties, begin, end),
		cmocka_unit_test_setup_teardown(test_figures, begin, end),
		cmocka_unit_test_setup_teardown(test_older, begin, end),
		cmocka_unit_test_setup_teardown(test_nothing, begin, end),
	};

	return cmocka_run_group_tests_name("sites_rows", tests, NULL, NULL);
}
