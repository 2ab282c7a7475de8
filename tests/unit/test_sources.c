/*
 * Names from elsewhere than mapped files: generated code that its process names itself, and the
 * kernel's own code in every process. Needs no root.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr */
#endif

#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "sym/jit.h"
#include "sym/symbolizer.h"

/* ---- lines ---- */

static struct jit_room room;
static struct jit jit;

static int begin(void **state)
{
	(void)state;
	room = (struct jit_room){JIT_MAX_ENTRIES, JIT_MAX_BYTES};
	jit = (struct jit){.room = &room};
	return 0;
}

static int end(void **state)
{
	(void)state;
	jit_clear(&jit);
	assert_int_equal(room.entries, JIT_MAX_ENTRIES);
	assert_int_equal(room.bytes, JIT_MAX_BYTES);
	return 0;
}

static void add(const char *text)
{
	jit_add(&jit, text, strlen(text));
}

static void check_name(uint64_t address, const char *expected, uint64_t expected_start)
{
	uint64_t start = 0;
	const char *name = jit_find(&jit, address, &start);

	if (!expected) {
		assert_null(name);
		return;
	}
	assert_non_null(name);
	assert_string_equal(name, expected);
	assert_int_equal(start, expected_start);
}

static void test_lines(void **state)
{
	(void)state;
	check_name(0x1000, NULL, 0);
	add("1000 10 a name with blanks\n1010 8 b\n0x2000 0X10 c\nABCDEF 1 d\n");
	check_name(0xfff, NULL, 0);
	check_name(0x1000, "a name with blanks", 0x1000);
	check_name(0x100f, "a name with blanks", 0x1000);
	check_name(0x1010, "b", 0x1010);
	check_name(0x1018, NULL, 0);
	check_name(0x200f, "c", 0x2000);
	check_name(0xabcdef, "d", 0xabcdef);
	/* A line may come in parts. */
	add("300");
	add("0 10 in ");
	check_name(0x3000, NULL, 0);
	add("parts\n");
	check_name(0x3000, "in parts", 0x3000);
}

static void test_no_lines(void **state)
{
	static char longest[JIT_MAX_LINE + 100];

	(void)state;
	add("\n\n \n1000\n1000 \n1000 10\n1000 10 \n1000 0 zero\n-1 10 a\n+1 10 a\n g 10 a\n1000 "
	    "10\ta\n"
	    "ffffffffffffffff 2 over the end\n10000000000000000 10 too long a number\n");
	jit_add(&jit, "5000 10 a\0b\n", 12);
	memset(longest, 'x', sizeof(longest) - 1);
	memcpy(longest, "1000 10 ", 8);
	add(longest);
	add(longest);
	add("\n6000 10 after it\n");
	check_name(0x1000, NULL, 0);
	check_name(UINT64_MAX, NULL, 0);
	check_name(1, NULL, 0);
	check_name(0x5000, "a", 0x5000);
	check_name(0x6000, "after it", 0x6000);
}

static void test_generation(void **state)
{
	(void)state;
	add("1000 10 a\n2000 10 b\n");
	check_name(0x1000, "a", 0x1000);
	assert_int_equal(jit.generation, 0);
	add("3000 10 c\n");
	check_name(0x3000, "c", 0x3000);
	assert_int_equal(jit.generation, 0);
	add("2008 100 d\n");
	check_name(0x2007, "b", 0x2000);
	check_name(0x2008, "d", 0x2008);
	assert_int_equal(jit.generation, 1);
}

#define PLACES 300

