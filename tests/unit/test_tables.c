// SPDX-License-Identifier: MIT
/*
 * The queue of files before the helper process that reads their rules. The process is a real one;
 * what it makes of a file is written in the file, so that it can be known here as well: see
 * unwind_read below.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "guard/confine.h"
#include "guard/helper.h"
#include "sym/tables.h"
#include "sym/unwind.h"

#define BASE    0x400000
#define LONG_MS 120000

/* ---- what the helper does */

static void make_rules(struct unwind_rules *rules, uint64_t *end, size_t count, unsigned int seed)
{
	rules->base = BASE + seed;
	*end = rules->base + 16 * count;
	rules->at = calloc(count ? count : 1, sizeof(*rules->at));
	rules->count = rules->capacity = count;
	for (size_t i = 0; i < count; i++)
		rules->at[i] = (struct unwind_rule){.address = (uint32_t)(16 * i),
						    .cfa_words = (int16_t)(i * 7 + seed),
						    .kind = UNWIND_KIND(UNWIND_SP, UNWIND_FP_SAME)};
}

static void leak_all(void)
{
	while (mmap(NULL, 16 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
	       MAP_FAILED)
		;
}

/* In the place of sym/unwind.c. A file says in words what is to be made of it. */
int unwind_read(Elf *elf, struct unwind_rules *rules, uint64_t *end)
{
	const char *raw = elf_rawfile(elf, NULL);
	unsigned int count = 0, seed = 0;
	char what[16] = "";

	if (!raw || sscanf(raw, "%15s %u %u", what, &count, &seed) < 1)
		return -EINVAL;
	make_rules(rules, end, count, seed);
	if (!strcmp(what, "descending"))
		rules->at[count - 1].address = 0;
	if (!strcmp(what, "unknown"))
		rules->at[count - 1].kind = 0xff;
	if (!strcmp(what, "short"))
		*end = rules->base + rules->at[count - 1].address;
	if (!strcmp(what, "overflow"))
		rules->base = *end = UINT64_MAX;
	if (!strcmp(what, "many"))
		rules->count = UNWIND_MAX_RULES + 1; /* the rest does not lie there */
	if (!strcmp(what, "die"))
		__builtin_trap();
	if (!strcmp(what, "leak"))
		leak_all();
	while (!strcmp(what, "loop"))
		__asm__ volatile("");
	return strcmp(what, "error") ? 0 : -EINVAL;
}

/* ---- what comes of it */

#define MAX_TAKEN 256

struct taken {
	uint32_t id[MAX_TAKEN];
	size_t rules[MAX_TAKEN];
	size_t count;
	unsigned int wrong; /* rules that are not those of their file */
};

static void take(void *context, uint32_t id, const struct unwind_rules *rules, uint64_t end)
{
	struct taken *taken = context;
	struct unwind_rules made = {0};
	uint64_t made_end = 0;

	assert_true(taken->count < MAX_TAKEN);
	taken->id[taken->count] = id;
	taken->rules[taken->count++] = rules->count;
	if (rules->count)
		make_rules(&made, &made_end, rules->count, id);
	taken->wrong += end != made_end || rules->base != made.base ||
			(rules->count && memcmp(rules->at, made.at, rules->count * 8) != 0);
	unwind_rules_fini(&made);
}

/* A file of this owner, whose number is its seed. */
static void want_of(struct tables *t, uint32_t id, const char *what, unsigned int count, uid_t uid)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	char text[64];

	assert_true(fd >= 0);
	snprintf(text, sizeof(text), "%s %u %u\n", what, count, id);
	assert_int_equal(write(fd, text, strlen(text) + 1), strlen(text) + 1);
	assert_int_equal(fchmod(fd, 0644), 0);
	assert_true(uid == getuid() || fchown(fd, uid, (gid_t)-1) == 0);
	assert_int_equal(tables_want(t, id, fd), 0);
	close(fd); /* ours: theirs is another */
}

static void want(struct tables *t, uint32_t id, const char *what, unsigned int count)
{
	want_of(t, id, what, count, getuid());
}

static struct tables *start(void)
{
	struct tables *t = tables_new(-1);

	assert_non_null(t);
	assert_int_equal(tables_fd(t), -1);
	assert_int_equal(tables_pending(t), 0);
	return t;
}

static void check_all(struct tables *t, struct taken *taken, size_t count)
{
	tables_wait(t, LONG_MS, take, taken);
	assert_int_equal(tables_pending(t), 0);
	assert_int_equal(tables_fd(t), -1);
	assert_int_equal(taken->count, count);
	assert_int_equal(taken->wrong, 0);
}

