// SPDX-License-Identifier: MIT
/*
 * One tracing session. The programs are loaded once with the run's knobs as constants; each site of
 * an object then gets its links. Return probes are placed before entry probes, and the gate stays
 * shut until the caller opens it, so that no call is seen by halves.
 */
#include "probe/session.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"
#include "probe/knobs.h"
#include "probe/maps.h"
#include "probe/relief.h"
#include "probe/uprobe.h"

#include "alloctrace.skel.h"

struct session {
	struct alloctrace_bpf *skeleton;
	struct ring_buffer *ring;
	struct session_config config; /* what it points to is borrowed */
	struct functions *functions;
	struct uprobe_links links; /* of what belongs to no object */
	uint32_t classes;          /* bit i: a probe lies on an instruction of class i */
	bool multi;                /* by multi links, not by perf events */
	session_event_fn take;
	void *context;
	struct event view; /* of the record at hand */
	uint64_t malformed;
	bool untraced; /* a function that is wanted got no probes */
	struct relief relief;
	unsigned int drained; /* records, in this drain */
	char why[512];
};

static uint64_t clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void tell_relief(struct session *s)
{
	struct event e;

	if (relief_take(&s->relief, &e))
		s->take(s->context, &e);
}

/* libbpf ends the drain at a negative answer, and has taken the record then. */
static int on_record(void *context, void *data, size_t len)
{
	struct session *s = context;

	if (event_decode(&s->view, data, len)) {
		s->malformed++;
	} else {
		if (s->view.kind == EVENT_PRESSURE)
			tell_relief(s);
		s->take(s->context, &s->view);
	}
	return ++s->drained < SESSION_DRAIN_MAX ? 0 : -EAGAIN;
}

static void choose_mechanism(struct session *s)
{
	s->multi = uprobe_multi_supported();
	uprobe_choose(s->skeleton->progs.enter, s->multi);
	uprobe_choose(s->skeleton->progs.enter_free, s->multi);
	uprobe_choose(s->skeleton->progs.leave, s->multi);
}

static void set_knobs(struct alloctrace_bpf *skeleton, const struct session_config *config)
{
	skeleton->rodata->config_own_tgid = (uint32_t)getpid();
	for (size_t i = 0; i < sizeof(config->helpers) / sizeof(config->helpers[0]); i++)
		skeleton->rodata->config_helpers[i] = (uint32_t)config->helpers[i];
	skeleton->rodata->config_ring_bytes = knobs_ring_bytes(config->ring_size);
	skeleton->rodata->config_max_stack = config->max_stack;
	skeleton->rodata->config_min_size = config->min_size;
	skeleton->rodata->config_max_size = config->max_size;
	skeleton->rodata->config_by_uid = config->by_uid;
	skeleton->rodata->config_uid = config->uid;
	skeleton->rodata->config_by_cgroup = config->by_cgroup;
	skeleton->rodata->config_cgroup = config->cgroup.id;
	skeleton->rodata->config_cgroup_level = config->cgroup.level;
	skeleton->rodata->config_follow = config->follow;
	skeleton->rodata->config_sample_bytes = config->sample_bytes;
	skeleton->rodata->config_by_rules = config->by_rules;
	skeleton->rodata->config_stack_seed = knobs_random();
	if (config->sample_bytes)
		knobs_logarithms((uint64_t *)skeleton->rodata->config_log2,
				 sizeof(skeleton->rodata->config_log2) / sizeof(uint64_t) - 1);
	skeleton->rodata->config_lanes = config->lanes;
	skeleton->rodata->config_by_size = config->by_size;
	skeleton->rodata->config_by_site = config->by_site;
	skeleton->rodata->config_slices = config->slices;
	skeleton->rodata->config_why = config->why;
	skeleton->rodata->config_checks = config->checks;
	skeleton->rodata->config_stop_on_error = config->stop_on_error;
	skeleton->rodata->config_leaves = config->leaves;
	skeleton->rodata->config_calibrator = (uint32_t)config->calibrator;
	_Static_assert(sizeof(skeleton->rodata->config_syscalls) == sizeof(knobs_syscalls),
		       "as many causes on both sides");
	memcpy(skeleton->rodata->config_syscalls, knobs_syscalls, sizeof(knobs_syscalls));
	skeleton->rodata->config_by_comm = config->comm;
	if (config->comm) /* the last byte stays zero */
		memcpy(skeleton->rodata->config_comm, config->comm,
		       strnlen(config->comm, sizeof(skeleton->rodata->config_comm) - 1));
}

