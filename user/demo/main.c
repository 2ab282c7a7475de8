// SPDX-License-Identifier: MIT
/*
 * pool-demo: the Protocol experiment, argv in, figures out.
 *
 * stdout, for people and then for tests (figures are the program's own, whoever traces it):
 *
 *	bug leak alloc=user/demo/bugs.c:220 count=3 bytes=432
 *	lane    threads    messages     wall ms   ns/pair     ns/op       net
 *	pool          1      100000      12.345     123.4      61.7      3.12
 *	malloc        1      100000      14.567     145.6      72.8      7.90
 *	net pool=3.12 malloc=7.90 ns/op ratio=2.53
 *	truth pool:alloc count=100000 bytes=14400000 failed=0
 *	...
 *	checksum pool=0123456789abcdef malloc=0123456789abcdef
 *
 * Decisions
 * - A tracer counts every malloc in this process, so the program itself makes as few as it can:
 *   stdout has a static buffer.
 * - Status 2 = the command line is wrong, 1 = the run failed.
 */
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bugs.h"
#include "experiment.h"
#include "options.h"

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
		      const struct experiment *experiment)
{
	const struct lane_result *result = &experiment->results[kind];
	uint64_t ops = result->allocs + result->frees;

	printf("%-6s  %7u  %10" PRIu64 "  %10.3f  %8.1f  %8.1f", lane_name(kind), config->threads,
	       config->messages, (double)result->wall_ns / 1e6,
	       (double)result->loop_ns / (double)config->messages,
	       ops ? (double)result->wall_ns / (double)ops : 0.0);
	if (isnan(experiment->net_ns[kind]))
		printf("  %8s\n", "-");
	else
		printf("  %8.2f\n", experiment->net_ns[kind]);
}

/* Nothing where a lane has no net; no ratio where there is one lane, or it is lost in noise.
 */
static void print_net(const struct options *options, const struct experiment *experiment)
{
	double pool = experiment->net_ns[LANE_POOL], heap = experiment->net_ns[LANE_MALLOC];

	if (isnan(pool) || isnan(heap))
		return;
	printf("net");
	if (options->lanes[LANE_POOL])
		printf(" pool=%.2f", pool);
	if (options->lanes[LANE_MALLOC])
		printf(" malloc=%.2f", heap);
	printf(" ns/op");
	if (options->lanes[LANE_POOL] && options->lanes[LANE_MALLOC] && pool > 0 && heap > 0)
		printf(" ratio=%.2f", heap / pool);
	printf("\n");
}

static void print_truth(const struct options *options, const struct lane_result results[LANE_KINDS])
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
	for (int kind = 0; kind < LANE_KINDS; kind++) {
		if (options->lanes[kind])
			printf(" %s=%016" PRIx64, lane_name(kind), results[kind].checksum);
	}
	printf("\n");
}

/* Whether the lanes handled the same messages as the lane without an allocator; a message dropped
 * for want of memory excuses a lane. */
static bool lanes_agree(const struct options *options, const struct lane_result results[LANE_KINDS])
{
	for (int kind = 0; kind < LANE_KINDS; kind++) {
		if (options->lanes[kind] && results[kind].failed == 0 &&
		    results[kind].checksum != results[LANE_NONE].checksum)
			return false;
	}
	return true;
}

static void print_results(const struct options *options, const struct experiment *experiment)
{
	printf("%-6s  %7s  %10s  %10s  %8s  %8s  %8s\n", "lane", "threads", "messages", "wall ms",
	       "ns/pair", "ns/op", "net");
	for (int kind = 0; kind < LANE_KINDS; kind++) {
		if (!options->lanes[kind])
			continue;
		print_row(kind, &options->config, experiment);
		if (experiment->results[kind].failed > 0)
			fprintf(stderr,
				"pool-demo: the %s lane dropped %" PRIu64
				" messages for want of memory\n",
				lane_name(kind), experiment->results[kind].failed);
	}
	print_net(options, experiment);
	print_truth(options, experiment->results);
}

/* What was asked for; the exit status. */
static int run(const struct options *options)
{
	struct experiment experiment;
	enum lane_kind failed = 0;
	int err = options->bug ? bug_plant(options->bug) : 0;

	if (err) {
		fprintf(stderr, "pool-demo: cannot plant the bug %s: %s\n", bug_name(options->bug),
			strerror(-err));
		return 1;
	}
	err = experiment_run(&experiment, options->lanes, &options->config, &failed);
	if (err) {
		fprintf(stderr, "pool-demo: cannot run the %s lane: %s\n", lane_name(failed),
			strerror(-err));
		return 1;
	}
	print_results(options, &experiment);
	if (fflush(stdout) != 0) {
		fprintf(stderr, "pool-demo: cannot write the results to stdout\n");
		return 1;
	}
	if (!lanes_agree(options, experiment.results)) {
		fprintf(stderr, "pool-demo: the lanes handled different messages\n");
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static char output[BUFSIZ];
	struct options options;

	setvbuf(stdout, output, _IOFBF, sizeof(output));
	if (options_parse(argc, argv, &options) != 0)
		return 2;
	if (options.help) {
		fputs(options_help, stdout);
		return fflush(stdout) == 0 ? 0 : 1;
	}
	if (options.wait)
		wait_for_line();
	return run(&options);
}
