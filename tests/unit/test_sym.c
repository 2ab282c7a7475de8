/*
 * The symbolizer, against this very program: the compiler's own __LINE__
 * and the addresses it returns to are the truth. Needs no root.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pipe2 */
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
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "sym/proc.h"
#include "sym/symbolizer.h"

#define NOINLINE __attribute__((noinline))
#define INLINE   static inline __attribute__((always_inline))

/* ---- this program ---- */

static struct symbolizer *symbolizer;
static int outer_line, middle_line, inner_line;
static uint64_t inner_address;

static int setup(void **state)
{
	(void)state;
	symbolizer = symbolizer_new();
	return !symbolizer || symbolizer_add_process(symbolizer, getpid());
}

static int teardown(void **state)
{
	struct symbolizer_losses losses;

	(void)state;
	symbolizer_losses(symbolizer, &losses);
	assert_int_equal(losses.processes + losses.mappings + losses.files + losses.addresses, 0);
	symbolizer_free(symbolizer);
	symbolizer = NULL;
	return 0;
}

NOINLINE static uint64_t return_address(void)
{
	return (uint64_t)(uintptr_t)__builtin_return_address(0);
}

INLINE void inner(void)
{
	inner_line = __LINE__ + 1;
	inner_address = return_address();
	__asm__ volatile("" ::: "memory");
}

INLINE void middle(void)
{
	middle_line = __LINE__ + 1;
	inner();
	__asm__ volatile("" ::: "memory");
}

NOINLINE static void outer(void)
{
	outer_line = __LINE__ + 1;
	middle();
	__asm__ volatile("" ::: "memory");
}

static void check_frame(const struct sym_frame *f, const char *function, int line, bool inlined)
{
	assert_non_null(f->function);
	assert_string_equal(f->function, function);
	assert_non_null(f->file);
	assert_non_null(strstr(f->file, "test_sym.c"));
	assert_int_equal(f->line, line);
	assert_int_equal(f->inlined, inlined);
	assert_non_null(f->module);
}

static void check_chain(struct symbolizer *s, pid_t pid)
{
	struct sym_stack stack = symbolizer_resolve(s, pid, inner_address, true);

	assert_int_equal(stack.count, 3);
	check_frame(&stack.frames[0], "inner", inner_line, true);
	check_frame(&stack.frames[1], "middle", middle_line, true);
	check_frame(&stack.frames[2], "outer", outer_line, false);
	assert_int_equal(stack.frames[0].offset, 0);
	assert_int_equal(stack.frames[2].offset, inner_address - (uint64_t)(uintptr_t)outer);
}

static void test_inlined(void **state)
{
	struct sym_stack once, twice;

	(void)state;
	outer();
	check_chain(symbolizer, getpid());
	once = symbolizer_resolve(symbolizer, getpid(), inner_address, true);
	twice = symbolizer_resolve(symbolizer, getpid(), inner_address, true);
	assert_ptr_equal(once.frames, twice.frames);
	/* The address itself is another question, with an answer of its own. */
	twice = symbolizer_resolve(symbolizer, getpid(), inner_address, false);
	assert_ptr_not_equal(once.frames, twice.frames);
}

static void test_entry(void **state)
{
	struct sym_stack stack = symbolizer_resolve(symbolizer, getpid(),
						    (uint64_t)(uintptr_t)return_address, false);
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	(void)state;
	assert_true(n > 0);
	self[n] = '\0';
	assert_int_equal(stack.count, 1);
	assert_string_equal(stack.frames[0].function, "return_address");
	assert_int_equal(stack.frames[0].offset, 0);
	assert_string_equal(stack.frames[0].module, self);
}

static void check_unknown(pid_t pid, uint64_t address, bool is_return)
{
	struct sym_stack stack = symbolizer_resolve(symbolizer, pid, address, is_return);

	assert_int_equal(stack.count, 1);
	assert_null(stack.frames[0].function);
	assert_string_equal(stack.frames[0].module, "[unknown]");
	assert_int_equal(stack.frames[0].module_offset, address);
}

static void test_unknown(void **state)
{
	int local;

	(void)state;
	check_unknown(getpid(), 0, false);
	check_unknown(getpid(), 0, true);
	check_unknown(getpid(), 1, true);
	check_unknown(getpid(), UINT64_MAX, false);
	check_unknown(getpid(), (uint64_t)(uintptr_t)&local, false);
	check_unknown(INT32_MAX, (uint64_t)(uintptr_t)outer, false);
	assert_int_equal(symbolizer_add_process(symbolizer, INT32_MAX), -ESRCH);
}

