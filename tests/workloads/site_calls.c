// SPDX-License-Identifier: MIT
/*
 * site_calls [--calls N] LIBRARY...: calls harmless functions of these libraries, and knows how
 * often and with what. First it says where each of them lies,
 *
 *	function NUMBER OFFSET FILE NAME
 *	active ADDRESS       of the number of the function being called
 *	caller LOW HIGH      the code that calls
 *	ready PID
 *
 * and waits for the end of its input; then it calls, and says what it did (site_row.h). All
 * registers that carry arguments are set before every call; those that the function does not take
 * hold noise.
 */
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "site_row.h"

/*
 * A letter an argument:
 *	0-9 that number      c a character       p 1 to 16           i any int, positive or not
 *	x noise              s z strings         w W wide strings    B a string to write to
 *	E its address        b d zeroed memory   e where a pointer may be stored
 *	q a sorted array     Q one that is not   N address of 8      f compares two int
 *	t a time             T a broken-down one A thread attributes
 *	S a std::string      V a std::wstring    C a std::string of the old kind
 */
#include "site_cases.h"

struct function {
	const char *arguments;
	void *at;
	struct site_row row;
	bool defined;
};

static struct function functions[SITE_FUNCTIONS];
static unsigned int function_count = 1; /* 0 means: none is being called */
static volatile unsigned int active;

/* ---- what arguments point to */

struct new_string {
	const void *data;
	size_t length;
	char own[16];
};

struct old_string {
	size_t length, capacity;
	int64_t references;
	char data[32];
};

static const char *const strings[] = {"12345", "-77 x", "0x1f,", "  8 words", ""};
static const wchar_t *const wide[] = {L"12345", L"-77 x", L"0x1f,", L"  8 words", L""};
static const int sorted[8] = {-900, -7, 0, 1, 3, 100, 7000, 800000};
static int mixed[8];
static _Alignas(64) char memory[2][8192];
static char writable[64], *writable_at;
static void *slot;
static size_t eight;
static time_t now;
static struct tm calendar;
static pthread_attr_t attributes;
static const struct new_string string = {"a word, or two", 14, ""};
static const struct new_string wide_string = {L"a word, or two", 14, ""};
static struct old_string old_string = {14, 14, 1000000, "a word, or two"};
static char *old_string_at;

