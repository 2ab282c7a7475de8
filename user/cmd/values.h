/* SPDX-License-Identifier: MIT */
/* The kinds of values that options take, from text. */
#ifndef ALLOCTRACE_CMD_VALUES_H
#define ALLOCTRACE_CMD_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A whole number, with an optional K, M or G (powers of 1024). False: it is none. */
bool value_size(const char *text, uint64_t *size);

/* Seconds with a fraction: digits and a point, nothing else. False: it is none. */
bool value_seconds(const char *text, double *seconds);

/* The first `length` characters as the number of a process. False: it cannot be one. */
bool value_pid(const char *text, size_t length, pid_t *pid);

#endif