static void test_libc(void **state)
{
	struct sym_stack stack =
		symbolizer_resolve(symbolizer, getpid(), (uint64_t)(uintptr_t)getppid, false);
	const struct sym_frame *f = &stack.frames[stack.count - 1];

	(void)state;
	assert_non_null(f->function);
	assert_non_null(strstr(f->function, "getppid"));
	assert_int_equal(f->offset, 0);
	assert_non_null(strstr(f->module, "libc"));
}

/* The debug file of libc is found by its build-id, where one is installed. */
static void test_libc_lines(void **state)
{
	struct sym_stack stack =
		symbolizer_resolve(symbolizer, getpid(), (uint64_t)(uintptr_t)rand, false);

	(void)state;
	if (!stack.frames[0].file) { /* cmocka's skip() is a failure to prove */
		print_message("# libc's debug file is not installed: not tested\n");
		return;
	}
	assert_non_null(strstr(stack.frames[0].file, "rand.c"));
	assert_true(stack.frames[0].line > 0);
}

/* ---- the life of a process ---- */

enum { CHILD = 1 << 28 }; /* no process has such a number */

static void test_fork_exec_exit(void **state)
{
	(void)state;
	outer();
	assert_int_equal(symbolizer_fork(symbolizer, CHILD, CHILD + 1), -ESRCH);
	assert_int_equal(symbolizer_fork(symbolizer, getpid(), getpid()), 0);
	assert_int_equal(symbolizer_fork(symbolizer, getpid(), CHILD), 0);
	assert_int_equal(symbolizer_add_process(symbolizer, CHILD), 0);
	check_chain(symbolizer, CHILD);
	symbolizer_exit(symbolizer, CHILD);
	symbolizer_exit(symbolizer, CHILD);
	check_chain(symbolizer, CHILD);
	/* Ended and not there: what is known is not thrown away. */
	assert_int_equal(symbolizer_add_process(symbolizer, CHILD), -ESRCH);
	check_chain(symbolizer, CHILD);
	symbolizer_exec(symbolizer, CHILD);
	check_unknown(CHILD, inner_address, true);
	check_chain(symbolizer, getpid());
}

static void test_ended_are_forgotten(void **state)
{
	(void)state;
	outer();
	for (pid_t i = 0; i <= SYMBOLIZER_ENDED_MAX; i++) {
		assert_int_equal(symbolizer_fork(symbolizer, getpid(), CHILD + i), 0);
		symbolizer_exit(symbolizer, CHILD + i);
	}
	check_unknown(CHILD, inner_address, true);
	check_chain(symbolizer, CHILD + 1);
	check_chain(symbolizer, CHILD + SYMBOLIZER_ENDED_MAX);
}

static const char *module_at(pid_t pid, uint64_t address)
{
	return symbolizer_resolve(symbolizer, pid, address, false).frames[0].module;
}

static void map_at(uint64_t start, uint64_t end, bool executable, const char *path)
{
	struct proc_mapping m = {
		.start = start, .end = end, .executable = executable, .path = path};

	assert_int_equal(symbolizer_map(symbolizer, CHILD, &m), 0);
}

static void test_override(void **state)
{
	(void)state;
	map_at(0x1000, 0x9000, true, "");
	map_at(0x3000, 0x5000, true, "[vdso]");
	assert_string_equal(module_at(CHILD, 0x2fff), "[anon]");
	assert_string_equal(module_at(CHILD, 0x3000), "[vdso]");
	assert_string_equal(module_at(CHILD, 0x4fff), "[vdso]");
	assert_string_equal(module_at(CHILD, 0x5000), "[anon]");
	map_at(0x4000, 0x6000, false, "/data");
	assert_string_equal(module_at(CHILD, 0x3fff), "[vdso]");
	check_unknown(CHILD, 0x4000, false);
	check_unknown(CHILD, 0x5fff, false);
	assert_string_equal(module_at(CHILD, 0x6000), "[anon]");
	map_at(0, 0x10000, true, "[vsyscall]");
	assert_string_equal(module_at(CHILD, 0), "[vsyscall]");
	assert_string_equal(module_at(CHILD, 0x4000), "[vsyscall]");
	check_unknown(CHILD, 0x10000, false);
	/* The first address behind a mapping is a return address of a call at its end. */
	assert_string_equal(symbolizer_resolve(symbolizer, CHILD, 0x10000, true).frames[0].module,
			    "[vsyscall]");
}

