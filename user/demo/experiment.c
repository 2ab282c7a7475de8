// SPDX-License-Identifier: MIT
/*
 * Hides the order of the lanes' turns.
 *
 * Decisions
 * - In each round all lanes have their turn, so that what drifts in the machine (its clock, its
 *   other guests) hits them alike.
 * - In the same round each lane has other messages: whoever handled the same ones next would be
 *   faster, by more than what is looked for, as the processor learns the branches that they take.
 * - A lane's loop is compared with the loop without an allocator of the same round, and the median
 *   over the rounds stands: one disturbed turn can move a mean at will.
 * - That comparison is by the threads' processor time. On a machine with nothing else to do it is
 *   the time on the clock (contention of two threads included: a waiter spins); on a busy one the
 *   others' time slices are in the latter, and drown what is looked for.
 */
#include <math.h>

#include "experiment.h"

struct course {
	const struct lane_config *config;
	bool runs[LANE_KINDS];
	struct lane lanes[LANE_KINDS];
	double net_ns[LANE_KINDS][LANE_MAX_ROUNDS];
	unsigned rounds; /* that had messages */
};

/* Sorts by insertion: qsort may call malloc, which would show in a trace. */
static double median(double *values, unsigned count)
{
	for (unsigned i = 1; i < count; i++) {
		double value = values[i];
		unsigned at = i;

		for (; at > 0 && values[at - 1] > value; at--)
			values[at] = values[at - 1];
		values[at] = value;
	}
	return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

/* 0 or a negative errno; *kind is then the lane that failed. */
static int run_round(struct course *course, unsigned round, struct lane_result turns[LANE_KINDS],
		     enum lane_kind *kind)
{
	unsigned rounds = course->config->rounds;

	for (*kind = 0; *kind < LANE_KINDS; ++*kind) {
		unsigned share = (round + *kind * rounds / LANE_KINDS) % rounds;
		int err = 0;

		if (course->runs[*kind])
			err = lane_turn(&course->lanes[*kind], share, &turns[*kind]);
		if (err)
			return err;
	}
	return 0;
}

/* What the allocators of this round took by themselves. */
static void take_net(struct course *course, const struct lane_result turns[LANE_KINDS])
{
	double operations = (double)(turns[LANE_NONE].allocs + turns[LANE_NONE].frees);

	if (operations == 0)
		return;
	for (int kind = 0; kind < LANE_KINDS; kind++) {
		double ns = (double)turns[kind].cpu_ns - (double)turns[LANE_NONE].cpu_ns;

		course->net_ns[kind][course->rounds] = ns / operations;
	}
	course->rounds++;
}

static int run_rounds(struct course *course, struct experiment *experiment, enum lane_kind *failed)
{
	for (unsigned round = 0; round < course->config->rounds; round++) {
		struct lane_result turns[LANE_KINDS] = {{0}};
		int err = run_round(course, round, turns, failed);

		if (err)
			return err;
		for (int kind = 0; kind < LANE_KINDS; kind++)
			lane_add(&experiment->results[kind], &turns[kind]);
		take_net(course, turns);
	}
	for (int kind = 0; kind < LANE_KINDS; kind++) {
		bool whole = experiment->results[kind].failed == 0 &&
			     course->rounds >= EXPERIMENT_MIN_ROUNDS;

		experiment->net_ns[kind] =
			whole ? median(course->net_ns[kind], course->rounds) : NAN;
	}
	return 0;
}

int experiment_run(struct experiment *experiment, const bool chosen[LANE_KINDS],
		   const struct lane_config *config, enum lane_kind *failed)
{
	struct course course = {.config = config};
	unsigned opened = 0;
	int err = 0;

	*experiment = (struct experiment){0};
	for (; opened < LANE_KINDS && err == 0; opened += err == 0) {
		course.runs[opened] = chosen[opened] || opened == LANE_NONE;
		if (course.runs[opened])
			err = lane_open(&course.lanes[opened], opened, config);
	}
	*failed = opened;
	if (err == 0)
		err = run_rounds(&course, experiment, failed);
	while (opened-- > 0) {
		if (course.runs[opened])
			lane_close(&course.lanes[opened]);
	}
	return err;
}
