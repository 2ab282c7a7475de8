// SPDX-License-Identifier: MIT
/*
 * Rules of the system's own files, through the helper process, through the file that keeps them,
 * and under what alloctrace itself is held to. Truth is what unwind_read says in this process.
 */
#include <fcntl.h>
#include <link.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "guard/privileges.h"
#include "sym/kept.h"
#include "sym/tables.h"
#include "sym/unwind.h"

#define LONG_MS 120000

/* ---- files, and what they say */

#define MAX_FILES 8

static struct file {
	char path[512];
	struct unwind_rules rules;
	uint64_t end;
} files[MAX_FILES];
static size_t file_count;

static int read_file(struct file *f)
{
	int fd = open(f->path, O_RDONLY | O_CLOEXEC), err;
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	err = unwind_read(elf, &f->rules, &f->end);
	elf_end(elf);
	close(fd);
	return err;
}

/* The libraries that this program runs with, libc among them. */
static int add_library(struct dl_phdr_info *info, size_t size, void *context)
{
	struct file *f = &files[file_count];

	(void)size;
	(void)context;
	if (info->dlpi_name[0] != '/' || file_count == MAX_FILES)
		return 0;
	snprintf(f->path, sizeof(f->path), "%s", info->dlpi_name);
	if (read_file(f))
		return -1;
	file_count += f->rules.count > 0;
	return 0;
}

/* ---- what comes of them */

struct taken {
	unsigned int right, empty, wrong;
};

static void take(void *context, uint32_t id, const struct unwind_rules *rules, uint64_t end)
{
	const struct file *f = &files[id];
	struct taken *taken = context;

	if (!rules->count)
		taken->empty++;
	else if (rules->count == f->rules.count && rules->base == f->rules.base && end == f->end &&
		 !memcmp(rules->at, f->rules.at, rules->count * sizeof(*rules->at)))
		taken->right++;
	else
		taken->wrong++;
}

static bool want_all(struct tables *t)
{
	for (uint32_t i = 0; i < file_count; i++) {
		int fd = open(files[i].path, O_RDONLY | O_CLOEXEC);

		if (fd < 0 || tables_want(t, i, fd))
			return false;
		close(fd);
	}
	return true;
}

/* Whether all came, and all of it right. */
static bool take_all(struct tables *t)
{
	struct taken taken = {0};

	if (!want_all(t))
		return false;
	tables_wait(t, LONG_MS, take, &taken);
	return !tables_pending(t) && taken.right == file_count;
}

static char dir_path[] = "/tmp/alloctrace-tables.XXXXXX";
static int dir;

static bool are_kept(void)
{
	struct kept *k = kept_open(dir, KEPT_MAX_BYTES);
	bool all = k;

	for (size_t i = 0; i < file_count && k; i++) {
		int fd = open(files[i].path, O_RDONLY | O_CLOEXEC);
		struct unwind_rules rules = {0};
		struct kept_key key;
		uint64_t end;

		all &= kept_identify(fd, &key) && !kept_read(k, &key, &rules, &end);
		unwind_rules_fini(&rules);
		close(fd);
	}
	kept_close(k);
	return all;
}

static bool can_be_kept(void)
{
	bool can = true;

	for (size_t i = 0; i < file_count; i++) {
		int fd = open(files[i].path, O_RDONLY | O_CLOEXEC);
		struct kept_key key;

		can &= kept_identify(fd, &key);
		close(fd);
	}
	return can;
}

/* ---- the tests */

static void test_read(void **state)
{
	struct tables *t = tables_new(-1);

	(void)state;
	assert_non_null(t);
	assert_in_range(file_count, 2, MAX_FILES);
	assert_in_range(files[0].rules.count, 100, UNWIND_MAX_RULES);
	assert_true(take_all(t));
	assert_true(take_all(t));
	assert_int_equal(tables_failed(t), 0);
	tables_free(t);
}

/* What was kept comes without a helper process, for there is none any more. */
static void test_kept(void **state)
{
	struct tables *t = tables_new(dir);

	(void)state;
	if (!can_be_kept()) {
		tables_free(t);
		skip();
	}
	assert_non_null(t);
	assert_false(are_kept());
	assert_true(take_all(t));
	tables_free(t);
	assert_true(are_kept());
	t = tables_new(dir);
	assert_int_equal(kill(tables_keeper(t), SIGKILL), 0);
	assert_int_equal(waitpid(tables_keeper(t), NULL, 0), tables_keeper(t));
	assert_true(take_all(t));
	assert_int_equal(tables_failed(t), 0);
	tables_free(t);
}

static void test_damaged(void **state)
{
	struct tables *t;
	int fd;

	(void)state;
	if (!can_be_kept())
		skip();
	t = tables_new(dir);
	assert_true(take_all(t));
	tables_free(t);
	fd = openat(dir, KEPT_NAME, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "damaged", 7, 4096), 7); /* among the first one's rules */
	close(fd);
	assert_false(are_kept());
	t = tables_new(dir);
	assert_true(take_all(t));
	tables_free(t);
	assert_true(are_kept());
}

/* For who cannot call what asserts: 0, or the number of the line. */
#define CLAIM(condition)                        \
	do {                                    \
		if (!(condition))               \
			return (int)(__LINE__); \
	} while (0)

static int run_confined(void)
{
	const struct privileges none = {0};
	struct tables *t = tables_new(dir);
	char kept[256];

	CLAIM(t);
	CLAIM(!privileges_confine(&none, kept, sizeof(kept)));
	CLAIM(openat(dir, "new", O_RDWR | O_CREAT, 0600) < 0); /* nothing was given up for it */
	CLAIM(take_all(t));                                    /* read, and written to the file */
	CLAIM(take_all(t));                                    /* from there */
	CLAIM(!tables_failed(t));
	return 0;
}

static int in_child(int (*run)(void))
{
	pid_t pid = fork();
	int status = -1;

	if (!pid) {
		int line = run();

		if (line)
			dprintf(STDERR_FILENO, "# line %d\n", line);
		_exit(!!line);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void test_confined(void **state)
{
	(void)state;
	unlinkat(dir, KEPT_NAME, 0);
	assert_int_equal(in_child(run_confined), 0);
	assert_true(are_kept() || !can_be_kept());
	assert_int_equal(in_child(run_confined), 0);
}

static int prepare(void **state)
{
	(void)state;
	if (dl_iterate_phdr(add_library, NULL) || !mkdtemp(dir_path))
		return -1;
	dir = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? -1 : 0;
}

static int clean_up(void **state)
{
	(void)state;
	for (size_t i = 0; i < file_count; i++)
		unwind_rules_fini(&files[i].rules);
	unlinkat(dir, KEPT_NAME, 0);
	close(dir);
	return rmdir(dir_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_confined),
	};

	return cmocka_run_group_tests(tests, prepare, clean_up);
}
