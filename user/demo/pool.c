// SPDX-License-Identifier: MIT
/*
 * Hides how a chunk is found, judged and linked.
 *
 *	struct pool | state[0] state[1] ...		one calloc: the books
 *	chunk 0 | chunk 1 | ... each `stride` apart	one aligned_alloc, or the caller's: the
 *region
 *
 * Decisions
 * - The free list is threaded through the free chunks, last in first out: no memory of its own, and
 *   the chunk handed out next is the one most likely still in the cache.
 * - One state byte per chunk tells a double free from a free. It lies apart from the chunks, out of
 *   reach of a small overrun.
 * - The lock is an adaptive mutex. The sections under it are a few instructions, so a short spin
 *   nearly always suffices; but a holder may lose its processor, and a plain spin lock would then
 *   burn the waiters' time slices where a mutex lets them sleep.
 * - FREE must be told before the chunk can be handed out again, and a trap into the tracer must not
 *   happen under the lock, or the waiting of all other threads would be counted as the pool's
 *   latency. So a traced free takes two steps: the chunk is judged and marked, the probe fires with
 *   no lock held, and only then the chunk goes back on the list.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "pool.h"

enum chunk_state { CHUNK_IN = 0, CHUNK_OUT = 1 };

/* Overlays a chunk while it is in the pool. */
struct link {
	struct link *next;
};

struct pool {
	const char *name;
	char *base; /* of the region */
	size_t bytes;
	void *own;         /* the region, if the pool took it */
	struct link *head; /* NULL = all chunks are out, or on their way back */
	size_t chunk_size;
	size_t chunk_count;
	size_t alignment;
	size_t stride; /* chunk_size rounded up to alignment: odd part << stride_shift */
	unsigned stride_shift;
	uint64_t stride_inverse; /* of the odd part, modulo 2^64 */
	bool thread_safe;
	bool unchecked;
	pthread_mutex_t lock; /* head and state[]; the rest never changes */
	uint8_t state[];      /* enum chunk_state, one per chunk, and one for all that is none */
};

