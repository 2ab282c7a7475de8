// SPDX-License-Identifier: MIT
/*
 * A symbolizer that is told by a recording what processes had mapped: it opens no more than it
 * should, takes no nonsense, and never looks at this machine's processes. Needs no root.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "core/event.h"
#include "sym/restore.h"

#define PID   ((pid_t)7)
#define CHILD ((pid_t)8)
#define CODE  0x10000 /* where generated code is */

enum { ANON, LIB }; /* the files that every test has */

static struct symbolizer *symbolizer;

static int setup(void **state)
{
	const struct sym_file anon = {.path = "[anon]"}, lib = {.path = "/gone/lib.so", .size = 1};
	bool found = true;

	(void)state;
	symbolizer = symbolizer_new();
	assert_non_null(symbolizer);
	assert_int_equal(restore_module(symbolizer, &anon, &found), 0);
	assert_false(found);
	assert_int_equal(restore_module(symbolizer, &lib, &found), 0);
	assert_false(found);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	symbolizer_free(symbolizer);
	return 0;
}

static int map(pid_t pid, bool fresh, uint64_t start, uint64_t end, uint32_t module)
{
	const struct sym_mapping m = {start, end, 0x2000, module};

	return restore_space(symbolizer, pid, fresh, &m, 1);
}

static const struct sym_frame *resolve(pid_t pid, uint64_t address, bool is_return)
{
	struct sym_stack stack = symbolizer_resolve(symbolizer, pid, address, is_return);

	assert_int_equal(stack.count, 1);
	return stack.frames;
}

static void check_name(pid_t pid, uint64_t address, const char *name)
{
	const struct sym_frame *f = resolve(pid, address, false);

	if (!name)
		assert_null(f->function);
	else
		assert_string_equal(f->function ? f->function : "(none)", name);
}

static void add_code(pid_t pid, bool anew, const char *text)
{
	assert_int_equal(restore_code(symbolizer, pid, anew, text, strlen(text)), 0);
}

static int add_name(uint32_t module, uint64_t offset, bool is_return, const char *name)
{
	const struct sym_frame f = {.function = name, .module = "/made/up", .module_offset = 0x77};
	const struct sym_address at = {offset, is_return};

	return restore_names(symbolizer, module, &at, &f, 1);
}

/* ---- names ---- */

static void test_names(void **state)
{
	const struct sym_frame *f;
	char name[] = "first";

	(void)state;
	assert_int_equal(map(PID, true, 0x5000, 0x7000, LIB), 0);
	assert_int_equal(add_name(LIB, 0x2100, false, name), 0);
	assert_int_equal(add_name(LIB, 0x2100, true, "call"), 0);
	assert_int_equal(add_name(LIB, 0x2100, false, "late"), 0); /* the first one stays */
	assert_int_equal(add_name(LIB, 0x4000, true, "last"), 0);
	memset(name, 'x', 5);
	f = resolve(PID, 0x5100, false);
	assert_string_equal(f->function, "first");
	assert_string_equal(f->module, "/gone/lib.so");
	assert_int_equal(f->module_offset, 0x77);
	assert_string_equal(resolve(PID, 0x5100, true)->function, "call");
	/* What returns to the first address behind the mapping was called from its end. */
	assert_string_equal(resolve(PID, 0x7000, true)->function, "last");
	/* A place that nothing was said about is one in a file without names. */
	f = resolve(PID, 0x5101, false);
	assert_null(f->function);
	assert_string_equal(f->module, "/gone/lib.so");
	assert_int_equal(f->offset, 0x2101);
	assert_int_equal(f->module_offset, 0x2101);
	/* It has been answered. */
	assert_int_equal(add_name(LIB, 0x2101, false, "late"), 0);
	check_name(PID, 0x5101, NULL);
	assert_string_equal(resolve(PID, 0x7000, false)->module, "[unknown]");
	assert_string_equal(resolve(CHILD, 0x5100, false)->module, "[unknown]");
}

