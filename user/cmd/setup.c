// SPDX-License-Identifier: MIT
/*
 * From the command line to a running session. Order matters: the output is opened and the machine
 * looked at before anything is attached; mappings are watched before they are read.
 */
#include "cmd/state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/attach.h"
#include "cmd/checks.h"
#include "cmd/describe.h"
#include "cmd/rights.h"
#include "core/log.h"
#include "guard/fetch.h"
#include "guard/privileges.h"
#include "probe/hazard.h"
#include "probe/library.h"
#include "probe/preflight.h"

static int check_targets(const struct options *o)
{
	char why[256];

	for (size_t i = 0; i < o->pid_count; i++) {
		int err = target_check(o->pids[i], why, sizeof(why));

		if (err)
			return describe_error(err, why, "");
		if (hazard_process_is_sandboxed(o->pids[i]) && hazard_seccomp()) {
			log_error("process %d runs under seccomp, and on this kernel a return "
				  "probe could end it (fixed in 6.14)",
				  o->pids[i]);
			return -EPERM;
		}
	}
	return 0;
}

/* Asked only when somebody wants to know: the answers cost a few processes. */
static void describe_kernel(const struct run *r)
{
	bool seccomp_hazard = false;

	if (r->options->verbose || !r->options->pid_count)
		seccomp_hazard = hazard_seccomp();
	if (r->options->verbose)
		preflight_describe(session_is_multi(r->session), site_nop5_hazard(),
				   seccomp_hazard);
	if (seccomp_hazard && !r->options->pid_count)
		log_warn("on this kernel a return probe can end a process that runs under seccomp "
			 "(fixed in 6.14)");
}

static int check_mechanism(const struct run *r)
{
	if (session_is_multi(r->session) || !privileges_refuse_perf_events())
		return 0;
	return describe_error(
		-EPERM,
		"this kernel has no multi links that filter by process, and other probes may be "
		"placed with CAP_SYS_ADMIN alone",
		"run as root (sudo alloctrace …), or grant CAP_SYS_ADMIN");
}

static int name_objects(struct run *r)
{
	for (size_t i = 0; i < r->options->objects.count; i++) {
		int err = target_name_object(&r->attacher, r->options->objects.values[i]);

		if (err)
			return describe_error(err, r->attacher.why, "");
	}
	return 0;
}

static void begin_unwinding(struct run *r)
{
	struct layouts layouts;

	session_layouts(r->session, &layouts);
	/* Without records of what is mapped no stack could be vouched for. */
	if (r->tables && r->timeline.watch)
		unwinder_init(&r->unwinder, r->symbolizer, r->tables, &layouts);
}

/* What the options ask of the kernel side. */
static struct session_config config_of(struct options *o)
{
	return (struct session_config){
		.ring_size = o->ring_size,
		.max_stack = o->stacks && o->unwind != OPTIONS_UNWIND_NONE
				     ? (unsigned int)o->max_stack + 1
				     : 1,
		.by_rules = options_by_rules(o),
		.min_size = o->min_size,
		.max_size = o->max_size,
		.scoped = (o->argv || o->pid_count) && !o->follow,
		.follow = o->follow,
		.sample_bytes = o->sample_bytes,
		.lanes = options_add_up(o),
		.by_size = o->by == LANE_BY_SIZE,
		.by_site = o->by == LANE_BY_SITE || o->why,
		.slices = options_is(o, "compare"),
		.why = o->why,
		.checks = options_is(o, "trace") || o->recording,
		.stop_on_error = o->stop_on_error,
		.leaves = company_leaves(&o->functions),
		.timers = options_is(o, "compare") && (o->argv || o->pid_count),
		.functions = &o->functions,
		.comm = o->comm,
		.by_uid = o->by_uid,
		.uid = o->uid,
		.by_cgroup = o->cgroup,
	};
}

