// SPDX-License-Identifier: MIT
/* From argv to a command to an exit code. */
#include <stdio.h>
#include <string.h>

#include "cmd/options.h"
#include "cmd/run.h"
#include "cmd/sites.h"
#include "core/log.h"

int main(int argc, char **argv)
{
	struct options o;

	if (options_parse(&o, argc, argv))
		return EXIT_USAGE;
	if (o.help) {
		options_print_help();
		return EXIT_DONE;
	}
	if (o.version) {
		puts("alloctrace " ALLOCTRACE_VERSION);
		return EXIT_DONE;
	}
	if (o.quiet)
		log_set_level(LOG_QUIET);
	else if (o.verbose)
		log_set_level(LOG_VERBOSE);
	return strcmp(o.command, "sites") ? run_live(&o) : run_sites(&o);
}
