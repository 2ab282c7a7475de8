// SPDX-License-Identifier: MIT
/*
 * The demo's pool against its promises: every chunk distinct and its own, every wrong request and
 * every wrong pointer refused without harm, nothing lost between threads. Linked with
 * user/demo/pool.c alone.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../user/demo/pool.h"

#define CHUNKS 10

static struct pool *new_pool(size_t size, size_t count, size_t alignment)
{
	struct pool_options options = {
		.name = "test",
		.chunk_size = size,
		.chunk_count = count,
		.alignment = alignment,
	};
	struct pool *pool = pool_new(&options);

	assert_non_null(pool);
	return pool;
}

static void take_all(struct pool *pool, size_t size, void *chunks[CHUNKS])
{
	for (int i = 0; i < CHUNKS; i++) {
		chunks[i] = pool_alloc(pool, size, 0);
		assert_non_null(chunks[i]);
	}
}

static void assert_exhausted(struct pool *pool)
{
	errno = 0;
	assert_null(pool_alloc(pool, 1, 0));
	assert_int_equal(errno, ENOMEM);
}

/* Whatever happened before, the pool still has exactly CHUNKS chunks to give. */
static void assert_unharmed(struct pool *pool)
{
	void *chunks[CHUNKS];

	take_all(pool, 1, chunks);
	assert_exhausted(pool);
	for (int i = 0; i < CHUNKS; i++)
		assert_int_equal(pool_free(pool, chunks[i]), 0);
}

/* Fills each chunk to its last byte with a mark of its own; all marks must survive all others. */
static void chunks_are_distinct(void **state)
{
	static const size_t sizes[] = {1, 7, 8, 24, 40, 144, 4096, 5000};

	(void)state;
	for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
		struct pool *pool = new_pool(sizes[s], CHUNKS, 0);
		unsigned char *chunks[CHUNKS];

		take_all(pool, sizes[s], (void **)chunks);
		for (int i = 0; i < CHUNKS; i++)
			memset(chunks[i], i + 1, sizes[s]);
		for (int i = 0; i < CHUNKS; i++) {
			for (size_t b = 0; b < sizes[s]; b++)
				assert_int_equal(chunks[i][b], i + 1);
			assert_int_equal(pool_free(pool, chunks[i]), 0);
		}
		assert_unharmed(pool);
		pool_destroy(pool);
	}
}

static void exhaustion_then_refill(void **state)
{
	struct pool *pool = new_pool(32, CHUNKS, 0);
	void *chunks[CHUNKS];

	(void)state;
	take_all(pool, 32, chunks);
	assert_exhausted(pool);
	assert_exhausted(pool);
	assert_int_equal(pool_free(pool, chunks[4]), 0);
	assert_ptr_equal(pool_alloc(pool, 32, 0), chunks[4]);
	assert_exhausted(pool);
	for (int i = 0; i < CHUNKS; i++)
		assert_int_equal(pool_free(pool, chunks[i]), 0);
	assert_unharmed(pool);
	pool_destroy(pool);
}

static void zero_size_gets_a_chunk(void **state)
{
	struct pool *pool = new_pool(16, CHUNKS, 0);
	void *a = pool_alloc(pool, 0, 0);
	void *b = pool_alloc(pool, 0, 0);

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	assert_ptr_not_equal(a, b);
	assert_int_equal(pool_free(pool, a), 0);
	assert_int_equal(pool_free(pool, b), 0);
	pool_destroy(pool);
}

static void assert_refused(struct pool *pool, size_t size, size_t align)
{
	errno = 0;
	assert_null(pool_alloc(pool, size, align));
	assert_int_equal(errno, EINVAL);
}

static void too_large_is_refused(void **state)
{
	struct pool *pool = new_pool(20, CHUNKS, 0);
	void *chunk = pool_alloc(pool, 20, 0);

	(void)state;
	assert_non_null(chunk);
	assert_int_equal(pool_free(pool, chunk), 0);
	assert_refused(pool, 21, 0); /* though the stride has room for 32 */
	assert_refused(pool, SIZE_MAX, 0);
	assert_unharmed(pool);
	pool_destroy(pool);
}

static void alignment_is_kept(void **state)
{
	(void)state;
	for (size_t align = 1; align <= 4096; align *= 2) {
		struct pool *pool = new_pool(24, CHUNKS, align);
		void *chunks[CHUNKS];

		for (int i = 0; i < CHUNKS; i++) {
			chunks[i] = pool_alloc(pool, 24, align);
			assert_non_null(chunks[i]);
			assert_int_equal((uintptr_t)chunks[i] % align, 0);
		}
		for (int i = 0; i < CHUNKS; i++)
			assert_int_equal(pool_free(pool, chunks[i]), 0);
		pool_destroy(pool);
	}
}

