/* SPDX-License-Identifier: MIT */
/*
 * What the probes cost by themselves, measured while a run goes on: a helper process calls
 * functions that do nothing, one for each kind of instruction that a probe may lie on, in short
 * bursts on the CPUs where the targets run, under the same programs as the targets. The same helper
 * looks at the clock twice, as pools do that time themselves. Windows drift by a fifth within a
 * minute, so what was measured beside the run counts, and not what once was.
 *
 * The helper is a child of ours: it ends with us, holds no files of ours but the line to us, and
 * does nothing unless it is told to.
 */
#ifndef ALLOCTRACE_PROBE_CALIBRATE_H
#define ALLOCTRACE_PROBE_CALIBRATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/calibration.h"
#include "core/lane.h"
#include "probe/session.h"

struct calibrator;

/* Starts the helper, before the session is made. NULL, with a negative errno in *err: -ENOTSUP
 * where instructions are not told apart (any machine but x86-64). */
struct calibrator *calibrator_new(int *err);

/* Ends the helper. NULL is fine. */
void calibrator_free(struct calibrator *c);

pid_t calibrator_pid(const struct calibrator *c);

/* Places the probes of a session that was told of the helper's PID. 0 or a negative errno. */
int calibrator_attach(struct calibrator *c, struct session *s);

/*
 * Has the helper make `hits` calls of each class in the mask (bit CALIBRATION_CLOCK as well) on
 * that CPU, and returns at once. False: it is still busy with the last burst, or has ended.
 */
bool calibrator_burst(struct calibrator *c, uint32_t classes, int cpu, unsigned int hits);

/* Waits until the helper is idle, for so many milliseconds at most. */
void calibrator_wait(struct calibrator *c, int ms);

/* Around a run: bursts before and after it count only if there were too few meanwhile. */
enum calibrator_phase { CALIBRATOR_BEFORE, CALIBRATOR_DURING, CALIBRATOR_AFTER };

/*
 * Takes the helper's calls out of the sum of all lanes (they have its PID) and fills `out` with
 * what they tell. The lanes stay as they are.
 */
void calibrator_read(const struct calibrator *c, const struct lanes *lanes,
		     struct calibration *out);

#endif
