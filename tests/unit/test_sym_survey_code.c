// SPDX-License-Identifier: MIT
/*
 * Generated code there and back: what is read of this process's perf map is told to a symbolizer
 * that is fed, and both must give the same answers. Needs no root.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "core/event.h"
#include "retell.h"
#include "same_frames.h"

#define CHILD ((pid_t)1 << 28) /* no process has such a number */

static struct symbolizer *live, *fed;
static struct retelling retelling;

static char *code;
static char map_path[64];
static size_t told_size, tellings;
static pid_t told_pid;

static void take_code(void *context, pid_t pid, bool anew, const char *bytes, size_t size)
{
	assert_ptr_equal(context, &told_size);
	assert_int_equal(restore_code(fed, pid, anew, bytes, size), 0);
	told_pid = pid;
	told_size = anew ? size : told_size + size;
	tellings++;
}

static int setup(void **state)
{
	(void)state;
	live = symbolizer_new();
	fed = symbolizer_new();
	retelling = (struct retelling){0};
	if (!live || !fed)
		return -1;
	code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	snprintf(map_path, sizeof(map_path), "/tmp/perf-%d.map", (int)getpid());
	told_size = tellings = 0;
	survey_on_code(live, take_code, &told_size);
	assert_int_equal(symbolizer_add_process(live, getpid()), 0);
	retell_space(&retelling, live, getpid(), fed);
	return code == MAP_FAILED;
}

static int teardown(void **state)
{
	(void)state;
	symbolizer_free(live);
	symbolizer_free(fed);
	unlink(map_path);
	return munmap(code, 4096);
}

static struct sym_stack resolve(struct symbolizer *s, pid_t pid, uint64_t word)
{
	return symbolizer_resolve(s, pid, event_word_address(word), event_word_is_return(word));
}

static void write_code(const char *mode, size_t at, size_t size, const char *name)
{
	FILE *out = fopen(map_path, mode);

	assert_non_null(out);
	assert_true(fprintf(out, "%lx %zx %s\n", (unsigned long)(uintptr_t)code + at, size, name) >
		    0);
	assert_int_equal(fclose(out), 0);
	symbolizer_advance(live);
}

/* What both say of the code at that place. */
static void check_code(pid_t pid, size_t at, const char *name)
{
	uint64_t word = ((uint64_t)(uintptr_t)code + at) | EVENT_EXACT;
	struct sym_stack stack = resolve(live, pid, word);
	struct sym_address place;
	uint32_t id;

	check_same(stack, resolve(fed, pid, word));
	check_text(stack.frames[0].function, name);
	assert_string_equal(stack.frames[0].module, "[anon]");
	assert_false(survey_locate(live, pid, word, &id, &place));
}

static void test_code(void **state)
{
	struct stat st;

	(void)state;
	check_code(getpid(), 0, NULL);
	assert_int_equal(tellings, 0);
	write_code("we", 0, 0x100, "first");
	check_code(getpid(), 0x10, "first");
	assert_int_equal(tellings, 1);
	check_code(getpid(), 0x10, "first");
	assert_int_equal(tellings, 1);
	write_code("ae", 0x80, 0x100, "second");
	check_code(getpid(), 0x80, "second");
	check_code(getpid(), 0x7f, "first");
	assert_int_equal(stat(map_path, &st), 0);
	assert_int_equal(told_size, st.st_size);
	assert_int_equal(told_pid, getpid());
	/* Another file. */
	unlink(map_path);
	write_code("we", 0, 0x10, "other");
	check_code(getpid(), 0, "other");
	check_code(getpid(), 0x80, NULL);
	assert_int_equal(stat(map_path, &st), 0);
	assert_int_equal(told_size, st.st_size);
	/* And nothing. */
	assert_int_equal(truncate(map_path, 0), 0);
	symbolizer_advance(live);
	check_code(getpid(), 0, NULL);
	assert_int_equal(told_size, 0);
}

/* A child's names are those of its parent, whose map it is that is told, up to the parent's end. */
static void test_code_of_child(void **state)
{
	(void)state;
	assert_int_equal(symbolizer_fork(live, getpid(), CHILD), 0);
	assert_int_equal(symbolizer_fork(fed, getpid(), CHILD), 0);
	write_code("we", 0, 0x100, "first");
	check_code(CHILD, 0, "first");
	assert_int_equal(told_pid, getpid());
	write_code("ae", 0x100, 0x100, "second");
	symbolizer_exec(live, getpid());
	symbolizer_exec(fed, getpid());
	write_code("ae", 0, 0x400, "of another program");
	check_code(CHILD, 0x100, "second");
	check_code(CHILD, 0, "first");
	check_code(CHILD, 0x300, NULL);
}

/* The last lines of a process are read when it ends. */
static void test_code_at_end(void **state)
{
	(void)state;
	write_code("we", 0, 0x100, "last");
	symbolizer_exit(live, getpid());
	symbolizer_exit(fed, getpid());
	assert_int_equal(tellings, 1);
	check_code(getpid(), 0, "last");
}

/* A library that lies in memory has its names from its file, unless the process has given some. */
static void test_memory_file(void **state)
{
	uint64_t word = ((uint64_t)(uintptr_t)code + 0x10) | EVENT_EXACT;
	struct proc_mapping m = {.start = (uint64_t)(uintptr_t)code,
				 .end = (uint64_t)(uintptr_t)code + 4096,
				 .offset = 0x3000,
				 .inode = 1,
				 .executable = true,
				 .path = "/memfd:library"};
	struct sym_address at;
	uint32_t id;

	(void)state;
	assert_int_equal(symbolizer_map(live, getpid(), &m), 0);
	retell_space(&retelling, live, getpid(), fed);
	assert_true(survey_locate(live, getpid(), word, &id, &at));
	assert_int_equal(at.address, 0x3010);
	assert_false(at.is_return);
	assert_true(survey_locate(live, getpid(), word & ~EVENT_EXACT, &id, &at));
	assert_int_equal(at.address, 0x3010);
	assert_true(at.is_return);
	write_code("we", 0, 0x20, "generated");
	resolve(live, getpid(), word);
	check_text(resolve(fed, getpid(), word).frames[0].function, "generated");
	assert_false(survey_locate(live, getpid(), word, &id, &at));
	assert_true(survey_locate(live, getpid(), word + 0x20, &id, &at));
	assert_false(survey_locate(live, CHILD, word, &id, &at));
}

int main(void)
{
#define WITH_CODE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_CODE(test_code),
		WITH_CODE(test_code_of_child),
		WITH_CODE(test_code_at_end),
		WITH_CODE(test_memory_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
