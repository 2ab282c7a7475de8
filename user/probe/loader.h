/* SPDX-License-Identifier: MIT */
/* What the dynamic loader may load: which allocators are installed. */
#ifndef ALLOCTRACE_PROBE_LOADER_H
#define ALLOCTRACE_PROBE_LOADER_H

/*
 * Calls `visit` with the path of each library of the loader's cache (/etc/ld.so.cache) whose name
 * says that it is an allocator, and of each file of `preload`, a list as LD_PRELOAD has it; NULL:
 * none. The names only choose what is worth a look: what a file defines is for object.h to find
 * out. A path lives during the call. No cache, or one of another format, has no libraries.
 */
void loader_each_allocator(void (*visit)(void *context, const char *path), void *context,
			   const char *preload);

#endif
