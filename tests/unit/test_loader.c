// SPDX-License-Identifier: MIT
/*
 * The loader's cache: as ldconfig reads the one of this machine, and made by hand, good and
 * damaged. This program's open() stands before the C library's, and gives a file of ours for
 * /etc/ld.so.cache. Linked with user/probe/loader.c alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "probe/loader.h"

#define MAX_VISITS  256
#define HEADER      48 /* bytes: 20 of magic, 7 numbers */
#define ENTRY       24
#define MAX_CACHE   4096
#define IS_ELF_LIBC 3 /* of an entry's flags; nobody here looks at them */

/* ---- what open() gives ---- */

static const char *stand_in; /* NULL: the machine's own */
static int opened;           /* how often the cache was */

int open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list args;

	va_start(args, flags);
	if (flags & O_CREAT)
		mode = va_arg(args, mode_t);
	va_end(args);
	if (!strcmp(path, "/etc/ld.so.cache")) {
		opened++;
		path = stand_in ? stand_in : path;
	}
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* ---- what was visited ---- */

static char *visited[MAX_VISITS];
static size_t visits;

/* A path lives during the call: what is kept is a copy. */
static void visit(void *context, const char *path)
{
	assert_ptr_equal(context, &visits);
	assert_true(visits < MAX_VISITS);
	visited[visits] = strdup(path);
	assert_non_null(visited[visits]);
	visits++;
}

static void forget_visits(void)
{
	while (visits)
		free(visited[--visits]);
}

static void look(const char *preload)
{
	forget_visits();
	loader_each_allocator(visit, &visits, preload);
}

static void assert_visits(size_t n, const char *const *paths)
{
	for (size_t i = 0; i < n && i < visits; i++)
		assert_string_equal(visited[i], paths[i]);
	assert_int_equal(visits, n);
}

#define ASSERT_VISITS(...)                                                    \
	assert_visits(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), \
		      (const char *[]){__VA_ARGS__})

/* ---- a cache by hand ---- */

static char path_of_cache[] = "/tmp/test_loader.XXXXXX";

static struct {
	unsigned char bytes[MAX_CACHE];
	size_t size;
	uint32_t count;
} cache;

static void put32(size_t at, uint32_t value)
{
	memcpy(cache.bytes + at, &value, sizeof(value));
}

static uint32_t add_string(const char *text)
{
	size_t at = cache.size, n = strlen(text) + 1;

	assert_true(at + n <= sizeof(cache.bytes));
	memcpy(cache.bytes + at, text, n);
	cache.size += n;
	return (uint32_t)at;
}

/* The entries lie behind the header, their strings behind all entries. */
static void make_cache(const char *const *paths, uint32_t count)
{
	memset(&cache, 0, sizeof(cache));
	memcpy(cache.bytes, "glibc-ld.so.cache1.1", 20);
	put32(20, count);
	cache.count = count;
	cache.size = HEADER + (size_t)count * ENTRY;
	for (uint32_t i = 0; i < count; i++) {
		const char *base = strrchr(paths[i], '/');

		put32(HEADER + i * ENTRY, IS_ELF_LIBC);
		put32(HEADER + i * ENTRY + 4, add_string(base ? base + 1 : paths[i]));
		put32(HEADER + i * ENTRY + 8, add_string(paths[i]));
	}
	put32(24, (uint32_t)(cache.size - HEADER - (size_t)count * ENTRY));
}

