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

#include "alloctrace.skel.h"

struct session {
	struct alloctrace_bpf *skeleton;
	struct ring_buffer *ring;
	struct function_set set;
	struct bpf_link **links;
	size_t link_count, link_room;
	session_event_fn take;
	void *context;
	struct event view; /* of the record at hand */
	uint64_t malformed;
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

static int on_record(void *context, void *data, size_t len)
{
	struct session *s = context;

	if (event_decode(&s->view, data, len)) {
		s->malformed++;
		return 0;
	}
	return s->take(s->context, &s->view);
}

static int load(struct session *s, const struct session_config *config)
{
	struct alloctrace_bpf *skeleton = alloctrace_bpf__open();
	int err;

	s->skeleton = skeleton;
	if (!skeleton)
		return -errno;
	skeleton->rodata->config_own_tgid = (uint32_t)getpid();
	skeleton->rodata->config_max_stack = config->max_stack;
	skeleton->rodata->config_min_size = config->min_size;
	skeleton->rodata->config_max_size = config->max_size;
	err = bpf_map__set_max_entries(skeleton->maps.events, ring_bytes(config->ring_size));
	if (!err)
		err = alloctrace_bpf__load(skeleton);
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

static void drop_links(struct session *s, size_t keep)
{
	while (s->link_count > keep)
		bpf_link__destroy(s->links[--s->link_count]);
}

void session_free(struct session *s)
{
	if (!s)
		return;
	drop_links(s, 0);
	free(s->links);
	ring_buffer__free(s->ring);
	alloctrace_bpf__destroy(s->skeleton);
	free(s);
}

const char *session_why(const struct session *s)
{
	return s->why;
}

/* Takes the link, or says why there is none. */
static int keep_link(struct session *s, struct bpf_link *link, const char *what,
		     const struct object *o)
{
	int err = -errno;

	if (!link) {
		snprintf(s->why, sizeof(s->why), "cannot attach to '%s' in '%s': %s", what, o->path,
			 strerror(-err));
		return err;
	}
	if (s->link_count == s->link_room) {
		size_t room = s->link_room ? s->link_room * 2 : 64;
		struct bpf_link **links = realloc(s->links, room * sizeof(*links));

		if (!links) {
			bpf_link__destroy(link);
			return -ENOMEM;
		}
		s->links = links;
		s->link_room = room;
	}
	s->links[s->link_count++] = link;
	return 0;
}

static struct bpf_program *entry_program(const struct session *s, enum function_shape shape)
{
	const struct bpf_program *const by_shape[SHAPE_NR] = {
		[SHAPE_SIZE] = s->skeleton->progs.enter_size,
		[SHAPE_COUNT_SIZE] = s->skeleton->progs.enter_count_size,
		[SHAPE_ALIGN_SIZE] = s->skeleton->progs.enter_align_size,
		[SHAPE_MEMPTR] = s->skeleton->progs.enter_memptr,
		[SHAPE_REALLOC] = s->skeleton->progs.enter_realloc,
		[SHAPE_REALLOCARRAY] = s->skeleton->progs.enter_reallocarray,
		[SHAPE_FREE] = s->skeleton->progs.enter_free,
	};

	return (struct bpf_program *)by_shape[shape];
}

static int attach_site(struct session *s, const struct object *o, const struct object_site *site,
		       pid_t pid)
{
	const struct function *f = &functions[site->function];
	LIBBPF_OPTS(bpf_uprobe_opts, options, .bpf_cookie = site->function);
	uint64_t offset = site->entry + site->site.skip;
	struct bpf_link *link;
	char path[64];
	int err = 0;

	object_fd_path(o, path, sizeof(path));
	if (f->shape != SHAPE_FREE) {
		options.retprobe = true;
		link = bpf_program__attach_uprobe_opts(s->skeleton->progs.leave, pid, path, offset,
						       &options);
		err = keep_link(s, link, f->name, o);
	}
	if (err)
		return err;
	options.retprobe = false;
	link = bpf_program__attach_uprobe_opts(entry_program(s, f->shape), pid, path, offset,
					       &options);
	return keep_link(s, link, f->name, o);
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
		err = keep_link(s, link, what, o);
		if (err)
			return err;
		attached++;
	}
	return attached;
}

int session_attach(struct session *s, const struct object *o, pid_t pid)
{
	size_t before = s->link_count;
	int sites = 0, err = 0;

	for (size_t i = 0; i < o->site_count && !err; i++) {
		if (!(s->set.functions >> o->sites[i].function & 1))
			continue;
		if (o->sites[i].site.cost == SITE_REFUSED) {
			log_warn("'%s' in '%s' is not traced: %s",
				 functions[o->sites[i].function].name, o->path,
				 o->sites[i].site.why);
			continue;
		}
		err = attach_site(s, o, &o->sites[i], pid);
		sites++;
	}
	if (!err && o->has_pools && s->set.pools) {
		err = attach_pools(s, o, pid);
		sites += err > 0 ? err : 0;
	}
	if (err >= 0)
		return sites;
	drop_links(s, before);
	return err;
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
	n = ring_buffer__consume(s->ring);
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