static void test_inlined(void **state)
{
	const struct sym_frame told[] = {
		{.function = "in", .file = "a.c", .line = -4, .column = -1, .inlined = true},
		{.function = "out", .file = "a.c", .line = 5, .offset = 9, .inlined = true},
	};
	const struct sym_address at = {0x2000, false};
	struct sym_stack stack;

	(void)state;
	assert_int_equal(map(PID, true, 0x5000, 0x7000, LIB), 0);
	assert_int_equal(restore_names(symbolizer, LIB, &at, told, 2), 0);
	symbolizer_prepare(symbolizer, PID, &(uint64_t){0x5000 | EVENT_EXACT}, 1);
	stack = symbolizer_resolve(symbolizer, PID, 0x5000, false);
	assert_int_equal(stack.count, 2);
	assert_string_equal(stack.frames[0].function, "in");
	assert_true(stack.frames[0].inlined);
	assert_int_equal(stack.frames[0].line, 0);
	assert_int_equal(stack.frames[0].column, 0);
	assert_ptr_equal(stack.frames[0].file, stack.frames[1].file);
	assert_int_equal(stack.frames[1].line, 5);
	assert_int_equal(stack.frames[1].offset, 9);
	assert_false(stack.frames[1].inlined);
}

/* ---- files ---- */

static char directory[] = "/tmp/test_sym_restore.XXXXXX";

static bool is_found(const char *path, uint64_t size)
{
	const struct sym_file file = {.path = path, .size = size};
	bool found = true;

	assert_int_equal(restore_module(symbolizer, &file, &found), 0);
	return found;
}

static void write_file(const char *path, const char *text)
{
	FILE *out = fopen(path, "we");

	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
}

static int lowest_descriptor(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(fd);
	return fd;
}

/* Paths as somebody would write them who wants something opened. */
static void test_paths(void **state)
{
	int before = lowest_descriptor();
	char path[128];

	(void)state;
	strcpy(strrchr(directory, '.'), ".XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/fifo", directory);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_false(is_found(path, 4096));
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/text", directory);
	write_file(path, "text");
	assert_false(is_found(path, 5));
	assert_true(is_found(path, 4));
	assert_int_equal(lowest_descriptor(), before); /* such a file has no names: it is let go */
	assert_false(is_found(path, 0));
	write_file(path, "\177ELF");
	assert_true(is_found(path, 4));
	assert_int_equal(unlink(path), 0);
	assert_false(is_found(path, 4));
	assert_int_equal(rmdir(directory), 0);
	assert_false(is_found("/", 4096));
	assert_false(is_found("/dev/zero", 4096));
	assert_false(is_found("/proc/self/mem", 4096));
	assert_false(is_found("", 1));
	assert_false(is_found("etc/passwd", 1));
	assert_false(is_found("[vdso]", 0));
	assert_false(is_found("[vdso]", 4096));
	assert_false(is_found("[anon]", 1));
}

/* ---- generated code ---- */

static void test_code(void **state)
{
	const struct sym_frame *f;
	uint64_t serial;

	(void)state;
	assert_int_equal(map(PID, true, CODE, CODE + 0x1000, ANON), 0);
	check_name(PID, CODE, NULL);
	serial = symbolizer_serial(symbolizer, PID);
	add_code(PID, false, "10000 100 first\n10100 10");
	check_name(PID, CODE + 0xff, "first");
	check_name(PID, CODE + 0x100, NULL);
	assert_int_not_equal(symbolizer_serial(symbolizer, PID), serial);
	add_code(PID, false, "0 second\n");
	check_name(PID, CODE + 0x100, "second");
	f = resolve(PID, CODE + 0x102, true);
	assert_string_equal(f->function, "second");
	assert_string_equal(f->module, "[anon]");
	assert_int_equal(f->offset, 2);
	assert_int_equal(f->module_offset, CODE + 0x102);
	/* Code is replaced. */
	add_code(PID, false, "10080 100 third\n");
	check_name(PID, CODE + 0x7f, "first");
	check_name(PID, CODE + 0x80, "third");
	check_name(PID, CODE + 0x100, "third");
	check_name(PID, CODE + 0x180, "second");
	/* All is forgotten, the part of a line as well. */
	add_code(PID, false, "10000 100 half");
	add_code(PID, true, "");
	check_name(PID, CODE, NULL);
	serial = symbolizer_serial(symbolizer, PID);
	add_code(PID, true, "10000 100 anew\n");
	check_name(PID, CODE, "anew");
	check_name(PID, CODE + 0x100, NULL);
	assert_int_not_equal(symbolizer_serial(symbolizer, PID), serial);
}

