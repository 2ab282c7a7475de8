/* SPDX-License-Identifier: MIT */
/*
 * alloctrace/pool.h - make a pool allocator visible to alloctrace.
 *
 * An allocator that hands out pieces of a region it once took from malloc is invisible to whoever
 * traces malloc. The macros below place five static probes (USDT, provider "alloctrace") in such a
 * pool. Untraced, a probe costs one load and one branch never taken; nothing is linked in, nothing
 * runs at start-up, and a tracer can come and go while the program runs.
 *
 *	#include <alloctrace/pool.h>
 *
 *	ALLOCTRACE_NOINLINE void *my_alloc(struct my_pool *pool, size_t size)
 *	{
 *		uint64_t t0 = ALLOCTRACE_POOL_ALLOC_BEGIN();
 *		void *chunk = take_chunk(pool, size);
 *		ALLOCTRACE_POOL_ALLOC(pool, chunk, size, 0, t0); // also when NULL
 *		return chunk;
 *	}
 *	ALLOCTRACE_NOINLINE void my_free(struct my_pool *pool, void *chunk)
 *	{
 *		uint64_t t0 = ALLOCTRACE_POOL_FREE_BEGIN();
 *		mark_free(pool, chunk);
 *		ALLOCTRACE_POOL_FREE(pool, chunk, t0); // before others can get it
 *		put_on_list(pool, chunk);
 *	}
 *
 * plus ALLOCTRACE_POOL_CREATE() once the region stands, ALLOCTRACE_POOL_DESTROY() before it goes.
 *
 * Timing without a trap at every operation. A trap lets the operation after it run cold, and an
 * operation of 4 ns drowns in two looks at the clock (some 30 ns). So whoever uses the allocator
 * may time operations that stand back to back as one group, and 64 groups are told in one trap:
 *
 *	struct alloctrace_timer timer = // one per thread and kind of operation
 *		ALLOCTRACE_TIMER_INIT(pool, ALLOCTRACE_TIMED_ALLOC, 16);
 *
 *	uint64_t t0 = ALLOCTRACE_TIMER_BEGIN();
 *	for (int i = 0; i < 16; i++)
 *		chunks[i] = my_alloc(pool, size);
 *	ALLOCTRACE_TIMER_END(&timer, t0);
 *	...
 *	ALLOCTRACE_TIMER_FLUSH(&timer); // what is left, before the thread or the pool ends
 *
 * Any allocator can be timed so, malloc too: announce it under a name by ALLOCTRACE_POOL_CREATE
 * with an address of its own and no region, and two allocators are compared by like means.
 *
 * Rules
 * 1. ALLOC and FREE stand in the very function the pool's users call, and that function is marked
 *    ALLOCTRACE_NOINLINE: they report its return address as the calling line. This is exact even in
 *    a binary without frame pointers, where a stack walk would be a guess. (A caller whose last act
 *    is `return my_alloc(...)` may be compiled to a jump; the line is then that of its own caller.)
 * 2. ALLOC fires before the block is returned. FREE fires before the block can be handed out again:
 *    in a pool shared by threads, before it is back on the free list, or under the same lock (which
 *    is simple, but lets the other threads wait for the tracer, and measures their waiting).
 *    Otherwise the tracer may see the next owner's ALLOC first and take the FREE for his.
 * 3. FREE tells of a block that did go back. A free the pool refuses is no event.
 * 4. Arguments are not evaluated while untraced: no side effects in them.
 * 5. Between TIMER_BEGIN and TIMER_END lie exactly `group` operations and as little else as can be;
 *    a group that came out shorter is not ended. A timer is used by one thread at a time.
 * 6. While `timed` is traced to compare allocators, a tracer attaches to no other probe that the
 *    operations pass, neither alloc and free here nor malloc: it would time its own traps.
 *
 * The wire: names, order and meaning of the arguments are a contract, extended only at the end.
 * Each argument is 64 bits wide and unsigned, in a register or a constant.
 *	create	pool, name, base, bytes, chunk_size, chunk_count
 *	alloc	pool, ptr, size, align, ns, caller
 *	free	pool, ptr, ns, caller
 *	destroy	pool
 *	timed	pool, op, group, ns, count
 *
 * pool          any address that identifies the pool from create to destroy, commonly its handle
 * name          NUL-terminated; read while the probe fires, never later
 * base, bytes   the region the blocks come from
 * chunk_size    bytes usable per block, 0 if blocks vary
 * chunk_count   number of blocks, 0 if unknown
 * ptr           the block; NULL in alloc = the pool could not serve the request
 * size, align   bytes, as the caller asked; size 0 is a request like any other, align 0 = no wish
 * ns            nanoseconds of CLOCK_MONOTONIC from BEGIN to the probe, taken in the process before
 *               it fires, so that the tracer's trap is not in it. At least 1; 0 = not measured, as
 *               tracing began in between.
 * caller        return address of the pool's function
 * op            of timed: 1 allocations, 2 releases, 3 pairs (an allocation and its release)
 * group         of timed: how many operations each entry of ns took together, 1 to 65535
 * ns, count     of timed: an array of uint32_t, read while the probe fires, never later, and how
 *               many of its entries count, 1 to 64. An entry is the nanoseconds of CLOCK_MONOTONIC
 *               from TIMER_BEGIN to TIMER_END, at least 1, at most UINT32_MAX. The timer's first
 *               group after each trap is not among them: it took up to twice as long.
 *
 * A tracer that attaches late has seen no create for the pools that already exist.
 *
 * Errors: there are none; no macro fails, changes errno or allocates. All are usable in any thread.
 * Needs sys/sdt.h (package systemtap-sdt-dev), Linux, a 64-bit target, gcc or clang, gnu11 or C++17
 * or later; no library. With -DALLOCTRACE_DISABLE all of it compiles to nothing, anywhere.
 * Note: this header makes sys/sdt.h emit semaphores, for every provider used in the same source
 * file; keep it out of files that hold another provider's probes without semaphores.
 */