/* Against an array in which every line paints its places, one after another. */
static void test_overlaps(void **state)
{
	int painted[PLACES], line = 0;
	uint64_t starts[2000];
	char text[64], expected[16];
	unsigned int seed = 4;

	(void)state;
	memset(painted, -1, sizeof(painted));
	while (line < 2000) {
		int batch = 1 + rand_r(&seed) % 40;

		for (int i = 0; i < batch && line < 2000; i++, line++) {
			int start = rand_r(&seed) % PLACES;
			int size = 1 + rand_r(&seed) % (line % 3 ? 10 : 80);

			starts[line] = (uint64_t)start + 0x1000;
			snprintf(text, sizeof(text), "%x %x n%d\n", start + 0x1000, size, line);
			add(text);
			for (int at = start; at < start + size && at < PLACES; at++)
				painted[at] = line;
		}
		for (int at = 0; at < PLACES; at++) {
			snprintf(expected, sizeof(expected), "n%d", painted[at]);
			check_name((uint64_t)at + 0x1000, painted[at] < 0 ? NULL : expected,
				   painted[at] < 0 ? 0 : starts[painted[at]]);
		}
	}
}

static void test_full(void **state)
{
	char text[64];
	uint64_t count = 0, start;

	(void)state;
	for (uint64_t i = 0; i < JIT_MAX_ENTRIES; i++) {
		snprintf(text, sizeof(text), "%lx 1 n\n", (unsigned long)i * 16 + 16);
		add(text);
	}
	for (uint64_t i = 0; i < JIT_MAX_ENTRIES; i++)
		count += jit_find(&jit, i * 16 + 16, &start) != NULL;
	assert_int_equal(count, JIT_MAX_ENTRIES / 4);
}

/* ---- processes ---- */

#define CODE_SIZE 4096

static char map_path[64];

static void write_map(const char *mode, const void *code, const char *name)
{
	FILE *file = fopen(map_path, mode);

	assert_non_null(file);
	fprintf(file, "%lx 40 %s\n", (unsigned long)(uintptr_t)code, name);
	fclose(file);
}

static void check_code(struct symbolizer *s, pid_t pid, const char *code, const char *name)
{
	uint64_t address = (uint64_t)(uintptr_t)code;
	struct sym_stack stack = symbolizer_resolve(s, pid, address + 0x10, true);

	assert_int_equal(stack.count, 1);
	assert_string_equal(stack.frames[0].module, "[anon]");
	assert_int_equal(stack.frames[0].module_offset, address + 0x10);
	if (!name) {
		assert_null(stack.frames[0].function);
		return;
	}
	assert_non_null(stack.frames[0].function);
	assert_string_equal(stack.frames[0].function, name);
	assert_int_equal(stack.frames[0].offset, 0x10);
}