/* Its first `size` bytes as the file. */
static void write_cache(size_t size)
{
	FILE *file = fopen(path_of_cache, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(cache.bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
	stand_in = path_of_cache;
}

static void look_at_cache(void)
{
	write_cache(cache.size);
	look(NULL);
}

static int setup(void **state)
{
	int fd = mkstemp(path_of_cache);

	(void)state;
	return fd < 0 || close(fd);
}

static int teardown(void **state)
{
	(void)state;
	forget_visits();
	return unlink(path_of_cache);
}

static int reset(void **state)
{
	(void)state;
	stand_in = NULL;
	forget_visits();
	return 0;
}

/* ---- of this machine ---- */

/* Each line of `ldconfig -p` that names an allocator ends in " => PATH". */
static void test_as_ldconfig(void **state)
{
	FILE *pipe = popen("PATH=$PATH:/sbin:/usr/sbin ldconfig -p", "r");
	size_t lines = 0, found = 0;
	char line[4200];

	(void)state;
	assert_non_null(pipe);
	look(NULL);
	while (fgets(line, sizeof(line), pipe)) {
		char *path = strstr(line, " => "), *base;

		lines++;
		if (!path)
			continue;
		path += 4;
		path[strcspn(path, "\n")] = '\0';
		base = strrchr(path, '/');
		if (!base || !strstr(base, "malloc"))
			continue;
		if (found >= visits)
			fail_msg("%s was not visited", path);
		assert_string_equal(visited[found], path);
		found++;
	}
	pclose(pipe);
	if (!lines)
		skip(); /* no ldconfig, or no cache */
	assert_int_equal(visits, found);
}

/* ---- by hand ---- */

static void test_names(void **state)
{
	static const char *const paths[] = {
		"/usr/lib/libjemalloc.so.2",
		"/usr/lib/libc.so.6",
		"/opt/x/libtcmalloc_minimal.so.4",
		"/usr/lib/malloc/libm.so.6", /* the folder says nothing */
		"/usr/lib/libMalloc.so",
		"/libmimalloc.so",
		"malloc.so", /* no path at all */
		"/usr/lib/libmallo.so",
		"",
		"/usr/lib/libmalloc",
	};

	(void)state;
	make_cache(paths, 10);
	opened = 0;
	look_at_cache();
	assert_int_equal(opened, 1);
	ASSERT_VISITS("/usr/lib/libjemalloc.so.2", "/opt/x/libtcmalloc_minimal.so.4",
		      "/libmimalloc.so", "/usr/lib/libmalloc");
	look(NULL);
	assert_int_equal(visits, 4);
}

static void test_empty(void **state)
{
	(void)state;
	make_cache(NULL, 0);
	look_at_cache();
	assert_int_equal(visits, 0);
}

static void test_no_cache(void **state)
{
	(void)state;
	stand_in = "/nonexistent/ld.so.cache";
	look(NULL);
	assert_int_equal(visits, 0);
	look("/x/liba.so");
	ASSERT_VISITS("/x/liba.so");
	stand_in = "/tmp"; /* no file */
	look(NULL);
	assert_int_equal(visits, 0);
}

/* The older format, and this one's with another number. */
static void test_another_format(void **state)
{
	static const char *const paths[] = {"/usr/lib/libjemalloc.so.2"};
	static const char *const magics[] = {"ld.so-1.7.0", "glibc-ld.so.cache1.2",
					     "glibc-ld.so.cache1.",
					     "\x7f"
					     "ELF"};

	(void)state;
	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
		make_cache(paths, 1);
		memset(cache.bytes, 0, 20);
		memcpy(cache.bytes, magics[i], strlen(magics[i]));
		look_at_cache();
		assert_int_equal(visits, 0);
	}
}

/* Cut anywhere: what is visited is a beginning of the path, and nothing beyond the file is read. */
static void test_cut(void **state)
{
	static const char *const paths[] = {"/usr/lib/libjemalloc.so.2"};

	(void)state;
	make_cache(paths, 1);
	for (size_t size = 0; size <= cache.size; size++) {
		write_cache(size);
		look(NULL);
		if (size < HEADER + ENTRY)
			assert_int_equal(visits, 0);
		for (size_t i = 0; i < visits; i++)
			assert_memory_equal(visited[i], paths[0], strlen(visited[i]));
	}
	assert_int_equal(visits, 1);
}

/* More entries than the file has room for: none is believed. */
static void test_wrong_count(void **state)
{
	static const char *const paths[] = {"/a/libjemalloc.so", "/b/libmimalloc.so"};
	static const uint32_t counts[] = {100, 1000000, 0x0aaaaaab, 0x80000000, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		make_cache(paths, 2);
		put32(20, counts[i]);
		look_at_cache();
		assert_int_equal(visits, 0);
	}
	put32(20, 1);
	look_at_cache();
	ASSERT_VISITS("/a/libjemalloc.so");
}

static void test_wrong_offset(void **state)
{
	static const char *const paths[] = {"/a/libjemalloc.so", "/b/libmimalloc.so"};

	(void)state;
	make_cache(paths, 2);
	for (uint32_t past = 0; past < 100; past++) {
		put32(HEADER + 8, (uint32_t)cache.size + past);
		look_at_cache();
		ASSERT_VISITS("/b/libmimalloc.so");
	}
	put32(HEADER + 8, UINT32_MAX);
	look_at_cache();
	ASSERT_VISITS("/b/libmimalloc.so");
	put32(HEADER + 8, (uint32_t)cache.size - 1);
	look_at_cache();
	ASSERT_VISITS("/b/libmimalloc.so");
}

/* No zero behind the last string. */
static void test_no_end(void **state)
{
	static const char *const paths[] = {"/a/libjemalloc.so"};

	(void)state;
	make_cache(paths, 1);
	cache.size--;
	look_at_cache();
	ASSERT_VISITS("/a/libjemalloc.so");
}

/* ---- LD_PRELOAD ---- */

/* ld.so(8): divided by blanks or colons. Without a slash it is a name, for the cache. */
static void test_preload(void **state)
{
	(void)state;
	make_cache(NULL, 0);
	write_cache(cache.size);
	look("/a/libx.so");
	ASSERT_VISITS("/a/libx.so");
	look("/a/libx.so:/b/y /c/z");
	ASSERT_VISITS("/a/libx.so", "/b/y", "/c/z");
	look(" : /a/libx.so::  ./y: ");
	ASSERT_VISITS("/a/libx.so", "./y");
	look("libjemalloc.so.2:/a/libjemalloc.so:x");
	ASSERT_VISITS("/a/libjemalloc.so");
	look("x/y");
	ASSERT_VISITS("x/y");
	look("");
	assert_int_equal(visits, 0);
	look(": :");
	assert_int_equal(visits, 0);
	look("libjemalloc.so.2 /"); /* the slash of another word */
	ASSERT_VISITS("/");
}

/* A path longer than the kernel takes is passed over; what is behind it counts. */
static void test_long_preload(void **state)
{
	static char list[5000];

	(void)state;
	make_cache(NULL, 0);
	write_cache(cache.size);
	memset(list, 'x', 4095);
	list[0] = '/';
	look(list);
	assert_int_equal(visits, 1);
	assert_string_equal(visited[0], list);
	strcpy(list + 4095, "x:/b/y");
	look(list);
	ASSERT_VISITS("/b/y");
}

static void test_cache_and_preload(void **state)
{
	static const char *const paths[] = {"/usr/lib/libjemalloc.so.2"};

	(void)state;
	make_cache(paths, 1);
	write_cache(cache.size);
	look("/a/libx.so");
	ASSERT_VISITS("/usr/lib/libjemalloc.so.2", "/a/libx.so");
}

#define TEST(function) cmocka_unit_test_setup(function, reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_as_ldconfig), TEST(test_names),          TEST(test_empty),
		TEST(test_no_cache),    TEST(test_another_format), TEST(test_cut),
		TEST(test_wrong_count), TEST(test_wrong_offset),   TEST(test_no_end),
		TEST(test_preload),     TEST(test_long_preload),   TEST(test_cache_and_preload),
	};

	return cmocka_run_group_tests_name("loader", tests, setup, teardown);
}
