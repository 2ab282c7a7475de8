// SPDX-License-Identifier: MIT
/*
 * From the command line to a running session. Order matters: the output is opened and the machine
 * looked at before anything is attached; mappings are watched before they are read; all probes are
 * in place before the gate opens; a command that we start is held at its exec until the gate is
 * open, and its libraries are probed as they come in.
 */
#include "cmd/state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cmd/checks.h"
#include "cmd/describe.h"
#include "cmd/rights.h"
#include "core/log.h"
#include "guard/fetch.h"
#include "guard/privileges.h"
#include "probe/hazard.h"
#include "probe/preflight.h"
#include "probe/spawn.h"
#include "probe/timers.h"

#define TABLES_MS     10000 /* that a command waits for the unwind rules of what it has mapped */
#define AHEAD_TARGETS 8     /* with more of them, probing ahead for each would take too long */

static int say(int err, const char *why, const char *hint)
{
	log_error("%s", why);
	if (hint[0])
		log_info("hint: %s", hint);
	return err;
}

/* Every mapped file that gives names is held open: take what the hard limit allows. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		log_debug("cannot raise the limit of open files: %s", strerror(errno));
}

static int add_target(struct run *r, pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0) {
		log_error("cannot follow process %d: %s", pid, strerror(errno));
		return -errno;
	}
	r->pids[r->pid_count] = pid;
	r->pidfds[r->pid_count++] = fd;
	r->info.target_count = r->pid_count;
	if (timeline_add(&r->timeline, pid))
		return -ENOMEM;
	return r->options->follow ? session_follow(r->session, pid) : 0;
}

static int check_targets(const struct options *o)
{
	char why[256];

	for (size_t i = 0; i < o->pid_count; i++) {
		int err = target_check(o->pids[i], why, sizeof(why));

		if (err)
			return say(err, why, "");
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
	return say(-EPERM,
		   "this kernel has no multi links that filter by process, and other probes may be "
		   "placed with CAP_SYS_ADMIN alone",
		   "run as root (sudo alloctrace …), or grant CAP_SYS_ADMIN");
}

static int name_objects(struct run *r)
{
	for (size_t i = 0; i < r->options->objects.count; i++) {
		int err = target_name_object(&r->attacher, r->options->objects.values[i]);

		if (err)
			return say(err, r->attacher.why, "");
	}
	return 0;
}

static void begin_unwinding(struct run *r)
{
	struct layouts layouts;

	session_layouts(r->session, &layouts);
	if (r->tables)
		unwinder_init(&r->unwinder, r->symbolizer, r->tables, &layouts);
}

/* Everything that needs no target: on error nothing has been attached, and nothing started. */
static int prepare(struct run *r)
{
	const struct options *o = r->options;
	struct session_config config = {
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
		.slices = !strcmp(o->command, "compare"),
		.why = o->why,
		.timers = !strcmp(o->command, "compare") && (o->argv || o->pid_count),
		.functions = &r->options->functions,
		.comm = o->comm,
		.by_uid = o->by_uid,
		.uid = o->uid,
		.by_cgroup = o->cgroup,
	};
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
		return say(err, why, hint);
	err = signals_init(&r->signals);
	if (err)
		return err;
	err = rights_split(r);
	if (err)
		return err;
	if (heap_init(&r->heap))
		return say(-ENOMEM, "out of memory", "");
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
	session_quiet_library();
	r->session = session_new(&config, &err, why, sizeof(why));
	if (!r->session)
		return say(err, why, "");
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
	err = sink_init(&r->sink, sink_find(o->command, o->format), &r->info, r->output.file);
	if (!err)
		checks_init(r);
	return err;
}

/* Whether the probes of the targets lie in their address spaces alone. */
static bool is_scoped(const struct run *r)
{
	return r->pid_count && !r->options->follow;
}

static pid_t scope_of(const struct run *r, pid_t pid)
{
	return is_scoped(r) ? pid : SESSION_ALL_PROCESSES;
}

/*
 * Code that comes later, by dlopen or exec, is probed as soon as its mapping is reported: what is
 * called before that, and was not probed ahead, is not seen.
 */