#ifndef ALLOCTRACE_POOL_H
#define ALLOCTRACE_POOL_H

#include <stddef.h>
#include <stdint.h>

/* What the operations of a timer are. */
#define ALLOCTRACE_TIMED_ALLOC 1 /* allocations */
#define ALLOCTRACE_TIMED_FREE  2 /* releases */
#define ALLOCTRACE_TIMED_PAIR  3 /* pairs of an allocation and its release */

#define ALLOCTRACE_TIMER_ENTRIES 64

/*
 * The caller's, set by ALLOCTRACE_TIMER_INIT; holds nothing that would have to be released. Times
 * that were taken and not told when a tracer leaves are told to the next one.
 */
struct alloctrace_timer {
	const void *pool; /* as told to ALLOCTRACE_POOL_CREATE */
	uint32_t op, group;
	uint32_t count; /* entries of ns in use */
	uint32_t cold;  /* a trap came after the last group: the next one is left out */
	uint32_t ns[ALLOCTRACE_TIMER_ENTRIES];
};

#define ALLOCTRACE_TIMER_INIT(pool, op, group)                   \
	{                                                        \
		(pool), (uint32_t)(op), (uint32_t)(group), 0, 0, \
		{                                                \
			0                                        \
		}                                                \
	}

#ifdef ALLOCTRACE_DISABLE

/* sizeof names its operand without evaluating it, so that nobody's variable becomes unused. */
#define ALLOCTRACE_NOINLINE
#define ALLOCTRACE_POOL_CREATE(pool, name, base, bytes, chunk_size, chunk_count)                  \
	((void)(sizeof(pool) + sizeof(name) + sizeof(base) + sizeof(bytes) + sizeof(chunk_size) + \
		sizeof(chunk_count)))
#define ALLOCTRACE_POOL_ALLOC_BEGIN() ((uint64_t)0)
#define ALLOCTRACE_POOL_ALLOC(pool, ptr, size, align, t0) \
	((void)(sizeof(pool) + sizeof(ptr) + sizeof(size) + sizeof(align) + sizeof(t0)))
#define ALLOCTRACE_POOL_FREE_BEGIN()        ((uint64_t)0)
#define ALLOCTRACE_POOL_FREE(pool, ptr, t0) ((void)(sizeof(pool) + sizeof(ptr) + sizeof(t0)))
#define ALLOCTRACE_POOL_DESTROY(pool)       ((void)sizeof(pool))
#define ALLOCTRACE_TIMER_BEGIN()            ((uint64_t)0)
#define ALLOCTRACE_TIMER_END(timer, t0)     ((void)(sizeof(timer) + sizeof(t0)))
#define ALLOCTRACE_TIMER_FLUSH(timer)       ((void)sizeof(timer))

#else /* !ALLOCTRACE_DISABLE */

#if !defined(__linux__) || !defined(__LP64__)
#error "alloctrace/pool.h needs a 64-bit Linux target; define ALLOCTRACE_DISABLE to build elsewhere"
#endif

