/* SPDX-License-Identifier: MIT */
#ifndef ALLOCTRACE_PROBE_LIBRARY_H
#define ALLOCTRACE_PROBE_LIBRARY_H

/* Sends libbpf's words to the log, one level down: its warnings are shown with -v. */
void library_quiet(void);

#endif
