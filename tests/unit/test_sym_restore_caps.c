// SPDX-License-Identifier: MIT
/*
 * A recording can be made to say anything as often as somebody likes: what is remembered of it has
 * an end, and what was refused is counted. Needs no root.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

#include "sym/restore.h"

#define PID ((pid_t)7)

enum { LIB }; /* the file that every test has */

static struct symbolizer *symbolizer;

static int setup(void **state)
{
	const struct sym_file lib = {.path = "/gone/lib.so", .size = 1};
	bool found;

	(void)state;
	symbolizer = symbolizer_new();
	return !symbolizer || restore_module(symbolizer, &lib, &found);
}

static int teardown(void **state)
{
	(void)state;
	symbolizer_free(symbolizer);
	return 0;
}

static struct symbolizer_losses losses(void)
{
	struct symbolizer_losses l;

	symbolizer_losses(symbolizer, &l);
	return l;
}

static const char *module_at(uint64_t address)
{
	return symbolizer_resolve(symbolizer, PID, address, false).frames[0].module;
}

static void test_many_mappings(void **state)
{
	size_t count = 65531; /* one more than the kernel allows */
	struct sym_mapping *m = calloc(count, sizeof(*m));
	pid_t pid = PID;
	int err = 0;

	(void)state;
	assert_non_null(m);
	for (size_t i = 0; i < count; i++)
		m[i] = (struct sym_mapping){i * 2, i * 2 + 1, 0, LIB};
	assert_int_equal(restore_space(symbolizer, PID, true, m, count), 0);
	assert_int_equal(losses().mappings, 1);
	assert_string_equal(module_at((count - 2) * 2), "/gone/lib.so");
	assert_string_equal(module_at((count - 1) * 2), "[unknown]");
	/* Nor can children that cost a recording a few bytes each be had without end. */
	for (; pid < PID + 1000 && !err; pid++)
		err = symbolizer_fork(symbolizer, PID, pid + 1);
	assert_int_equal(err, -ENOSPC);
	assert_int_equal(losses().mappings, 2);
	assert_int_equal(restore_space(symbolizer, pid, true, m, count), -ENOSPC);
	assert_int_equal(losses().mappings, 2 + count);
	/* The end of one makes room for another. */
	symbolizer_exec(symbolizer, PID);
	assert_int_equal(restore_space(symbolizer, pid, true, m, count), 0);
	free(m);
}

static void test_many_processes(void **state)
{
	pid_t pid = 1;

	(void)state;
	while (pid < 1 << 20 && !restore_space(symbolizer, pid, true, NULL, 0))
		pid++;
	assert_true(pid >= 65536 && pid < 1 << 20);
	assert_int_equal(restore_space(symbolizer, pid, true, NULL, 0), -ENOSPC);
	assert_int_equal(restore_code(symbolizer, pid, false, "", 0), -ENOSPC);
	assert_int_equal(losses().processes, 3);
	assert_int_equal(restore_space(symbolizer, 1, false, NULL, 0), 0);
}

static void test_many_files(void **state)
{
	const struct sym_file file = {.path = "/gone/too"};
	struct sym_mapping m = {.start = 1, .end = 2};
	size_t count = 0;
	bool found;

	(void)state;
	while (count < 1 << 20 && !restore_module(symbolizer, &file, &found))
		count++;
	assert_true(count >= 100000 && count < 1 << 20);
	assert_int_equal(restore_module(symbolizer, &file, &found), -ENOSPC);
	m.module = (uint32_t)count;
	assert_int_equal(restore_space(symbolizer, PID, true, &m, 1), 0);
	m.module++;
	assert_int_equal(restore_space(symbolizer, PID, true, &m, 1), -EINVAL);
}

/* The same file may be named for ever as well. */
static void test_many_open(void **state)
{
	struct sym_file file = {.path = "/proc/self/exe"};
	struct symbolizer *live = symbolizer_new();
	const uint64_t here = (uint64_t)(uintptr_t)test_many_open;
	struct rlimit limit, few;
	size_t opened = 0;
	uint64_t serial;
	bool found;

	(void)state;
	assert_non_null(live);
	assert_int_equal(symbolizer_add_process(live, getpid()), 0);
	survey_file(space_find(survey_space(live, getpid(), &serial), here)->module, &file);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	few = limit;
	few.rlim_cur = 64;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(restore_module(symbolizer, &file, &found), 0);
		opened += found;
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_in_range(opened, 10, 63);
	assert_int_equal(losses().files, 100 - opened);
	symbolizer_free(live);
}

static void test_many_frames(void **state)
{
	static const struct sym_frame frames[SYM_MAX_FRAMES];
	struct sym_address at = {0, false};

	(void)state;
	for (; at.address < 1 << 14 && !losses().addresses; at.address++)
		assert_int_equal(restore_names(symbolizer, LIB, &at, frames, SYM_MAX_FRAMES), 0);
	assert_true(at.address > 1000 && at.address < 1 << 14);
	assert_int_equal(losses().addresses, 1);
}

static void test_many_answers(void **state)
{
	static const struct sym_frame frame;
	struct sym_address at = {0, false};

	(void)state;
	for (; at.address < 1 << 21 && !losses().addresses; at.address++)
		assert_int_equal(restore_names(symbolizer, LIB, &at, &frame, 1), 0);
	assert_int_equal(at.address, (1 << 20) + 1);
}

static void test_much_text(void **state)
{
	static char name[1 << 20];
	const struct sym_frame frame = {.function = name};
	struct sym_address at = {0, false};

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	for (; at.address < 4096 && !losses().addresses; at.address++) {
		name[at.address] = 'y'; /* another one each time */
		assert_int_equal(restore_names(symbolizer, LIB, &at, &frame, 1), 0);
	}
	assert_true(at.address > 100 && at.address < 4096);
	assert_int_equal(losses().addresses, 1);
}

int main(void)
{
#define RESTORED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		RESTORED(test_many_mappings), RESTORED(test_many_processes),
		RESTORED(test_many_files),    RESTORED(test_many_open),
		RESTORED(test_many_frames),   RESTORED(test_many_answers),
		RESTORED(test_much_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
