/*
 * Hides the search for separate debug files. libdwfl's own is not used for the link, for two
 * reasons. The link is a name a traced program has chosen, looked up in a directory the program may
 * own, and libdwfl opens whatever is there: a FIFO would stop the tracer for ever. And when it
 * finds nothing it loads the debuginfod client with all its libraries, only to learn that no server
 * is set.
 */
#include "sym/separate.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <elfutils/libdwelf.h>

#include "sym/regular.h"

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

/* The file DIR MIDDLE LINK if it is the debug file of the module, or -1. */
static int open_candidate(Dwfl_Module *mod, const char *root, const char *dir, int dir_length,
			  const char *middle, const char *link, GElf_Word crc, char **found)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s%.*s%s%s", root, dir_length, dir, middle, link);
	struct stat st;
	int fd, same;

	if (n < 0 || (size_t)n >= sizeof(path))
		return -1;
	fd = regular_open(path, &st);
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

static int find_by_link(Dwfl_Module *mod, const char *file_name, const char *link, GElf_Word crc,
			char **found)
{
	const char *slash = file_name ? strrchr(file_name, '/') : NULL;
	int length, fd;

	/* Tools write a bare name; anything else would lead out of the three directories. */
	if (!slash || !link || strchr(link, '/'))
		return -1;
	length = (int)(slash + 1 - file_name);
	fd = open_candidate(mod, "", file_name, length, "", link, crc, found);
	if (fd < 0)
		fd = open_candidate(mod, "", file_name, length, ".debug/", link, crc, found);
	if (fd < 0)
		fd = open_candidate(mod, "/usr/lib/debug", file_name, length, "", link, crc, found);
	return fd;
}

/*
 * Debug files compressed by dwz refer to a shared one by a path of several parts, absolute or from
 * where they are. libdwfl asks for it in the same way and knows its build-id, which is not to be
 * had here; so its own search goes on, if there is nothing dangerous at that path.
 */
static bool is_shared_file(const char *file_name, const char *link)
{
	const char *slash = file_name ? strrchr(file_name, '/') : NULL;
	int length = slash && link && link[0] != '/' ? (int)(slash + 1 - file_name) : 0;
	char path[PATH_MAX];
	struct stat st;
	int n;

	if (!link || !strchr(link, '/'))
		return false;
	n = snprintf(path, sizeof(path), "%.*s%s", length, length ? file_name : "", link);
	return n > 0 && (size_t)n < sizeof(path) && !stat(path, &st) && S_ISREG(st.st_mode);
}

int separate_find(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base,
		  const char *file_name, const char *link, GElf_Word link_crc, char **found)
{
	const char *servers = getenv("DEBUGINFOD_URLS");
	int fd = dwfl_build_id_find_debuginfo(mod, userdata, name, base, file_name, link, link_crc,
					      found);

	if (fd < 0 && is_shared_file(file_name, link))
		return dwfl_standard_find_debuginfo(mod, userdata, name, base, file_name, link,
						    link_crc, found);
	if (fd < 0)
		fd = find_by_link(mod, file_name, link, link_crc, found);
	/* Without names it asks for the build-id alone, here and then on the servers. */
	if (fd < 0 && servers && servers[0])
		fd = dwfl_standard_find_debuginfo(mod, userdata, name, base, NULL, NULL, 0, found);
	return fd;
}