static bool is_power_of_two(size_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

static void pool_lock(struct pool *pool)
{
	if (pool->thread_safe)
		pthread_mutex_lock(&pool->lock);
}

static void pool_unlock(struct pool *pool)
{
	if (pool->thread_safe)
		pthread_mutex_unlock(&pool->lock);
}

/*
 * Newton's iteration for 1/odd modulo 2^64. An odd number is its own inverse in the lowest 3 bits,
 * and each round doubles the number of right bits: 3, 6, 12, 24, 48, 96.
 */
static uint64_t inverse_of_odd(uint64_t odd)
{
	uint64_t x = odd;

	for (int round = 0; round < 5; round++)
		x *= 2 - odd * x;
	return x;
}

/*
 * The number of the chunk that starts at ptr; chunk_count or more if none does. A division would
 * cost more than the rest of pool_free together. Multiplying by the inverse of the stride's odd
 * part, then rotating by its power of two, divides a multiple of the stride exactly. Both steps are
 * one-to-one on 64-bit numbers and the multiples take up 0 .. chunk_count-1, so all other pointers,
 * below, beyond or inside a chunk, land at or above chunk_count: one comparison judges them all.
 */
static size_t chunk_index(const struct pool *pool, const void *ptr)
{
	uint64_t offset = (uint64_t)((uintptr_t)ptr - (uintptr_t)pool->base);
	uint64_t product = offset * pool->stride_inverse;
	unsigned shift = pool->stride_shift;

	return product >> shift | product << (-shift & 63);
}

/* 0 when options make sense; *alignment and *stride are then what the pool will use. */
static int plan_chunks(const struct pool_options *options, size_t *alignment, size_t *stride)
{
	size_t align = options->alignment ? options->alignment : _Alignof(max_align_t);
	size_t size = options->chunk_size;

	if (size == 0 || options->chunk_count == 0 || !is_power_of_two(align))
		return -EINVAL;
	if (align < _Alignof(struct link))
		align = _Alignof(struct link);
	if (size < sizeof(struct link))
		size = sizeof(struct link);
	if (size > PTRDIFF_MAX - align)
		return -ENOMEM;
	size = (size + align - 1) & ~(align - 1);
	if (options->chunk_count > (PTRDIFF_MAX - sizeof(struct pool)) / size)
		return -ENOMEM;
	*alignment = align;
	*stride = size;
	return 0;
}

/* Whether the chunks fit into the caller's region. */
static bool can_use(const struct pool_options *options, size_t alignment, size_t stride)
{
	if (options->unchecked)
		return true;
	return (uintptr_t)options->region % alignment == 0 &&
	       options->region_bytes >= stride * options->chunk_count;
}

/* Backwards, so that a fresh pool hands out its chunks in ascending order. */
static void link_all_chunks(struct pool *pool)
{
	for (size_t i = pool->chunk_count; i-- > 0;) {
		struct link *link = (struct link *)(pool->base + i * pool->stride);

		link->next = pool->head;
		pool->head = link;
	}
}

static int init_lock(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attr;
	int err = pthread_mutexattr_init(&attr);

	if (err)
		return -err;
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
	err = pthread_mutex_init(lock, &attr);
	pthread_mutexattr_destroy(&attr);
	return -err;
}

struct pool *pool_new(const struct pool_options *options)
{
	struct pool *pool = NULL;
	size_t alignment, stride;
	int err = plan_chunks(options, &alignment, &stride);

	if (err)
		goto fail;
	err = -EINVAL;
	if (options->region && !can_use(options, alignment, stride))
		goto fail;
	err = -ENOMEM;
	pool = calloc(1, sizeof(*pool) + options->chunk_count + 1);
	if (!pool)
		goto fail;
	pool->base = options->region;
	pool->bytes = options->region_bytes;
	if (!options->region) {
		pool->bytes = stride * options->chunk_count;
		pool->own = pool->base = aligned_alloc(alignment, pool->bytes);
	}
	if (!pool->base)
		goto fail;
	err = init_lock(&pool->lock);
	if (err)
		goto fail;
	pool->name = options->name;
	pool->chunk_size = options->chunk_size;
	pool->chunk_count = options->chunk_count;
	pool->alignment = alignment;
	pool->stride = stride;
	pool->stride_shift = (unsigned)__builtin_ctzll(pool->stride);
	pool->stride_inverse = inverse_of_odd(pool->stride >> pool->stride_shift);
	pool->thread_safe = options->thread_safe;
	pool->unchecked = options->unchecked;
	link_all_chunks(pool);
	ALLOCTRACE_POOL_CREATE(pool, pool->name, pool->base, pool->bytes, pool->chunk_size,
			       pool->chunk_count);
	return pool;
fail:
	if (pool)
		free(pool->own);
	free(pool);
	errno = -err;
	return NULL;
}

void pool_destroy(struct pool *pool)
{
	if (!pool)
		return;
	ALLOCTRACE_POOL_DESTROY(pool);
	pthread_mutex_destroy(&pool->lock);
	free(pool->own);
	free(pool);
}

/* Whether this pool's chunks, while there are any, would do for such a request. */
static bool can_serve(const struct pool *pool, size_t size, size_t align)
{
	if (size > pool->chunk_size)
		return false;
	return align == 0 || (is_power_of_two(align) && align <= pool->alignment);
}

static void *take_chunk(struct pool *pool)
{
	struct link *link;

	pool_lock(pool);
	link = pool->head;
	if (link) {
		pool->head = link->next;
		pool->state[chunk_index(pool, link)] = CHUNK_OUT;
	}
	pool_unlock(pool);
	return link;
}

void *pool_alloc(struct pool *pool, size_t size, size_t align)
{
	uint64_t t0 = ALLOCTRACE_POOL_ALLOC_BEGIN();
	void *chunk = NULL;

	if (!can_serve(pool, size, align)) {
		errno = EINVAL;
	} else {
		chunk = take_chunk(pool);
		if (!chunk)
			errno = ENOMEM;
	}
	ALLOCTRACE_POOL_ALLOC(pool, chunk, size, align, t0);
	return chunk;
}

/* With the lock held. */
static void put_on_list(struct pool *pool, void *ptr)
{
	struct link *link = ptr;

	link->next = pool->head;
	pool->head = link;
}

int pool_free(struct pool *pool, void *ptr)
{
	uint64_t t0 = ALLOCTRACE_POOL_FREE_BEGIN();
	size_t index = chunk_index(pool, ptr);

	if (!ptr)
		return 0;
	if (index >= pool->chunk_count) {
		if (!pool->unchecked)
			return -EINVAL;
		index = pool->chunk_count;
	}
	pool_lock(pool);
	if (pool->state[index] != CHUNK_OUT && !pool->unchecked) {
		pool_unlock(pool);
		return -EALREADY;
	}
	pool->state[index] = CHUNK_IN;
	if (t0 != 0) {
		/* Between the lock's two sections: see the top of the file. A free that began
		 * untraced is no event, as if tracing had begun just after it. */
		pool_unlock(pool);
		ALLOCTRACE_POOL_FREE(pool, ptr, t0);
		pool_lock(pool);
	}
	put_on_list(pool, ptr);
	pool_unlock(pool);
	return 0;
}
