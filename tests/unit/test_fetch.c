/*
 * The process that asks for debug files, with a debuginfod-find of our own in PATH, which writes
 * down that it was called, and does what the build-id says. Needs no root.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "guard/fetch.h"

static char dir[] = "/tmp/test_fetch.XXXXXX";
static char *old_path;
static const struct fetch_user ourselves = {.name = ""};

static const char script[] =
	"#!/bin/sh\n"
	"here=${0%/*}\n"
	"echo \"$*\" >>$here/calls\n"
	"env >$here/environment\n"
	"case $2 in\n"
	"01*) echo $here/file ;;\n"
	"02*) echo 'Server query failed: No such file or directory'; exit 1 ;;\n"
	"03*) echo 'Server query failed: Connection refused'; exit 1 ;;\n"
	"04*) echo relative ;;\n"
	"05*) head -c 100000 /dev/zero | tr '\\0' x; echo $here/file ;;\n"
	"06*) kill -SEGV $$ ;;\n"
	"07*) echo $here/nothing ;;\n"
	"esac\n";

static const char *in_dir(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void write_file(const char *name, const char *text, mode_t mode)
{
	FILE *file = fopen(in_dir(name), "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(chmod(in_dir(name), mode), 0);
}

static int make_dir(void **state)
{
	char path[4096];

	(void)state;
	assert_non_null(mkdtemp(dir));
	write_file("debuginfod-find", script, 0755);
	write_file("file", "contents", 0644);
	old_path = strdup(getenv("PATH"));
	snprintf(path, sizeof(path), "%s:%s", dir, old_path);
	setenv("PATH", path, 1);
	setenv("DEBUGINFOD_URLS", "http://127.0.0.1:9", 1);
	setenv("DEBUGINFOD_VERBOSE", "1", 1);
	setenv("SECRET", "mine", 1);
	return 0;
}

static int remove_dir(void **state)
{
	static const char *const names[] = {"debuginfod-find", "file", "calls", "environment"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(in_dir(names[i]));
	free(old_path);
	return rmdir(dir);
}

static size_t count_calls(void)
{
	FILE *file = fopen(in_dir("calls"), "r");
	size_t lines = 0;
	int c;

	while (file && (c = getc(file)) != EOF)
		lines += c == '\n';
	if (file)
		fclose(file);
	return lines;
}

static struct fetch *start(void)
{
	struct fetch *f;
	int err;

	unlink(in_dir("calls"));
	f = fetch_start(&ourselves, &err);
	assert_non_null(f);
	assert_int_equal(err, 0);
	return f;
}

static int ask(struct fetch *f, unsigned char first)
{
	const unsigned char id[20] = {first, 0xab};

	return fetch_file(f, id, sizeof(id));
}

static void test_file(void **state)
{
	struct fetch *f = start();
	char bytes[16] = "", line[256];
	int fd = ask(f, 1);
	FILE *calls;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(read(fd, bytes, sizeof(bytes)), 8);
	assert_string_equal(bytes, "contents");
	close(fd);
	calls = fopen(in_dir("calls"), "r");
	assert_non_null(calls);
	assert_non_null(fgets(line, sizeof(line), calls));
	assert_string_equal(line, "debuginfo 01ab000000000000000000000000000000000000\n");
	fclose(calls);
	assert_int_equal(fetch_unanswered(f), 0);
	fetch_stop(f);
}

static void test_environment(void **state)
{
	struct fetch *f = start();
	int fd = ask(f, 1), timeout = 0;
	char line[8192];
	FILE *file = fopen(in_dir("environment"), "r");

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		assert_null(strstr(line, "SECRET"));
		assert_null(strstr(line, "DEBUGINFOD_VERBOSE"));
		timeout += !strncmp(line, "DEBUGINFOD_TIMEOUT=", 19);
	}
	assert_int_equal(timeout, 1);
	fclose(file);
	fetch_stop(f);
}

/* A server that does not have a file is not one that is not there. */
static void test_not_there(void **state)
{
	struct fetch *f = start();

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(ask(f, 2), -ENOENT);
	assert_int_equal(ask(f, 3), -ETIMEDOUT);
	assert_int_equal(ask(f, 2), -ENOENT);
	assert_int_equal(ask(f, 3), -ETIMEDOUT);
	assert_int_equal(ask(f, 4), -ENOENT);
	assert_int_equal(ask(f, 7), -ENOENT);
	assert_int_equal(fetch_file(f, (const unsigned char *)"", 0), -ENOENT);
	assert_int_equal(count_calls(), 9);
	assert_int_equal(fetch_unanswered(f), 2);
	fetch_stop(f);
}

static void test_gives_up(void **state)
{
	struct fetch *f = start();

	(void)state;
	assert_int_equal(ask(f, 3), -ETIMEDOUT);
	assert_int_equal(ask(f, 6), -ETIMEDOUT);
	assert_int_equal(ask(f, 1), -ENOTCONN);
	assert_int_equal(ask(f, 1), -ENOTCONN);
	assert_int_equal(count_calls(), 2);
	assert_int_equal(fetch_unanswered(f), 2);
	fetch_stop(f);
}

static void test_talks_too_much(void **state)
{
	struct fetch *f = start();

	(void)state;
	assert_int_equal(ask(f, 5), -ENOENT);
	fetch_stop(f);
}

static void test_ended(void **state)
{
	struct fetch *f = start();

	(void)state;
	assert_int_equal(kill(fetch_process(f), SIGKILL), 0);
	assert_int_equal(ask(f, 1), -ETIMEDOUT);
	assert_int_equal(ask(f, 1), -ENOTCONN);
	fetch_stop(f);
}

static void test_not_wanted(void **state)
{
	int err = 1;

	(void)state;
	setenv("DEBUGINFOD_URLS", "", 1);
	assert_null(fetch_start(&ourselves, &err));
	assert_int_equal(err, 0);
	unsetenv("DEBUGINFOD_URLS");
	assert_null(fetch_start(&ourselves, &err));
	assert_int_equal(err, 0);
	setenv("DEBUGINFOD_URLS", "http://127.0.0.1:9", 1);
	setenv("PATH", "/nonexistent:", 1);
	assert_null(fetch_start(&ourselves, &err));
	assert_int_equal(err, -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file),           cmocka_unit_test(test_environment),
		cmocka_unit_test(test_not_there),      cmocka_unit_test(test_gives_up),
		cmocka_unit_test(test_talks_too_much), cmocka_unit_test(test_ended),
		cmocka_unit_test(test_not_wanted),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
