// SPDX-License-Identifier: MIT
/* libbpf's words go to the log, one level down: its warnings are shown with -v. */
#include "probe/library.h"

#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"

static int log_library(enum libbpf_print_level level, const char *format, va_list args)
{
	char line[1024];

	if (level == LIBBPF_DEBUG || log_get_level() < LOG_VERBOSE)
		return 0;
	vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\n")] = '\0';
	log_debug("%s", line);
	return 0;
}

void library_quiet(void)
{
	libbpf_set_print(log_library);
}