/* Names that come before the mapping does; and not for what lies in a file. */
static void test_code_first(void **state)
{
	(void)state;
	add_code(PID, false, "10000 100 first\n");
	check_name(PID, CODE, NULL);
	assert_int_equal(map(PID, false, CODE, CODE + 0x1000, LIB), 0);
	check_name(PID, CODE, NULL);
	assert_int_equal(map(PID, false, CODE, CODE + 0x1000, ANON), 0);
	check_name(PID, CODE, "first");
}

/* The number is one of this machine as well, and that process has a map of its own. */
static void test_not_of_this_machine(void **state)
{
	uint64_t here = (uint64_t)(uintptr_t)test_not_of_this_machine;
	char path[64];

	(void)state;
	assert_int_equal(symbolizer_add_process(symbolizer, getpid()), -ESRCH);
	assert_int_equal(symbolizer_refresh(symbolizer, getpid()), -ESRCH);
	assert_string_equal(resolve(getpid(), here, false)->module, "[unknown]");
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
	write_file(path, "10000 100 ours\n");
	assert_int_equal(map(getpid(), true, CODE, CODE + 0x1000, ANON), 0);
	symbolizer_advance(symbolizer);
	check_name(getpid(), CODE, NULL);
	assert_int_equal(symbolizer_fork(symbolizer, CHILD, getpid()), -ESRCH);
	assert_int_equal(map(CHILD, true, CODE, CODE + 0x1000, ANON), 0);
	assert_int_equal(symbolizer_fork(symbolizer, CHILD, getpid()), 0);
	symbolizer_advance(symbolizer);
	check_name(getpid(), CODE, NULL);
	symbolizer_refresh_all(symbolizer);
	symbolizer_exit(symbolizer, getpid());
	check_name(getpid(), CODE, NULL);
	assert_string_equal(resolve(getpid(), CODE, false)->module, "[anon]");
	assert_int_equal(unlink(path), 0);
}

/* ---- lives ---- */

static void test_fork(void **state)
{
	(void)state;
	assert_int_equal(map(PID, true, CODE, CODE + 0x1000, ANON), 0);
	assert_int_equal(symbolizer_fork(symbolizer, PID, CHILD), 0);
	/* What its parent had written before is told when it is read. */
	add_code(PID, false, "10000 100 parent\n10100 100 both\n");
	check_name(CHILD, CODE, "parent");
	add_code(CHILD, false, "10100 100 child\n");
	check_name(CHILD, CODE + 0x100, "child");
	check_name(PID, CODE + 0x100, "both");
	symbolizer_exec(symbolizer, PID);
	assert_string_equal(resolve(PID, CODE, false)->module, "[unknown]");
	/* The new program's names are not the child's. */
	assert_int_equal(map(PID, true, CODE, CODE + 0x1000, ANON), 0);
	add_code(PID, false, "10000 100 new\n");
	check_name(PID, CODE, "new");
	check_name(CHILD, CODE, "parent");
}

static void test_fresh(void **state)
{
	uint64_t first, second;

	(void)state;
	assert_int_equal(map(PID, true, CODE, CODE + 0x1000, ANON), 0);
	first = symbolizer_serial(symbolizer, PID);
	add_code(PID, false, "10000 100 first\n");
	assert_int_equal(map(PID, false, CODE, CODE + 0x800, ANON), 0);
	second = symbolizer_serial(symbolizer, PID);
	assert_int_not_equal(first, second);
	check_name(PID, CODE, "first");
	assert_string_equal(resolve(PID, CODE + 0x800, false)->module, "[unknown]");
	assert_int_equal(map(PID, true, CODE, CODE + 0x1000, ANON), 0);
	check_name(PID, CODE, NULL);
	assert_int_not_equal(symbolizer_serial(symbolizer, PID), second);
}

