// SPDX-License-Identifier: MIT
/*
 * Truth about an allocator that nobody knows: functions of its own, local to this file, with
 * arguments in an order of their own. What --function is to say about each:
 *
 *	arena_take(size=arg2,ret=ptr)
 *	arena_take_zeroed(count=arg2,size=arg3,ret=ptr)
 *	arena_take_aligned(align=arg1,size=arg3,ret=ptr)
 *	arena_take_into(out=arg1,size=arg3,align=arg4)
 *	arena_take_sixth(size=arg6,ret=ptr)
 *	arena_resize(ptr=arg2,size=arg3,ret=ptr)
 *	arena_resize_many(ptr=arg4,count=arg3,size=arg2,ret=ptr)
 *	arena_resize_into(size=arg2,ptr=arg3,out=arg4)
 *	arena_give(ptr=arg2)
 *	arena_give_sixth(ptr=arg6)
 *	wrapped_take(size=arg1,ret=ptr)		calls malloc; what it returns goes back by free
 *
 *	arena [--wait] [--chunks | --at-start] [ROUNDS]
 *
 * The region is static; with --chunks one in eight blocks that arena_take hands out comes from
 * malloc and goes back by free, inside of the arena's functions. libc's malloc is called as well,
 * and counted. With --at-start the program does something else: it calls malloc for regions and
 * first_take(size=arg2,ret=ptr), first_give(ptr=arg2) for a block in each, which begins where the
 * region begins.
 *
 * With LIBRARY this is a library: run_library(ROUNDS) calls its own functions of the same names.
 * The program calls it, too, when it is preloaded. The books are those of tally.h; each object
 * prints its own.
 */
#include <errno.h>

#include "tally.h"

#define REGION_BYTES (32 << 20)
#define CLASSES      26
#define CHUNK_EVERY  8

struct header {
	size_t size, class; /* class 0: a chunk of malloc's */
	void *base;
};

struct arena {
	char *region;
	size_t used;
	void *free[CLASSES];
	long taken;
	int chunks;
};

static _Alignas(4096) char region[REGION_BYTES];
static struct arena arena = {.region = region};
static struct block slots[SLOTS];

static void *piece_of(struct arena *a, size_t class)
{
	void *piece = a->free[class];

	if (piece)
		memcpy(&a->free[class], piece, sizeof(void *));
	else if (REGION_BYTES - a->used >= (size_t)1 << class)
		piece = a->region + a->used, a->used += (size_t)1 << class;
	return piece;
}

static void *put_header(char *base, size_t class, size_t align, size_t size)
{
	char *block = base + sizeof(struct header);

	block += -(uintptr_t)block & (align - 1);
	((struct header *)block)[-1] = (struct header){size, class, base};
	return block;
}

static void *take_piece(struct arena *a, size_t size, size_t align)
{
	size_t class = 6;
	void *base;

	if (size > REGION_BYTES / 4 || align > REGION_BYTES / 4 || (align & (align - 1)))
		return NULL;
	while ((size_t)1 << class < size + align + sizeof(struct header))
		class ++;
	base = piece_of(a, class);
	return base ? put_header(base, class, align, size) : NULL;
}

TRACED static void arena_give(struct arena *a, void *ptr)
{
	struct header h;

	if (!ptr)
		return;
	h = ((struct header *)ptr)[-1];
	if (!h.class) {
		free(h.base);
		return;
	}
	memcpy(h.base, &a->free[h.class], sizeof(void *));
	a->free[h.class] = h.base;
}

TRACED static void *arena_take(struct arena *a, size_t size)
{
	char *base;

	if (!a->chunks || a->taken++ % CHUNK_EVERY || size > REGION_BYTES / 4)
		return take_piece(a, size, 16);
	base = malloc(size + sizeof(struct header) + 16);
	return base ? put_header(base, 0, 16, size) : NULL;
}

/* A call inside a call. */
TRACED static void *arena_take_zeroed(struct arena *a, size_t count, size_t size)
{
	void *block = size && count > SIZE_MAX / size ? NULL : arena_take(a, count * size);

	return block ? memset(block, 0, count * size) : NULL;
}

