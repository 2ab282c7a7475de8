// SPDX-License-Identifier: MIT
/*
 * What a Rust program looks like to who probes it, made without Rust: the four functions that its
 * code calls, here on top of libc's as by Rust's own allocator, each with a Layout's size and
 * alignment.
 *
 *	rust_names [--wait] [ROUNDS]
 *
 * The symbols are global and plain, as they were until Rust 1.86, or, with MANGLED, local ones with
 * the mangled names of later versions. With LIBRARY this is a library with these, too:
 * run_library(ROUNDS). The books are those of tally.h.
 */
#include "tally.h"

#if defined(MANGLED) || defined(LIBRARY)
#define SYMBOL(mangled) __asm__("_RNvCsfLfy6EI15iL_7___rustc" mangled)
#define SCOPE           static
#else
#define SYMBOL(mangled)
#define SCOPE
#endif

#define PLAIN_ALIGN 16 /* what malloc gives anyway */

SCOPE void *__rust_alloc(size_t size, size_t align) SYMBOL("12___rust_alloc");
SCOPE void __rust_dealloc(void *ptr, size_t size, size_t align) SYMBOL("14___rust_dealloc");
SCOPE void *__rust_realloc(void *ptr, size_t old, size_t align, size_t size)
	SYMBOL("14___rust_realloc");
SCOPE void *__rust_alloc_zeroed(size_t size, size_t align) SYMBOL("19___rust_alloc_zeroed");

static struct block slots[SLOTS];

TRACED SCOPE void *__rust_alloc(size_t size, size_t align)
{
	void *block = NULL;

	if (align <= PLAIN_ALIGN)
		return malloc(size); /* a jump */
	return posix_memalign(&block, align, size) ? NULL : block;
}

TRACED SCOPE void __rust_dealloc(void *ptr, size_t size, size_t align)
{
	(void)size, (void)align;
	free(ptr); /* a jump */
}

TRACED SCOPE void *__rust_realloc(void *ptr, size_t old, size_t align, size_t size)
{
	void *block;

	if (align <= PLAIN_ALIGN)
		return realloc(ptr, size); /* a jump */
	block = __rust_alloc(size, align);
	if (block) {
		memcpy(block, ptr, old < size ? old : size);
		free(ptr);
	}
	return block;
}

TRACED SCOPE void *__rust_alloc_zeroed(size_t size, size_t align)
{
	return align <= PLAIN_ALIGN ? calloc(size, 1) : __rust_alloc(size, align);
}

static void keep(struct block b, size_t align)
{
	struct block *slot = slot_for(slots, b);

	if (!slot)
		return;
	if (slot->ptr) {
		__rust_dealloc(slot->ptr, slot->size, align);
		gone("__rust_dealloc", __LINE__ - 1, *slot);
	}
	*slot = b;
}

static void call(size_t align)
{
	const char *alloc = "__rust_alloc", *zeroed = "__rust_alloc_zeroed";
	const char *realloc_ = "__rust_realloc";
	size_t n = next_size();
	struct block b;
	void *p;

	p = __rust_alloc(n, asking(alloc, align)), b = made(alloc, __LINE__, n, p);
	for (int i = 0; i < 3; i++) {
		size_t had = n;

		n = i == 2 ? n / 3 + 1 : n + next_size();
		p = __rust_realloc(b.ptr, had, asking(realloc_, align), n);
		b = resized(realloc_, __LINE__ - 1, b, n, p);
	}
	keep(b, align);
	n = next_size();
	p = __rust_alloc_zeroed(n, asking(zeroed, align));
	keep(made(zeroed, __LINE__ - 1, n, p), align);
	p = __rust_alloc(impossible, asking(alloc, align));
	keep(made(alloc, __LINE__ - 1, 0, p), align);
	p = malloc(n), b = made("malloc", __LINE__, n, p);
	if (n % 8)
		free(b.ptr), gone("free", __LINE__, b);
}

static void run(long rounds)
{
	for (long i = 0; i < rounds; i++)
		call((size_t)1 << i % 8);
	tally_print(__FILE__);
}

#ifdef LIBRARY

void run_library(long rounds);
void run_library(long rounds)
{
	run(rounds);
}

#else

int main(int argc, char **argv)
{
	buffer_output();
	wait_if_asked(&argc, &argv);
	run(argc > 1 ? atol(argv[1]) : 100);
	return fflush(stdout) ? 1 : 0;
}

#endif
