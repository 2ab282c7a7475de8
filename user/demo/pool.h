/* SPDX-License-Identifier: MIT */
/*
 * A pool of equal chunks over one region, for programs that allocate one kind of object all day.
 * Allocation and release are O(1) and never call malloc. The pool is instrumented with
 * alloctrace/pool.h, so that a tracer sees each chunk come and go.
 *
 * Sizes and alignments are in bytes. Errors are negative errno values, or NULL with errno set.
 */
#ifndef DEMO_POOL_H
#define DEMO_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include <alloctrace/pool.h>

struct pool_options {
	const char *name;   /* kept, not copied: must outlive the pool */
	size_t chunk_size;  /* usable bytes per chunk, at least 1 */
	size_t chunk_count; /* at least 1 */
	size_t alignment;   /* of every chunk: a power of two, or 0 for max_align_t's */
	bool thread_safe;   /* false: the pool belongs to one thread at a time */
	void *region; /* for the chunks: the caller's, aligned as they; NULL: the pool's own */
	size_t region_bytes; /* of that region */
	/*
	 * For whoever plants bugs: pool_new takes the region without measuring it, pool_free any
	 * chunk, out or in or another pool's. After the latter nothing may be allocated any more.
	 */
	bool unchecked;
};

struct pool; /* opaque; the handle is also the pool's identity in a trace */

/*
 * Makes a pool and links all of its chunks, so that a later allocation meets no untouched page. Two
 * calls to libc's allocator (calloc for the books, aligned_alloc for a region of its own) and no
 * more for the life of the pool. The caller owns the pool. NULL: EINVAL (options) or ENOMEM.
 */
struct pool *pool_new(const struct pool_options *options);

/*
 * Ends the pool and the life of every chunk still out. No other thread may be using it. NULL is
 * fine.
 */
void pool_destroy(struct pool *pool);

/*
 * Hands out a chunk, uninitialised, the caller's until pool_free or pool_destroy. A size of 0 gets
 * a chunk of its own like any other; align 0 means no wish. NULL: ENOMEM (all chunks are out) or
 * EINVAL (size or align is beyond what this pool's chunks have, or align is no power of two).
 */
ALLOCTRACE_NOINLINE void *pool_alloc(struct pool *pool, size_t size, size_t align);

/*
 * Takes a chunk back; any thread may return it. NULL is fine (0). A refused pointer leaves the pool
 * as it was: -EINVAL (not the start of a chunk of this pool) or -EALREADY (the chunk is not out,
 * most likely a double free).
 */
ALLOCTRACE_NOINLINE int pool_free(struct pool *pool, void *ptr);

#endif
