// SPDX-License-Identifier: MIT
/*
 * The file of kept rules: what was kept comes back, and whatever happens to the file, nothing else
 * ever does.
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
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "sym/kept.h"

#define MOST  (1 << 20)
#define ROOM  8192 /* of a small file */
#define WAITS 10000

static int dir;
static char dir_path[] = "/tmp/alloctrace-kept.XXXXXX";

static struct kept_key key_of(uint64_t n)
{
	return (struct kept_key){.device = 2049,
				 .inode = n,
				 .size = 4096 * n,
				 .modified_ns = 1700000000000000000 + (int64_t)n,
				 .changed_ns = 1700000000000000001};
}

static uint64_t make_rules(struct unwind_rules *rules, size_t count, unsigned int seed)
{
	rules->base = 0x1000 * seed;
	rules->count = rules->capacity = count;
	rules->at = calloc(count, sizeof(*rules->at));
	for (size_t i = 0; i < count; i++)
		rules->at[i] =
			(struct unwind_rule){.address = (uint32_t)(3 * i + seed),
					     .cfa_words = (int16_t)(i + seed),
					     .fp_words = -2,
					     .kind = UNWIND_KIND(UNWIND_SP, UNWIND_FP_AT_CFA)};
	return rules->base + 3 * count + seed;
}

static void write_rules(struct kept *k, uint64_t n, size_t count)
{
	struct kept_key key = key_of(n);
	struct unwind_rules rules = {0};
	uint64_t end = make_rules(&rules, count, (unsigned int)n);

	assert_int_equal(kept_write(k, &key, &rules, end), 0);
	unwind_rules_fini(&rules);
}

/* What is there is right; an error says that nothing is. */
static int read_rules(struct kept *k, uint64_t n, size_t count)
{
	struct kept_key key = key_of(n);
	struct unwind_rules rules = {0}, right = {0};
	uint64_t end = 0;
	int err = kept_read(k, &key, &rules, &end);

	if (!err) {
		assert_int_equal(end, make_rules(&right, count, (unsigned int)n));
		assert_int_equal(rules.base, right.base);
		assert_int_equal(rules.count, count);
		assert_memory_equal(rules.at, right.at, count * sizeof(*right.at));
	} else {
		assert_int_equal(rules.count, 0);
	}
	unwind_rules_fini(&rules);
	unwind_rules_fini(&right);
	return err;
}

static struct kept *start(void)
{
	struct kept *k = kept_open(dir, MOST);

	assert_non_null(k);
	return k;
}

static struct kept *start_anew(void)
{
	unlinkat(dir, KEPT_NAME, 0);
	return start();
}

static off_t file_size(void)
{
	struct stat st;

	assert_int_equal(fstatat(dir, KEPT_NAME, &st, 0), 0);
	return st.st_size;
}

static void test_come_back(void **state)
{
	struct kept *k = start_anew();

	(void)state;
	assert_int_equal(read_rules(k, 1, 5), -ENOENT);
	for (uint64_t n = 1; n < 50; n++)
		write_rules(k, n, 10 * n);
	for (uint64_t n = 1; n < 50; n++)
		assert_int_equal(read_rules(k, n, 10 * n), 0);
	kept_close(k);
	k = start();
	for (uint64_t n = 1; n < 50; n++)
		assert_int_equal(read_rules(k, n, 10 * n), 0);
	assert_int_equal(read_rules(k, 50, 5), -ENOENT);
	write_rules(k, 1, 20); /* the later one is right */
	assert_int_equal(read_rules(k, 1, 20), 0);
	kept_close(k);
	k = start();
	assert_int_equal(read_rules(k, 1, 20), 0);
	kept_close(k);
	kept_close(NULL);
}

/* Any other field of the key is another file. */
static void test_keys(void **state)
{
	struct kept *k = start_anew();
	struct unwind_rules rules = {0};
	struct kept_key key;
	uint64_t end;

	(void)state;
	write_rules(k, 1, 5);
	for (size_t i = 0; i < sizeof(key); i++) {
		key = key_of(1);
		((unsigned char *)&key)[i] ^= 1;
		assert_int_equal(kept_read(k, &key, &rules, &end), -ENOENT);
	}
	kept_close(k);
}

