// SPDX-License-Identifier: MIT
/*
 * Truth about one allocator, whichever this program is linked with or has preloaded: one thread,
 * seven functions, every call at a line of its own.
 *
 *	matrix [--wait] [ROUNDS]
 *	matrix-late [--wait] LIBRARY [ROUNDS]
 *
 *	ready PID                            with --wait: goes on at a line or the end of stdin
 *	truth malloc.count=120               per function: count, bytes, failed, freed, null
 *	truth live.blocks=17                 what is leaked on purpose, by all functions together
 *	line malloc matrix.c 123 40 5120     CALL FILE LINE COUNT BYTES, made there or freed
 *
 * matrix-late (built with LATE) loads its allocator a second after its start, by dlopen, says
 * "loaded LIBRARY" and waits for a line before it calls.
 *
 * Nothing is called between "ready" (or "loaded") and the end but what is counted: stdout has a
 * static buffer. A call is counted within the statement that makes it, all on one line. What the
 * allocators may answer differently (realloc to nothing) is counted as this one answered.
 */
#include <dlfcn.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_SITES  64
#define SLOTS      61 /* blocks that live at the same time; a prime, so that all sizes meet all */
#define LEAK_EVERY 32

enum call {
	MALLOC,
	CALLOC,
	REALLOC,
	FREE,
	POSIX_MEMALIGN,
	ALIGNED_ALLOC,
	MEMALIGN,
	NR_CALLS,
};

static const char *const names[NR_CALLS] = {
	"malloc", "calloc", "realloc", "free", "posix_memalign", "aligned_alloc", "memalign",
};

struct tally {
	long count, bytes, failed;
	long freed; /* realloc to nothing that freed */
	long null;  /* free(NULL) */
};

struct site {
	enum call call;
	int line;
	long count, bytes;
};

struct block {
	void *ptr;
	size_t size;
};

static struct tally tallies[NR_CALLS];
static struct site sites[MAX_SITES];
static struct block slots[SLOTS];
static long live_blocks, live_bytes, kept;
static uint64_t random_state = 0x9e3779b97f4a7c15u;

/* Volatile: the compiler must not know how the calls will end. */
static volatile size_t impossible = (size_t)1 << 62;
static volatile size_t overflowing = SIZE_MAX / 2;
static volatile size_t no_alignment = 3;
static volatile size_t zero;

#ifdef LATE
static struct {
	void *(*malloc)(size_t size);
	void *(*calloc)(size_t count, size_t size);
	void *(*realloc)(void *ptr, size_t size);
	void (*free)(void *ptr);
	int (*posix_memalign)(void **ptr, size_t align, size_t size);
	void *(*aligned_alloc)(size_t align, size_t size);
	void *(*memalign)(size_t align, size_t size);
} late;

static bool load(const char *library)
{
	const struct {
		const char *name;
		void *place;
	} wanted[] = {
		{"malloc", &late.malloc},
		{"calloc", &late.calloc},
		{"realloc", &late.realloc},
		{"free", &late.free},
		{"posix_memalign", &late.posix_memalign},
		{"aligned_alloc", &late.aligned_alloc},
		{"memalign", &late.memalign},
	};
	void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);

	for (size_t i = 0; handle && i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		void *function = dlsym(handle, wanted[i].name);

		if (!function)
			return false;
		memcpy(wanted[i].place, &function, sizeof(function));
	}
	return handle;
}

#define malloc         late.malloc
#define calloc         late.calloc
#define realloc        late.realloc
#define free           late.free
#define posix_memalign late.posix_memalign
#define aligned_alloc  late.aligned_alloc
#define memalign       late.memalign
#endif

static struct tally *called(enum call call, int line, size_t size)
{
	struct site *s = sites;

	while (s->count && (s->line != line || s->call != call)) {
		if (++s == sites + MAX_SITES)
			abort();
	}
	s->call = call;
	s->line = line;
	s->count++;
	s->bytes += (long)size;
	tallies[call].count++;
	return &tallies[call];
}

static struct block made(enum call call, int line, size_t size, void *ptr)
{
	struct tally *tally = called(call, line, ptr ? size : 0);

	if (!ptr) {
		tally->failed++;
		return (struct block){NULL, 0};
	}
	tally->bytes += (long)size;
	live_blocks++;
	live_bytes += (long)size;
	memset(ptr, 0x5a, size);
	return (struct block){ptr, size};
}

static void gone(int line, struct block b)
{
	struct tally *tally = called(FREE, line, b.size);

	if (!b.ptr) {
		tally->null++;
		return;
	}
	live_blocks--;
	live_bytes -= (long)b.size;
}

/* The block as it is after a realloc that returned ptr; a realloc to nothing that answered NULL has
 * freed it. */
static struct block resized(int line, struct block b, size_t size, void *ptr)
{
	struct tally *tally = called(REALLOC, line, ptr ? size : 0);

	if (ptr) {
		tally->bytes += (long)size;
		live_bytes += (long)size - (long)b.size;
		return (struct block){ptr, size};
	}
	if (size) {
		tally->failed++;
		return b;
	}
	tally->freed++;
	live_blocks--;
	live_bytes -= (long)b.size;
	return (struct block){NULL, 0};
}

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* Most small, some beyond the small classes, a few that are mapped. */
static size_t next_size(void)
{
	uint64_t r = next_random();

	if (r % 64 == 0)
		return 200000 + r / 64 % 2000000;
	if (r % 4 == 0)
		return 1100 + r / 64 % 40000;
	return 1 + r / 64 % 600;
}

