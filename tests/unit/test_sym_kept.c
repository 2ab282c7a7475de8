// SPDX-License-Identifier: MIT
/*
 * Answers that are asked for together, and answers that are kept between runs: both are the answers
 * to single questions to a process that has just been started. Needs no root.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <fcntl.h>
#include <poll.h>
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
#include "sym/answers.h"
#include "sym/names.h"
#include "sym/store.h"
#include "sym/symbolizer.h"
#include "same_frames.h"

#define ADDRESSES 3000
#define STEP      7 /* no multiple of an instruction's length */

static char directory[] = "/tmp/test_sym_kept.XXXXXX";
static int dir;

static int setup(void **state)
{
	(void)state;
	strcpy(strrchr(directory, '.'), ".XXXXXX");
	dir = mkdtemp(directory) ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	return dir < 0;
}

static int teardown(void **state)
{
	static const char *const files[] = {STORE_NAME, "file", "debug"};

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlinkat(dir, files[i], 0);
	close(dir);
	return rmdir(directory);
}

/* A file that has just been changed is not one to keep anything about: that passes. */
static void settle(int fd)
{
	struct store_key key;

	for (int i = 0; !store_identify(fd, &key); i++) {
		if (i == 100)
			skip();
		poll(NULL, 0, 50);
	}
}

static void settle_self(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	settle(fd);
	close(fd);
}

/* ---- questions ---- */

static struct symbolizer *start(bool keeps)
{
	struct symbolizer *s = symbolizer_new();

	assert_non_null(s);
	if (keeps)
		assert_int_equal(symbolizer_keep(s, dir), 0);
	assert_int_equal(symbolizer_add_process(s, getpid()), 0);
	return s;
}

/* Of this program, of the C library and of nothing; return addresses and others. */
static size_t make_words(uint64_t *words)
{
	const uint64_t bases[] = {(uint64_t)(uintptr_t)setup, (uint64_t)(uintptr_t)qsort, 4096};
	size_t n = 0;

	for (size_t base = 0; base < 3; base++)
		for (size_t i = 0; i < ADDRESSES / 3; i++)
			words[n++] = (bases[base] + i * STEP) | (i & 1 ? EVENT_EXACT : 0);
	return n;
}

static struct sym_stack resolve(struct symbolizer *s, uint64_t word)
{
	return symbolizer_resolve(s, getpid(), word & ~EVENT_EXACT, !(word & EVENT_EXACT));
}

static void check_all(struct symbolizer *one, struct symbolizer *other)
{
	static uint64_t words[ADDRESSES];
	size_t n = make_words(words);

	for (size_t i = 0; i < n; i++)
		check_same(resolve(one, words[i]), resolve(other, words[i]));
}

static void prepare_all(struct symbolizer *s)
{
	static uint64_t words[ADDRESSES];
	size_t n = make_words(words);

	symbolizer_prepare(s, getpid(), words, n);
}

static void test_together(void **state)
{
	struct symbolizer *together = start(false), *singly = start(false);
	size_t named = 0;

	(void)state;
	prepare_all(together);
	check_all(together, singly);
	for (size_t i = 0; i < 100; i++)
		named += resolve(together, (uint64_t)(uintptr_t)qsort + i).frames[0].function !=
			 NULL;
	assert_true(named > 90);
	/* A process that is not known has no answers, and nothing to prepare. */
	symbolizer_prepare(together, 1 << 30, &(uint64_t){4096}, 1);
	symbolizer_free(together);
	symbolizer_free(singly);
}

static void test_kept(void **state)
{
	struct symbolizer *first, *second, *singly = start(false);

	(void)state;
	settle_self();
	first = start(true);
	prepare_all(first);
	assert_int_equal(symbolizer_kept(first), 0);
	symbolizer_free(first);
	second = start(true);
	prepare_all(second);
	assert_true(symbolizer_kept(second) >= ADDRESSES / 3);
	check_all(second, singly);
	symbolizer_free(second);
	symbolizer_free(singly);
}

/* Whoever may write the directory's file, or has put something else there, is not believed. */
static void test_unfit(void **state)
{
	struct store *first = store_open(dir), *second;

	(void)state;
	assert_non_null(first);
	second = store_open(dir); /* while another run writes: to read */
	assert_non_null(second);
	assert_int_not_equal(store_append(second, &(struct store_key){0}, "x", 1), 0);
	store_close(second);
	store_close(first);
	assert_int_equal(fchmodat(dir, STORE_NAME, 0622, 0), 0);
	assert_null(store_open(dir));
	assert_int_equal(unlinkat(dir, STORE_NAME, 0), 0);
	assert_int_equal(symlinkat("/etc/passwd", dir, STORE_NAME), 0);
	assert_null(store_open(dir));
	assert_null(store_open(-1));
}

/* ---- the store ---- */

static const struct store_key some_key = {1, 2, 3, 4, 5}, other_key = {1, 2, 3, 4, 6};

static void count_taken(void *context, const void *bytes, size_t n)
{
	assert_int_equal(n, 5);
	assert_memory_equal(bytes, "bytes", n);
	(*(size_t *)context)++;
}

static size_t count_records(const struct store *s, const struct store_key *key)
{
	size_t count = 0;

	store_each(s, key, count_taken, &count);
	return count;
}

