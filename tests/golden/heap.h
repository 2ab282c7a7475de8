/* SPDX-License-Identifier: MIT */
#ifndef GOLDEN_HEAP_H
#define GOLDEN_HEAP_H

/* Writes the case of that name, or the names of all with NULL. The program's exit code; 2: there is
 * no such case. */
int heap_case(const char *name);

#endif
