/* SPDX-License-Identifier: MIT */
/*
 * The experiment: lanes that take turns, and what their allocators cost by themselves.
 */
#ifndef DEMO_EXPERIMENT_H
#define DEMO_EXPERIMENT_H

#include <stdbool.h>

#include "lane.h"

#define EXPERIMENT_MIN_ROUNDS 3 /* for lanes to have different messages in each; see net_ns */

struct experiment {
	struct lane_result results[LANE_KINDS];
	/*
	 * Nanoseconds of processor time per allocation or release, without the loop around it: the
	 * median over the rounds of what the lane's loops took more than LANE_NONE's in the same
	 * round. Of the lanes that ran; NAN: a message was dropped, and the loops differ, or there
	 * were less than EXPERIMENT_MIN_ROUNDS.
	 */
	double net_ns[LANE_KINDS];
};

/*
 * Runs the lanes for which `chosen` is set, and LANE_NONE. 0, or a negative errno: *failed is the
 * lane that could not be run, and *experiment says nothing.
 */
int experiment_run(struct experiment *experiment, const bool chosen[LANE_KINDS],
		   const struct lane_config *config, enum lane_kind *failed);

#endif
