/* SPDX-License-Identifier: MIT */
/* What the machine must have before anything is attached; each lack is one sentence. */
#ifndef ALLOCTRACE_PROBE_PREFLIGHT_H
#define ALLOCTRACE_PROBE_PREFLIGHT_H

#include <stdbool.h>
#include <stddef.h>

/* 0, or a negative errno with a sentence in `why` and, where one helps, a hint (else ""). */
int preflight_check(char *why, char *hint, size_t len);

/*
 * Says, with -v, by what the probes are placed and what this kernel's own may harm: the answers of
 * uprobe_multi_supported, site_nop5_hazard and hazard_seccomp.
 */
void preflight_describe(bool multi, bool nop5_hazard, bool seccomp_hazard);

#endif
