// SPDX-License-Identifier: MIT
/*
 * Since when a process has mapped what lies at an address: stacks are judged by it. The process is
 * this one, and the mappings that come are made up.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "sym/space.h"
#include "sym/symbolizer.h"

#define BASE 0x600000000000ULL /* nothing lies there */

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void map(struct symbolizer *s, uint64_t start, uint64_t pages, uint64_t made_ns)
{
	const struct proc_mapping m = {
		.start = start,
		.end = start + pages * 4096,
		.executable = true,
		.path = "",
		.made_ns = made_ns,
	};

	assert_int_equal(symbolizer_map(s, getpid(), &m), 0);
}

static size_t unchanged(struct symbolizer *s, uint64_t since_ns, uint64_t a, uint64_t b, uint64_t c)
{
	const uint64_t addresses[] = {a, b, c};

	return symbolizer_unchanged(s, getpid(), since_ns, addresses, 3);
}

static struct symbolizer *begin(void)
{
	struct symbolizer *s = symbolizer_new();

	assert_non_null(s);
	assert_int_equal(symbolizer_add_process(s, getpid()), 0);
	return s;
}

static void test_what_was_there(void **state)
{
	uint64_t before = now(), code = (uint64_t)(uintptr_t)test_what_was_there,
		 libc = (uint64_t)(uintptr_t)strtol;
	struct symbolizer *s = begin();

	(void)state;
	/* It may have come at any time until it was seen. */
	assert_int_equal(unchanged(s, before - 1, code, libc, code), 0);
	assert_int_equal(unchanged(s, now(), code, libc, code), 3);
	/* Where nothing is mapped nothing has changed. */
	assert_int_equal(unchanged(s, now(), code, BASE, libc), 3);
	symbolizer_free(s);
}

static void test_what_comes(void **state)
{
	uint64_t code = (uint64_t)(uintptr_t)test_what_comes, then;
	struct symbolizer *s = begin();

	(void)state;
	then = now();
	map(s, BASE, 4, then + 1000);
	assert_int_equal(unchanged(s, then + 999, code, BASE + 5, code), 1);
	assert_int_equal(unchanged(s, then + 1000, code, BASE + 5, code), 3);
	/* Told again, it is no news; half of it replaced, that half is. */
	map(s, BASE, 4, then + 2000);
	assert_int_equal(unchanged(s, then + 1000, code, BASE + 5, code), 3);
	map(s, BASE + 4096, 1, then + 3000);
	assert_int_equal(unchanged(s, then + 2999, BASE + 5, code, BASE + 4100), 2);
	assert_int_equal(unchanged(s, then + 3000, BASE + 5, code, BASE + 4100), 3);
	symbolizer_free(s);
}

/* What /proc tells again keeps its time; what it does not tell has gone. */
static void test_read_again(void **state)
{
	uint64_t code = (uint64_t)(uintptr_t)test_read_again, then;
	struct symbolizer *s = begin();
	struct sym_stack stack;

	(void)state;
	then = now();
	map(s, BASE, 1, then + 1);
	assert_int_equal(symbolizer_refresh(s, getpid()), 0);
	assert_int_equal(unchanged(s, then, code, code, code), 3);
	stack = symbolizer_resolve(s, getpid(), BASE + 5, false);
	assert_string_equal(stack.frames[0].module, "[unknown]");
	symbolizer_free(s);
}

static void test_look(void **state)
{
	uint64_t before = now(), when_ns, changes;
	struct symbolizer *s = begin();
	struct space space;

	(void)state;
	map(s, BASE, 1, before);
	changes = symbolizer_changes(s);
	assert_int_equal(symbolizer_look(s, getpid(), &space, &when_ns), 0);
	assert_true(when_ns > before && when_ns <= now());
	assert_non_null(space_find(&space, (uint64_t)(uintptr_t)test_look));
	assert_null(space_find(&space, BASE));
	space_fini(&space);
	/* To look changes nothing of what is known. */
	assert_int_equal(unchanged(s, before, BASE, BASE, BASE), 3);
	assert_true(changes > 0);
	assert_int_equal(symbolizer_look(s, 0x7ffffff0, &space, &when_ns), -ESRCH);
	assert_int_equal(space.count, 0);
	symbolizer_free(s);
}

struct seen {
	pid_t pid;
	uint64_t serial;
	unsigned int times;
};

static void note(void *context, pid_t pid, uint64_t serial, uint64_t changed_ns,
		 const struct space *space)
{
	struct seen *seen = context;

	(void)changed_ns;
	(void)space;
	if (pid != seen->pid)
		return;
	seen->serial = serial;
	seen->times++;
}

static uint64_t serial_of(const struct symbolizer *s, pid_t pid)
{
	struct seen seen = {.pid = pid};

	symbolizer_each_process(s, note, &seen);
	assert_int_equal(seen.times, 1);
	return seen.serial;
}

/* Who is told of changes must be told of every process, also of one that maps nothing, and of one
 * that has the number of another. */
static void test_processes(void **state)
{
	const pid_t child = 0x7ffffff0; /* nobody has it */
	struct symbolizer *s = begin();
	uint64_t changes = symbolizer_changes(s), first, second;

	(void)state;
	assert_int_equal(symbolizer_fork(s, getpid(), child), 0);
	assert_true(symbolizer_changes(s) > changes);
	first = serial_of(s, child);
	assert_int_not_equal(first, serial_of(s, getpid()));
	symbolizer_exit(s, child);
	assert_int_equal(symbolizer_fork(s, getpid(), child), 0);
	second = serial_of(s, child);
	assert_int_not_equal(first, second);
	first = serial_of(s, getpid());
	map(s, BASE, 1, 1); /* an old record that comes late */
	assert_int_not_equal(serial_of(s, getpid()), first);
	symbolizer_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_there), cmocka_unit_test(test_what_comes),
		cmocka_unit_test(test_read_again),     cmocka_unit_test(test_look),
		cmocka_unit_test(test_processes),
	};

	return cmocka_run_group_tests_name("sym_changes", tests, NULL, NULL);
}