static void on_late_mapping(void *context, pid_t pid, const struct proc_mapping *m, uint64_t ts_ns)
{
	struct run *r = context;
	size_t before = r->attacher.sites;
	int news = target_attach_mapping(&r->attacher, pid, scope_of(r, pid), m);
	uint64_t late_ns = timeline_now() - ts_ns;

	if (news < 0) {
		if (proc_exists(pid)) /* else it has ended: no loss */
			log_warn("%s", r->attacher.why);
		r->attacher.why[0] = '\0';
	}
	describe_refused(r);
	if (news <= TARGET_OLD)
		return;
	describe_functions(r);
	if (news == TARGET_AHEAD)
		log_info("process %d has just mapped '%s', whose %zu functions were probed ahead",
			 pid, m->path, r->attacher.sites - before);
	if (news != TARGET_LATE)
		return;
	r->late++;
	if (late_ns > r->late_ns)
		r->late_ns = late_ns;
	log_info("probed %zu more functions, of '%s', which process %d had mapped %.1f ms before: "
		 "its calls until then are not counted",
		 r->attacher.sites - before, m->path, pid, (double)late_ns / 1e6);
}

/*
 * When the main thread leaves by pthread_exit, the kernel may end what was scoped to it, although
 * other threads go on. They are probed anew; that something was missed meanwhile is what
 * thread_exit in the kernel counts.
 */
static void on_main_exit(void *context, pid_t pid)
{
	struct run *r = context;
	pid_t thread = proc_live_thread(pid);

	if (!is_scoped(r) || session_is_multi(r->session) || !thread || thread == pid)
		return;
	if (!target_attach_process(&r->attacher, pid, true))
		log_debug("the main thread of process %d has left; the others were probed anew",
			  pid);
	r->attacher.why[0] = '\0';
}

/* Whether there is anything to see; after the last probe has been placed. */
static int announce(struct run *r, const char *whom)
{
	char shown[300];
	int err;

	log_quote(shown, sizeof(shown), whom);
	err = r->attacher.sites ? rights_give_up(r) : describe_nothing(r, shown);
	r->said = err;
	if (err)
		return err;
	describe_functions(r);
	describe_missing(r);
	output_begin(&r->output);
	if (r->sink.ops->start)
		r->sink.ops->start(&r->sink);
	r->timeline.on_map = on_late_mapping;
	r->timeline.on_exit = on_main_exit;
	r->timeline.context = r;
	if (options_add_up(r->options))
		measure_begin(&r->measure, r->session);
	log_info("ready: %zu functions probed in %s (%s)", r->attacher.sites, shown,
		 r->attacher.summary);
	return 0;
}

static void open_gate(struct run *r)
{
	r->info.start_ns = timeline_now();
	session_open_gate(r->session);
}

/*
 * A program that times groups of operations itself is compared by what it tells alone: a trap
 * inside a group would be all that the group's time shows.
 */
static void leave_to_timers(struct run *r, pid_t pid)
{
	struct functions *f = &r->options->functions;

	if (strcmp(r->options->command, "compare") || r->left_to_timers ||
	    !timers_in_process(r->scanner, pid))
		return;
	r->left_to_timers = true;
	for (size_t i = 0; i < f->count; i++)
		f->rows[i].wanted = false;
	log_info("process %d times its pools itself (alloctrace:timed): malloc is not probed", pid);
}

static int attach_pids(struct run *r)
{
	const struct options *o = r->options;
	char whom[64];
	int err;

	for (size_t i = 0; i < o->pid_count; i++) {
		err = add_target(r, o->pids[i]);
		if (err)
			return err;
		leave_to_timers(r, o->pids[i]);
		symbolizer_add_process(r->symbolizer, o->pids[i]);
		err = target_attach_process(&r->attacher, o->pids[i], is_scoped(r));
		if (err)
			return say(err, r->attacher.why, "");
		unwinder_update(&r->unwinder);
		if (o->pid_count <= AHEAD_TARGETS && !r->left_to_timers)
			target_attach_ahead(&r->attacher, scope_of(r, o->pids[i]), NULL);
	}
	if (o->pid_count == 1)
		snprintf(whom, sizeof(whom), "process %d", o->pids[0]);
	else
		snprintf(whom, sizeof(whom), "%zu processes", o->pid_count);
	open_gate(r);
	return announce(r, whom);
}

