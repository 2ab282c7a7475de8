// SPDX-License-Identifier: MIT
/*
 * Resolves addresses of one ELF file as alloctrace does, by symbolizer and helper process, and says
 * what that took: symbols.sh puts it beside addr2line.
 *
 *	symbols FILE TOGETHER [DIR] <addresses of the file, hexadecimal, one a line
 *
 * TOGETHER: so many are asked for at once, 1 to 4096. DIR: answers are kept there.
 *
 * Standard output is that of `addr2line -a -f -i`: the address, then two lines a frame.
 * Standard error: "ms MS cpu_ms MS own_mb MB helper_mb MB kept N", then "end_ms MS cpu_ms MS": the
 * whole program's.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/event.h"
#include "sym/symbolizer.h"

#define MAX_ADDRESSES (1 << 20)
#define MAX_TOGETHER  4096

struct target {
	const unsigned char *base; /* where this process has mapped the file, whole */
	uint64_t size;
	const Elf64_Phdr *segments;
	size_t count;
};

static int map_target(struct target *t, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const Elf64_Ehdr *header;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return -1;
	t->size = (uint64_t)st.st_size;
	t->base = mmap(NULL, t->size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	close(fd);
	if (t->base == MAP_FAILED || t->size < sizeof(*header))
		return -1;
	header = (const void *)t->base;
	t->segments = (const void *)(t->base + header->e_phoff);
	t->count = header->e_phnum;
	return 0;
}

/* Where that address of the file lies in this process; 0: nowhere. */
static uint64_t place(const struct target *t, uint64_t address)
{
	for (size_t i = 0; i < t->count; i++) {
		const Elf64_Phdr *s = &t->segments[i];

		if (s->p_type == PT_LOAD && s->p_flags & PF_X && address >= s->p_vaddr &&
		    address - s->p_vaddr < s->p_filesz)
			return (uint64_t)(uintptr_t)t->base + s->p_offset + (address - s->p_vaddr);
	}
	return 0;
}

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

/* CPU time that a process has had; 0: there is none. */
static double cpu_ms(pid_t pid)
{
	unsigned long long ns = 0;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pid);
	file = fopen(path, "re");
	if (file && fscanf(file, "%llu", &ns) != 1)
		ns = 0;
	if (file)
		fclose(file);
	return (double)ns / 1e6;
}

/* The most memory that a process has had, in megabytes. */
static double peak_mb(pid_t pid)
{
	char path[64], line[256];
	double kb = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, "VmHWM:", 6))
			kb = strtod(line + 6, NULL);
	if (file)
		fclose(file);
	return kb / 1024;
}

/* The child of the keeper, who has one at a time. */
static pid_t worker_of(pid_t keeper)
{
	char path[96];
	int pid = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)keeper, (int)keeper);
	file = fopen(path, "re");
	if (file && fscanf(file, "%d", &pid) != 1)
		pid = 0;
	if (file)
		fclose(file);
	return pid;
}

/* Both workers together: CPU milliseconds, or megabytes. */
static double of_helpers(const struct symbolizer *s, double (*value)(pid_t))
{
	pid_t guests = symbolizer_guest_keeper(s);

	return value(worker_of(symbolizer_keeper(s))) + (guests ? value(worker_of(guests)) : 0);
}

static int keep(struct symbolizer *s, const char *path)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err;

	if (dir < 0)
		return -errno;
	err = symbolizer_keep(s, dir);
	close(dir);
	return err;
}

static void tell(uint64_t address, struct sym_stack stack)
{
	printf("0x%016" PRIx64 "\n", address);
	for (size_t i = 0; i < stack.count; i++) {
		const struct sym_frame *f = &stack.frames[i];

		printf("%s\n%s:", f->function ? f->function : "??", f->file ? f->file : "??");
		if (f->line)
			printf("%d\n", f->line);
		else
			puts("?");
	}
}

static void resolve(struct symbolizer *s, const uint64_t *addresses, size_t count, size_t together)
{
	uint64_t words[MAX_TOGETHER];

	for (size_t i = 0; i < count; i += together) {
		size_t n = count - i < together ? count - i : together;

		for (size_t k = 0; k < n; k++)
			words[k] = addresses[i + k] | EVENT_EXACT;
		if (n > 1)
			symbolizer_prepare(s, getpid(), words, n);
	}
	for (size_t i = 0; i < count; i++)
		symbolizer_resolve(s, getpid(), addresses[i], false);
}

static size_t read_addresses(uint64_t *addresses)
{
	char line[64];
	size_t n = 0;

	while (n < MAX_ADDRESSES && fgets(line, sizeof(line), stdin))
		addresses[n++] = strtoull(line, NULL, 16);
	return n;
}

int main(int argc, char **argv)
{
	static uint64_t addresses[MAX_ADDRESSES], places[MAX_ADDRESSES];
	size_t together = argc >= 3 ? strtoul(argv[2], NULL, 10) : 0, count;
	struct symbolizer *s;
	struct target target;
	double begun, ended, cpu;

	s = together && together <= MAX_TOGETHER ? symbolizer_new() : NULL;
	if (!s || map_target(&target, argv[1]) || (argc > 3 && keep(s, argv[3]))) {
		fprintf(stderr, "usage: symbols FILE TOGETHER [DIR] <addresses\n");
		return EXIT_FAILURE;
	}
	count = read_addresses(addresses);
	for (size_t i = 0; i < count; i++)
		places[i] = place(&target, addresses[i]);
	cpu = cpu_ms(getpid());
	begun = now_ms();
	symbolizer_add_process(s, getpid());
	resolve(s, places, count, together);
	ended = now_ms();
	cpu = cpu_ms(getpid()) - cpu + of_helpers(s, cpu_ms);
	fprintf(stderr, "ms %.1f cpu_ms %.1f own_mb %.1f helper_mb %.1f kept %" PRIu64 "\n",
		ended - begun, cpu, peak_mb(getpid()), of_helpers(s, peak_mb), symbolizer_kept(s));
	for (size_t i = 0; i < count; i++)
		tell(addresses[i], symbolizer_resolve(s, getpid(), places[i], false));
	symbolizer_free(s);
	return EXIT_SUCCESS;
}