static int compare(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* What the last call may have changed. */
static void refresh(void)
{
	memset(memory, 0, sizeof(memory));
	memcpy(writable, "one,two 3", 10);
	writable_at = writable;
	slot = NULL;
	eight = 8;
	now = 1700000000;
	gmtime_r(&now, &calendar);
	old_string.references = 1000000;
	old_string_at = old_string.data;
	for (int i = 0; i < 8; i++)
		mixed[i] = sorted[(i * 5 + 2) % 8];
}

static uint64_t noise(void)
{
	static uint64_t x = 88172645463325252ULL;

	x ^= x << 13;
	x ^= x >> 7;
	return x ^= x << 17;
}

#define PLACE(p) ((uint64_t)(uintptr_t)(p))

static uint64_t argument(char kind, unsigned int turn)
{
	switch (kind) {
	case 'c':
		return turn * 7 % 128;
	case 'p':
		return turn % 16 + 1;
	case 'i':
		return (uint64_t)(int64_t)(int)(turn * 2654435761U);
	case 's':
		return PLACE(strings[turn % 5]);
	case 'z':
		return PLACE(strings[turn / 5 % 4]);
	case 'w':
		return PLACE(wide[turn % 5]);
	case 'W':
		return PLACE(wide[turn / 5 % 4]);
	case 'B':
		return PLACE(writable);
	case 'E':
		return PLACE(&writable_at);
	case 'b':
	case 'd':
		return PLACE(memory[kind == 'd'] + 64 * (turn % 8));
	case 'e':
		return PLACE(&slot);
	case 'q':
		return PLACE(sorted);
	case 'Q':
		return PLACE(mixed);
	case 'N':
		return PLACE(&eight);
	case 'f':
		return PLACE(compare);
	case 't':
		return PLACE(&now);
	case 'T':
		return PLACE(&calendar);
	case 'A':
		return PLACE(&attributes);
	case 'S':
		return PLACE(&string);
	case 'V':
		return PLACE(&wide_string);
	case 'C':
		return PLACE(&old_string_at);
	default:
		return kind >= '0' && kind <= '9' ? (uint64_t)(kind - '0') : noise();
	}
}

/* ---- calling */

typedef uint64_t any_function(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);

#define CALLER __attribute__((noinline, noclone, section("site_caller")))
extern const char __start_site_caller[], __stop_site_caller[];

CALLER static uint64_t call(any_function *function, unsigned int id, const uint64_t *a)
{
	uint64_t result;

	active = id;
	result = function(a[0], a[1], a[2], a[3], a[4], a[5]);
	active = 0;
	return result;
}

static void add(unsigned long long *sum, uint64_t value)
{
	*sum = *sum * SITE_MIX + value;
}

static void call_once(unsigned int id, unsigned int turn)
{
	struct function *f = &functions[id];
	uint64_t a[SITE_ARGUMENTS];
	const char *kind = f->arguments;

	refresh();
	for (int i = 0; i < SITE_ARGUMENTS; i++) {
		a[i] = argument(*kind ? *kind : 'x', turn);
		kind += *kind != '\0';
		add(&f->row.arguments[i], a[i]);
	}
	f->row.calls++;
	f->row.direct++;
	add(&f->row.results, call((any_function *)f->at, id, a));
	f->row.returns++;
}

/* ---- finding */

struct place {
	uintptr_t at;
	char file[4096];
	uintptr_t offset;
};

static int locate(struct dl_phdr_info *info, size_t size, void *context)
{
	struct place *place = context;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + p->p_vaddr;

		if (p->p_type != PT_LOAD || place->at < start || place->at >= start + p->p_filesz)
			continue;
		snprintf(place->file, sizeof(place->file), "%s", info->dlpi_name);
		place->offset = place->at - start + p->p_offset;
		return 1;
	}
	return 0;
}

/* A function that the library has from another one would be counted there. */
static void find(void *library, const char *path, char *name)
{
	struct function *f = &functions[function_count];
	struct place place = {0};
	char *colon = strchr(name, ':');

	if (colon)
		*colon = '\0';
	f->at = dlsym(library, name);
	if (!f->at || function_count == SITE_FUNCTIONS)
		return;
	place.at = (uintptr_t)f->at;
	if (!dl_iterate_phdr(locate, &place) || strcmp(place.file, path) != 0)
		return;
	f->arguments = colon ? colon + 1 : "";
	printf("function %u %lx %s %s\n", function_count++, (unsigned long)place.offset, path,
	       name);
}

static bool ends_in(const char *path, const char *end)
{
	size_t length = strlen(path), wanted = strlen(end);

	return length >= wanted && !strcmp(path + length - wanted, end);
}

static void find_all(const char *path)
{
	void *library = dlopen(path, RTLD_NOW);

	if (!library) {
		fprintf(stderr, "site_calls: %s\n", dlerror());
		return;
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *left = NULL, *words;

		if (!ends_in(path, cases[i].library))
			continue;
		words = strdup(cases[i].functions); /* kept: the letters stay in use */
		for (char *w = strtok_r(words, " ", &left); w; w = strtok_r(NULL, " ", &left))
			find(library, path, w);
	}
}

int main(int argc, char **argv)
{
	unsigned int calls = 50;
	char c;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--calls") && i + 1 < argc)
			calls = (unsigned int)strtoul(argv[++i], NULL, 10);
		else
			find_all(argv[i]);
	}
	pthread_attr_init(&attributes);
	printf("active %lx\ncaller %lx %lx\nready %d\n", (unsigned long)(uintptr_t)&active,
	       (unsigned long)(uintptr_t)__start_site_caller,
	       (unsigned long)(uintptr_t)__stop_site_caller, (int)getpid());
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	for (unsigned int turn = 0; turn < calls; turn++) {
		for (unsigned int id = 1; id < function_count; id++)
			call_once(id, turn);
	}
	for (unsigned int id = 1; id < function_count; id++)
		printf(SITE_ROW_FORMAT, SITE_ROW_VALUES(id, &functions[id].row));
	fflush(stdout);
	return 0;
}