/* What is told late of a process that has ended neither brings it back nor keeps it for ever. */
static void test_ended(void **state)
{
	(void)state;
	assert_int_equal(map(PID, true, CODE, CODE + 0x1000, ANON), 0);
	symbolizer_exit(symbolizer, PID);
	assert_int_equal(map(PID, false, CODE, CODE + 0x2000, ANON), 0);
	add_code(PID, false, "11000 100 late\n");
	check_name(PID, CODE + 0x1000, "late");
	for (pid_t i = 0; i < SYMBOLIZER_ENDED_MAX; i++) {
		check_name(PID, CODE + 0x1000, "late");
		assert_int_equal(map(1000 + i, true, CODE, CODE + 0x1000, ANON), 0);
		symbolizer_exit(symbolizer, 1000 + i);
	}
	assert_string_equal(resolve(PID, CODE + 0x1000, false)->module, "[unknown]");
}

/* ---- nonsense ---- */

static void check_refused(const struct sym_mapping *second)
{
	struct sym_mapping m[] = {{0x1000, 0x2000, 0, LIB}, *second};
	uint64_t serial = symbolizer_serial(symbolizer, PID);

	assert_int_equal(restore_space(symbolizer, PID, true, m, 2), -EINVAL);
	assert_int_equal(symbolizer_serial(symbolizer, PID), serial);
	assert_string_equal(resolve(PID, 0x5000, false)->module, "/gone/lib.so");
}

static void test_nonsense(void **state)
{
	static const struct sym_mapping bad[] = {
		{0x2000, 0x3000, 0, 2},
		{0x2000, 0x3000, 0, UINT32_MAX},
		{0x2000, 0x2000, 0, LIB},
		{0x3000, 0x2000, 0, LIB},
		{0x1fff, 0x3000, 0, LIB},
		{0x100, 0x200, 0, LIB},
		{0x2000, 0x3000, UINT64_MAX, LIB},
		{0x2000, UINT64_MAX, 0x2001, LIB},
	};
	const struct sym_frame frames[SYM_MAX_FRAMES + 1] = {{.function = "f"}};
	const struct sym_file file = {.path = "/x", .build_id_size = SYM_MAX_BUILD_ID + 1};
	const struct sym_address at = {1, false};
	bool found;

	(void)state;
	assert_int_equal(map(PID, true, 0x5000, 0x6000, LIB), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check_refused(&bad[i]);
	assert_int_equal(restore_module(symbolizer, &file, &found), -EINVAL);
	assert_int_equal(map(PID, true, 0x5000, 0x6000, 2), -EINVAL); /* it has no number */
	assert_int_equal(add_name(2, 1, false, "f"), -EINVAL);
	assert_int_equal(restore_names(symbolizer, LIB, &at, frames, 0), -EINVAL);
	assert_int_equal(restore_names(symbolizer, LIB, &at, frames, SYM_MAX_FRAMES + 1), -EINVAL);
	assert_int_equal(restore_names(symbolizer, LIB, &at, frames, SYM_MAX_FRAMES), 0);
	/* These are addresses like others. */
	assert_int_equal(add_name(LIB, 0, true, "f"), 0);
	assert_int_equal(add_name(LIB, UINT64_MAX, false, "f"), 0);
	assert_int_equal(map(PID, true, 0, UINT64_MAX - 0x2000, LIB), 0);
	check_name(PID, 0, NULL);
	assert_int_equal(restore_space(symbolizer, PID, false, NULL, 0), 0);
	assert_string_equal(resolve(PID, 0x5000, false)->module, "[unknown]");
}

int main(void)
{
#define RESTORED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		RESTORED(test_names),      RESTORED(test_inlined),
		RESTORED(test_paths),      RESTORED(test_code),
		RESTORED(test_code_first), RESTORED(test_not_of_this_machine),
		RESTORED(test_fork),       RESTORED(test_fresh),
		RESTORED(test_ended),      RESTORED(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