/* It tells the answers of one time from those of another, of one process from another. */
static void test_serial(void **state)
{
	uint64_t first, mapped;

	(void)state;
	assert_int_equal(symbolizer_serial(symbolizer, CHILD), 0);
	map_at(0x1000, 0x9000, true, "");
	first = symbolizer_serial(symbolizer, CHILD);
	assert_int_not_equal(first, 0);
	module_at(CHILD, 0x2000);
	assert_int_equal(symbolizer_serial(symbolizer, CHILD), first);
	map_at(0x3000, 0x5000, false, "");
	mapped = symbolizer_serial(symbolizer, CHILD);
	assert_int_not_equal(mapped, first);
	assert_int_equal(symbolizer_fork(symbolizer, CHILD, CHILD + 1), 0);
	assert_int_not_equal(symbolizer_serial(symbolizer, CHILD + 1), mapped);
	assert_int_equal(symbolizer_serial(symbolizer, CHILD), mapped);
	/* What has ended answers as before, until its number comes again. */
	symbolizer_exit(symbolizer, CHILD);
	assert_int_equal(symbolizer_serial(symbolizer, CHILD), mapped);
	map_at(0x1000, 0x9000, true, "");
	assert_int_not_equal(symbolizer_serial(symbolizer, CHILD), mapped);
	symbolizer_exec(symbolizer, CHILD);
	assert_int_equal(symbolizer_serial(symbolizer, CHILD), 0);
}

/* A mapping of a whole file at an address, as the process CHILD would have it. */
static int map_file_into(struct symbolizer *s, const char *path, uint64_t start)
{
	struct proc_mapping m = {.start = start, .executable = true, .path = path};
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	m.end = start + 0x100000000;
	m.inode = st.st_ino;
	m.dev_major = major(st.st_dev);
	m.dev_minor = minor(st.st_dev);
	return symbolizer_map(s, CHILD, &m);
}

static void map_file(const char *path, uint64_t start)
{
	assert_int_equal(map_file_into(symbolizer, path, start), 0);
}

/* Copies up to `size` bytes of this program to a new file. */
static void copy_self(const char *path, size_t size)
{
	static char buf[65536];
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	ssize_t n;

	assert_true(from >= 0 && to >= 0);
	while (size && (n = read(from, buf, size < sizeof(buf) ? size : sizeof(buf))) > 0) {
		assert_int_equal(write(to, buf, (size_t)n), n);
		size -= (size_t)n;
	}
	close(from);
	close(to);
}

static uint64_t module_offset_of(uint64_t address)
{
	return symbolizer_resolve(symbolizer, getpid(), address, false).frames[0].module_offset;
}

/* A file that is deleted after it was seen keeps its names, even with a newline in its own. */
static void test_deleted_file(void **state)
{
	uint64_t base = 0x10000000000, offset;
	char dir[] = "/tmp/test_sym.XXXXXX", path[128];
	struct sym_stack stack;

	(void)state;
	outer();
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/a\nb", dir);
	copy_self(path, SIZE_MAX);
	map_file(path, base);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
	/* Text has equal offsets and ELF addresses in a program laid out as usual. */
	offset = module_offset_of((uint64_t)(uintptr_t)outer);
	stack = symbolizer_resolve(symbolizer, CHILD, base + offset, false);
	assert_int_equal(stack.frames[0].module_offset, offset);
	assert_non_null(stack.frames[stack.count - 1].function);
	assert_string_equal(stack.frames[stack.count - 1].function, "outer");
}

static void check_nameless(uint64_t base, const char *path)
{
	for (uint64_t offset = 0; offset < 0x40000; offset += 0x777) {
		struct sym_stack stack =
			symbolizer_resolve(symbolizer, CHILD, base + offset, offset & 1);

		assert_true(stack.count >= 1);
		if (path)
			assert_string_equal(stack.frames[0].module, path);
	}
}