/* Everything that needs no target: on error nothing has been attached, and nothing started. */
static int prepare(struct run *r)
{
	const struct options *o = r->options;
	struct session_config config = config_of(r->options);
	char why[256], hint[256];
	int err;

	err = o->cgroup ? cgroup_find(&config.cgroup, o->cgroup) : 0;
	if (err) {
		log_error("'%s' is no cgroup: %s", o->cgroup,
			  err == -ENOTSUP ? "not a directory of the cgroup2 file system"
					  : strerror(-err));
		return err;
	}
	err = preflight_check(why, hint, sizeof(why));
	if (err)
		return describe_error(err, why, hint);
	err = signals_init(&r->signals);
	if (err)
		return err;
	err = rights_split(r);
	if (err)
		return err;
	if (heap_init(&r->heap))
		return describe_error(-ENOMEM, "out of memory", "");
	unsent_init(&r->unsent, &r->heap);
	stacks_init(&r->stacks);
	strcpy(r->heap.only_pool, o->functions.pool_name);
	r->heap.sample_bytes = o->sample_bytes;
	timeline_init(&r->timeline, r->symbolizer, &r->heap);
	r->timeline.follow = o->follow;
	describe_run(r);
	if (config.lanes) {
		measure_init(&r->measure);
		config.calibrator = measure_calibrator(&r->measure);
	}
	if (!config.scoped) {
		config.helpers[0] = symbolizer_keeper(r->symbolizer);
		config.helpers[1] = scanner_keeper(r->scanner);
		config.helpers[2] = r->tables ? tables_keeper(r->tables) : 0;
		config.helpers[3] = r->fetch ? fetch_process(r->fetch) : 0;
		config.helpers[4] = symbolizer_guest_keeper(r->symbolizer);
	}
	library_quiet();
	r->session = session_new(&config, &err, why, sizeof(why));
	if (!r->session)
		return describe_error(err, why, "");
	session_seen(r->session, &r->seen);
	err = check_mechanism(r);
	if (err)
		return err;
	begin_unwinding(r);
	describe_kernel(r);
	describe_unreadable();
	target_attacher_init(&r->attacher, r->session, &r->options->functions, r->scanner,
			     r->symbolizer);
	err = name_objects(r);
	if (err)
		return err;
	err = sink_init(&r->sink, sink_find(o->report, o->format), &r->info, r->output.file);
	if (!err)
		checks_init(r);
	return err;
}

static int open_output(struct output *output, const char *path)
{
	const char *why;
	char shown[160];
	int err = output_open(output, path, &why);

	if (err)
		log_error("cannot open '%s' for writing: %s", log_quote(shown, sizeof(shown), path),
			  why);
	return err;
}

int setup_run(struct run *r, struct options *o)
{
	int err;

	*r = (struct run){.options = o, .signals.fd = -1, .kept_rules = -1};
	err = check_targets(o);
	if (err)
		return err;
	err = open_output(&r->output, o->output);
	if (!err && o->svg)
		err = open_output(&r->svg, o->svg);
	if (!err && o->recording)
		err = open_output(&r->recorder.output, o->recording);
	if (err)
		return err;
	err = prepare(r);
	return err ? err : attach_targets(r);
}

void setup_undo(struct run *r)
{
	for (size_t i = 0; i < r->pid_count; i++) {
		if (r->pidfds[i] >= 0)
			close(r->pidfds[i]);
	}
	sink_fini(&r->sink);
	recorder_fini(&r->recorder);
	unwinder_fini(&r->unwinder);
	tables_free(r->tables);
	if (r->kept_rules >= 0)
		close(r->kept_rules);
	target_attacher_fini(&r->attacher);
	scanner_free(r->scanner);
	session_free(r->session);
	measure_fini(&r->measure);
	timeline_fini(&r->timeline);
	unsent_fini(&r->unsent);
	stacks_fini(&r->stacks);
	memory_fini(&r->memory);
	heap_fini(&r->heap);
	symbolizer_free(r->symbolizer);
	fetch_stop(r->fetch);
	signals_fini(&r->signals);
	output_close(&r->svg);
	output_close(&r->output);
}