/* Two processes may have other code at the same place. */
static void test_processes(void **state)
{
	char *code =
		mmap(NULL, CODE_SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct symbolizer *s = symbolizer_new();
	int status, gate[2];
	pid_t child;
	char byte;

	(void)state;
	assert_ptr_not_equal(code, MAP_FAILED);
	assert_non_null(s);
	assert_int_equal(pipe(gate), 0);
	child = fork();
	if (!child) {
		close(gate[1]);
		_exit(read(gate[0], &byte, 1) != 0);
	}
	close(gate[0]);
	assert_int_equal(symbolizer_add_process(s, child), 0);
	assert_int_equal(symbolizer_add_process(s, getpid()), 0);
	snprintf(map_path, sizeof(map_path), "/tmp/perf-%d.map", child);
	write_map("w", code, "of the child");
	check_code(s, getpid(), code, NULL);
	check_code(s, child, code, "of the child");
	/* What comes before the end is read at the end; after it nothing is. */
	write_map("a", code + 0x40, "the last");
	symbolizer_exit(s, child);
	write_map("a", code + 0x80, "too late");
	close(gate[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(unlink(map_path), 0);
	check_code(s, child, code, "of the child");
	check_code(s, child, code + 0x40, "the last");
	check_code(s, child, code + 0x80, NULL);
	check_code(s, getpid(), code, NULL);
	symbolizer_free(s);
	munmap(code, CODE_SIZE);
}

enum { CHILD = 1 << 28 }; /* no process has such a number */

/* What a process was forked with is its parent's code, until it runs another program. */
static void test_forked(void **state)
{
	char *code =
		mmap(NULL, CODE_SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct symbolizer *s = symbolizer_new();

	(void)state;
	assert_non_null(s);
	snprintf(map_path, sizeof(map_path), "/tmp/perf-%d.map", getpid());
	write_map("w", code, "parent's");
	assert_int_equal(symbolizer_add_process(s, getpid()), 0);
	assert_int_equal(symbolizer_fork(s, getpid(), CHILD), 0);
	check_code(s, CHILD, code, "parent's");
	check_code(s, getpid(), code, "parent's");
	symbolizer_exit(s, getpid());
	assert_int_equal(unlink(map_path), 0);
	check_code(s, CHILD, code, "parent's");
	symbolizer_exec(s, CHILD);
	assert_string_equal(
		symbolizer_resolve(s, CHILD, (uint64_t)(uintptr_t)code, false).frames[0].module,
		"[unknown]");
	symbolizer_free(s);
	munmap(code, CODE_SIZE);
}

/* ---- the kernel's code in every process ---- */

static const char *const vdso_names[] = {"__vdso_clock_gettime", "__vdso_gettimeofday",
					 "__vdso_time", "__kernel_clock_gettime",
					 "__kernel_gettimeofday"};

/* The loader finds the same functions by the table that the C library uses. */
static void test_vdso(void **state)
{
	void *vdso = dlopen("linux-vdso.so.1", RTLD_NOW | RTLD_NOLOAD);
	struct symbolizer *s = symbolizer_new();
	size_t found = 0;

	(void)state;
	assert_non_null(s);
	if (!vdso) {
		print_message("# there is no vDSO: not tested\n");
		symbolizer_free(s);
		return;
	}
	assert_int_equal(symbolizer_add_process(s, getpid()), 0);
	for (size_t i = 0; i < sizeof(vdso_names) / sizeof(vdso_names[0]); i++) {
		uint64_t address = (uint64_t)(uintptr_t)dlsym(vdso, vdso_names[i]);
		struct sym_stack stack;

		if (!address)
			continue;
		found++;
		stack = symbolizer_resolve(s, getpid(), address + 1, true);
		assert_string_equal(stack.frames[0].module, "[vdso]");
		assert_non_null(stack.frames[0].function);
		/* __vdso_time, or time, which is a weaker name of the same. */
		assert_non_null(strstr(vdso_names[i], stack.frames[0].function));
		assert_int_equal(stack.frames[0].offset, 1);
	}
	assert_true(found > 0);
	dlclose(vdso);
	symbolizer_free(s);
}

/* Of 32 bits, or of another size: not ours, and without names. */
static void test_other_vdso(void **state)
{
	struct proc_mapping m = {.executable = true, .path = "[vdso]"};
	struct symbolizer *s = symbolizer_new();
	const struct sym_frame *f;

	(void)state;
	assert_non_null(s);
	m.start = 0xf7f00000;
	m.end = m.start + 0x2000;
	assert_int_equal(symbolizer_map(s, CHILD, &m), 0);
	m.start = 0x7ff000000000;
	m.end = m.start + 0x100000;
	assert_int_equal(symbolizer_map(s, CHILD, &m), 0);
	for (uint64_t at = 0; at < 0x2000; at += 0x10) {
		f = symbolizer_resolve(s, CHILD, 0xf7f00000 + at, false).frames;
		assert_string_equal(f->module, "[vdso]");
		assert_null(f->function);
		f = symbolizer_resolve(s, CHILD, m.start + at, false).frames;
		assert_string_equal(f->module, "[vdso]");
		assert_null(f->function);
	}
	symbolizer_free(s);
}

int main(void)
{
#define WITH_JIT(test) cmocka_unit_test_setup_teardown(test, begin, end)
	const struct CMUnitTest tests[] = {
		WITH_JIT(test_lines),
		WITH_JIT(test_no_lines),
		WITH_JIT(test_generation),
		WITH_JIT(test_overlaps),
		WITH_JIT(test_full),
		cmocka_unit_test(test_processes),
		cmocka_unit_test(test_forked),
		cmocka_unit_test(test_vdso),
		cmocka_unit_test(test_other_vdso),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