TRACED static void *arena_take_aligned(size_t align, struct arena *a, size_t size)
{
	return take_piece(a, size, align);
}

TRACED static int arena_take_into(void **out, struct arena *a, size_t size, size_t align)
{
	void *block = take_piece(a, size, align);

	if (!block)
		return align & (align - 1) ? EINVAL : ENOMEM;
	*out = block;
	return 0;
}

TRACED static void *arena_take_sixth(struct arena *a, int b, int c, int d, int e, size_t size)
{
	if (b + c + d + e != 14)
		abort();
	return arena_take(a, size); /* a jump */
}

/* To nothing it frees and returns NULL. */
TRACED static void *arena_resize(struct arena *a, void *ptr, size_t size)
{
	size_t had = ptr ? ((struct header *)ptr)[-1].size : 0;
	void *block = size || !ptr ? arena_take(a, size) : NULL;

	if (block && had)
		memcpy(block, ptr, had < size ? had : size);
	if (block || !size)
		arena_give(a, ptr);
	return block;
}

TRACED static void *arena_resize_many(struct arena *a, size_t size, size_t count, void *ptr)
{
	return size && count > SIZE_MAX / size ? NULL : arena_resize(a, ptr, count * size);
}

TRACED static int arena_resize_into(struct arena *a, size_t size, void *ptr, void **out)
{
	void *block = arena_resize(a, ptr, size);

	if (!block)
		return -1;
	*out = block;
	return 0;
}

TRACED static void arena_give_sixth(int b, int c, int d, int e, struct arena *a, void *ptr)
{
	if (b + c + d + e != 14)
		abort();
	arena_give(a, ptr); /* a jump */
}

static void keep(struct block b)
{
	struct block *slot = slot_for(slots, b);

	if (!slot)
		return;
	if (slot->ptr && slot->size % 2) {
		arena_give(&arena, slot->ptr), gone("arena_give", __LINE__, *slot);
	} else if (slot->ptr) {
		arena_give_sixth(2, 3, 4, 5, &arena, slot->ptr);
		gone("arena_give_sixth", __LINE__ - 1, *slot);
	}
	*slot = b;
}

static void plain_calls(struct arena *a)
{
	size_t n = next_size(), m = 1 + n % 7;
	void *p;

	p = arena_take(a, n), keep(made("arena_take", __LINE__, n, p));
	p = arena_take(a, zero), keep(made("arena_take", __LINE__, 0, p));
	p = arena_take(a, impossible), keep(made("arena_take", __LINE__, 0, p));
	n = next_size();
	p = arena_take_zeroed(a, m, n), keep(made("arena_take_zeroed", __LINE__, m * n, p));
	p = arena_take_zeroed(a, overflowing, 3), keep(made("arena_take_zeroed", __LINE__, 0, p));
	p = arena_take_sixth(a, 2, 3, 4, 5, n), keep(made("arena_take_sixth", __LINE__, n, p));
	arena_give(a, NULL), gone("arena_give", __LINE__, (struct block){NULL, 0});
}

static void aligning_calls(struct arena *a)
{
	const char *aligned = "arena_take_aligned", *into = "arena_take_into";
	size_t n = next_size(), align = (size_t)16 << n % 9;
	void *p = (void *)-1, *out = (void *)-1;
	int err;

	p = arena_take_aligned(asking(aligned, align), a, n), keep(made(aligned, __LINE__, n, p));
	n = next_size();
	err = arena_take_into(&out, a, n, asking(into, align));
	keep(made(into, __LINE__ - 1, n, err ? NULL : out));
	err = arena_take_into(&out, a, n, asking(into, 3 + zero));
	made(into, __LINE__ - 1, 0, err ? NULL : out);
	err = arena_take_into(&out, a, impossible, asking(into, 64));
	made(into, __LINE__ - 1, 0, err ? NULL : out);
}