/* What a run does not use takes no memory. */
static int size_maps(struct alloctrace_bpf *skeleton, const struct session_config *config)
{
	const struct {
		struct bpf_map *map;
		bool used;
	} maps[] = {
		{skeleton->maps.followed, config->follow},
		{skeleton->maps.lanes, config->lanes},
		{skeleton->maps.unsent_pools, !config->lanes && config->functions->pools},
		{skeleton->maps.sampled, config->sample_bytes},
		{skeleton->maps.live_blocks, config->stop_on_error},
		{skeleton->maps.sharing, config->checks},
		{skeleton->maps.sharers, config->checks},
		{skeleton->maps.stacks, config->max_stack > 1},
		{skeleton->maps.tables, config->by_rules},
		{skeleton->maps.layouts, config->by_rules},
	};
	int err = bpf_map__set_max_entries(skeleton->maps.events,
					   knobs_ring_bytes(config->ring_size));

	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]) && !err; i++)
		err = maps[i].used ? 0 : bpf_map__set_max_entries(maps[i].map, 1);
	return err;
}

/* The tracepoints that a run needs besides the probes: which are loaded is to be said before. */
static int attach_tracepoints(struct session *s)
{
	/* Ends before beginnings: a child must not be left on its parent's memory for ever. */
	struct bpf_program *const programs[] = {
		s->skeleton->progs.thread_exit,  s->skeleton->progs.process_fork,
		s->skeleton->progs.process_exit, s->skeleton->progs.syscall_enter,
		s->skeleton->progs.syscall_exit, s->skeleton->progs.task_switch,
		s->skeleton->progs.layout_fork,  s->skeleton->progs.layout_exec,
		s->skeleton->progs.layout_exit,  s->skeleton->progs.share_exec,
		s->skeleton->progs.share_exit,   s->skeleton->progs.share_fork,
	};
	int err = 0;

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]) && !err; i++) {
		if (bpf_program__autoload(programs[i]))
			err = uprobe_keep(&s->links, bpf_program__attach(programs[i]), false);
	}
	return err;
}

static int load(struct session *s, const struct session_config *config)
{
	struct alloctrace_bpf *skeleton = alloctrace_bpf__open();
	int err;

	s->skeleton = skeleton;
	if (!skeleton)
		return -errno;
	set_knobs(skeleton, config);
	choose_mechanism(s);
	bpf_program__set_autoload(skeleton->progs.thread_exit, !s->multi && config->scoped);
	bpf_program__set_autoload(skeleton->progs.process_fork, config->follow);
	bpf_program__set_autoload(skeleton->progs.process_exit, config->follow);
	bpf_program__set_autoload(skeleton->progs.layout_fork, config->by_rules);
	bpf_program__set_autoload(skeleton->progs.layout_exec, config->by_rules);
	bpf_program__set_autoload(skeleton->progs.layout_exit, config->by_rules);
	bpf_program__set_autoload(skeleton->progs.share_fork, config->checks);
	bpf_program__set_autoload(skeleton->progs.share_exec, config->checks);
	bpf_program__set_autoload(skeleton->progs.share_exit, config->checks);
	bpf_program__set_autoload(skeleton->progs.pool_timed, config->lanes);
	bpf_program__set_autoload(skeleton->progs.syscall_enter, config->why);
	bpf_program__set_autoload(skeleton->progs.syscall_exit, config->why);
	bpf_program__set_autoload(skeleton->progs.task_switch, config->why);
	err = size_maps(skeleton, config);
	if (!err)
		err = alloctrace_bpf__load(skeleton);
	if (!err)
		err = attach_tracepoints(s);
	if (err)
		return err;
	s->ring = ring_buffer__new(bpf_map__fd(skeleton->maps.events), on_record, s, NULL);
	return s->ring ? 0 : -errno;
}

struct session *session_new(const struct session_config *config, int *err, char *why, size_t len)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s) {
		*err = -ENOMEM;
		snprintf(why, len, "out of memory");
		return NULL;
	}
	s->config = *config;
	s->functions = config->functions;
	*err = load(s, config);
	if (!*err)
		return s;
	snprintf(why, len, "cannot load the BPF programs: %s", strerror(-*err));
	session_free(s);
	return NULL;
}

void session_free(struct session *s)
{
	if (!s)
		return;
	uprobe_drop(&s->links, 0);
	ring_buffer__free(s->ring);
	alloctrace_bpf__destroy(s->skeleton);
	free(s);
}

bool session_is_multi(const struct session *s)
{
	return s->multi;
}

const char *session_why(const struct session *s)
{
	return s->why;
}

/* Says why, when there is an error to explain; returns it. */
#define KERNEL_ENOTSUPP 524 /* include/linux/errno.h; not for user space, and yet it comes */