static void flip(size_t at)
{
	int fd = openat(dir, STORE_NAME, O_RDWR | O_CLOEXEC);
	unsigned char byte;

	assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
	close(fd);
}

static void cut(size_t size)
{
	int fd = openat(dir, STORE_NAME, O_RDWR | O_CLOEXEC);

	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	close(fd);
}

static size_t store_size(void)
{
	struct stat st;

	assert_int_equal(fstatat(dir, STORE_NAME, &st, 0), 0);
	return (size_t)st.st_size;
}

static void test_damaged(void **state)
{
	struct store *s = store_open(dir);
	size_t size;

	(void)state;
	assert_int_equal(store_append(s, &some_key, "bytes", 5), 0);
	assert_int_equal(count_records(s, &some_key), 1);
	store_close(s);
	size = store_size();
	for (size_t i = 0; i < size; i++) {
		flip(i);
		s = store_open(dir);
		assert_non_null(s);
		assert_int_equal(count_records(s, &some_key), 0);
		store_close(s);
		flip(i);
	}
	for (size_t i = size; i-- > 0;) {
		cut(i);
		s = store_open(dir);
		assert_int_equal(count_records(s, &some_key), 0);
		store_close(s);
	}
}

/* What follows a damaged head is lost, and the file is used again from there. */
static void test_mended(void **state)
{
	struct store *s = store_open(dir);
	size_t first;

	(void)state;
	assert_int_equal(store_append(s, &some_key, "bytes", 5), 0);
	first = store_size();
	assert_int_equal(store_append(s, &other_key, "bytes", 5), 0);
	assert_int_equal(store_append(s, &some_key, "bytes", 5), 0);
	assert_int_equal(count_records(s, &some_key), 2);
	store_close(s);
	flip(first);
	s = store_open(dir);
	assert_int_equal(count_records(s, &some_key), 1);
	assert_int_equal(count_records(s, &other_key), 0);
	assert_int_equal(store_append(s, &other_key, "bytes", 5), 0);
	store_close(s);
	s = store_open(dir);
	assert_int_equal(count_records(s, &some_key), 1);
	assert_int_equal(count_records(s, &other_key), 1);
	assert_int_equal(store_size(), 2 * first);
	store_close(s);
}

/* ---- the answers about one file ---- */

static bool debug_is_there;

static int open_debug(void *context, const char *path)
{
	(void)context;
	assert_string_equal(path, "/debug");
	return debug_is_there ? openat(dir, "debug", O_RDONLY | O_CLOEXEC) : -1;
}

static int make_file(const char *name, mode_t mode)
{
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, name, 1), 1);
	assert_int_equal(fchmod(fd, mode), 0);
	return fd;
}

static const struct sym_address place = {4096, true};

/* A run in which the address is answered, or found to be. */
static bool run(int fd, struct names *names)
{
	const struct sym_frame frame = {.function = names_intern(names, "f"), .line = 7};
	struct store *store = store_open(dir);
	struct answers *a = answers_new(store, fd, "/file", names, open_debug, NULL);
	const struct sym_frame *found;
	bool known = a && answers_find(a, &place, &found);
	int debug;

	if (known) {
		assert_string_equal(found->function, "f");
		assert_int_equal(found->line, 7);
		assert_null(found->file);
	} else if (a) {
		debug = open_debug(NULL, "/debug");
		answers_wanted(a, "/debug", debug);
		if (debug >= 0)
			close(debug);
		answers_add(a, &place, &frame, 1);
	}
	answers_free(a);
	store_close(store);
	return known;
}

static void test_changed(void **state)
{
	struct names *names = names_new();
	int fd = make_file("file", 0644);

	(void)state;
	debug_is_there = false;
	settle(fd);
	assert_false(run(fd, names));
	assert_true(run(fd, names));
	assert_int_equal(write(fd, "x", 1), 1);
	assert_false(run(fd, names)); /* it was changed just now */
	settle(fd);
	assert_false(run(fd, names));
	assert_true(run(fd, names));
	assert_int_equal(fchmod(fd, 0664), 0);
	assert_false(run(fd, names)); /* others may write it */
	assert_false(run(fd, names));
	close(fd);
	names_free(names);
}

/* Debug information that is installed, replaced or removed changes the answers. */
static void test_debug_file(void **state)
{
	struct names *names = names_new();
	int fd = make_file("file", 0644), debug = make_file("debug", 0644);

	(void)state;
	debug_is_there = false;
	settle(debug);
	assert_false(run(fd, names));
	assert_true(run(fd, names));
	debug_is_there = true;
	assert_false(run(fd, names));
	assert_true(run(fd, names));
	assert_int_equal(write(debug, "x", 1), 1);
	settle(debug);
	assert_false(run(fd, names));
	assert_true(run(fd, names));
	assert_int_equal(fchmod(debug, 0666), 0);
	assert_false(run(fd, names));
	assert_false(run(fd, names));
	close(debug);
	close(fd);
	names_free(names);
}

int main(void)
{
#define WITH_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_together), WITH_DIRECTORY(test_kept),
		WITH_DIRECTORY(test_unfit),      WITH_DIRECTORY(test_damaged),
		WITH_DIRECTORY(test_mended),     WITH_DIRECTORY(test_changed),
		WITH_DIRECTORY(test_debug_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
