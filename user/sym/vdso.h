/*
 * The code that the kernel maps into every process, "[vdso]": it lies in no file, but all 64-bit
 * processes of a kernel have the same, and so have we.
 */
#ifndef ALLOCTRACE_SYM_VDSO_H
#define ALLOCTRACE_SYM_VDSO_H

#include <stdbool.h>
#include <stdint.h>

#include "sym/proc.h"

struct vdso {
	int fd; /* -1: there is none */
	uint64_t size;
};

/* A copy of our own, as an ELF file in memory that nobody can change any more. */
void vdso_init(struct vdso *v);
void vdso_fini(struct vdso *v);

/* The mapping, whose name is "[vdso]", is one of that code. */
bool vdso_is_same(const struct vdso *v, const struct proc_mapping *m);

#endif
