// SPDX-License-Identifier: MIT
/*
 * Hides how the probes get to what is traced: all of them are in place before the gate opens; a
 * command that we start is held at its exec until the gate is open, and its libraries are probed as
 * they come in.
 */
#include "cmd/attach.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cmd/checks.h"
#include "cmd/describe.h"
#include "cmd/rights.h"
#include "core/log.h"
#include "probe/spawn.h"
#include "probe/timers.h"

#define TABLES_MS     10000 /* that a command waits for the unwind rules of what it has mapped */
#define AHEAD_TARGETS 8     /* with more of them, probing ahead for each would take too long */

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
	uint64_t late_ns;
	int news;

	checks_disarm(r);
	news = target_attach_mapping(&r->attacher, pid, scope_of(r, pid), m);
	late_ns = timeline_now() - ts_ns;
	if (news == TARGET_LATE)
		checks_came_late(r);
	checks_learn(r);
	checks_arm(r);
	if (news < 0) {
		if (proc_exists(pid)) /* else it has ended: no loss */
			log_warn("%s", r->attacher.why);
		r->attacher.why[0] = '\0';
	}
	describe_refused(r);
	if (news <= TARGET_OLD)
		return;
	describe_more_functions(r);
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

static void on_life(void *context, const struct record_life *life)
{
	recorder_life(&((struct run *)context)->recorder, life);
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
	checks_learn(r);
	checks_arm(r);
	output_begin(&r->output);
	if (r->sink.ops->start)
		r->sink.ops->start(&r->sink);
	r->timeline.on_map = on_late_mapping;
	r->timeline.on_exit = on_main_exit;
	r->timeline.on_life = on_life;
	r->timeline.context = r;
	err = describe_recording(r);
	if (err)
		return describe_error(err, "out of memory", "");
	if (options_add_up(r->options))
		measure_begin(&r->measure, r->session);
	log_info("ready: %zu functions probed in %s (%s)", r->attacher.sites, shown,
		 r->attacher.summary);
	return 0;
}

static void open_gate(struct run *r)
{
	describe_begin(r);
	checks_begin(r);
	session_open_gate(r->session);
}

/*
 * A program that times groups of operations itself is compared by what it tells alone: a trap
 * inside a group would be all that the group's time shows.
 */
static void leave_to_timers(struct run *r, pid_t pid)
{
	struct functions *f = &r->options->functions;

	if (!options_is(r->options, "compare") || r->left_to_timers ||
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
			return describe_error(err, r->attacher.why, "");
		unwinder_update(&r->unwinder, 0, false);
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
	/* One that runs now may have ended when its first calls are named, if they are. */
	if (!options_add_up(r->options) || r->info.why || r->info.by == LANE_BY_SITE)
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

	checks_watch(r, pid);
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
static void know_mappings(struct run *r)
{
	uint64_t now = timeline_now();

	timeline_advance(&r->timeline, now);
	unwinder_wait(&r->unwinder, now, TABLES_MS);
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
	if (r->tables)
		know_mappings(r);
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
		return describe_error(r->child.pid, why, "");
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
		return describe_error(err, r->attacher.why[0] ? r->attacher.why : strerror(-err),
				      "");
	r->child.ended = err > 0;
	return err > 0 ? on_entered(r, r->child.pid) : 0;
}

int attach_targets(struct run *r)
{
	if (r->options->argv)
		return attach_command(r);
	raise_file_limit();
	return r->options->pid_count ? attach_pids(r) : attach_system(r);
}