static void alignment_beyond_is_refused(void **state)
{
	struct pool *pool = new_pool(64, CHUNKS, 32);

	(void)state;
	assert_refused(pool, 8, 64);
	assert_refused(pool, 8, 24); /* no power of two */
	assert_refused(pool, 8, SIZE_MAX);
	assert_unharmed(pool);
	pool_destroy(pool);
}

static void foreign_pointers_are_refused(void **state)
{
	struct pool *pool = new_pool(48, CHUNKS, 0), *twin = new_pool(48, CHUNKS, 0);
	char *first = pool_alloc(pool, 48, 0);
	void *twins = pool_alloc(twin, 48, 0);
	int local = 0;

	(void)state;
	assert_int_equal(pool_free(pool, &local), -EINVAL);
	assert_int_equal(pool_free(pool, twins), -EINVAL);
	assert_int_equal(pool_free(pool, pool), -EINVAL);
	assert_int_equal(pool_free(pool, (void *)UINTPTR_MAX), -EINVAL);
	/* one stride below the region and one beyond; by number, as such pointers do not exist */
	assert_int_equal(pool_free(pool, (void *)((uintptr_t)first - 48)), -EINVAL);
	assert_int_equal(pool_free(pool, (void *)((uintptr_t)first + CHUNKS * 48)), -EINVAL);
	assert_int_equal(pool_free(pool, NULL), 0);
	assert_int_equal(pool_free(twin, twins), 0);
	assert_int_equal(pool_free(pool, first), 0);
	assert_unharmed(pool);
	assert_unharmed(twin);
	pool_destroy(twin);
	pool_destroy(pool);
}

/* On strides that are odd multiples of 8, and on powers of two: the index arithmetic differs. */
static void interior_pointers_are_refused(void **state)
{
	static const size_t sizes[] = {8, 24, 64, 144};

	(void)state;
	for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
		struct pool *pool = new_pool(sizes[s], CHUNKS, 8);
		char *chunks[CHUNKS];

		take_all(pool, sizes[s], (void **)chunks);
		for (int i = 0; i < CHUNKS; i++) {
			for (size_t b = 1; b < sizes[s]; b++)
				assert_int_equal(pool_free(pool, chunks[i] + b), -EINVAL);
		}
		assert_exhausted(pool);
		for (int i = 0; i < CHUNKS; i++)
			assert_int_equal(pool_free(pool, chunks[i]), 0);
		assert_unharmed(pool);
		pool_destroy(pool);
	}
}

static void double_free_is_refused(void **state)
{
	struct pool *pool = new_pool(32, CHUNKS, 0);
	char *never_out = NULL;
	char *a = pool_alloc(pool, 32, 0);
	char *b = pool_alloc(pool, 32, 0);

	(void)state;
	assert_int_equal(pool_free(pool, a), 0);
	assert_int_equal(pool_free(pool, a), -EALREADY);
	assert_int_equal(pool_free(pool, b), 0);
	assert_int_equal(pool_free(pool, a), -EALREADY);
	never_out = a + 5 * (b - a);
	assert_int_equal(pool_free(pool, never_out), -EALREADY);
	assert_unharmed(pool);
	pool_destroy(pool);
}

static void region_of_the_caller(void **state)
{
	static _Alignas(64) char region[CHUNKS * 64 + 64];
	struct pool_options options = {
		.name = "guest",
		.chunk_size = 64,
		.chunk_count = CHUNKS,
		.alignment = 64,
		.region = region,
		.region_bytes = CHUNKS * 64 - 1,
	};
	struct pool *pool = NULL;

	(void)state;
	errno = 0;
	assert_null(pool_new(&options));
	assert_int_equal(errno, EINVAL);
	options.region_bytes++;
	options.region = region + 32;
	assert_null(pool_new(&options));
	options.region = region;
	pool = pool_new(&options);
	assert_non_null(pool);
	assert_ptr_equal(pool_alloc(pool, 64, 64), region);
	assert_int_equal(pool_free(pool, region), 0);
	assert_unharmed(pool);
	pool_destroy(pool);
}

/* What user/demo/bugs.c plants on: the pool takes back what it is given, and lives on. */
static void unchecked_takes_all(void **state)
{
	struct pool_options options = {
		.name = "unchecked", .chunk_size = 48, .chunk_count = CHUNKS, .unchecked = true};
	struct pool *pool = pool_new(&options), *other = new_pool(48, CHUNKS, 0);
	void *foreign = pool_alloc(other, 48, 0);
	void *own = NULL;

	(void)state;
	assert_non_null(pool);
	own = pool_alloc(pool, 48, 0);
	assert_int_equal(pool_free(pool, own), 0);
	assert_int_equal(pool_free(pool, own), 0);
	assert_ptr_equal(pool_alloc(pool, 48, 0), own);
	assert_ptr_equal(pool_alloc(pool, 48, 0), own);
	assert_int_equal(pool_free(pool, foreign), 0);
	pool_destroy(pool);
	assert_int_equal(pool_free(other, foreign), 0);
	assert_unharmed(other);
	pool_destroy(other);
}

