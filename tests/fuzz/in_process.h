/* SPDX-License-Identifier: MIT */
/* The helper process, for a fuzzer that has to see what it does (in_process.c). */
#ifndef ALLOCTRACE_TESTS_FUZZ_IN_PROCESS_H
#define ALLOCTRACE_TESTS_FUZZ_IN_PROCESS_H

#include "core/pack.h"

/* Bytes set: what a helper that has gone over to the enemy would answer, one after the other. */
extern struct pack fuzz_answer;

#endif