/* In the place of one that is freed for it, or, now and then, for good. */
static void keep(struct block b)
{
	struct block *slot;

	if (!b.ptr || kept++ % LEAK_EVERY == LEAK_EVERY - 1)
		return;
	slot = &slots[next_random() % SLOTS];
	if (slot->ptr)
		free(slot->ptr), gone(__LINE__, *slot);
	*slot = b;
}

static void plain_calls(void)
{
	size_t n = next_size(), m = 1 + n % 7;
	void *p;

	p = malloc(n), keep(made(MALLOC, __LINE__, n, p));
	n = next_size();
	p = calloc(m, n), keep(made(CALLOC, __LINE__, m * n, p));
	p = malloc(zero), keep(made(MALLOC, __LINE__, 0, p));
	p = malloc(impossible), keep(made(MALLOC, __LINE__, 0, p));
	p = calloc(overflowing, 3), keep(made(CALLOC, __LINE__, 0, p));
	free(NULL), gone(__LINE__, (struct block){NULL, 0});
}

static void resizing_calls(void)
{
	size_t n = next_size();
	struct block b;
	void *p;

	p = realloc(NULL, n), b = made(REALLOC, __LINE__, n, p);
	n += next_size();
	p = realloc(b.ptr, n), b = resized(__LINE__, b, n, p);
	p = realloc(b.ptr, impossible), b = resized(__LINE__, b, impossible, p);
	n = n / 2 + 1;
	p = realloc(b.ptr, n), b = resized(__LINE__, b, n, p);
	keep(b);
	n = next_size();
	p = malloc(n), b = made(MALLOC, __LINE__, n, p);
	p = realloc(b.ptr, zero), b = resized(__LINE__, b, 0, p);
	keep(b);
}

static void aligning_calls(void)
{
	size_t n = next_size(), align = (size_t)16 << n % 9;
	void *p = NULL;
	int err;

	err = posix_memalign(&p, align, n), keep(made(POSIX_MEMALIGN, __LINE__, n, err ? NULL : p));
	err = posix_memalign(&p, no_alignment, n), made(POSIX_MEMALIGN, __LINE__, 0, NULL);
	if (!err)
		abort();
	n = align * (1 + n % 9);
	p = aligned_alloc(align, n), keep(made(ALIGNED_ALLOC, __LINE__, n, p));
	p = aligned_alloc(align, impossible), keep(made(ALIGNED_ALLOC, __LINE__, 0, p));
	n = next_size();
	p = memalign(align, n), keep(made(MEMALIGN, __LINE__, n, p));
	p = memalign(align, impossible), keep(made(MEMALIGN, __LINE__, 0, p));
}

static void free_slots(void)
{
	for (size_t i = 0; i < SLOTS; i++) {
		if (slots[i].ptr)
			free(slots[i].ptr), gone(__LINE__, slots[i]);
	}
}

static void print_truth(void)
{
	long all = 0;

	for (int c = 0; c < NR_CALLS; c++) {
		const struct tally *t = &tallies[c];

		all += t->count;
		printf("truth %s.count=%ld\ntruth %s.bytes=%ld\ntruth %s.failed=%ld\n", names[c],
		       t->count, names[c], c == FREE ? 0 : t->bytes, names[c], t->failed);
		printf("truth %s.freed=%ld\ntruth %s.null=%ld\n", names[c], t->freed, names[c],
		       t->null);
	}
	for (struct site *s = sites; s < sites + MAX_SITES && s->count; s++)
		printf("line %s %s %d %ld %ld\n", names[s->call], strrchr("/" __FILE__, '/') + 1,
		       s->line, s->count, s->bytes);
	printf("truth calls=%ld\n", all);
	printf("truth live.blocks=%ld\ntruth live.bytes=%ld\n", live_blocks, live_bytes);
	/* Two names of one function look the same to whoever probes it. */
	printf("truth memalign_is_aligned_alloc=%d\n", (void *)memalign == (void *)aligned_alloc);
}

static void wait_for_line(const char *word, const char *detail)
{
	char byte = 0;

	printf("%s %s\n", word, detail);
	fflush(stdout);
	while (byte != '\n' && read(STDIN_FILENO, &byte, 1) == 1)
		;
}

static void wait_if_asked(int *argc, char ***argv)
{
	char pid[24];

	if (*argc < 2 || strcmp((*argv)[1], "--wait") != 0)
		return;
	--*argc, ++*argv;
	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	wait_for_line("ready", pid);
}

int main(int argc, char **argv)
{
	static char output[1 << 14];

	setvbuf(stdout, output, _IOFBF, sizeof(output));
	wait_if_asked(&argc, &argv);
#ifdef LATE
	nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
	if (argc < 2 || !load(argv[1])) {
		fprintf(stderr, "matrix: no allocator: %s\n", argc < 2 ? "no library" : dlerror());
		return 1;
	}
	wait_for_line("loaded", argv[1]);
	--argc, ++argv;
#endif
	for (long rounds = argc > 1 ? atol(argv[1]) : 100; rounds > 0; rounds--) {
		plain_calls();
		resizing_calls();
		aligning_calls();
	}
	free_slots();
	print_truth();
	return fflush(stdout) ? 1 : 0;
}