static void resizing_calls(struct arena *a)
{
	size_t n = next_size();
	void *p, *out = (void *)-1;
	struct block b;
	int err;

	p = arena_resize(a, NULL, n), b = made("arena_resize", __LINE__, n, p);
	n += next_size();
	p = arena_resize(a, b.ptr, n), b = resized("arena_resize", __LINE__, b, n, p);
	p = arena_resize(a, b.ptr, impossible);
	b = resized("arena_resize", __LINE__ - 1, b, impossible, p);
	n = 3 * next_size();
	p = arena_resize_many(a, n / 3, 3, b.ptr);
	b = resized("arena_resize_many", __LINE__ - 1, b, n, p);
	n = n / 2 + 1;
	err = arena_resize_into(a, n, b.ptr, &out);
	b = resized("arena_resize_into", __LINE__ - 1, b, n, err ? NULL : out);
	out = (void *)-1;
	err = arena_resize_into(a, impossible, b.ptr, &out);
	b = resized("arena_resize_into", __LINE__ - 1, b, impossible, err ? NULL : out);
	keep(b);
	n = next_size();
	p = arena_take(a, n), b = made("arena_take", __LINE__, n, p);
	p = arena_resize(a, b.ptr, zero), b = resized("arena_resize", __LINE__, b, 0, p);
}

TRACED static void *wrapped_take(size_t size)
{
	void *block = malloc(size);

	if (!block)
		abort();
	return block;
}

static void calls_to_libc(void)
{
	size_t n = next_size();
	struct block b;
	void *p;

	p = wrapped_take(n), b = made("wrapped_take", __LINE__, n, p);
	if (n % 8)
		free(b.ptr), gone("free", __LINE__, b);
	n = next_size();
	p = malloc(n), b = made("malloc", __LINE__, n, p);
	if (n % 8)
		free(b.ptr), gone("free", __LINE__, b);
}

static void run(long rounds)
{
	for (; rounds > 0; rounds--) {
		plain_calls(&arena);
		aligning_calls(&arena);
		resizing_calls(&arena);
		calls_to_libc();
	}
	for (size_t i = 0; i < SLOTS; i++) {
		if (slots[i].ptr)
			arena_give(&arena, slots[i].ptr), gone("arena_give", __LINE__, slots[i]);
	}
}

#ifdef LIBRARY

void run_library(long rounds);
void run_library(long rounds)
{
	run(rounds);
	tally_print(__FILE__);
}

#else

__attribute__((weak)) void run_library(long rounds);

/* An arena as small as can be: a region, and what is used of it. */
struct bump {
	char *region;
	size_t used;
};

TRACED static void *first_take(struct bump *b, size_t size)
{
	void *block = b->region + b->used;

	b->used += size;
	return block;
}

TRACED static void first_give(struct bump *b, void *ptr)
{
	b->used = (size_t)((char *)ptr - b->region);
}

static void run_at_start(long rounds)
{
	struct bump bump = {NULL, 0};
	struct block whole, b;
	void *p;

	for (; rounds > 0; rounds--) {
		size_t n = 16 * (1 + next_random() % 60);

		p = malloc(4096), whole = made("malloc", __LINE__, 4096, p);
		bump = (struct bump){p, 0};
		p = first_take(&bump, n), b = made("first_take", __LINE__, n, p);
		p = first_take(&bump, n + 8), made("first_take", __LINE__, n + 8, p);
		if (rounds % 4 == 0)
			continue;
		first_give(&bump, b.ptr), gone("first_give", __LINE__, b);
		if (rounds % 4 == 1)
			free(whole.ptr), gone("free", __LINE__, whole);
	}
}

int main(int argc, char **argv)
{
	int at_start;
	long rounds;

	buffer_output();
	wait_if_asked(&argc, &argv);
	arena.chunks = take_switch(&argc, &argv, "--chunks");
	at_start = take_switch(&argc, &argv, "--at-start");
	rounds = argc > 1 ? atol(argv[1]) : 100;
	if (at_start)
		run_at_start(rounds);
	else
		run(rounds);
	tally_print(__FILE__);
	if (run_library)
		run_library(rounds);
	return fflush(stdout) ? 1 : 0;
}

#endif
