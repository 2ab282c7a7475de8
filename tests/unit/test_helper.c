// SPDX-License-Identifier: MIT
/*
 * The helper process: it answers, it cannot do anything else, and its death costs one answer. What
 * it tried and what the kernel said to that is part of the answer. Run as root it shows more:
 * who is nobody from the start has less to give up.
 */
#include "helper_job.h"

static void test_answers(void **state)
{
	struct helper *h = start();
	int fd = file_with("of the file");

	(void)state;
	assert_int_equal(ask(h, SAY_HELLO, -1), 5);
	assert_memory_equal(answer, "hello", 5);
	assert_int_equal(ask(h, READ_FILE, fd), 11);
	assert_memory_equal(answer, "of the file", 11);
	assert_int_equal(ask(h, READ_FILE, -1), 0);
	close(fd);
	for (uint32_t i = 1; i <= 1000; i++) {
		assert_int_equal(ask(h, COUNT, -1), sizeof(i));
		assert_int_equal(number(), i);
	}
	helper_stop(h);
}

static void test_renewed(void **state)
{
	struct helper *h = start();

	(void)state;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(ask(h, COUNT, -1), sizeof(uint32_t));
		assert_int_equal(number(), 1); /* always a new one */
		helper_renew(h);
	}
	helper_stop(h);
}

static void test_confined(void **state)
{
	struct helper *h = start();

	(void)state;
	assert_int_equal(ask(h, TRY_EVERYTHING, -1), sizeof(uint32_t));
	assert_int_equal(number(), 0);
	helper_stop(h);
}

static void test_memory_is_bounded(void **state)
{
	struct helper *h;

	(void)state;
	if (CONFINE_SANITIZED) /* there is no limit then; 66-hostile.bats has bombs for it */
		return;
	h = start();
	assert_int_equal(ask(h, FILL_MEMORY, -1), sizeof(uint32_t));
	assert_in_range(number(), 1, 64);
	helper_stop(h);
}

static void check_death(struct helper *h, unsigned char question)
{
	assert_int_equal(ask(h, COUNT, -1), sizeof(uint32_t));
	assert_int_equal(ask(h, question, -1), -ECONNRESET);
	assert_int_equal(ask(h, COUNT, -1), sizeof(uint32_t));
	assert_int_equal(number(), 1); /* a new one, who knows nothing */
}

static void test_death_costs_one_answer(void **state)
{
	struct helper *h = start();

	(void)state;
	for (int i = 0; i < 20; i++)
		check_death(h, i % 2 ? DIE : LEAVE);
	helper_stop(h);
}

static void note_wait(void *context, int64_t waited_ms)
{
	int64_t *longest = context;

	assert_true(waited_ms >= 1000 && waited_ms >= *longest);
	*longest = waited_ms;
}

/* Who waits for long is told so, and who does not is not. */
static void test_endless_work_ends(void **state)
{
	const unsigned char question = SAY_HELLO;
	struct helper *h = start();
	int64_t longest = 0;

	(void)state;
	helper_on_wait(h, note_wait, &longest);
	assert_true(helper_ask(h, &question, 1, -1, answer, NULL, NULL) > 0);
	assert_int_equal(longest, 0);
	check_death(h, LOOP);
	assert_true(longest >= 1000);
	helper_stop(h);
}

static int open_wanted(void *context, const char *path)
{
	assert_string_equal(path, "/wanted");
	return *(const int *)context < 0 ? -1 : dup(*(const int *)context);
}

static void test_wanted_files(void **state)
{
	const unsigned char question = WANT_FILE;
	struct helper *h = start();
	int fd = file_with("as wanted"), none = -1;

	(void)state;
	assert_int_equal(helper_ask(h, &question, 1, -1, answer, open_wanted, &fd), 9);
	assert_memory_equal(answer, "as wanted", 9);
	assert_int_equal(helper_ask(h, &question, 1, -1, answer, open_wanted, &none), 0);
	assert_int_equal(helper_ask(h, &question, 1, -1, answer, NULL, NULL), 0);
	close(fd);
	helper_stop(h);
}

static void test_taken_over(void **state)
{
	struct helper *h = start();

	(void)state;
	check_death(h, WANT_FOR_EVER);
	/* What was answered ahead is the old worker's, and goes with it. */
	assert_int_equal(ask(h, ANSWER_AHEAD, -1), 0);
	helper_renew(h);
	assert_int_equal(ask(h, COUNT, -1), sizeof(uint32_t));
	assert_int_equal(number(), 1);
	helper_stop(h);
}

