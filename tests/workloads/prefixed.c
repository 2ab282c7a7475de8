// SPDX-License-Identifier: MIT
/*
 * Truth about an allocator whose functions have a prefix: PREFIX##malloc, PREFIX##free … Built in
 * variants: the allocator is the program's own, over a static region (own_heap.h), or, with LINKED,
 * a library's; with MALLOCX its functions mallocx, rallocx … are called as well.
 *
 *	prefixed [--wait] [ROUNDS]
 *
 * The books are those of tally.h. A function of a library that has the same address as one without
 * the prefix goes by that name, as whoever probes it cannot tell them apart; a function that the
 * library lacks is not called. A program with an allocator of its own calls libc's malloc, too.
 */
#include <dlfcn.h>
#include <malloc.h>

#include "tally.h"

#ifndef PREFIX
#define PREFIX own_
#define MALLOCX
#endif

#ifdef LINKED
#define PASTE_(a, b) a##b
#define PASTE(a, b)  PASTE_(a, b)
#define P(name)      PASTE(PREFIX, name)

void *P(malloc)(size_t size);
void *P(calloc)(size_t count, size_t size);
void *P(realloc)(void *ptr, size_t size);
void P(free)(void *ptr);
int P(posix_memalign)(void **out, size_t align, size_t size);
void *P(memalign)(size_t align, size_t size);
__attribute__((weak)) void *P(aligned_alloc)(size_t align, size_t size);
__attribute__((weak)) void *P(reallocarray)(void *ptr, size_t count, size_t size);
__attribute__((weak)) void *P(valloc)(size_t size);
#ifdef MALLOCX
void *P(mallocx)(size_t size, int flags);
void *P(rallocx)(void *ptr, size_t size, int flags);
size_t P(xallocx)(void *ptr, size_t size, size_t extra, int flags);
void P(sdallocx)(void *ptr, size_t size, int flags);
void P(dallocx)(void *ptr, int flags);
#endif
#define HAS(name) (P(name))
#else
#include "own_heap.h"
#define HAS(name) 1
#endif

#define STRING_(x) #x
#define STRING(x)  STRING_(x)
#define ZERO_FLAG  0x40 /* MALLOCX_ZERO */

/* In the order of alloctrace's table: of names at one address the first one counts. */
enum base {
	MALLOC,
	CALLOC,
	REALLOC,
	REALLOCARRAY,
	FREE,
	POSIX_MEMALIGN,
	ALIGNED_ALLOC,
	MEMALIGN,
	VALLOC,
	NR_BASES
};

static const char *const bases[NR_BASES] = {
	"malloc",         "calloc",        "realloc",  "reallocarray", "free",
	"posix_memalign", "aligned_alloc", "memalign", "valloc",
};

static char names[NR_BASES][48];
static struct block slots[SLOTS];

static void name_functions(void)
{
	void *plain[NR_BASES];

	for (int i = 0; i < NR_BASES; i++)
		plain[i] = dlsym(RTLD_DEFAULT, bases[i]);
	for (int i = 0; i < NR_BASES; i++) {
		void *function;

		snprintf(names[i], sizeof(names[i]), "%s%s", STRING(PREFIX), bases[i]);
		function = dlsym(RTLD_DEFAULT, names[i]);
		for (int same = 0; function && same < NR_BASES; same++) {
			if (plain[same] != function)
				continue;
			strcpy(names[i], bases[same]);
			break;
		}
	}
}

static void keep(struct block b)
{
	struct block *slot = slot_for(slots, b);

	if (!slot)
		return;
	if (slot->ptr)
		P(free)(slot->ptr), gone(names[FREE], __LINE__, *slot);
	*slot = b;
}

static void plain_calls(void)
{
	size_t n = next_size(), m = 1 + n % 7;
	void *p;

	p = P(malloc)(n), keep(made(names[MALLOC], __LINE__, n, p));
	n = next_size();
	p = P(calloc)(m, n), keep(made(names[CALLOC], __LINE__, m * n, p));
	p = P(malloc)(zero), keep(made(names[MALLOC], __LINE__, 0, p));
	p = P(malloc)(impossible), keep(made(names[MALLOC], __LINE__, 0, p));
	p = P(calloc)(overflowing, 3), keep(made(names[CALLOC], __LINE__, 0, p));
	P(free)(NULL), gone(names[FREE], __LINE__, (struct block){NULL, 0});
}

static void resizing_calls(void)
{
	size_t n = next_size();
	struct block b;
	void *p;

	p = P(realloc)(NULL, n), b = made(names[REALLOC], __LINE__, n, p);
	n += next_size();
	p = P(realloc)(b.ptr, n), b = resized(names[REALLOC], __LINE__, b, n, p);
	p = P(realloc)(b.ptr, impossible), b = resized(names[REALLOC], __LINE__, b, impossible, p);
	if (HAS(reallocarray)) {
		n = 7 * next_size();
		p = P(reallocarray)(b.ptr, 7, n / 7);
		b = resized(names[REALLOCARRAY], __LINE__ - 1, b, n, p);
	}
	keep(b);
	n = next_size();
	p = P(malloc)(n), b = made(names[MALLOC], __LINE__, n, p);
	p = P(realloc)(b.ptr, zero), b = resized(names[REALLOC], __LINE__, b, 0, p);
	keep(b);
}

