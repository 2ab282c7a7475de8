// SPDX-License-Identifier: MIT
/*
 * pool-demo: the Protocol experiment, argv in, figures out.
 *
 * stdout, for people and then for tests (figures are the program's own, whoever traces it):
 *
 *	lane    threads    messages     wall ms   ns/pair     ns/op
 *	pool          1      100000      12.345     123.4      61.7
 *	malloc        1      100000      14.567     145.6      72.8
 *	truth pool:alloc count=100000 bytes=14400000 failed=0
 *	...
 *	checksum pool=0123456789abcdef malloc=0123456789abcdef
 *
 * Decisions
 * - A tracer counts every malloc in this process, so the program itself makes as few as it can:
 *   stdout has a static buffer, options are parsed in place.
 * - A number is digits and nothing else. Status 2 = the command line is wrong, 1 = the run failed.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lane.h"

#define MAX_COUNT UINT64_C(1000000000000)

struct options {
	struct lane_config config;
	bool lanes[2]; /* which of enum lane_kind to run */
	bool wait;
	bool help;
};

static const char help_text[] =
	"Usage: pool-demo [OPTION]...\n"
	"Send messages of a small protocol through a pool and through malloc, and count.\n"
	"\n"
	"  --messages N   messages per lane, shared out over the threads (default 100000)\n"
	"  --threads T    threads per lane, 1 to 256 (default 1); above 1 the pool has a lock\n"
	"  --lane WHICH   pool, malloc or both (default both)\n"
	"  --seed S       what the messages say follows from S (default 1)\n"
	"  --chunks N     chunks in the pool (default 32 per thread: never exhausted)\n"
	"  --wait         print 'ready PID', then start on a line or the end of stdin\n"
	"  -h, --help     this text\n"
	"\n"
	"ns/pair is the time of a thread's loop per message (allocate, build, handle, free), "
	"averaged\n"
	"over the threads; ns/op is the wall time of the lane per allocation or free, all threads\n"
	"together. 'truth' lines state what was done: count = successful calls, bytes = asked for "
	"by\n"
	"those. Exit status: 0 done, 1 the run failed or the lanes disagree, 2 wrong usage.\n";

/* Digits only, min..max; false leaves *value alone. */
static bool parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	uint64_t number = 0;

	if (*text == '\0')
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || __builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*text - '0'), &number))
			return false;
	}
	if (number < min || number > max)
		return false;
	*value = number;
	return true;
}

/* As parse_number, with a sentence on stderr when it fails. 0 or -1. */
static int number_option(const char *name, uint64_t min, uint64_t max, uint64_t *value)
{
	if (parse_number(optarg, min, max, value))
		return 0;
	fprintf(stderr,
		"pool-demo: --%s takes a whole number from %" PRIu64 " to %" PRIu64 ", not '%s'\n",
		name, min, max, optarg);
	return -1;
}

static int lane_option(bool run[2])
{
	bool both = strcmp(optarg, "both") == 0;

	run[LANE_POOL] = both || strcmp(optarg, lane_name(LANE_POOL)) == 0;
	run[LANE_MALLOC] = both || strcmp(optarg, lane_name(LANE_MALLOC)) == 0;
	if (run[LANE_POOL] || run[LANE_MALLOC])
		return 0;
	fprintf(stderr, "pool-demo: --lane takes pool, malloc or both, not '%s'\n", optarg);
	return -1;
}

/* One option, as getopt_long returned it. 0, or -1 after a sentence on stderr. */
static int apply_option(int option, const char *word, struct options *options)
{
	struct lane_config *config = &options->config;
	uint64_t number = 0;
	int err = 0;

	switch (option) {
	case 'm':
		return number_option("messages", 1, MAX_COUNT, &config->messages);
	case 't':
		err = number_option("threads", 1, LANE_MAX_THREADS, &number);
		config->threads = (unsigned)number;
		return err;
	case 'c':
		err = number_option("chunks", 1, MAX_COUNT, &number);
		config->chunks = number;
		return err;
	case 's':
		return number_option("seed", 0, UINT64_MAX, &config->seed);
	case 'l':
		return lane_option(options->lanes);
	case 'w':
		options->wait = true;
		return 0;
	case 'h':
		options->help = true;
		return 0;
	case ':':
		fprintf(stderr, "pool-demo: option '%s' needs a value\n", word);
		return -1;
	default:
		fprintf(stderr, "pool-demo: unknown or malformed option '%s'\n", word);
		return -1;
	}
}