/* ---- damage */

static unsigned char sound[ROOM];

/* Two files with few rules; how many bytes. */
static size_t make_sound(void)
{
	struct kept *k = start_anew();
	int fd;
	ssize_t n;

	write_rules(k, 1, 5);
	write_rules(k, 2, 7);
	kept_close(k);
	fd = openat(dir, KEPT_NAME, O_RDONLY);
	n = read(fd, sound, sizeof(sound));
	assert_in_range(n, 100, sizeof(sound) - 1);
	close(fd);
	return (size_t)n;
}

static void put(const unsigned char *bytes, size_t len)
{
	int fd = openat(dir, KEPT_NAME, O_WRONLY | O_TRUNC);

	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

/* How many are there; what is not is written anew, and is there from then on. */
static unsigned int check_and_mend(void)
{
	struct kept *k = start();
	int first = read_rules(k, 1, 5), second = read_rules(k, 2, 7);

	assert_int_equal(read_rules(k, 3, 9), -ENOENT);
	if (first)
		write_rules(k, 1, 5);
	if (second)
		write_rules(k, 2, 7);
	kept_close(k);
	k = start();
	assert_int_equal(read_rules(k, 1, 5), 0);
	assert_int_equal(read_rules(k, 2, 7), 0);
	kept_close(k);
	return !first + !second;
}

static void test_damaged(void **state)
{
	static const unsigned char masks[] = {0x01, 0x80, 0xff};
	size_t len = make_sound();

	(void)state;
	for (size_t i = 0; i < len * sizeof(masks); i++) {
		size_t at = i / sizeof(masks);

		sound[at] ^= masks[i % sizeof(masks)];
		put(sound, len);
		sound[at] ^= masks[i % sizeof(masks)];
		assert_in_range(check_and_mend(), 0, 1); /* one of them at least is not there */
	}
	put(sound, len);
	assert_int_equal(check_and_mend(), 2);
}

static void test_cut(void **state)
{
	size_t len = make_sound();

	(void)state;
	for (size_t i = 0; i < len; i++) {
		put(sound, i);
		assert_in_range(check_and_mend(), 0, 1);
	}
}

static void test_something_behind(void **state)
{
	size_t len = make_sound();

	(void)state;
	memset(sound + len, 'x', 100);
	put(sound, len + 100);
	assert_int_equal(check_and_mend(), 2);
	assert_int_equal(file_size(), len);
}

/* While we have it open. */
static void test_replaced_meanwhile(void **state)
{
	size_t len = make_sound();
	struct kept *k = start();

	(void)state;
	put(sound, len / 2);
	assert_int_equal(read_rules(k, 2, 7), -EBADMSG);
	assert_int_equal(read_rules(k, 2, 7), -ENOENT);
	kept_close(k);
}

/* ---- size, and others */

static void test_bounded(void **state)
{
	struct kept *k = start_anew();
	struct unwind_rules rules = {0};
	struct kept_key key = key_of(1);
	unsigned int there = 0;
	uint64_t end;

	(void)state;
	for (uint64_t n = 1; n <= 100; n++) {
		write_rules(k, n, 5000);
		assert_in_range(file_size(), 40000, MOST);
		assert_int_equal(read_rules(k, n, 5000), 0);
	}
	for (uint64_t n = 1; n <= 100; n++)
		there += !read_rules(k, n, 5000);
	assert_int_equal(there, file_size() / 40000);
	end = make_rules(&rules, MOST / 8, 1);
	assert_int_equal(kept_write(k, &key, &rules, end), -EFBIG);
	unwind_rules_fini(&rules);
	kept_close(k);
}

static void test_one_writes(void **state)
{
	struct kept *first = start_anew(), *second;
	struct unwind_rules rules = {0};
	struct kept_key key = key_of(2);
	uint64_t end = make_rules(&rules, 5, 2);

	(void)state;
	write_rules(first, 1, 5);
	second = start();
	assert_int_equal(read_rules(second, 1, 5), 0);
	assert_int_equal(kept_write(second, &key, &rules, end), -EROFS);
	/* The first one begins anew: what the second knows of is not there any more. */
	for (uint64_t n = 3; n < 60; n++)
		write_rules(first, n, 5000);
	assert_int_equal(read_rules(second, 1, 5), -EBADMSG);
	kept_close(first);
	kept_close(second);
	second = start();
	assert_int_equal(kept_write(second, &key, &rules, end), 0);
	unwind_rules_fini(&rules);
	kept_close(second);
}

/* ---- not ours */

static void refuse(void)
{
	assert_null(kept_open(dir, MOST));
	assert_int_equal(unlinkat(dir, KEPT_NAME, 0), 0);
}

static void test_not_ours(void **state)
{
	(void)state;
	kept_close(start_anew());
	assert_int_equal(fchmodat(dir, KEPT_NAME, 0620, 0), 0);
	refuse();
	kept_close(start_anew());
	assert_int_equal(fchmodat(dir, KEPT_NAME, 0602, 0), 0);
	refuse();
	kept_close(start_anew());
	assert_int_equal(linkat(dir, KEPT_NAME, dir, "other", 0), 0);
	refuse();
	assert_int_equal(symlinkat("other", dir, KEPT_NAME), 0);
	refuse();
	assert_int_equal(unlinkat(dir, "other", 0), 0);
	assert_int_equal(symlinkat("nothing", dir, KEPT_NAME), 0);
	refuse();
	assert_int_equal(mkfifoat(dir, KEPT_NAME, 0600), 0);
	refuse();
	kept_close(start_anew());
	if (!geteuid()) {
		assert_int_equal(fchownat(dir, KEPT_NAME, 1234, 1234, 0), 0);
		refuse();
	}
	assert_null(kept_open(-1, MOST));
}

/* ---- whose rules are kept */

static int make_file(const char *name, mode_t mode)
{
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, name, strlen(name)), strlen(name));
	assert_int_equal(fchmod(fd, mode), 0);
	return fd;
}