/* sys/sdt.h decides once, when first included, whether its probes have semaphores. */
#if defined(_SYS_SDT_H) && !defined(_SDT_HAS_SEMAPHORES)
#error "include <alloctrace/pool.h> before <sys/sdt.h>, or define _SDT_HAS_SEMAPHORES before both"
#endif
#ifndef _SDT_HAS_SEMAPHORES
#define _SDT_HAS_SEMAPHORES 1
#endif
#include <sys/sdt.h>
#include <errno.h>
#include <time.h>

#ifndef CLOCK_MONOTONIC
#error "alloctrace/pool.h needs clock_gettime: use -std=gnu11, or define _POSIX_C_SOURCE as 200809L"
#endif

#define ALLOCTRACE_NOINLINE __attribute__((noinline))

/* What follows down to the macros is private: rely on none of these names. */
#define ALLOCTRACE_INLINE_  static inline __attribute__((always_inline, unused))

/*
 * One counter per probe, raised by the kernel in this process while a tracer is attached. Weak, so
 * that any number of source files may define it; hidden, so that each program and each library has
 * its own, found without the GOT; used, as link-time optimisation does not see the probe's note.
 */
#define ALLOCTRACE_SEMAPHORE_(probe)                     \
	__attribute__((weak, used, visibility("hidden"), \
		       section(".probes"))) volatile unsigned short alloctrace_##probe##_semaphore
#define ALLOCTRACE_TRACED_(probe) (__builtin_expect(alloctrace_##probe##_semaphore != 0, 0))

#ifdef __cplusplus
extern "C" {
#endif
ALLOCTRACE_SEMAPHORE_(create);
ALLOCTRACE_SEMAPHORE_(alloc);
ALLOCTRACE_SEMAPHORE_(free);
ALLOCTRACE_SEMAPHORE_(destroy);
ALLOCTRACE_SEMAPHORE_(timed);
#ifdef __cplusplus
}
#endif

/*
 * Nanoseconds on CLOCK_MONOTONIC. Out of line and cold, so that the untraced path of the pool's
 * function keeps neither a timespec on its stack nor these instructions in its cache lines.
 */