static int know_process(pid_t pid, void *context)
{
	symbolizer_add_process(((struct run *)context)->symbolizer, pid);
	return 0;
}

static int attach_system(struct run *r)
{
	/* Calls that are added up are named when their process may have ended. */
	if (options_add_up(r->options) && (r->info.why || r->info.by == LANE_BY_SITE))
		proc_each_process(know_process, r);
	target_attach_ahead(&r->attacher, SESSION_ALL_PROCESSES, NULL);
	target_attach_system(&r->attacher);
	open_gate(r);
	return announce(r, "the whole system");
}

/* The command is stopped here: probe what it maps so far. */
static int on_mapped(void *context, pid_t pid)
{
	struct run *r = context;

	leave_to_timers(r, pid);
	return target_attach_process(&r->attacher, pid, is_scoped(r));
}

/* The list that a command like `env LD_PRELOAD=… program` will hand to the loader; NULL: none. */
static const char *preload_of(char *const *argv)
{
	static const char name[] = "LD_PRELOAD=";

	for (; *argv; argv++) {
		if (!strncmp(*argv, name, strlen(name)))
			return *argv + strlen(name);
	}
	return NULL;
}

/* By the records of what it has mapped: /proc would be as good, and the records come nevertheless.
 */
static void know_mappings(struct run *r, pid_t pid)
{
	if (r->timeline.watch)
		timeline_advance(&r->timeline, timeline_now());
	else
		symbolizer_add_process(r->symbolizer, pid);
}

/* The last moment before the command runs: if there is nothing to trace, it does not. */
static int on_entered(void *context, pid_t pid)
{
	struct run *r = context;
	char whom[300];

	snprintf(whom, sizeof(whom), "'%s' (process %d)", r->options->argv[0], pid);
	if (!r->left_to_timers)
		target_attach_ahead(&r->attacher, scope_of(r, pid), preload_of(r->options->argv));
	/* It waits for us anyway: so its first stack is as good as its last. */
	if (r->tables) {
		know_mappings(r, pid);
		unwinder_wait(&r->unwinder, TABLES_MS);
	}
	return announce(r, whom);
}

static int attach_command(struct run *r)
{
	const struct spawn_hooks hooks = {.mapped = on_mapped, .entered = on_entered, .context = r};
	struct spawn_user user = {0};
	char why[512];
	int err;

	if (!r->options->as_root)
		user = spawn_sudo_user();
	r->child.pid =
		spawn_start(r->options->argv, &user, &r->signals.inherited, why, sizeof(why));
	if (r->child.pid < 0)
		return say(r->child.pid, why, "");
	raise_file_limit(); /* not before: the command inherits it */
	err = add_target(r, r->child.pid);
	if (err) {
		spawn_kill(r->child.pid);
		return err;
	}
	open_gate(r);
	err = spawn_release(r->child.pid, &hooks, &r->child.status);
	if (err < 0 && r->said)
		return err;
	if (err < 0)
		return say(err, r->attacher.why[0] ? r->attacher.why : strerror(-err), "");
	r->child.ended = err > 0;
	return err > 0 ? on_entered(r, r->child.pid) : 0;
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
	if (err)
		return err;
	err = prepare(r);
	if (err)
		return err;
	if (o->argv)
		return attach_command(r);
	raise_file_limit();
	return o->pid_count ? attach_pids(r) : attach_system(r);
}

void setup_undo(struct run *r)
{
	for (size_t i = 0; i < r->pid_count; i++) {
		if (r->pidfds[i] >= 0)
			close(r->pidfds[i]);
	}
	sink_fini(&r->sink);
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
	heap_fini(&r->heap);
	symbolizer_free(r->symbolizer);
	fetch_stop(r->fetch);
	signals_fini(&r->signals);
	output_close(&r->svg);
	output_close(&r->output);
}
