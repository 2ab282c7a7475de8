/* SPDX-License-Identifier: MIT */
/*
 * An allocator over a static region, under the names PREFIX##malloc, PREFIX##calloc and so on; with
 * MALLOCX the family of mallocx as well. It calls nobody. Blocks are powers of two, freed ones are
 * on a list each; the header lies in front of the block. Some functions call, and some jump to,
 * others of their kind, as those of real allocators do.
 */
#ifndef OWN_HEAP_H
#define OWN_HEAP_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define REGION_PASTE_(a, b) a##b
#define REGION_PASTE(a, b)  REGION_PASTE_(a, b)
#define P(name)             REGION_PASTE(PREFIX, name)
#define REGION_FUNCTION     __attribute__((noipa, visibility("default")))

#ifndef REGION_BYTES
#define REGION_BYTES (64 << 20)
#endif
#define REGION_CLASSES 32
#define REGION_PAGE    4096

struct header {
	size_t size;
	unsigned int class; /* of 1 << class bytes, header and gap included */
	void *base;         /* where these begin */
};

static _Alignas(REGION_PAGE) char region[REGION_BYTES];
static size_t region_used;
static void *region_free[REGION_CLASSES]; /* each list goes through the blocks' first words */
static bool region_lock;

void *P(malloc)(size_t size);
void *P(calloc)(size_t count, size_t size);
void *P(realloc)(void *ptr, size_t size);
void *P(reallocarray)(void *ptr, size_t count, size_t size);
void P(free)(void *ptr);
int P(posix_memalign)(void **out, size_t align, size_t size);
void *P(aligned_alloc)(size_t align, size_t size);
void *P(memalign)(size_t align, size_t size);
void *P(valloc)(size_t size);

static void *region_piece(unsigned int class)
{
	void *piece;

	while (__atomic_test_and_set(&region_lock, __ATOMIC_ACQUIRE))
		;
	piece = region_free[class];
	if (piece)
		memcpy(&region_free[class], piece, sizeof(void *));
	else if (REGION_BYTES - region_used >= (size_t)1 << class)
		piece = region + region_used, region_used += (size_t)1 << class;
	__atomic_clear(&region_lock, __ATOMIC_RELEASE);
	return piece;
}

static void *region_take(size_t size, size_t align)
{
	unsigned int class = 6;
	struct header *header;
	char *base, *block;

	if (align < 16)
		align = 16;
	if (size > REGION_BYTES / 2 || align > REGION_BYTES / 2 || (align & (align - 1)))
		return NULL;
	while ((size_t)1 << class < size + align + sizeof(*header))
		class ++;
	base = region_piece(class);
	if (!base)
		return NULL;
	block = base + sizeof(*header);
	block += -(uintptr_t)block & (align - 1);
	header = (struct header *)block - 1;
	*header = (struct header){.size = size, .class = class, .base = base};
	return block;
}

static void region_give(void *ptr)
{
	struct header header;

	if (!ptr)
		return;
	header = ((struct header *)ptr)[-1];
	while (__atomic_test_and_set(&region_lock, __ATOMIC_ACQUIRE))
		;
	memcpy(header.base, &region_free[header.class], sizeof(void *));
	region_free[header.class] = header.base;
	__atomic_clear(&region_lock, __ATOMIC_RELEASE);
}

/* At another address always, if it can. */
static void *region_move(void *ptr, size_t size, size_t align)
{
	size_t had = ((struct header *)ptr)[-1].size;
	void *block = region_take(size, align);

	if (!block)
		return NULL;
	memcpy(block, ptr, had < size ? had : size);
	region_give(ptr);
	return block;
}

REGION_FUNCTION void *P(malloc)(size_t size)
{
	return region_take(size, 0);
}

REGION_FUNCTION void P(free)(void *ptr)
{
	region_give(ptr);
}

/* A call inside a call. */
REGION_FUNCTION void *P(calloc)(size_t count, size_t size)
{
	void *block = size && count > SIZE_MAX / size ? NULL : P(malloc)(count * size);

	return block ? memset(block, 0, count * size) : NULL;
}

/* To nothing it frees, as glibc's does. */
REGION_FUNCTION void *P(realloc)(void *ptr, size_t size)
{
	if (!ptr)
		return P(malloc)(size); /* a jump */
	if (size)
		return region_move(ptr, size, 0);
	P(free)(ptr);
	return NULL;
}

REGION_FUNCTION void *P(reallocarray)(void *ptr, size_t count, size_t size)
{
	if (size && count > SIZE_MAX / size)
		return NULL;
	return P(realloc)(ptr, count * size); /* a jump */
}

REGION_FUNCTION void *P(memalign)(size_t align, size_t size)
{
	return region_take(size, align);
}

REGION_FUNCTION void *P(aligned_alloc)(size_t align, size_t size)
{
	return region_take(size, align);
}

REGION_FUNCTION int P(posix_memalign)(void **out, size_t align, size_t size)
{
	void *block;

	if (align < sizeof(void *) || (align & (align - 1)))
		return EINVAL;
	block = P(memalign)(align, size);
	if (!block)
		return ENOMEM;
	*out = block;
	return 0;
}

REGION_FUNCTION void *P(valloc)(size_t size)
{
	return P(memalign)(REGION_PAGE, size); /* a jump */
}

#ifdef MALLOCX

void *P(mallocx)(size_t size, int flags);
void *P(rallocx)(void *ptr, size_t size, int flags);
size_t P(xallocx)(void *ptr, size_t size, size_t extra, int flags);
void P(sdallocx)(void *ptr, size_t size, int flags);
void P(dallocx)(void *ptr, int flags);

static size_t region_align(int flags)
{
	return flags & 63 ? (size_t)1 << (flags & 63) : 0;
}

/* What the block could grow to where it lies. */
static size_t region_room(void *ptr)
{
	const struct header *h = (struct header *)ptr - 1;

	return ((size_t)1 << h->class) - (size_t)((char *)ptr - (char *)h->base);
}

REGION_FUNCTION void *P(mallocx)(size_t size, int flags)
{
	return region_take(size, region_align(flags));
}

REGION_FUNCTION void *P(rallocx)(void *ptr, size_t size, int flags)
{
	return region_move(ptr, size, region_align(flags));
}

REGION_FUNCTION size_t P(xallocx)(void *ptr, size_t size, size_t extra, int flags)
{
	struct header *h = (struct header *)ptr - 1;
	size_t room = region_room(ptr);

	(void)flags;
	if (size <= room)
		h->size = size + (extra < room - size ? extra : room - size);
	return h->size;
}

REGION_FUNCTION void P(dallocx)(void *ptr, int flags)
{
	(void)flags;
	region_give(ptr);
}

REGION_FUNCTION void P(sdallocx)(void *ptr, size_t size, int flags)
{
	(void)size;
	P(dallocx)(ptr, flags); /* a jump */
}

#endif
#endif