static void test_whose(void **state)
{
	int ours = make_file("ours", 0644), group = make_file("group", 0664),
	    all = make_file("all", 0646), others = make_file("others", 0644);
	struct kept_key key, again;
	struct statvfs fs;
	int waits = 0;

	(void)state;
	if (fstatvfs(dir, &fs) || fs.f_flag & ST_NOSUID)
		skip();
	if (!geteuid())
		assert_int_equal(fchown(others, 1234, 1234), 0);
	assert_false(kept_identify(ours, &key)); /* it was changed just now */
	while (!kept_identify(ours, &key) && waits++ < WAITS)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	assert_true(kept_identify(ours, &key));
	assert_false(kept_identify(group, &again));
	assert_false(kept_identify(all, &again));
	assert_true(geteuid() || !kept_identify(others, &again));
	assert_false(kept_identify(dir, &again));
	assert_false(kept_identify(-1, &again));
	assert_true(kept_identify(ours, &again));
	assert_memory_equal(&key, &again, sizeof(key));
	assert_int_equal(pwrite(ours, "x", 1, 0), 1);
	assert_false(kept_identify(ours, &again));
	close(ours);
	close(group);
	close(all);
	close(others);
}

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir_path))
		return -1;
	dir = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0;
}

static int remove_dir(void **state)
{
	static const char *const names[] = {KEPT_NAME, "ours", "group", "all", "others"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlinkat(dir, names[i], 0);
	close(dir);
	return rmdir(dir_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_come_back),        cmocka_unit_test(test_keys),
		cmocka_unit_test(test_damaged),          cmocka_unit_test(test_cut),
		cmocka_unit_test(test_something_behind), cmocka_unit_test(test_replaced_meanwhile),
		cmocka_unit_test(test_bounded),          cmocka_unit_test(test_one_writes),
		cmocka_unit_test(test_not_ours),         cmocka_unit_test(test_whose),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
