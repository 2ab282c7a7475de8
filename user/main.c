// SPDX-License-Identifier: MIT
/* From argv to a command to an exit code. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/options.h"
#include "cmd/report.h"
#include "cmd/run.h"
#include "cmd/sites.h"
#include "core/log.h"
#include "out/schema.h"

/*
 * A closed one would be given to the first file that is opened, and what is meant for people would
 * go into it. In its place comes what fails as the closed one would: standard output cannot be
 * written to.
 */
static bool open_standard_streams(void)
{
	static const int modes[] = {O_RDONLY, O_RDONLY, O_WRONLY};

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) != fd)
			return false;
	}
	return true;
}

/* What was printed has arrived, or it is an error. */
static int end_print(void)
{
	if (!fflush(stdout))
		return EXIT_DONE;
	log_error("cannot write to standard output: %s", strerror(errno));
	return EXIT_CANNOT;
}

/*
 * What LD_PRELOAD names is meant for the command. In here it would mix two allocators: mimalloc's
 * strdup, say, with our free. So alloctrace starts anew without it, and spawn.c hands it on.
 */
static void leave_preload(char **argv)
{
	const char *list = getenv("LD_PRELOAD");
	char path[4096];
	ssize_t n;

	if (!list || !*list)
		return;
	n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (n <= 0)
		return;
	path[n] = '\0';
	if (!setenv("ALLOCTRACE_LD_PRELOAD", list, 1) && !unsetenv("LD_PRELOAD"))
		execv(path, argv);
}

static int run(struct options *o)
{
	static int (*const commands[])(struct options *) = {
		[COMMAND_LIVE] = run_live,
		[COMMAND_SITES] = run_sites,
		[COMMAND_REPORT] = run_report,
		[COMMAND_DIFF] = run_diff,
	};

	if (o->help) {
		options_print_help();
		return end_print();
	}
	if (o->version) {
		puts("alloctrace " ALLOCTRACE_VERSION);
		return end_print();
	}
	if (o->json_schema) {
		schema_print(stdout);
		return end_print();
	}
	if (o->quiet)
		log_set_level(LOG_QUIET);
	else if (o->verbose)
		log_set_level(LOG_VERBOSE);
	return commands[o->command->kind](o);
}

int main(int argc, char **argv)
{
	static struct options o;
	int code;

	if (!open_standard_streams())
		return EXIT_CANNOT;
	leave_preload(argv);
	code = options_parse(&o, argc, argv) ? EXIT_USAGE : run(&o);
	options_fini(&o);
	return code;
}
