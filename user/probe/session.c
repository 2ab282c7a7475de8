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
#include <unistd.h>

#include "core/log.h"
#include "probe/uprobe.h"

#include "alloctrace.skel.h"

struct session {
	struct alloctrace_bpf *skeleton;
	struct ring_buffer *ring;
	struct function_set set;
	struct uprobe_links links;
	bool multi; /* by multi links, not by perf events */
	session_event_fn take;
	void *context;
	struct event view; /* of the record at hand */
	uint64_t malformed;
	unsigned int drained; /* records, in this drain */
	char why[512];
};

static int log_library(enum libbpf_print_level level, const char *format, va_list args)
{
	char line[1024];

	if (level == LIBBPF_DEBUG || log_get_level() < LOG_VERBOSE)
		return 0;
	vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\n")] = '\0';
	log_debug("%s", line);
	return 0;
}

void session_quiet_library(void)
{
	libbpf_set_print(log_library);
}

static uint32_t ring_bytes(uint64_t wanted)
{
	uint64_t bytes = (uint64_t)sysconf(_SC_PAGESIZE);

	while (bytes < wanted && bytes < 1ULL << 30)
		bytes *= 2;
	return (uint32_t)bytes;
}

/* libbpf ends the drain at a negative answer, and has taken the record then. */
static int on_record(void *context, void *data, size_t len)
{
	struct session *s = context;

	if (event_decode(&s->view, data, len))
		s->malformed++;
	else
		s->take(s->context, &s->view);
	return ++s->drained < SESSION_DRAIN_MAX ? 0 : -EAGAIN;
}

static void entry_programs(const struct session *s, struct bpf_program *by_shape[SHAPE_NR])
{
	by_shape[SHAPE_SIZE] = s->skeleton->progs.enter_size;
	by_shape[SHAPE_COUNT_SIZE] = s->skeleton->progs.enter_count_size;
	by_shape[SHAPE_ALIGN_SIZE] = s->skeleton->progs.enter_align_size;
	by_shape[SHAPE_SIZE_ALIGN] = s->skeleton->progs.enter_size_align;
	by_shape[SHAPE_MEMPTR] = s->skeleton->progs.enter_memptr;
	by_shape[SHAPE_REALLOC] = s->skeleton->progs.enter_realloc;
	by_shape[SHAPE_REALLOCARRAY] = s->skeleton->progs.enter_reallocarray;
	by_shape[SHAPE_FREE] = s->skeleton->progs.enter_free;
}

static void choose_mechanism(struct session *s)
{
	struct bpf_program *programs[SHAPE_NR];

	s->multi = uprobe_multi_supported();
	log_debug("uprobes by %s",
		  s->multi ? "one multi link a program" : "one perf event a place");
	entry_programs(s, programs);
	for (int shape = 0; shape < SHAPE_NR; shape++)
		uprobe_choose(programs[shape], s->multi);
	uprobe_choose(s->skeleton->progs.leave, s->multi);
}

