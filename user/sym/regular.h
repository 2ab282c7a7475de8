/* Opening files whose names were chosen by others. */
#ifndef ALLOCTRACE_SYM_REGULAR_H
#define ALLOCTRACE_SYM_REGULAR_H

#include <stdbool.h>
#include <sys/stat.h>

/*
 * Opens `path` for reading if it is a regular file, and fills *st. The descriptor is
 * O_RDONLY|O_CLOEXEC|O_NOCTTY|O_NONBLOCK and the caller's to close; -EINVAL for any other kind of
 * file, which is not opened even for a moment, or another negative errno.
 */
int regular_open(const char *path, struct stat *st);

/* The file begins as an ELF file does. */
bool regular_is_elf(int fd);

#endif