static void aligning_calls(void)
{
	size_t n = next_size(), align = (size_t)16 << n % 9;
	const char *name = names[POSIX_MEMALIGN];
	void *p = NULL;
	int err;

	err = P(posix_memalign)(&p, asking(name, align), n);
	keep(made(name, __LINE__ - 1, n, err ? NULL : p));
	err = P(posix_memalign)(&p, asking(name, 3 + zero), n);
	made(name, __LINE__ - 1, 0, err ? NULL : p);
	n = next_size();
	name = names[MEMALIGN];
	p = P(memalign)(asking(name, align), n), keep(made(name, __LINE__, n, p));
	p = P(memalign)(asking(name, align), impossible), keep(made(name, __LINE__, 0, p));
	name = names[ALIGNED_ALLOC];
	n = align * (1 + n % 9);
	if (HAS(aligned_alloc))
		p = P(aligned_alloc)(asking(name, align), n), keep(made(name, __LINE__, n, p));
	name = names[VALLOC];
	if (HAS(valloc))
		p = P(valloc)(n), keep(made(name, __LINE__, n, p));
}

#ifdef MALLOCX
static const char mallocx_[] = STRING(PREFIX) "mallocx", rallocx_[] = STRING(PREFIX) "rallocx";
static const char xallocx_[] = STRING(PREFIX) "xallocx", dallocx_[] = STRING(PREFIX) "dallocx";
static const char sdallocx_[] = STRING(PREFIX) "sdallocx";

/* xallocx answers with a size; less than was asked for is a failure, and no block was moved. */
static struct block resized_in_place(int line, struct block b, size_t size, size_t answer)
{
	return resized(xallocx_, line, b, size, answer >= size ? b.ptr : NULL);
}

static void extended_calls(void)
{
	size_t n = next_size(), answer;
	int lg = 4 + (int)(n % 8), flags = lg | (n % 3 ? ZERO_FLAG : 0);
	struct block b;
	void *p;

	p = P(mallocx)(n, 0), b = made(mallocx_, __LINE__, n, p);
	n += next_size();
	p = P(rallocx)(b.ptr, n, 0), b = resized(rallocx_, __LINE__, b, n, p);
	answer = P(xallocx)(b.ptr, n + 1, 40, 0), b = resized_in_place(__LINE__, b, n + 1, answer);
	answer = P(xallocx)(b.ptr, n / 2 + 1, 0, 0);
	b = resized_in_place(__LINE__ - 1, b, n / 2 + 1, answer);
	answer = P(xallocx)(b.ptr, impossible, 0, 0);
	b = resized_in_place(__LINE__ - 1, b, impossible, answer);
	if (n % 4)
		P(dallocx)(b.ptr, 0), gone(dallocx_, __LINE__, b);
	else
		keep(b);
	n = next_size();
	p = P(mallocx)(n, flags), b = made(mallocx_, __LINE__, n, p), asking(mallocx_, 1 << lg);
	p = P(rallocx)(b.ptr, n + 9, flags), b = resized(rallocx_, __LINE__, b, n + 9, p);
	asking(rallocx_, 1 << lg);
	answer = P(xallocx)(b.ptr, n, 0, flags), b = resized_in_place(__LINE__, b, n, answer);
	asking(xallocx_, 1 << lg);
	p = P(rallocx)(b.ptr, impossible, 0), b = resized(rallocx_, __LINE__, b, impossible, p);
	P(sdallocx)(b.ptr, b.size, flags), gone(sdallocx_, __LINE__, b);
	p = P(mallocx)(impossible, 0), keep(made(mallocx_, __LINE__, 0, p));
}
#else
static void extended_calls(void)
{
}
#endif

/* Beside an allocator of its own, libc's. */
static void calls_to_libc(void)
{
#ifndef LINKED
	size_t n = next_size();
	struct block b;
	void *p;

	p = malloc(n), b = made("malloc", __LINE__, n, p);
	if (n % 8)
		free(b.ptr), gone("free", __LINE__, b);
#endif
}

static void free_slots(void)
{
	for (size_t i = 0; i < SLOTS; i++) {
		if (slots[i].ptr)
			P(free)(slots[i].ptr), gone(names[FREE], __LINE__, slots[i]);
	}
}

int main(int argc, char **argv)
{
	buffer_output();
	name_functions();
	wait_if_asked(&argc, &argv);
	for (long rounds = argc > 1 ? atol(argv[1]) : 100; rounds > 0; rounds--) {
		plain_calls();
		resizing_calls();
		aligning_calls();
		extended_calls();
		calls_to_libc();
	}
	free_slots();
	tally_print(__FILE__);
	return fflush(stdout) ? 1 : 0;
}
