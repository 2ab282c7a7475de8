/* SPDX-License-Identifier: MIT */
#ifndef GOLDEN_COMPARE_H
#define GOLDEN_COMPARE_H

/* Writes the case of that name, or the names of all with NULL. The program's exit code. */
int compare_case(const char *name);

#endif
