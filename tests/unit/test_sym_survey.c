// SPDX-License-Identifier: MIT
/*
 * There and back: what a live symbolizer knows is told to one that is fed, and both must give the
 * same answers; of files that are as they were, and by names alone of files that are not. Needs no
 * root.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <cmocka.h>

#include "core/event.h"
#include "sym/store.h"
#include "retell.h"
#include "same_frames.h"

#define CHILD ((pid_t)1 << 28) /* no process has such a number */
#define BASE  0x10000000000ULL /* where it has a file */
#define STEP  37               /* no multiple of an instruction's length */

/* The linker knows where this program's code is. */
extern const char __executable_start[], etext[];

static char directory[] = "/tmp/test_sym_survey.XXXXXX";
static int dir;
static struct symbolizer *live, *fed;
static struct retelling retelling;

static int setup(void **state)
{
	(void)state;
	strcpy(strrchr(directory, '.'), ".XXXXXX");
	dir = mkdtemp(directory) ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	live = symbolizer_new();
	fed = symbolizer_new();
	retelling = (struct retelling){0};
	return dir < 0 || !live || !fed;
}

static int teardown(void **state)
{
	(void)state;
	symbolizer_free(live);
	symbolizer_free(fed);
	unlinkat(dir, "lib.so", 0);
	unlinkat(dir, STORE_NAME, 0);
	close(dir);
	return rmdir(directory);
}

static struct sym_stack resolve(struct symbolizer *s, pid_t pid, uint64_t word)
{
	return symbolizer_resolve(s, pid, event_word_address(word), event_word_is_return(word));
}

/* ---- files ---- */

/* A copy of this program, in which the code lies at other addresses than in the file; without
 * `shift` at those where it lay. */
static void make_lib(uint64_t shift, bool other)
{
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), to;
	struct stat st;
	Elf64_Ehdr *header;
	Elf64_Phdr *segments;
	char *bytes;

	assert_true(from >= 0 && !fstat(from, &st));
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, from, 0);
	assert_ptr_not_equal(bytes, MAP_FAILED);
	header = (Elf64_Ehdr *)bytes;
	segments = (Elf64_Phdr *)(bytes + header->e_phoff);
	for (int i = 0; i < header->e_phnum; i++) {
		if (segments[i].p_type == PT_LOAD && segments[i].p_flags & PF_X)
			segments[i].p_vaddr += shift;
		/* The last byte of the build-id is the note's. */
		if (segments[i].p_type == PT_NOTE && segments[i].p_align == 4 && other)
			bytes[segments[i].p_offset + 16 + 1] ^= 1;
	}
	unlinkat(dir, "lib.so", 0);
	to = openat(dir, "lib.so", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	assert_true(to >= 0);
	assert_int_equal(write(to, bytes, (size_t)st.st_size), st.st_size);
	munmap(bytes, (size_t)st.st_size);
	close(from);
	close(to);
}

static const char *lib_path(void)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/lib.so", directory);
	return path;
}

static void map_lib(void)
{
	struct proc_mapping m = {.start = BASE, .executable = true, .path = lib_path()};
	struct stat st;

	assert_int_equal(stat(lib_path(), &st), 0);
	m.end = BASE + (uint64_t)st.st_size;
	m.inode = st.st_ino;
	m.dev_major = major(st.st_dev);
	m.dev_minor = minor(st.st_dev);
	assert_int_equal(symbolizer_map(live, CHILD, &m), 0);
}

/* Every STEP bytes of code, by turns as a return address. 0: no more. */
static uint64_t word_at(size_t i)
{
	uint64_t offset = (uint64_t)(etext - __executable_start);

	if (i * STEP >= offset)
		return 0;
	return (BASE + i * STEP) | (i & 1 ? EVENT_EXACT : 0);
}

static size_t check_all_same(void)
{
	size_t named = 0;
	uint64_t word;

	for (size_t i = 0; (word = word_at(i)); i++) {
		struct sym_stack stack = resolve(live, CHILD, word);

		check_same(stack, resolve(fed, CHILD, word));
		named += stack.frames[stack.count - 1].function != NULL;
	}
	return named;
}