static __attribute__((noinline, cold, unused)) uint64_t alloctrace_now_(void)
{
	struct timespec now = {0, 0};
	int saved = errno;

	clock_gettime(CLOCK_MONOTONIC, &now);
	errno = saved; /* the pool's own errno is about to be read by its caller */
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Nanoseconds since t0: at least 1, or 0 when t0 is 0, which means that nobody looked at the clock.
 */
ALLOCTRACE_INLINE_ uint64_t alloctrace_since_(uint64_t t0)
{
	uint64_t ns;

	if (t0 == 0)
		return 0;
	ns = alloctrace_now_() - t0;
	return ns ? ns : 1;
}

/*
 * Left to itself the compiler may describe an argument as memory with an index register or relative
 * to a symbol, which not every reader of probe notes can follow. Registers and constants all can,
 * and the longest probe has six arguments. The choice must not leak into the includer's own probes.
 */
#pragma push_macro("STAP_SDT_ARG_CONSTRAINT")
#undef STAP_SDT_ARG_CONSTRAINT
#define STAP_SDT_ARG_CONSTRAINT nr
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic" /* of sys/sdt.h's macros, not of the includer's code \
					     */

/* A probe's pointer says nothing to the compiler: what it points to must lie in memory by then. */
ALLOCTRACE_INLINE_ void alloctrace_settle_(const void *ptr)
{
	__asm__ __volatile__("" : : "r"(ptr) : "memory");
}

ALLOCTRACE_INLINE_ void alloctrace_create_(const void *pool, const char *name, const void *base,
					   uint64_t bytes, uint64_t chunk_size,
					   uint64_t chunk_count)
{
	alloctrace_settle_(name);
	STAP_PROBE6(alloctrace, create, pool, name, base, bytes, chunk_size, chunk_count);
}

ALLOCTRACE_INLINE_ void alloctrace_alloc_(const void *pool, const void *ptr, uint64_t size,
					  uint64_t align, uint64_t ns, const void *caller)
{
	STAP_PROBE6(alloctrace, alloc, pool, ptr, size, align, ns, caller);
}

ALLOCTRACE_INLINE_ void alloctrace_free_(const void *pool, const void *ptr, uint64_t ns,
					 const void *caller)
{
	STAP_PROBE4(alloctrace, free, pool, ptr, ns, caller);
}

ALLOCTRACE_INLINE_ void alloctrace_destroy_(const void *pool)
{
	STAP_PROBE1(alloctrace, destroy, pool);
}

/* Out of line: the probe stands once per source file, and its users' loops stay as they are. */
static __attribute__((noinline, cold, unused)) void alloctrace_tell_(struct alloctrace_timer *timer)
{
	const void *pool = timer->pool;
	const uint32_t *ns = timer->ns;
	uint64_t op = timer->op, group = timer->group, count = timer->count;

	timer->count = 0;
	timer->cold = 1;
	alloctrace_settle_(ns);
	STAP_PROBE5(alloctrace, timed, pool, op, group, ns, count);
}

#pragma GCC diagnostic pop
#pragma pop_macro("STAP_SDT_ARG_CONSTRAINT")

ALLOCTRACE_INLINE_ uint64_t alloctrace_alloc_begin_(void)
{
	return ALLOCTRACE_TRACED_(alloc) ? alloctrace_now_() : 0;
}

ALLOCTRACE_INLINE_ uint64_t alloctrace_free_begin_(void)
{
	return ALLOCTRACE_TRACED_(free) ? alloctrace_now_() : 0;
}

ALLOCTRACE_INLINE_ uint64_t alloctrace_timer_begin_(void)
{
	return ALLOCTRACE_TRACED_(timed) ? alloctrace_now_() : 0;
}

static __attribute__((noinline, cold, unused)) void
alloctrace_timer_store_(struct alloctrace_timer *timer, uint64_t ns)
{
	if (timer->cold) {
		timer->cold = 0;
		return;
	}
	timer->ns[timer->count++] = ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
	if (timer->count == ALLOCTRACE_TIMER_ENTRIES)
		alloctrace_tell_(timer);
}

/* The public face. In ALLOC and FREE the clock is read first: what follows it is not the pool's. */

#define ALLOCTRACE_POOL_CREATE(pool, name, base, bytes, chunk_size, chunk_count)          \
	do {                                                                              \
		if (ALLOCTRACE_TRACED_(create))                                           \
			alloctrace_create_((pool), (name), (base), (bytes), (chunk_size), \
					   (chunk_count));                                \
	} while (0)

/* A uint64_t to be handed to ALLOC: 0 while untraced, without a look at the clock. */
#define ALLOCTRACE_POOL_ALLOC_BEGIN() alloctrace_alloc_begin_()

#define ALLOCTRACE_POOL_ALLOC(pool, ptr, size, align, t0)                                 \
	do {                                                                              \
		if (ALLOCTRACE_TRACED_(alloc)) {                                          \
			uint64_t alloctrace_ns_ = alloctrace_since_(t0);                  \
			alloctrace_alloc_((pool), (ptr), (size), (align), alloctrace_ns_, \
					  __builtin_return_address(0));                   \
		}                                                                         \
	} while (0)

/* A uint64_t to be handed to FREE: 0 while untraced, without a look at the clock. */
#define ALLOCTRACE_POOL_FREE_BEGIN() alloctrace_free_begin_()

#define ALLOCTRACE_POOL_FREE(pool, ptr, t0)                              \
	do {                                                             \
		if (ALLOCTRACE_TRACED_(free)) {                          \
			uint64_t alloctrace_ns_ = alloctrace_since_(t0); \
			alloctrace_free_((pool), (ptr), alloctrace_ns_,  \
					 __builtin_return_address(0));   \
		}                                                        \
	} while (0)

#define ALLOCTRACE_POOL_DESTROY(pool)              \
	do {                                       \
		if (ALLOCTRACE_TRACED_(destroy))   \
			alloctrace_destroy_(pool); \
	} while (0)

/* A uint64_t to be handed to TIMER_END: 0 while untraced, without a look at the clock. */
#define ALLOCTRACE_TIMER_BEGIN() alloctrace_timer_begin_()

/* Ends what BEGIN began, for a struct alloctrace_timer *; nothing if that began untraced. */
#define ALLOCTRACE_TIMER_END(timer, t0)                                                      \
	do {                                                                                 \
		uint64_t alloctrace_t0_ = (t0);                                              \
		if (__builtin_expect(alloctrace_t0_ != 0, 0))                                \
			alloctrace_timer_store_((timer), alloctrace_since_(alloctrace_t0_)); \
	} while (0)

/* Tells the times that are left, if any. */
#define ALLOCTRACE_TIMER_FLUSH(timer)                                 \
	do {                                                          \
		struct alloctrace_timer *alloctrace_timer_ = (timer); \
		if (alloctrace_timer_->count > 0)                     \
			alloctrace_tell_(alloctrace_timer_);          \
	} while (0)

#endif /* ALLOCTRACE_DISABLE */

#endif /* ALLOCTRACE_POOL_H */