static void senseless_options_are_refused(void **state)
{
	static const struct {
		size_t size, count, alignment;
		int error;
	} cases[] = {
		{0, 1, 0, EINVAL},
		{8, 0, 0, EINVAL},
		{8, 1, 3, EINVAL},
		{SIZE_MAX, 1, 0, ENOMEM},
		{8, SIZE_MAX, 0, ENOMEM},
		{SIZE_MAX / 2, 3, 0, ENOMEM},
		{8, 1, SIZE_MAX / 2 + 1, ENOMEM},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pool_options options = {
			.name = "p",
			.chunk_size = cases[i].size,
			.chunk_count = cases[i].count,
			.alignment = cases[i].alignment,
		};

		errno = 0;
		assert_null(pool_new(&options));
		assert_int_equal(errno, cases[i].error);
	}
	pool_destroy(NULL);
}

#define THREADS 4
#define HELD    8 /* chunks that a thread holds at a time */
#define ROUNDS  20000

struct hammer {
	struct pool *pool;
	unsigned char mark;
	int errors; /* cmocka's asserts may only be used by the main thread */
};

/* Writes this thread's mark into chunks and finds it intact when the chunk's turn comes again. */
static void *hammer(void *arg)
{
	struct hammer *self = arg;
	unsigned char *held[HELD] = {NULL};

	for (int round = 0; round < ROUNDS + HELD; round++) {
		unsigned char **slot = &held[round % HELD];

		if (*slot) {
			self->errors += (*slot)[0] != self->mark || (*slot)[39] != self->mark;
			self->errors += pool_free(self->pool, *slot) != 0;
		}
		*slot = round < ROUNDS ? pool_alloc(self->pool, 40, 0) : NULL;
		self->errors += !*slot && round < ROUNDS;
		if (*slot)
			memset(*slot, self->mark, 40);
	}
	return NULL;
}

/* The threads hold all chunks between them: a lost or doubled chunk shows as an error. */
static void threads_lose_nothing(void **state)
{
	struct pool_options options = {.name = "shared",
				       .chunk_size = 40,
				       .chunk_count = THREADS * HELD,
				       .thread_safe = true};
	struct pool *pool = pool_new(&options);
	struct hammer hammers[THREADS];
	pthread_t threads[THREADS];

	(void)state;
	assert_non_null(pool);
	for (int i = 0; i < THREADS; i++) {
		hammers[i] = (struct hammer){.pool = pool, .mark = (unsigned char)(i + 1)};
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, &hammers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(hammers[i].errors, 0);
	for (int i = 0; i < THREADS * HELD; i++)
		assert_non_null(pool_alloc(pool, 40, 0));
	assert_exhausted(pool);
	pool_destroy(pool);
}

#ifndef ALLOCTRACE_DISABLE
/* As if a tracer were attached: the probes' own code runs, and the traced free's two lock sections.
 */
static void traced_pool_behaves_the_same(void **state)
{
	alloctrace_create_semaphore = alloctrace_alloc_semaphore = 1;
	alloctrace_free_semaphore = alloctrace_destroy_semaphore = 1;
	exhaustion_then_refill(state);
	foreign_pointers_are_refused(state);
	double_free_is_refused(state);
	threads_lose_nothing(state);
	alloctrace_create_semaphore = alloctrace_alloc_semaphore = 0;
	alloctrace_free_semaphore = alloctrace_destroy_semaphore = 0;
}

static void measured_time_is_never_zero(void **state)
{
	uint64_t t0 = ALLOCTRACE_POOL_ALLOC_BEGIN();

	(void)state;
	assert_int_equal(t0, 0); /* untraced: the clock is not read */
	assert_int_equal(alloctrace_since_(0), 0);
	for (int i = 0; i < 1000; i++)
		assert_true(alloctrace_since_(alloctrace_now_()) >= 1);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunks_are_distinct),
		cmocka_unit_test(exhaustion_then_refill),
		cmocka_unit_test(zero_size_gets_a_chunk),
		cmocka_unit_test(too_large_is_refused),
		cmocka_unit_test(alignment_is_kept),
		cmocka_unit_test(alignment_beyond_is_refused),
		cmocka_unit_test(foreign_pointers_are_refused),
		cmocka_unit_test(interior_pointers_are_refused),
		cmocka_unit_test(double_free_is_refused),
		cmocka_unit_test(region_of_the_caller),
		cmocka_unit_test(unchecked_takes_all),
		cmocka_unit_test(senseless_options_are_refused),
		cmocka_unit_test(threads_lose_nothing),
#ifndef ALLOCTRACE_DISABLE
		cmocka_unit_test(traced_pool_behaves_the_same),
		cmocka_unit_test(measured_time_is_never_zero),
#endif
	};

	return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
