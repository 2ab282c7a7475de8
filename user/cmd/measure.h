/* SPDX-License-Identifier: MIT */
/*
 * Runs that add calls up instead of looking at each (latency, compare): the helper that measures
 * the probes' own cost beside the run, and the reading of what has been added up.
 */
#ifndef ALLOCTRACE_CMD_MEASURE_H
#define ALLOCTRACE_CMD_MEASURE_H

#include "core/calibration.h"
#include "core/heap.h"
#include "core/lane.h"
#include "core/table.h"
#include "probe/calibrate.h"
#include "probe/session.h"

#define MEASURE_MAX_CPUS 1024

struct measure {
	struct session *session;       /* borrowed */
	struct calibrator *calibrator; /* owned; NULL: not to be had, then nothing is corrected */
	struct lanes lanes;            /* as of the last reading */
	struct calibration calibration;
	struct table pools;            /* (PID, address) of a pool -> its row in the heap */
	uint64_t hits[CALIBRATION_NR]; /* that bursts have asked for */
	uint64_t next_burst_ns;
	uint64_t first_ns, last_ns;         /* of what was read last */
	uint64_t added;                     /* calls in lanes, and frees that are counted alone */
	int cpu;                            /* of the last burst */
	uint64_t entered[MEASURE_MAX_CPUS]; /* calls by CPU when the last one began */
};

/* Starts the helper; to be called before the session is made, which must be told of its PID. */
void measure_init(struct measure *m);
void measure_fini(struct measure *m);
pid_t measure_calibrator(const struct measure *m);

/* The session stands, and the probes of the targets lie: the first windows are measured. */
void measure_begin(struct measure *m, struct session *s);

/* Now and then during the run. */
void measure_tick(struct measure *m, uint64_t now_ns);

/* A pool has told its name. */
void measure_name_pool(struct measure *m, const struct event *e, size_t row);

/*
 * Reads what has been added up: lanes, calibration, and the books of pools, which are put into the
 * heap's rows. `functions` are the names of the rows; the run has lasted from first_ns to last_ns.
 * 0 or a negative errno.
 */
int measure_read(struct measure *m, struct heap *heap, const char *const *functions,
		 uint64_t first_ns, uint64_t last_ns);

/* A call of a recording, which nobody has added up. `name` of its function or pool lives as long as
 * the lanes do. What has no latency, as frees, is in the books alone. */
void measure_add_call(struct measure *m, const struct event *e, const char *name, uint64_t row,
		      enum lane_by by);

/* For the last report: measures what is missing for a sound calibration. False: nothing can be. */
bool measure_finish(struct measure *m);

#endif
