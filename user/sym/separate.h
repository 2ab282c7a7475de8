/* Where the debug information of a stripped file is looked for. */
#ifndef ALLOCTRACE_SYM_SEPARATE_H
#define ALLOCTRACE_SYM_SEPARATE_H

#include <elfutils/libdwfl.h>

/*
 * A find_debuginfo callback of libdwfl, see <elfutils/libdwfl.h>: by build-id below
 * /usr/lib/debug/.build-id, by .gnu_debuglink beside the file, in .debug beside it and below
 * /usr/lib/debug; last, by the servers that the user has named (guard/fetch.h). The module's user
 * data is its struct image, which is asked for the files.
 */
int separate_find(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base,
		  const char *file_name, const char *link, GElf_Word link_crc, char **found);

#endif