static void test_damaged_files(void **state)
{
	static const size_t sizes[] = {0, 1, 4, 16, 63, 64, 100, 500, 1000, 5000, 20000, 50000};
	char dir[] = "/tmp/test_sym.XXXXXX", path[128];
	uint64_t base = 0x20000000000;

	(void)state;
	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		snprintf(path, sizeof(path), "%s/truncated-%zu", dir, sizes[i]);
		copy_self(path, sizes[i]);
		map_file(path, base);
		check_nameless(base, path);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	map_file(path, base);
	check_nameless(base, path);
	assert_null(symbolizer_resolve(symbolizer, CHILD, base, false).frames[0].function);
	unlink(path);
	rmdir(dir);
}

/* A file cut off while it is held open must not end the tracer. */
static void test_truncated_later(void **state)
{
	char dir[] = "/tmp/test_sym.XXXXXX", path[128];
	uint64_t base = 0x30000000000;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/program", dir);
	copy_self(path, SIZE_MAX);
	map_file(path, base);
	assert_int_equal(truncate(path, 5000), 0);
	check_nameless(base, path);
	unlink(path);
	rmdir(dir);
}

/* Without descriptors a file stays nameless, which is counted, and has its names the next time. */
static void test_no_descriptors(void **state)
{
	uint64_t base = 0x40000000000, address = base;
	struct symbolizer_losses losses;
	struct symbolizer *s = symbolizer_new();
	struct rlimit limit, none;
	struct sym_stack stack;

	(void)state;
	assert_non_null(s);
	address += module_offset_of((uint64_t)(uintptr_t)outer);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(map_file_into(s, "/proc/self/exe", base), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	symbolizer_losses(s, &losses);
	assert_int_equal(losses.files, 1);
	assert_null(symbolizer_resolve(s, CHILD, address, false).frames[0].function);

	assert_int_equal(map_file_into(s, "/proc/self/exe", base), 0);
	stack = symbolizer_resolve(s, CHILD, address, false);
	assert_non_null(stack.frames[stack.count - 1].function);
	assert_string_equal(stack.frames[stack.count - 1].function, "outer");
	symbolizer_free(s);
}

/* The names of a child survive its end: they are not looked up until it is gone. */
static void test_ended_child(void **state)
{
	int status, ready[2];
	char byte;
	pid_t pid;

	(void)state;
	outer();
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		close(ready[1]);
		_exit(read(ready[0], &byte, 1) != 0);
	}
	assert_true(pid > 0);
	close(ready[0]);
	assert_int_equal(symbolizer_add_process(symbolizer, pid), 0);
	close(ready[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(symbolizer_refresh(symbolizer, pid), -ESRCH);
	check_chain(symbolizer, pid);
}

/* Code without a file, as a JIT makes it, is known once the mappings are read again. */
static void test_refresh(void **state)
{
	char *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t address = (uint64_t)(uintptr_t)code, before;

	(void)state;
	assert_ptr_not_equal(code, MAP_FAILED);
	assert_int_equal(symbolizer_add_process(symbolizer, getpid()), 0);
	assert_string_equal(module_at(getpid(), address), "[unknown]");
	before = symbolizer_serial(symbolizer, getpid());
	assert_int_equal(symbolizer_refresh(symbolizer, getpid()), 0);
	assert_string_equal(module_at(getpid(), address), "[anon]");
	assert_int_not_equal(symbolizer_serial(symbolizer, getpid()), before);
	assert_int_equal(munmap(code, 4096), 0);
}

int main(void)
{
#define WITH_SYMBOLIZER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_SYMBOLIZER(test_inlined),
		WITH_SYMBOLIZER(test_entry),
		WITH_SYMBOLIZER(test_unknown),
		WITH_SYMBOLIZER(test_libc),
		WITH_SYMBOLIZER(test_libc_lines),
		WITH_SYMBOLIZER(test_fork_exec_exit),
		WITH_SYMBOLIZER(test_ended_are_forgotten),
		WITH_SYMBOLIZER(test_override),
		WITH_SYMBOLIZER(test_serial),
		WITH_SYMBOLIZER(test_deleted_file),
		WITH_SYMBOLIZER(test_damaged_files),
		WITH_SYMBOLIZER(test_truncated_later),
		WITH_SYMBOLIZER(test_no_descriptors),
		WITH_SYMBOLIZER(test_ended_child),
		WITH_SYMBOLIZER(test_refresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