static void set_knobs(struct alloctrace_bpf *skeleton, const struct session_config *config)
{
	skeleton->rodata->config_own_tgid = (uint32_t)getpid();
	skeleton->rodata->config_max_stack = config->max_stack;
	skeleton->rodata->config_min_size = config->min_size;
	skeleton->rodata->config_max_size = config->max_size;
	skeleton->rodata->config_by_uid = config->by_uid;
	skeleton->rodata->config_uid = config->uid;
	skeleton->rodata->config_by_cgroup = config->by_cgroup;
	skeleton->rodata->config_cgroup = config->cgroup.id;
	skeleton->rodata->config_cgroup_level = config->cgroup.level;
	skeleton->rodata->config_by_comm = config->comm;
	if (config->comm) /* the last byte stays zero */
		memcpy(skeleton->rodata->config_comm, config->comm,
		       strnlen(config->comm, sizeof(skeleton->rodata->config_comm) - 1));
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
	bpf_program__set_autoload(skeleton->progs.thread_exit, !s->multi);
	err = bpf_map__set_max_entries(skeleton->maps.events, ring_bytes(config->ring_size));
	if (!err)
		err = alloctrace_bpf__load(skeleton);
	if (err)
		return err;
	if (!s->multi)
		err = uprobe_keep(&s->links, bpf_program__attach(skeleton->progs.thread_exit));
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
	s->set = config->set;
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

bool session_outlives_main(const struct session *s)
{
	return s->multi;
}

const char *session_why(const struct session *s)
{
	return s->why;
}

/* Says why, when there is an error to explain; returns it. */
static int explain(struct session *s, int err, const char *what, const struct object *o)
{
	if (err)
		snprintf(s->why, sizeof(s->why), "cannot attach to '%s' in '%s': %s", what, o->path,
			 strerror(-err));
	return err;
}

static void add_place(struct uprobe_places *p, const struct object_site *site)
{
	p->offsets[p->count] = site->entry + site->site.skip;
	p->cookies[p->count++] = site->function;
}

/* Whether the site is asked for, and safe; what is not safe is said. */
static bool is_wanted(const struct session *s, const struct object *o,
		      const struct object_site *site)
{
	if (!(s->set.functions >> site->function & 1))
		return false;
	if (site->site.cost != SITE_REFUSED)
		return true;
	log_warn("'%s' in '%s' is not traced: %s", functions[site->function].name, o->path,
		 site->site.why);
	return false;
}

/* Return probes first: an entry must never be seen whose return is not. */
static int attach_functions(struct session *s, const struct object *o, pid_t pid)
{
	struct uprobe_places returns = {.count = 0}, entries[SHAPE_NR] = {{.count = 0}};
	struct bpf_program *programs[SHAPE_NR];
	char path[64];
	int sites = 0, err;

	object_fd_path(o, path, sizeof(path));
	entry_programs(s, programs);
	for (size_t i = 0; i < o->site_count; i++) {
		enum function_shape shape = functions[o->sites[i].function].shape;

		if (!is_wanted(s, o, &o->sites[i]))
			continue;
		add_place(&entries[shape], &o->sites[i]);
		if (shape != SHAPE_FREE)
			add_place(&returns, &o->sites[i]);
		sites++;
	}
	err = uprobe_attach(&s->links, s->skeleton->progs.leave, s->multi, true, pid, path,
			    &returns);
	for (int shape = 0; shape < SHAPE_NR && !err; shape++)
		err = uprobe_attach(&s->links, programs[shape], s->multi, false, pid, path,
				    &entries[shape]);
	return err ? explain(s, err, "malloc and its kin", o) : sites;
}

static int attach_pools(struct session *s, const struct object *o, pid_t pid)
{
	const struct {
		struct bpf_program *program;
		const char *probe;
	} probes[] = {
		{s->skeleton->progs.pool_create, "create"},
		{s->skeleton->progs.pool_alloc, "alloc"},
		{s->skeleton->progs.pool_free, "free"},
		{s->skeleton->progs.pool_destroy, "destroy"},
	};
	char path[64], what[64];
	int attached = 0;

	object_fd_path(o, path, sizeof(path));
	for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
		struct bpf_link *link = bpf_program__attach_usdt(
			probes[i].program, pid, path, "alloctrace", probes[i].probe, NULL);
		int err;

		if (!link && errno == ENOENT)
			continue; /* a program need not use all four */
		snprintf(what, sizeof(what), "alloctrace:%s", probes[i].probe);
		err = explain(s, uprobe_keep(&s->links, link), what, o);
		if (err)
			return err;
		attached++;
	}
	return attached;
}

int session_attach(struct session *s, const struct object *o, pid_t pid)
{
	size_t before = s->links.count;
	int sites = attach_functions(s, o, pid), pools = 0;

	if (sites >= 0 && o->has_pools && s->set.pools)
		pools = attach_pools(s, o, pid);
	if (sites >= 0 && pools >= 0)
		return sites + pools;
	uprobe_drop(&s->links, before);
	return sites < 0 ? sites : pools;
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
	return n < 0 ? n : 0;
}

int session_counters(const struct session *s, uint64_t counters[EVENT_NR_COUNTERS])
{
	int cpus = libbpf_num_possible_cpus(), fd = bpf_map__fd(s->skeleton->maps.counters);
	uint64_t *values;
	int err = 0;

	if (cpus < 0)
		return cpus;
	values = calloc((size_t)cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	for (uint32_t i = 0; i < EVENT_NR_COUNTERS && !err; i++) {
		err = bpf_map_lookup_elem(fd, &i, values) ? -errno : 0;
		counters[i] = 0;
		for (int cpu = 0; cpu < cpus; cpu++)
			counters[i] += values[cpu];
	}
	free(values);
	return err;
}

uint64_t session_malformed(const struct session *s)
{
	return s->malformed;
}
