// SPDX-License-Identifier: MIT
/* The format of the cache is glibc's (sysdeps/generic/dl-cache.h, "cache_file_new"). */
#include "probe/loader.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE     "/etc/ld.so.cache"
#define MAGIC     "glibc-ld.so.cache1.1"
#define MAX_BYTES (64 << 20)

struct cache_header {
	char magic[20];
	uint32_t count; /* of entries, which follow */
	uint32_t string_bytes;
	uint32_t reserved[5];
};

struct cache_entry {
	int32_t flags;
	uint32_t name, path; /* offsets into the file, of strings */
	uint32_t os_version;
	uint64_t hwcap;
};

/* The file, with a zero behind it; NULL: it cannot be had. The caller frees it. */
static char *read_file(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *bytes = NULL;
	struct stat st;
	ssize_t n = -1;

	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st) && st.st_size > 0 && st.st_size < MAX_BYTES)
		bytes = malloc((size_t)st.st_size + 1);
	if (bytes)
		n = read(fd, bytes, (size_t)st.st_size);
	close(fd);
	if (n < 0) {
		free(bytes);
		return NULL;
	}
	bytes[n] = '\0';
	*size = (size_t)n;
	return bytes;
}

static int names_allocator(const char *path)
{
	const char *base = strrchr(path, '/');

	return base && strstr(base, "malloc") != NULL;
}

static void visit_cache(void (*visit)(void *context, const char *path), void *context)
{
	size_t size = 0;
	char *bytes = read_file(CACHE, &size);
	struct cache_header header;
	struct cache_entry entry;

	if (bytes && size >= sizeof(header)) {
		memcpy(&header, bytes, sizeof(header));
		if (memcmp(header.magic, MAGIC, sizeof(header.magic)) ||
		    header.count > (size - sizeof(header)) / sizeof(entry))
			header.count = 0;
		for (uint32_t i = 0; i < header.count; i++) {
			memcpy(&entry, bytes + sizeof(header) + i * sizeof(entry), sizeof(entry));
			if (entry.path < size && names_allocator(bytes + entry.path))
				visit(context, bytes + entry.path);
		}
	}
	free(bytes);
}

/* Names without a slash are looked for by the loader, in its cache. */
static void visit_list(void (*visit)(void *context, const char *path), void *context,
		       const char *list)
{
	char path[4096];

	while (*list) {
		size_t n = strcspn(list, " :");

		if (n && n < sizeof(path) && memchr(list, '/', n)) {
			snprintf(path, sizeof(path), "%.*s", (int)n, list);
			visit(context, path);
		}
		list += n;
		list += strspn(list, " :");
	}
}

void loader_each_allocator(void (*visit)(void *context, const char *path), void *context,
			   const char *preload)
{
	visit_cache(visit, context);
	if (preload)
		visit_list(visit, context, preload);
}