static int open_files(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_given_files_are_closed(void **state)
{
	struct helper *h = start();
	int before;

	(void)state;
	assert_int_equal(ask(h, SAY_HELLO, -1), 5);
	before = open_files();
	for (int i = 0; i < 10; i++)
		ask(h, GIVE_FILES, -1);
	assert_int_equal(open_files(), before);
	helper_stop(h);
}

/* ---- asked without waiting */

#define LONG_MS 60000

static int send_it(struct helper *h, unsigned char question, int fd)
{
	memset(answer, 0, 128);
	return helper_send(h, &question, 1, fd, LONG_MS);
}

/* What helper_take says when there is something to say. */
static ssize_t take(struct helper *h)
{
	struct pollfd ready = {.fd = helper_fd(h), .events = POLLIN};
	ssize_t n;

	assert_true(ready.fd >= 0);
	do {
		assert_int_equal(poll(&ready, 1, LONG_MS), 1);
		n = helper_take(h, answer);
	} while (n == -EAGAIN);
	return n;
}

static void test_sent(void **state)
{
	struct helper *h = start();
	int fd = file_with("of the file");

	(void)state;
	assert_int_equal(helper_fd(h), -1);
	assert_int_equal(helper_take(h, answer), -EINVAL);
	assert_int_equal(send_it(h, READ_FILE, fd), 0);
	assert_int_equal(take(h), 11);
	assert_memory_equal(answer, "of the file", 11);
	close(fd);
	assert_int_equal(helper_fd(h), -1);
	assert_int_equal(helper_take(h, answer), -EINVAL);
	for (uint32_t i = 1; i <= 1000; i++) {
		assert_int_equal(i % 2 ? send_it(h, COUNT, -1) : ask(h, COUNT, -1),
				 i % 2 ? 0 : sizeof(i));
		assert_int_equal(i % 2 ? take(h) : (ssize_t)sizeof(i), sizeof(i));
		assert_int_equal(number(), i);
	}
	helper_stop(h);
}

static void test_one_at_a_time(void **state)
{
	struct helper *h = start();

	(void)state;
	assert_int_equal(send_it(h, SLEEP, -1), 0);
	assert_int_equal(helper_take(h, answer), -EAGAIN);
	assert_int_equal(send_it(h, COUNT, -1), -EBUSY);
	assert_int_equal(ask(h, COUNT, -1), -EBUSY);
	assert_int_equal(helper_take(h, answer), -EAGAIN);
	helper_renew(h); /* which ends that question */
	assert_int_equal(helper_fd(h), -1);
	assert_int_equal(helper_take(h, answer), -EINVAL);
	assert_int_equal(send_it(h, COUNT, -1), 0);
	assert_int_equal(take(h), sizeof(uint32_t));
	assert_int_equal(number(), 1);
	assert_int_equal(helper_send(h, answer, HELPER_MAX_BYTES + 1, -1, LONG_MS), -EMSGSIZE);
	helper_stop(h);
}

static void check_death_of_sent(struct helper *h, unsigned char question)
{
	assert_int_equal(ask(h, COUNT, -1), sizeof(uint32_t));
	assert_int_equal(send_it(h, question, -1), 0);
	assert_int_equal(take(h), -ECONNRESET);
	assert_int_equal(helper_fd(h), -1);
	assert_int_equal(ask(h, COUNT, -1), sizeof(uint32_t));
	assert_int_equal(number(), 1);
}

static void test_death_of_sent(void **state)
{
	struct helper *h = start();
	int before;

	(void)state;
	check_death_of_sent(h, DIE);
	before = open_files();
	for (int i = 0; i < 10; i++)
		check_death_of_sent(h, i % 2 ? DIE : LEAVE);
	check_death_of_sent(h, LOOP);
	check_death_of_sent(h, WANT_FILE); /* nobody gives one: out of turn */
	assert_int_equal(open_files(), before);
	helper_stop(h);
}

/* Nothing ever becomes readable, and all the same there is an end. */
static void test_late(void **state)
{
	const unsigned char question = SLEEP;
	struct helper *h = start();
	ssize_t n;

	(void)state;
	assert_int_equal(helper_send(h, &question, 1, -1, 50), 0);
	while ((n = helper_take(h, answer)) == -EAGAIN) {
		struct pollfd ready = {.fd = helper_fd(h), .events = POLLIN};

		assert_int_equal(poll(&ready, 1, 1), 0);
	}
	assert_int_equal(n, -ECONNRESET);
	assert_int_equal(helper_fd(h), -1);
	assert_int_equal(ask(h, COUNT, -1), sizeof(uint32_t));
	assert_int_equal(number(), 1);
	helper_stop(h);
}

/* ---- their end */

/* The keeper is the child that this process had not before. */
static pid_t only_child(void)
{
	char path[64];
	pid_t pid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &pid), 1);
	fclose(f);
	return pid;
}

static void test_the_end_of_all(void **state)
{
	struct helper *h = start();
	pid_t keeper = only_child();

	(void)state;
	assert_true(helper_owns(h, keeper));
	assert_false(helper_owns(h, getpid()));
	assert_int_equal(kill(keeper, SIGKILL), 0);
	assert_int_equal(waitpid(keeper, NULL, 0), keeper);
	/* The worker ends with it, at the latest when it is asked. */
	while (ask(h, SAY_HELLO, -1) == 5)
		;
	assert_int_equal(ask(h, SAY_HELLO, -1), -ENOTCONN);
	assert_int_equal(send_it(h, SAY_HELLO, -1), -ENOTCONN);
	helper_stop(h);
}

static void test_ends_with_us(void **state)
{
	pid_t keeper;
	int ended;

	(void)state;
	helper_stop(start());
	helper_stop(NULL);
	keeper = waitpid(-1, &ended, WNOHANG);
	assert_int_equal(keeper, -1);
	assert_int_equal(errno, ECHILD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_renewed),
		cmocka_unit_test(test_confined),
		cmocka_unit_test(test_memory_is_bounded),
		cmocka_unit_test(test_death_costs_one_answer),
		cmocka_unit_test(test_endless_work_ends),
		cmocka_unit_test(test_wanted_files),
		cmocka_unit_test(test_taken_over),
		cmocka_unit_test(test_given_files_are_closed),
		cmocka_unit_test(test_sent),
		cmocka_unit_test(test_one_at_a_time),
		cmocka_unit_test(test_death_of_sent),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_the_end_of_all),
		cmocka_unit_test(test_ends_with_us),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
