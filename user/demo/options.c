// SPDX-License-Identifier: MIT
/*
 * Hides the syntax of the command line.
 *
 * Decisions
 * - A number is digits and nothing else; a name is one of a table's.
 * - Nothing here calls an allocator: options are parsed in place.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "options.h"

#define MAX_COUNT UINT64_C(1000000000000)

const char options_help[] =
	"Usage: pool-demo [OPTION]...\n"
	"Send messages of a small protocol through a pool and through malloc, and count.\n"
	"\n"
	"  --messages N     messages per lane, shared out over the threads (default 500000)\n"
	"  --threads T      threads per lane, 1 to 256 (default 1); above 1 the pool has a lock\n"
	"  --pattern WHICH  queue: out of order, 32 messages a thread outstanding\n"
	"                   batch: 64 allocations back to back, then 64 releases (default)\n"
	"                   pingpong: 64 pairs back to back, an allocation and its release\n"
	"  --rounds R       turns that the lanes take, 1 to 1000 (default: queue 1, others one "
	"for\n"
	"                   2000 messages; for 50000 of each thread where there are several)\n"
	"  --lane WHICH     pool, malloc or both (default both)\n"
	"  --seed S         what the messages say follows from S (default 1)\n"
	"  --chunks N       chunks in the pool (default: as many as can be outstanding)\n"
	"  --time-malloc    queue: time malloc and free as a pool's calls, as the pool 'malloc'\n"
	"  --bug KIND       with --lane pool: before the messages, plant one stride, double-free,\n"
	"                   foreign-free or leak in a pool of its own, and say where\n"
	"  --wait           print 'ready PID', then start on a line or the end of stdin\n"
	"  -h, --help       this text\n"
	"\n"
	"ns/pair is the time of a thread's loop per message (allocate, build, handle, free),\n"
	"averaged over the threads; ns/op is the wall time of the lane per allocation or free,\n"
	"all threads together. net is the processor time per allocation or free alone: what the\n"
	"same loop takes without an allocator is subtracted; the median of three rounds or\n"
	"more. ratio is malloc's net by the pool's. 'truth' lines state what was done: count =\n"
	"successful calls, bytes = asked for by those.\n"
	"Exit status: 0 done, 1 the run failed or the lanes disagree, 2 wrong usage.\n";

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

static int lane_option(bool run[LANE_KINDS])
{
	bool both = strcmp(optarg, "both") == 0;

	run[LANE_POOL] = both || strcmp(optarg, lane_name(LANE_POOL)) == 0;
	run[LANE_MALLOC] = both || strcmp(optarg, lane_name(LANE_MALLOC)) == 0;
	if (run[LANE_POOL] || run[LANE_MALLOC])
		return 0;
	fprintf(stderr, "pool-demo: --lane takes pool, malloc or both, not '%s'\n", optarg);
	return -1;
}

static int pattern_option(enum lane_pattern *pattern)
{
	static const char *const names[LANE_PATTERNS] = {"queue", "batch", "pingpong"};

	for (int i = 0; i < LANE_PATTERNS; i++) {
		if (strcmp(optarg, names[i]) != 0)
			continue;
		*pattern = i;
		return 0;
	}
	fprintf(stderr, "pool-demo: --pattern takes queue, batch or pingpong, not '%s'\n", optarg);
	return -1;
}

static int bug_option(enum bug_kind *bug)
{
	for (int i = BUG_NONE + 1; i < BUG_KINDS; i++) {
		if (strcmp(optarg, bug_name(i)) != 0)
			continue;
		*bug = i;
		return 0;
	}
	fprintf(stderr,
		"pool-demo: --bug takes stride, double-free, foreign-free or leak, not '%s'\n",
		optarg);
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
	case 'r':
		err = number_option("rounds", 1, LANE_MAX_ROUNDS, &number);
		config->rounds = (unsigned)number;
		return err;
	case 's':
		return number_option("seed", 0, UINT64_MAX, &config->seed);
	case 'l':
		return lane_option(options->lanes);
	case 'p':
		return pattern_option(&config->pattern);
	case 'b':
		return bug_option(&options->bug);
	case 'T':
		config->time_malloc = true;
		return 0;
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

/*
 * Many short turns are what a median is sure of. Threads need long ones: they start one after the
 * other, and are to be in each other's way as long as a program's threads are.
 */
static unsigned default_rounds(const struct lane_config *config)
{
	uint64_t turn = config->threads > 1 ? UINT64_C(50000) * config->threads : 2000;
	unsigned least = config->threads > 1 ? 5 : 20;
	uint64_t rounds = config->messages / turn;

	if (config->pattern == LANE_QUEUE)
		return 1;
	if (rounds < least)
		return least;
	return rounds < LANE_MAX_ROUNDS ? (unsigned)rounds : LANE_MAX_ROUNDS;
}

/* What no option can tell by itself. 0, or -1 after a sentence on stderr. */
static int check_together(struct options *options)
{
	struct lane_config *config = &options->config;

	if (options->bug && options->lanes[LANE_MALLOC]) {
		fprintf(stderr, "pool-demo: --bug is the pool's: it needs --lane pool\n");
		return -1;
	}
	if (config->time_malloc && config->pattern != LANE_QUEUE) {
		fprintf(stderr, "pool-demo: --time-malloc needs --pattern queue; the others time "
				"groups of calls anyway\n");
		return -1;
	}
	if (config->rounds == 0)
		config->rounds = default_rounds(config);
	return 0;
}

int options_parse(int argc, char **argv, struct options *options)
{
	static const struct option table[] = {
		{"messages", required_argument, NULL, 'm'},
		{"threads", required_argument, NULL, 't'},
		{"lane", required_argument, NULL, 'l'},
		{"pattern", required_argument, NULL, 'p'},
		{"rounds", required_argument, NULL, 'r'},
		{"bug", required_argument, NULL, 'b'},
		{"time-malloc", no_argument, NULL, 'T'},
		{"seed", required_argument, NULL, 's'},
		{"chunks", required_argument, NULL, 'c'},
		{"wait", no_argument, NULL, 'w'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int option;

	*options = (struct options){
		.config = {.messages = 500000, .threads = 1, .seed = 1, .pattern = LANE_BATCH},
		.lanes = {[LANE_POOL] = true, [LANE_MALLOC] = true},
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
		return check_together(options);
	fprintf(stderr, "pool-demo: unexpected argument '%s'\n", argv[optind]);
	return -1;
}