/* 0, or -1 after a sentence on stderr. */
static int parse_options(int argc, char **argv, struct options *options)
{
	static const struct option table[] = {
		{"messages", required_argument, NULL, 'm'},
		{"threads", required_argument, NULL, 't'},
		{"lane", required_argument, NULL, 'l'},
		{"seed", required_argument, NULL, 's'},
		{"chunks", required_argument, NULL, 'c'},
		{"wait", no_argument, NULL, 'w'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int option;

	*options = (struct options){
		.config = {.messages = 100000, .threads = 1, .seed = 1},
		.lanes = {true, true},
	};
	for (;;) {
		const char *word = optind < argc ? argv[optind] : "";

		/* '+': stop at the first word that is no option, so that `word` is the one meant */
		option = getopt_long(argc, argv, "+:h", table, NULL);
		if (option == -1)
			break;
		if (apply_option(option, word, options) != 0)
			return -1;
		if (options->help)
			return 0;
	}
	if (optind == argc)
		return 0;
	fprintf(stderr, "pool-demo: unexpected argument '%s'\n", argv[optind]);
	return -1;
}

/* Gives a tracer the time to attach. Reads byte by byte: stdio would allocate a buffer. */
static void wait_for_line(void)
{
	char byte = 0;

	printf("ready %ld\n", (long)getpid());
	fflush(stdout);
	while (byte != '\n' && read(STDIN_FILENO, &byte, 1) == 1)
		;
}

static void print_row(enum lane_kind kind, const struct lane_config *config,
		      const struct lane_result *result)
{
	uint64_t ops = result->allocs + result->frees;

	printf("%-6s  %7u  %10" PRIu64 "  %10.3f  %8.1f  %8.1f\n", lane_name(kind), config->threads,
	       config->messages, (double)result->wall_ns / 1e6, result->pair_ns,
	       ops ? (double)result->wall_ns / (double)ops : 0.0);
}

static void print_truth(const struct options *options, const struct lane_result results[2])
{
	const struct lane_result *pool = &results[LANE_POOL], *heap = &results[LANE_MALLOC];

	if (options->lanes[LANE_POOL]) {
		printf("truth pool:alloc count=%" PRIu64 " bytes=%" PRIu64 " failed=%" PRIu64 "\n",
		       pool->allocs, pool->bytes, pool->failed);
		printf("truth pool:free count=%" PRIu64 "\n", pool->frees);
	}
	if (options->lanes[LANE_MALLOC]) {
		printf("truth malloc:message count=%" PRIu64 " bytes=%" PRIu64 "\n", heap->allocs,
		       heap->bytes);
		printf("truth free:message count=%" PRIu64 "\n", heap->frees);
	}
	printf("checksum");
	for (int kind = 0; kind < 2; kind++) {
		if (options->lanes[kind])
			printf(" %s=%016" PRIx64, lane_name(kind), results[kind].checksum);
	}
	printf("\n");
}

/* Whether the lanes handled the same messages; a message dropped for want of memory excuses them.
 */
static bool lanes_agree(const struct options *options, const struct lane_result results[2])
{
	const struct lane_result *pool = &results[LANE_POOL], *heap = &results[LANE_MALLOC];

	if (!options->lanes[LANE_POOL] || !options->lanes[LANE_MALLOC])
		return true;
	if (pool->failed + heap->failed > 0)
		return true;
	return pool->checksum == heap->checksum;
}

int main(int argc, char **argv)
{
	static char output[BUFSIZ];
	struct lane_result results[2] = {{0}};
	struct options options;

	setvbuf(stdout, output, _IOFBF, sizeof(output));
	if (parse_options(argc, argv, &options) != 0)
		return 2;
	if (options.help) {
		fputs(help_text, stdout);
		return fflush(stdout) == 0 ? 0 : 1;
	}
	if (options.wait)
		wait_for_line();
	printf("%-6s  %7s  %10s  %10s  %8s  %8s\n", "lane", "threads", "messages", "wall ms",
	       "ns/pair", "ns/op");
	for (int kind = 0; kind < 2; kind++) {
		int err = 0;

		if (!options.lanes[kind])
			continue;
		err = lane_run(kind, &options.config, &results[kind]);
		if (err) {
			fprintf(stderr, "pool-demo: cannot run the %s lane: %s\n", lane_name(kind),
				strerror(-err));
			return 1;
		}
		print_row(kind, &options.config, &results[kind]);
		if (results[kind].failed > 0)
			fprintf(stderr,
				"pool-demo: the %s lane dropped %" PRIu64
				" messages for want of memory\n",
				lane_name(kind), results[kind].failed);
	}
	print_truth(&options, results);
	if (fflush(stdout) != 0) {
		fprintf(stderr, "pool-demo: cannot write the results to stdout\n");
		return 1;
	}
	if (!lanes_agree(&options, results)) {
		fprintf(stderr, "pool-demo: the lanes handled different messages\n");
		return 1;
	}
	return 0;
}
