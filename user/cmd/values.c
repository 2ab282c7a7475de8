// SPDX-License-Identifier: MIT
/* Read by hand where the C library takes signs, blanks or other bases. */
#include "cmd/values.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool value_size(const char *text, uint64_t *size)
{
	static const char suffixes[] = "KMG";
	unsigned int shift = 0;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*size = strtoull(text, &end, 10);
	if (errno)
		return false;
	if (*end & ~0x20 && strchr(suffixes, *end & ~0x20)) {
		shift = 10 * (unsigned int)(strchr(suffixes, *end & ~0x20) - suffixes + 1);
		end++;
	}
	if (*end || *size > UINT64_MAX >> shift)
		return false;
	*size <<= shift;
	return true;
}

bool value_seconds(const char *text, double *seconds)
{
	char *end;

	*seconds = strtod(text, &end);
	return strspn(text, "0123456789.") == strlen(text) && *text && !*end && isfinite(*seconds);
}

bool value_pid(const char *text, size_t length, pid_t *pid)
{
	long value = 0;

	if (!length)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (text[i] - '0');
		if (value > INT_MAX)
			return false;
	}
	*pid = (pid_t)value;
	return value > 0;
}