static int explain(struct session *s, int err, const char *what, const struct object *o)
{
	if (err)
		snprintf(s->why, sizeof(s->why), "cannot attach to '%s' in '%s': %s", what, o->path,
			 err == -KERNEL_ENOTSUPP ? "the kernel cannot probe an instruction there"
						 : strerror(-err));
	return err;
}

static void add_place(struct uprobe_places *p, const struct session *s,
		      const struct object_site *site)
{
	const struct function *f = &s->functions->rows[site->function];

	p->offsets[p->count] = site->entry + site->site.skip;
	p->cookies[p->count++] = event_cookie(site->function, &f->args, site->site.class);
}

/* Whether the site is asked for, and safe; what is not safe is said. */
static bool is_wanted(struct session *s, const struct object *o, const struct object_site *site)
{
	const struct function *f = &s->functions->rows[site->function];

	if (!f->wanted)
		return false;
	if (site->site.cost != SITE_REFUSED && !o->is_go)
		return true;
	s->untraced = true;
	log_warn("'%s' in '%s' is not traced: %s", f->name, o->path,
		 o->is_go ? "a return probe would crash a Go program" : site->site.why);
	return false;
}

/* Return probes first: an entry must never be seen whose return is not. */
static int attach_functions(struct session *s, const struct object *o, pid_t pid,
			    struct uprobe_links *links)
{
	struct uprobe_places allocs = {.count = 0}, frees = {.count = 0}, returns = {.count = 0};
	const struct alloctrace_bpf *skeleton = s->skeleton;
	char path[64];
	int err;

	object_fd_path(o, path, sizeof(path));
	for (size_t i = 0; i < o->site_count; i++) {
		const struct function *f = &s->functions->rows[o->sites[i].function];

		if (!is_wanted(s, o, &o->sites[i]))
			continue;
		add_place(function_frees(f) ? &frees : &allocs, s, &o->sites[i]);
		s->classes |= 1U << o->sites[i].site.class;
		if (!function_frees(f) || f->args.paired)
			add_place(&returns, s, &o->sites[i]);
	}
	err = uprobe_attach(links, skeleton->progs.leave, s->multi, true, pid, path, &returns);
	if (!err)
		err = uprobe_attach(links, skeleton->progs.enter, s->multi, false, pid, path,
				    &allocs);
	if (!err)
		err = uprobe_attach(links, skeleton->progs.enter_free, s->multi, false, pid, path,
				    &frees);
	return err ? explain(s, err, "malloc and its kin", o) : (int)(allocs.count + frees.count);
}

static int attach_pools(struct session *s, const struct object *o, pid_t pid,
			struct uprobe_links *links)
{
	const struct alloctrace_bpf *skeleton = s->skeleton;
	bool by_one = o->has_pools && !(o->has_timers && s->config.timers);
	const struct {
		struct bpf_program *program;
		const char *provider, *probe;
		bool has;
	} probes[] = {
		{skeleton->progs.pool_create, "alloctrace", "create", o->has_pools},
		{skeleton->progs.pool_timed, "alloctrace", "timed",
		 o->has_timers && s->config.timers},
		{skeleton->progs.pool_alloc, "alloctrace", "alloc", by_one},
		{skeleton->progs.pool_free, "alloctrace", "free", by_one},
		{skeleton->progs.pool_destroy, "alloctrace", "destroy", o->has_pools},
		{skeleton->progs.otel_alloc, "otel_memory", "alloc", o->has_otel_pools},
		{skeleton->progs.otel_free, "otel_memory", "free", o->has_otel_pools},
	};
	char path[64], what[64];
	int attached = 0;

	object_fd_path(o, path, sizeof(path));
	for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
		struct bpf_link *link;
		int err;

		if (!probes[i].has)
			continue;
		link = bpf_program__attach_usdt(probes[i].program, pid, path, probes[i].provider,
						probes[i].probe, NULL);
		if (!link && errno == ENOENT)
			continue; /* a program need not use all of them */
		snprintf(what, sizeof(what), "%s:%s", probes[i].provider, probes[i].probe);
		err = explain(s, uprobe_keep(links, link, true), what, o);
		if (err)
			return err;
		attached++;
	}
	return attached;
}

int session_attach(struct session *s, const struct object *o, pid_t pid, struct uprobe_links *links)
{
	size_t before = links->count;
	int sites = attach_functions(s, o, pid, links), pools = 0;

	if (sites >= 0 && s->functions->pools)
		pools = attach_pools(s, o, pid, links);
	if (sites >= 0 && pools >= 0)
		return sites + pools;
	uprobe_drop(links, before);
	return sites < 0 ? sites : pools;
}

