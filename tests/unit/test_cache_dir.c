// SPDX-License-Identifier: MIT
/* Which directory is taken for what is kept, and which are not. */
#include <fcntl.h>
#include <limits.h>
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

#include "cmd/cache.h"

#define NAME "alloctrace-test"
#define VAR  "/var/cache/alloctrace/" NAME

static char home[PATH_MAX];

static const char *in_home(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%.1000s/%s", home, name);
	return path;
}

static void check_mode(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	assert_int_equal(st.st_uid, geteuid());
}

/* It is this one; NULL: there is none. */
static void expect(const char *wanted)
{
	char path[PATH_MAX] = "", self[64];
	int fd = cache_open_dir(NAME);
	ssize_t n;

	if (!wanted) {
		assert_int_equal(fd, -1);
		return;
	}
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	n = readlink(self, path, sizeof(path) - 1);
	assert_true(n > 0);
	assert_string_equal(path, wanted);
	check_mode(path);
	close(fd);
}

/* The user's own is not good enough. */
static void expect_other(void)
{
	expect(geteuid() ? NULL : VAR);
	if (!geteuid()) {
		assert_int_equal(rmdir(VAR), 0);
		(void)rmdir("/var/cache/alloctrace"); /* there may be more in it */
	}
}

static void test_home(void **state)
{
	(void)state;
	expect(in_home(".cache/alloctrace/" NAME));
	expect(in_home(".cache/alloctrace/" NAME));
	check_mode(in_home(".cache"));
	check_mode(in_home(".cache/alloctrace"));
	setenv("XDG_CACHE_HOME", "relative", 1); /* is not to be taken for anything */
	expect(in_home(".cache/alloctrace/" NAME));
	setenv("XDG_CACHE_HOME", "", 1);
	expect(in_home(".cache/alloctrace/" NAME));
}

static void test_set(void **state)
{
	(void)state;
	assert_int_equal(mkdir(in_home("set"), 0755), 0);
	setenv("XDG_CACHE_HOME", in_home("set"), 1);
	expect(in_home("set/alloctrace/" NAME));
	setenv("XDG_CACHE_HOME", in_home("nothing"), 1);
	expect_other();
}

static void test_no_home(void **state)
{
	(void)state;
	setenv("HOME", "relative", 1);
	expect_other();
	setenv("HOME", in_home("nothing"), 1);
	expect_other();
	unsetenv("HOME");
	expect_other();
}

static void test_for_others_to_write(void **state)
{
	static const char *const paths[] = {"", ".cache", ".cache/alloctrace",
					    ".cache/alloctrace/" NAME};

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		expect(in_home(".cache/alloctrace/" NAME));
		assert_int_equal(chmod(in_home(paths[i]), 0770), 0);
		expect_other();
		assert_int_equal(chmod(in_home(paths[i]), 0702), 0);
		expect_other();
		assert_int_equal(chmod(in_home(paths[i]), 0700), 0);
	}
}

static void test_of_others(void **state)
{
	static const char *const paths[] = {"", ".cache", ".cache/alloctrace",
					    ".cache/alloctrace/" NAME};

	(void)state;
	if (geteuid())
		skip();
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		expect(in_home(".cache/alloctrace/" NAME));
		assert_int_equal(chown(in_home(paths[i]), 1234, 1234), 0);
		expect_other();
		assert_int_equal(chown(in_home(paths[i]), 0, 0), 0);
	}
}

static void test_links(void **state)
{
	char other[PATH_MAX];

	(void)state;
	expect(in_home(".cache/alloctrace/" NAME));
	snprintf(other, sizeof(other), "%s", in_home("elsewhere"));
	assert_int_equal(rename(in_home(".cache"), other), 0);
	assert_int_equal(symlink(other, in_home(".cache")), 0);
	expect_other();
	/* The user's own directory may be a link: whoever set it said so. */
	setenv("XDG_CACHE_HOME", in_home(".cache"), 1);
	expect(in_home("elsewhere/alloctrace/" NAME));
}

static void test_file_in_the_way(void **state)
{
	int fd = open(in_home(".cache"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	expect_other();
}

static int start(void **state)
{
	(void)state;
	snprintf(home, sizeof(home), "/tmp/alloctrace-home.XXXXXX");
	if (!mkdtemp(home))
		return -1;
	return setenv("HOME", home, 1) || unsetenv("XDG_CACHE_HOME");
}

static int end(void **state)
{
	static const char *const paths[] = {".cache/alloctrace/" NAME,
					    ".cache/alloctrace",
					    "elsewhere/alloctrace/" NAME,
					    "elsewhere/alloctrace",
					    "set/alloctrace/" NAME,
					    "set/alloctrace",
					    "set",
					    "elsewhere",
					    ".cache"};

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		(void)remove(in_home(paths[i]));
	return rmdir(home);
}

#define IN_HOME(test) cmocka_unit_test_setup_teardown(test, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_HOME(test_home),
		IN_HOME(test_set),
		IN_HOME(test_no_home),
		IN_HOME(test_for_others_to_write),
		IN_HOME(test_of_others),
		IN_HOME(test_links),
		IN_HOME(test_file_in_the_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