static void retell_all_names(void)
{
	uint64_t word;

	for (size_t i = 0; (word = word_at(i)); i++)
		assert_true(retell_names(&retelling, live, CHILD, word, fed) ||
			    event_word_address(word) == BASE);
}

static void prepare_all(struct symbolizer *s)
{
	static uint64_t words[1 << 20];
	size_t n = 0;

	while (n < sizeof(words) / sizeof(words[0]) && (words[n] = word_at(n)))
		n++;
	symbolizer_prepare(s, CHILD, words, n);
}

/* How many of them the fed one names. */
static size_t count_named(void)
{
	size_t named = 0;
	uint64_t word;

	for (size_t i = 0; (word = word_at(i)); i++)
		named += resolve(fed, CHILD, word).frames[0].function != NULL;
	return named;
}

/* ---- there ---- */

static void test_self(void **state)
{
	const uint64_t bases[] = {(uint64_t)(uintptr_t)setup, (uint64_t)(uintptr_t)qsort, 4096};
	const struct space *space;

	(void)state;
	assert_int_equal(symbolizer_add_process(live, getpid()), 0);
	retell_space(&retelling, live, getpid(), fed);
	space = survey_space(live, getpid(), &(uint64_t){0});
	for (size_t i = 0; i < space->count; i++) {
		const char *path = module_path(space->at[i].module);
		uint32_t number = retold_number(&retelling, module_id(space->at[i].module));
		struct sym_file file;

		survey_file(space->at[i].module, &file);
		assert_int_equal(file.size != 0, path[0] == '/');
		assert_int_equal(retelling.found[number],
				 path[0] == '/' || !strcmp(path, "[vdso]"));
	}
	for (size_t base = 0; base < 3; base++) {
		for (uint64_t i = 0; i < 1000; i++) {
			uint64_t word = (bases[base] + i * STEP) | (i & 1 ? EVENT_EXACT : 0);

			check_same(resolve(live, getpid(), word), resolve(fed, getpid(), word));
		}
	}
	check_text(resolve(fed, getpid(), bases[0] | EVENT_EXACT).frames[0].function, "setup");
}

static void test_file_is_there(void **state)
{
	(void)state;
	make_lib(0x10000, false);
	map_lib();
	retell_space(&retelling, live, CHILD, fed);
	assert_true(retelling.found[0]);
	prepare_all(live);
	prepare_all(fed);
	assert_true(check_all_same() > 1000);
}

static void test_survey_file(void **state)
{
	struct sym_file file;
	struct stat st;
	uint64_t serial, later;
	const struct space *space;

	(void)state;
	assert_null(survey_space(live, CHILD, &serial));
	assert_int_equal(serial, 0);
	make_lib(0, false);
	map_lib();
	assert_int_equal(stat(lib_path(), &st), 0);
	space = survey_space(live, CHILD, &serial);
	assert_int_equal(space->count, 1);
	survey_file(space->at[0].module, &file);
	assert_string_equal(file.path, lib_path());
	assert_int_equal(file.size, st.st_size);
	assert_int_equal(file.build_id_size, 20);
	resolve(live, CHILD, BASE + 0x5000);
	survey_space(live, CHILD, &later);
	assert_int_equal(later, serial);
	symbolizer_map(live, CHILD, &(struct proc_mapping){.start = 1, .end = 2, .path = ""});
	survey_space(live, CHILD, &later);
	assert_int_not_equal(later, serial);
}

/* ---- and back ---- */

/* With the addresses of the file where it is gone. */
static void test_names_alone(void **state)
{
	uint64_t shift = 0x10000, start = (uint64_t)(uintptr_t)__executable_start;
	uint64_t setup_at = BASE + (uint64_t)(uintptr_t)setup - start;

	(void)state;
	make_lib(shift, false);
	map_lib();
	assert_int_equal(unlinkat(dir, "lib.so", 0), 0);
	retell_space(&retelling, live, CHILD, fed);
	assert_false(retelling.found[0]);
	prepare_all(live);
	retell_all_names();
	retell_names(&retelling, live, CHILD, setup_at | EVENT_EXACT, fed);
	assert_true(check_all_same() > 1000);
	assert_int_equal(resolve(fed, CHILD, setup_at | EVENT_EXACT).frames[0].module_offset,
			 setup_at - BASE + shift);
}