int session_attach_calibrator(struct session *s, const struct uprobe_places *places,
			      const char *path)
{
	const struct alloctrace_bpf *skeleton = s->skeleton;
	pid_t pid = s->config.calibrator;
	int err =
		uprobe_attach(&s->links, skeleton->progs.leave, s->multi, true, pid, path, places);

	return err ? err
		   : uprobe_attach(&s->links, skeleton->progs.enter, s->multi, false, pid, path,
				   places);
}

uint32_t session_classes(const struct session *s)
{
	uint32_t seen = __atomic_load_n(&s->skeleton->bss->classes_seen, __ATOMIC_RELAXED);

	return seen ? seen : s->classes;
}

void session_set_phase(struct session *s, uint8_t phase)
{
	__atomic_store_n(&s->skeleton->bss->calibration_phase, phase, __ATOMIC_RELAXED);
}

void session_set_probe_cost(struct session *s, enum calibration_class class, uint64_t ns)
{
	__atomic_store_n(&s->skeleton->bss->probe_cost[class], ns, __ATOMIC_RELAXED);
}

void session_layouts(const struct session *s, struct layouts *layouts)
{
	layouts_init(layouts, bpf_map__fd(s->skeleton->maps.tables),
		     bpf_map__fd(s->skeleton->maps.layouts));
}

void session_seen(const struct session *s, struct seen *seen)
{
	struct alloctrace_bpf__bss *bss = s->skeleton->bss;

	_Static_assert(sizeof(struct seen_stop) == sizeof(bss->scene), "as the kernel side has it");
	*seen = (struct seen){
		.untraced = &s->untraced,
		.nested = (const uint64_t *)bss->nested,
		.sharing_unknown = &bss->sharing_unknown,
		.sharing = bpf_map__fd(s->skeleton->maps.sharing),
		.scene_pid = &bss->scene_tgid,
		.scene_begin = (uint64_t *)&bss->scene_begin,
		.scene_end = (uint64_t *)&bss->scene_end,
		.scene_armed = &bss->scene_armed,
		.scene_lost = &bss->scene_lost,
		.stop = (const struct seen_stop *)&bss->scene,
	};
}

int session_follow(struct session *s, pid_t pid)
{
	uint32_t tgid = (uint32_t)pid;
	uint8_t yes = 1;

	return bpf_map_update_elem(bpf_map__fd(s->skeleton->maps.followed), &tgid, &yes, BPF_ANY)
		       ? -errno
		       : 0;
}

void session_open_gate(struct session *s)
{
	__atomic_store_n(&s->skeleton->bss->gate_open, true, __ATOMIC_RELEASE);
}

void session_close_gate(struct session *s)
{
	__atomic_store_n(&s->skeleton->bss->gate_open, false, __ATOMIC_RELEASE);
}

int session_drain(struct session *s, session_event_fn take, void *context)
{
	int n;

	s->take = take;
	s->context = context;
	s->drained = 0;
	n = ring_buffer__consume(s->ring);
	if (n == -EAGAIN)
		return 1;
	if (n < 0)
		return n;
	tell_relief(s);
	relief_give(&s->relief, &s->skeleton->bss->pressure, clock_now());
	return 0;
}

int session_counters(const struct session *s, uint64_t counters[EVENT_NR_COUNTERS])
{
	int err = 0;

	for (uint32_t i = 0; i < EVENT_NR_COUNTERS && !err; i++)
		err = maps_sum(bpf_map__fd(s->skeleton->maps.counters), i, &counters[i], 1);
	return err;
}

int session_totals(const struct session *s, struct event_totals totals[EVENT_MAX_FUNCTIONS])
{
	int err = 0;

	for (uint32_t i = 0; i < EVENT_MAX_FUNCTIONS && !err; i++)
		err = maps_sum(bpf_map__fd(s->skeleton->maps.totals), i, (uint64_t *)&totals[i],
			       sizeof(totals[i]) / sizeof(uint64_t));
	return err;
}

int session_pools(const struct session *s, session_pool_fn take, void *context)
{
	return maps_pools(bpf_map__fd(s->skeleton->maps.unsent_pools), take, context);
}

void session_forget(struct session *s, bool (*ended)(pid_t pid))
{
	maps_forget(bpf_map__fd(s->skeleton->maps.births), ended);
	if (s->config.sample_bytes)
		maps_forget(bpf_map__fd(s->skeleton->maps.sampled), ended);
}

int session_lanes(struct session *s, struct lanes *lanes)
{
	return maps_lanes(bpf_map__fd(s->skeleton->maps.lanes), lanes, &s->malformed);
}

int session_cpus(const struct session *s, uint64_t *entered, size_t cpus)
{
	return maps_each_cpu(bpf_map__fd(s->skeleton->maps.counters), EVENT_ENTERED, entered, cpus);
}

uint64_t session_malformed(const struct session *s)
{
	return s->malformed;
}
