/*
 * Hides the search for separate debug files. libdwfl's own is not used: it opens what is there, and
 * this process opens nothing. The link is a name that a traced program has chosen, looked up in a
 * directory that the program may own; which paths are harmless is decided where they are opened
 * (reader.c).
 */
#include "sym/separate.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <elfutils/libdwelf.h>

#include "sym/image.h"
#include "sym/reading.h"

static void crc_table(uint32_t table[256])
{
	for (uint32_t i = 0; i < 256; i++) {
		table[i] = i;
		for (int bit = 0; bit < 8; bit++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320 : 0);
	}
}

/* The checksum of .gnu_debuglink: CRC-32 as in zip, over the whole file. */
static bool has_crc(int fd, uint32_t expected)
{
	uint32_t table[256], crc = UINT32_MAX;
	unsigned char buf[16384];
	off_t at = 0;
	ssize_t n;

	crc_table(table);
	while ((n = pread(fd, buf, sizeof(buf), at)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			crc = table[(crc ^ buf[i]) & 255] ^ crc >> 8;
		at += n;
	}
	return !n && ~crc == expected;
}

/* 1: the file has the build-id of the module, 0: another one, -1: one of them has none. */
static int has_build_id(Dwfl_Module *mod, int fd)
{
	const unsigned char *wanted;
	int length, result = -1;
	const void *id;
	GElf_Addr address;
	ssize_t got;
	Elf *elf;

	length = dwfl_module_build_id(mod, &wanted, &address);
	if (length <= 0)
		return -1;
	elf = elf_begin(fd, ELF_C_READ, NULL);
	got = elf ? dwelf_elf_gnu_build_id(elf, &id) : 0;
	if (got > 0)
		result = got == length && !memcmp(id, wanted, (size_t)length);
	elf_end(elf);
	return result;
}

/* The file of that path if it is the debug file of the module, or -1. */
static int open_candidate(Dwfl_Module *mod, const struct image *image, const char *path,
			  GElf_Word crc, char **found)
{
	int fd = image_want(image, path), same;

	if (fd < 0)
		return -1;
	/* The build-id first: a checksum means to read the whole file. */
	same = has_build_id(mod, fd);
	if (same < 0)
		same = has_crc(fd, crc);
	if (same) {
		*found = strdup(path);
		return fd;
	}
	close(fd);
	return -1;
}

static bool build_id_path(Dwfl_Module *mod, char path[PATH_MAX])
{
	const unsigned char *id;
	GElf_Addr address;
	int length = dwfl_module_build_id(mod, &id, &address);
	size_t at;

	strcpy(path, "/usr/lib/debug/.build-id/");
	at = strlen(path);
	if (length < 2 || length > IMAGE_MAX_BUILD_ID)
		return false;
	for (int i = 0; i < length; i++)
		at += (size_t)sprintf(path + at, i ? "%02x" : "%02x/", id[i]);
	strcpy(path + at, ".debug");
	return true;
}

static int find_by_build_id(Dwfl_Module *mod, const struct image *image, char **found)
{
	char path[PATH_MAX];

	return build_id_path(mod, path) ? open_candidate(mod, image, path, 0, found) : -1;
}

/* What a server has under that build-id counts as if it lay here: it may refer to shared files. */
static int find_by_server(Dwfl_Module *mod, const struct image *image, char **found)
{
	char path[PATH_MAX];
	int fd = build_id_path(mod, path) ? image_want(image, READING_FETCH) : -1;

	if (fd >= 0 && has_build_id(mod, fd) == 1) {
		*found = strdup(path);
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

static int find_by_link(Dwfl_Module *mod, const struct image *image, const char *file_name,
			const char *link, GElf_Word crc, char **found)
{
	static const struct {
		const char *before, *between;
	} places[] = {{"", ""}, {"", ".debug/"}, {"/usr/lib/debug", ""}};
	const char *slash = file_name ? strrchr(file_name, '/') : NULL;
	int length, fd = -1;

	/* Tools write a bare name; anything else would lead out of the three directories. */
	if (!slash || !link || strchr(link, '/'))
		return -1;
	length = (int)(slash + 1 - file_name);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && fd < 0; i++) {
		char path[PATH_MAX];
		int n = snprintf(path, sizeof(path), "%s%.*s%s%s", places[i].before, length,
				 file_name, places[i].between, link);

		if (n > 0 && (size_t)n < sizeof(path))
			fd = open_candidate(mod, image, path, crc, found);
	}
	return fd;
}

/* Takes "DIR/.." and "/." out of an absolute path, in place. */
static void simplify(char *path)
{
	char *to = path;
	const char *from = path;

	while (*from) {
		size_t n = 1 + strcspn(from + 1, "/");

		if (n == 3 && !strncmp(from, "/..", n)) {
			while (to > path && *--to != '/')
				;
		} else if (n != 1 && !(n == 2 && from[1] == '.')) {
			memmove(to, from, n);
			to += n;
		}
		from += n;
	}
	*to = '\0';
}

/*
 * Debug files compressed by dwz refer to a shared one by a path of several parts, absolute or from
 * where they are. libdwfl asks for it in the same way; its build-id is not to be had here.
 */
static int find_shared(const struct image *image, const char *file_name, const char *link,
		       char **found)
{
	const char *slash = file_name ? strrchr(file_name, '/') : NULL;
	int length = slash && link && link[0] != '/' ? (int)(slash + 1 - file_name) : 0;
	char path[PATH_MAX];
	int n, fd;

	if (!link || !strchr(link, '/') || (!length && link[0] != '/'))
		return -1;
	n = snprintf(path, sizeof(path), "%.*s%s", length, length ? file_name : "", link);
	if (n < 0 || (size_t)n >= sizeof(path) || path[0] != '/')
		return -1;
	simplify(path);
	fd = image_want(image, path);
	if (fd >= 0)
		*found = strdup(path);
	return fd;
}

int separate_find(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base,
		  const char *file_name, const char *link, GElf_Word link_crc, char **found)
{
	const struct image *image = *userdata;
	int fd;

	(void)name;
	(void)base;
	if (link && strchr(link, '/'))
		return find_shared(image, file_name, link, found);
	fd = find_by_build_id(mod, image, found);
	if (fd < 0)
		fd = find_by_link(mod, image, file_name, link, link_crc, found);
	return fd < 0 ? find_by_server(mod, image, found) : fd;
}
