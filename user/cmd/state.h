/* SPDX-License-Identifier: MIT */
/*
 * What one run consists of: setup.c makes a live one, run.c lives it, and replay.c makes one again
 * out of a recording, which has no probes, no timeline and no targets.
 */
#ifndef ALLOCTRACE_CMD_STATE_H
#define ALLOCTRACE_CMD_STATE_H

#include <sys/utsname.h>

#include "cmd/child.h"
#include "cmd/options.h"
#include "cmd/measure.h"
#include "cmd/output.h"
#include "cmd/recorder.h"
#include "cmd/signals.h"
#include "cmd/timeline.h"
#include "cmd/unwinder.h"
#include "core/memory.h"
#include "core/pressure.h"
#include "core/stack.h"
#include "core/unsent.h"
#include "out/sink.h"
#include "probe/session.h"
#include "probe/target.h"

struct run {
	struct options *options;
	struct output output;
	struct output svg; /* file NULL: no picture is wanted */
	struct signals signals;
	struct symbolizer *symbolizer;
	struct fetch *fetch; /* NULL: no server is asked for debug files */
	struct scanner *scanner;
	int kept_rules;        /* the directory for those that are kept; -1: none */
	struct tables *tables; /* NULL: whole stacks are not asked for */
	struct heap heap;
	struct timeline timeline;
	struct unwinder unwinder;
	struct session *session;
	struct seen seen; /* by the session's programs, beside the events */
	struct target_attacher attacher;
	struct sink sink;
	struct recorder recorder; /* all zero: nothing is recorded */
	bool replayed;            /* out of a recording */
	struct measure measure;   /* of commands that add up */
	struct unsent unsent;     /* pools of the others */
	struct pressure pressure;
	struct stacks stacks; /* that were told, of all processes */
	struct memory memory; /* of the targets, over time */
	char **kept;          /* replay: texts that the run borrows, ended by NULL */
	struct run_info info;
	const char *names[HEAP_MAX_CALLS];
	struct utsname kernel;
	pid_t pids[OPTIONS_MAX_PIDS]; /* of the targets */
	int pidfds[OPTIONS_MAX_PIDS]; /* -1: it has ended */
	size_t pid_count;
	struct child child;
	struct event_totals totals[EVENT_MAX_FUNCTIONS]; /* of all calls, for the report at hand */
	uint64_t refused_told; /* functions without a row, as the user knows of them */
	uint64_t missed,
		missed_ns;      /* what was not seen, as checks.c counts it; when it last grew */
	uint64_t late, late_ns; /* see struct report */
	uint64_t over_ns; /* when the run was over, and its report is still to come; 0: it is not */
	uint64_t next_report_ns, next_progress_ns, next_sweep_ns, next_look_ns;
	bool progress_shown, silence_judged;
	bool unarmed_said;   /* that --stop-on-error does nothing */
	int unread;          /* why the last report lacks calls that were added up; 0: it has all */
	bool cut;            /* the last calls were not waited for */
	bool said;           /* why there will be no run */
	bool left_to_timers; /* compare: the target times its pools itself, nothing else is probed
			      */
};

/*
 * Makes everything and places the probes; at the end the gate is open and a command runs. A
 * negative errno after one sentence on standard error: then nothing is attached, and no command
 * runs. setup_undo is to be called in any case.
 */
int setup_run(struct run *r, struct options *o);
void setup_undo(struct run *r);

#endif