static int open_files(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_in_order(void **state)
{
	/* One answer, exactly one and one more; none; many of them. */
	static const unsigned int counts[] = {1, 5, 12284, 12285, 12286, 24570, 0, 300000};
	const size_t n = sizeof(counts) / sizeof(counts[0]);
	struct taken taken = {0};
	struct tables *t = start();
	int before = open_files();

	(void)state;
	for (uint32_t i = 0; i < n; i++)
		want(t, i + 1, "rules", counts[i]);
	assert_int_equal(tables_pending(t), n);
	assert_true(tables_fd(t) >= 0);
	check_all(t, &taken, n);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(taken.id[i], i + 1);
		assert_int_equal(taken.rules[i], counts[i]);
	}
	assert_int_equal(tables_failed(t), 0);
	assert_in_range(open_files(), before, before + 1); /* the worker's line */
	tables_free(t);
}

static void test_many(void **state)
{
	struct taken taken = {0};
	struct tables *t = start();

	(void)state;
	for (uint32_t i = 0; i < MAX_TAKEN; i++) {
		want(t, i, "rules", i);
		if (i % 3 == 0)
			tables_step(t, take, &taken);
	}
	check_all(t, &taken, MAX_TAKEN);
	for (uint32_t i = 0; i < MAX_TAKEN; i++) {
		assert_int_equal(taken.id[i], i);
		assert_int_equal(taken.rules[i], i);
	}
	tables_free(t);
}

static void check_failure(const char *what, uint64_t failed)
{
	struct taken taken = {0};
	struct tables *t = start();

	want(t, 1, "rules", 10);
	want(t, 2, what, 20000); /* the last rule is in the second part */
	want(t, 3, "rules", 20000);
	check_all(t, &taken, 3);
	assert_int_equal(taken.rules[0], 10);
	assert_int_equal(taken.rules[1], 0);
	assert_int_equal(taken.rules[2], 20000);
	assert_int_equal(tables_failed(t), failed);
	tables_free(t);
}

static void test_no_rules(void **state)
{
	(void)state;
	check_failure("error", 0);
}

static void test_nonsense(void **state)
{
	(void)state;
	check_failure("descending", 1);
	check_failure("unknown", 1);
	check_failure("short", 1);
	check_failure("overflow", 1);
	check_failure("many", 1);
}

static void test_death(void **state)
{
	(void)state;
	check_failure("die", 1);
	if (!CONFINE_SANITIZED) /* there is no limit then */
		check_failure("leak", 1);
}

static void test_endless_work_ends(void **state)
{
	(void)state;
	check_failure("loop", 1);
}

/* ---- whose files */

static pid_t worker_of(const struct tables *t)
{
	char path[64];
	pid_t pid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", tables_keeper(t),
		 tables_keeper(t));
	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &pid), 1);
	fclose(f);
	return pid;
}

static pid_t worker_for(struct tables *t, uid_t uid)
{
	struct taken taken = {0};

	want_of(t, 1, "rules", 10, uid);
	check_all(t, &taken, 1);
	assert_true(tables_owns(t, worker_of(t)));
	return worker_of(t);
}

static void test_one_worker_an_owner(void **state)
{
	struct tables *t;
	pid_t first, second;

	(void)state;
	if (geteuid())
		skip();
	t = start();
	first = worker_for(t, 0);
	assert_int_equal(worker_for(t, 0), first);
	second = worker_for(t, 1234);
	assert_int_not_equal(second, first);
	assert_int_equal(worker_for(t, 1234), second);
	assert_int_not_equal(worker_for(t, 0), second);
	tables_free(t);
}

/* ---- their end */

static void test_the_end_of_all(void **state)
{
	struct taken taken = {0};
	struct tables *t = start();

	(void)state;
	want(t, 1, "rules", 10);
	check_all(t, &taken, 1);
	assert_int_equal(kill(tables_keeper(t), SIGKILL), 0);
	assert_int_equal(waitpid(tables_keeper(t), NULL, 0), tables_keeper(t));
	want(t, 2, "die", 10);
	want(t, 3, "rules", 10);
	check_all(t, &taken, 3);
	assert_int_equal(taken.rules[1], 0);
	assert_int_equal(taken.rules[2], 0);
	assert_int_equal(tables_failed(t), 2);
	tables_free(t);
}

static void test_freed_under_way(void **state)
{
	struct taken taken = {0};
	struct tables *t;
	int before = open_files();

	(void)state;
	t = start();
	for (uint32_t i = 0; i < 100; i++)
		want(t, i, "rules", 100000);
	tables_step(t, take, &taken);
	assert_int_equal(tables_pending(t), 100);
	tables_free(t);
	tables_free(NULL);
	assert_int_equal(open_files(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_no_rules),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_death),
		cmocka_unit_test(test_endless_work_ends),
		cmocka_unit_test(test_one_worker_an_owner),
		cmocka_unit_test(test_the_end_of_all),
		cmocka_unit_test(test_freed_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
