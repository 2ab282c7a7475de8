/* SPDX-License-Identifier: MIT */
/* What the machine must have before anything is attached; each lack is one sentence. */
#ifndef ALLOCTRACE_PROBE_PREFLIGHT_H
#define ALLOCTRACE_PROBE_PREFLIGHT_H

#include <stddef.h>

/* 0, or a negative errno with a sentence in `why` and, where one helps, a hint (else ""). */
int preflight_check(char *why, char *hint, size_t len);

#endif