static void test_no_names(void **state)
{
	(void)state;
	make_lib(0, false);
	map_lib();
	assert_int_equal(unlinkat(dir, "lib.so", 0), 0);
	retell_space(&retelling, live, CHILD, fed);
	assert_int_equal(count_named(), 0);
	assert_string_equal(resolve(fed, CHILD, BASE + 0x100).frames[0].module, lib_path());
}

/* The file has the name and the size, and another build-id. */
static void test_replaced(void **state)
{
	(void)state;
	make_lib(0, false);
	map_lib();
	make_lib(0, true);
	retell_space(&retelling, live, CHILD, fed);
	assert_false(retelling.found[0]);
	assert_int_equal(count_named(), 0);
}

/* A copy is as good. */
static void test_copied(void **state)
{
	(void)state;
	make_lib(0, false);
	map_lib();
	make_lib(0, false);
	retell_space(&retelling, live, CHILD, fed);
	assert_true(retelling.found[0]);
	prepare_all(fed);
	assert_true(count_named() > 1000);
}

/* Where both can tell, the recording is believed, and where it is silent, the file. */
static void test_both(void **state)
{
	const struct sym_frame frame = {.function = "told", .module_offset = 1};
	uint64_t setup_at = (uint64_t)(uintptr_t)setup - (uint64_t)(uintptr_t)__executable_start;
	const struct sym_address at = {setup_at, false};

	(void)state;
	make_lib(0x10000, false);
	map_lib();
	retell_space(&retelling, live, CHILD, fed);
	assert_true(retelling.found[0]);
	assert_int_equal(restore_names(fed, 0, &at, &frame, 1), 0);
	check_text(resolve(fed, CHILD, (BASE + setup_at) | EVENT_EXACT).frames[0].function, "told");
	check_same(resolve(fed, CHILD, (BASE + setup_at + 1) | EVENT_EXACT),
		   resolve(live, CHILD, (BASE + setup_at + 1) | EVENT_EXACT));
}

/* ---- kept between runs ---- */

static void keep(struct symbolizer **s)
{
	symbolizer_free(*s);
	*s = symbolizer_new();
	retelling = (struct retelling){0};
	assert_non_null(*s);
	assert_int_equal(symbolizer_keep(*s, dir), 0);
}

/* What is read of files serves later runs. What a recording says does not: nobody vouches for it.
 */
static void test_kept(void **state)
{
	const uint64_t word = (uint64_t)(uintptr_t)teardown | EVENT_EXACT;
	const uint64_t other = (uint64_t)(uintptr_t)keep | EVENT_EXACT;
	const struct sym_frame told = {.function = "told"};
	int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct sym_address at;
	struct store_key key;
	uint32_t id;

	(void)state;
	for (int i = 0; i < 100 && !store_identify(self, &key); i++)
		poll(NULL, 0, 50);
	if (!store_identify(self, &key))
		skip();
	close(self);
	assert_int_equal(symbolizer_add_process(live, getpid()), 0);
	keep(&fed);
	retell_space(&retelling, live, getpid(), fed);
	assert_true(survey_locate(live, getpid(), word, &id, &at));
	assert_int_equal(restore_names(fed, retold_number(&retelling, id), &at, &told, 1), 0);
	check_text(resolve(fed, getpid(), word).frames[0].function, "told");
	check_text(resolve(fed, getpid(), other).frames[0].function, "keep");
	assert_int_equal(symbolizer_kept(fed), 0);
	keep(&fed);
	retell_space(&retelling, live, getpid(), fed);
	check_text(resolve(fed, getpid(), word).frames[0].function, "teardown");
	assert_int_equal(symbolizer_kept(fed), 0);
	check_text(resolve(fed, getpid(), other).frames[0].function, "keep");
	assert_int_equal(symbolizer_kept(fed), 1);
}

int main(void)
{
#define SURVEYED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		SURVEYED(test_self),        SURVEYED(test_file_is_there),
		SURVEYED(test_survey_file), SURVEYED(test_names_alone),
		SURVEYED(test_no_names),    SURVEYED(test_replaced),
		SURVEYED(test_copied),      SURVEYED(test_both),
		SURVEYED(test_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
