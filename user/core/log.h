/* SPDX-License-Identifier: MIT */
/*
 * What alloctrace says about itself, on standard error; data goes to standard output and never
 * through here. The level is one of the program's two globals. A line is "alloctrace: " and one
 * sentence. Whatever a line holds is made harmless on the way: names of traced processes may be
 * passed as they are.
 */
#ifndef ALLOCTRACE_CORE_LOG_H
#define ALLOCTRACE_CORE_LOG_H

#include <stdarg.h>
#include <stddef.h>

enum log_level { LOG_QUIET, LOG_NORMAL, LOG_VERBOSE };

void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* Errors are printed at every level, warnings and notes from LOG_NORMAL, details from LOG_VERBOSE.
 */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Copies `text` into `buf` so that no byte of it can steer a terminal: control characters and
 * bytes that are not valid UTF-8 become \xHH, a backslash is doubled. Cut at a whole character
 * when it does not fit. Returns buf.
 */
char *log_quote(char *buf, size_t len, const char *text);

/* The length of the valid, printable UTF-8 character at `text`, or 0 when there is none. */
size_t log_utf8_length(const char *text);

#endif
