/* SPDX-License-Identifier: MIT */
/*
 * The allocator's own machine code, in memory and on disk: whether probes lie in it. Nothing here
 * allocates.
 */
#ifndef TESTS_WORKLOADS_TEXT_H
#define TESTS_WORKLOADS_TEXT_H

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_BYTES 16

/* All of /proc/self/maps; a buffer that is always large enough for these programs. */
static inline const char *read_maps(void)
{
	static char text[1 << 16];
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t n;

	while ((n = read(fd, text + used, sizeof(text) - 1 - used)) > 0)
		used += (size_t)n;
	close(fd);
	text[used] = '\0';
	return text;
}

/* The bytes of the mapped file that should lie at `addr`; false when no file is mapped there. */
static inline bool read_disk(const char *maps, uintptr_t addr, unsigned char bytes[TEXT_BYTES])
{
	for (const char *line = maps; *line; line = strchr(line, '\n') + 1) {
		uintptr_t start, end, offset;
		char path[512];
		bool read_all;
		int fd;

		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %*s %" SCNxPTR " %*s %*s %511[^\n]",
			   &start, &end, &offset, path) != 4 ||
		    addr < start || addr >= end)
			continue;
		fd = open(path, O_RDONLY | O_CLOEXEC);
		read_all =
			pread(fd, bytes, TEXT_BYTES, (off_t)(addr - start + offset)) == TEXT_BYTES;
		close(fd);
		return read_all;
	}
	return false;
}

/* Whether the code of every traced function is as it lies on disk. */
static inline bool text_intact(void)
{
	const uintptr_t functions[] = {
		(uintptr_t)malloc,        (uintptr_t)calloc, (uintptr_t)realloc,
		(uintptr_t)reallocarray,  (uintptr_t)free,   (uintptr_t)posix_memalign,
		(uintptr_t)aligned_alloc,
	};
	const char *maps = read_maps();
	unsigned char disk[TEXT_BYTES];

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		if (!read_disk(maps, functions[i], disk) ||
		    memcmp((const void *)functions[i], disk, TEXT_BYTES))
			return false;
	}
	return true;
}

#endif
