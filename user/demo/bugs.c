// SPDX-License-Identifier: MIT
/*
 * Hides how each bug is planted so that the program lives on.
 *
 * Decisions
 * - Each call that belongs to a bug stands on a line and in a function of its own, never as its
 *   last act, and notes where it stands: what a watcher reports can be compared with that.
 * - Stride: the chunks that lie outside are in a block behind the region that is free by then, and
 *   nobody gets it meanwhile: bugs are planted before anything else takes memory, and for the
 *   pool's own books another block was freed, which malloc prefers. What an allocator (or valgrind,
 *   in its place) keeps between two blocks lies in a gap between two chunks: no message is ever
 *   written there.
 * - After a double free the list of free chunks is a ring: nothing is allocated from it any more.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "bugs.h"
#include "pool.h"
#include "protocol.h"

#define CHUNKS 31
#define LEAKED 3
#define BOOKS  4096 /* bytes, more than a pool needs for them */

struct place {
	const char *file;
	int line;
};

/* Does the call and notes where it stands. */
#define AT(where, call) (*(where) = (struct place){__FILE__, __LINE__}, (call))

/* What the pool is laid out for; its region is taken for requests alone. */
struct exchange {
	struct protocol_message request, reply;
};

_Static_assert(CHUNKS % 2 == 1 && sizeof(struct exchange) == 2 * sizeof(struct protocol_message),
	       "the first chunk outside begins a message's size behind the region");

static struct pool *new_pool(const char *name)
{
	struct pool_options options = {
		.name = name,
		.chunk_size = sizeof(struct protocol_message),
		.chunk_count = CHUNKS,
		.unchecked = true,
	};

	return pool_new(&options);
}

static void fill(struct protocol_message *message)
{
	if (!message)
		abort(); /* there are more chunks than any bug needs */
	protocol_build(message, 1, 1);
}

static void expect_taken(int err)
{
	if (err)
		abort(); /* the pool was told not to look */
}

/* Calls that have nothing to do with the bug. */
static __attribute__((noinline)) struct protocol_message *take(struct pool *pool)
{
	struct protocol_message *message = pool_alloc(pool, sizeof(*message), 0);

	fill(message);
	return message;
}

static __attribute__((noinline)) void give(struct pool *pool, struct protocol_message *message)
{
	expect_taken(pool_free(pool, message));
}

static __attribute__((noinline)) struct protocol_message *take_strided(struct pool *pool,
								       struct place *at)
{
	struct protocol_message *message = AT(at, pool_alloc(pool, sizeof(*message), 0));

	fill(message);
	return message;
}

static void use_strided(struct pool *pool, struct place *at)
{
	struct protocol_message *messages[CHUNKS];

	for (int i = 0; i < CHUNKS; i++)
		messages[i] = take_strided(pool, at);
	for (int i = 0; i < CHUNKS; i++)
		give(pool, messages[i]);
}

static int plant_stride(void)
{
	struct pool_options options = {
		.name = "protocol",
		.chunk_size = sizeof(struct exchange),
		.chunk_count = CHUNKS,
		.region_bytes = CHUNKS * sizeof(struct protocol_message),
		.unchecked = true,
	};
	void *books = malloc(BOOKS), *behind = NULL;
	struct pool *pool = NULL;
	struct place at = {NULL, 0};

	options.region = malloc(options.region_bytes);
	behind = malloc(CHUNKS * sizeof(struct exchange));
	/* To the compiler they are used here; it would drop a malloc that is merely freed. */
	__asm__ volatile("" : : "r"(books), "r"(behind));
	free(books);
	free(behind);
	if (options.region)
		pool = pool_new(&options);
	if (pool) {
		use_strided(pool, &at);
		pool_destroy(pool);
		printf("bug stride alloc=%s:%d\n", at.file, at.line);
	}
	free(options.region);
	return pool ? 0 : -ENOMEM;
}

static __attribute__((noinline)) void give_first(struct pool *pool,
						 struct protocol_message *message, struct place *at)
{
	expect_taken(AT(at, pool_free(pool, message)));
}

static __attribute__((noinline)) void give_again(struct pool *pool,
						 struct protocol_message *message, struct place *at)
{
	expect_taken(AT(at, pool_free(pool, message)));
}

static int plant_double_free(void)
{
	struct pool *pool = new_pool("protocol");
	struct protocol_message *message = NULL;
	struct place first = {NULL, 0}, second = {NULL, 0};

	if (!pool)
		return -ENOMEM;
	message = take(pool);
	give_first(pool, message, &first);
	give_again(pool, message, &second);
	pool_destroy(pool);
	printf("bug double-free first=%s:%d second=%s:%d\n", first.file, first.line, second.file,
	       second.line);
	return 0;
}

static __attribute__((noinline)) struct protocol_message *take_strayed(struct pool *pool,
								       struct place *at)
{
	struct protocol_message *message = AT(at, pool_alloc(pool, sizeof(*message), 0));

	fill(message);
	return message;
}

static __attribute__((noinline)) void
give_foreign(struct pool *pool, struct protocol_message *message, struct place *at)
{
	expect_taken(AT(at, pool_free(pool, message)));
}

static int plant_foreign_free(void)
{
	struct pool *pool = new_pool("protocol"), *other = new_pool("replies");
	struct protocol_message *message = NULL, *reply = NULL;
	struct place from = {NULL, 0}, to = {NULL, 0};
	int err = -ENOMEM;

	if (!pool || !other)
		goto out;
	reply = take(other);
	give(pool, take(pool)); /* else it would pass for an arena, whose chunks go nowhere */
	message = take_strayed(pool, &from);
	give_foreign(other, message, &to);
	give(other, reply);
	printf("bug foreign-free alloc=%s:%d free=%s:%d\n", from.file, from.line, to.file, to.line);
	err = 0;
out:
	pool_destroy(other);
	pool_destroy(pool);
	return err;
}

static __attribute__((noinline)) void take_forgotten(struct pool *pool, struct place *at)
{
	fill(AT(at, pool_alloc(pool, sizeof(struct protocol_message), 0)));
	__asm__ volatile(""); /* so that it is no tail call */
}

static int plant_leak(void)
{
	struct pool *pool = new_pool("protocol");
	struct protocol_message *kept = NULL;
	struct place at = {NULL, 0};

	if (!pool)
		return -ENOMEM;
	kept = take(pool);
	for (int i = 0; i < LEAKED; i++)
		take_forgotten(pool, &at);
	give(pool, kept);
	pool_destroy(pool);
	printf("bug leak alloc=%s:%d count=%d bytes=%zu\n", at.file, at.line, LEAKED,
	       LEAKED * sizeof(struct protocol_message));
	return 0;
}

static const struct {
	const char *name;
	int (*plant)(void);
} bugs[BUG_KINDS] = {
	[BUG_STRIDE] = {"stride", plant_stride},
	[BUG_DOUBLE_FREE] = {"double-free", plant_double_free},
	[BUG_FOREIGN_FREE] = {"foreign-free", plant_foreign_free},
	[BUG_LEAK] = {"leak", plant_leak},
};

const char *bug_name(enum bug_kind kind)
{
	return bugs[kind].name;
}

int bug_plant(enum bug_kind kind)
{
	return bugs[kind].plant();
}
