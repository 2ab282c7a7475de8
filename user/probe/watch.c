// SPDX-License-Identifier: MIT
/*
 * One dummy software event a CPU, each with a ring of its own. Format: perf_event_open(2), "mmap
 * layout", and the sample_id trailer {pid, tid, time} that sample_id_all adds to every record.
 */
#include "probe/watch.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define RING_PAGES 64 /* data pages of a CPU's ring; a power of two */

struct watch_cpu {
	int fd;
	struct perf_event_mmap_page *page; /* followed by the data */
};

struct watch {
	int epoll; /* over all CPUs */
	size_t cpu_count;
	struct watch_cpu *cpus;
	size_t page_size;
	struct watch_record *records;
	size_t record_count, record_room;
	char *paths; /* backs the paths of the records, as offsets until the read is over */
	size_t path_bytes, path_room;
};

/* The trailer of every record: PERF_SAMPLE_TID | PERF_SAMPLE_TIME. */
struct trailer {
	uint32_t pid, tid;
	uint64_t time;
};

struct mmap2_body {
	uint32_t pid, tid;
	uint64_t addr, len, pgoff;
	uint32_t major, minor;
	uint64_t inode, generation;
	uint32_t prot, flags;
	char filename[];
};

struct task_body {
	uint32_t pid, parent;
	uint32_t tid, parent_tid;
	uint64_t time;
};

static int open_cpu(int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME,
		.mmap = 1,
		.mmap2 = 1,
		.comm = 1,
		.comm_exec = 1,
		.task = 1,
		.sample_id_all = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
		.wakeup_events = 1,
	};
	long fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : (int)fd;
}

static size_t ring_length(const struct watch *w)
{
	return (RING_PAGES + 1) * w->page_size;
}

static int add_cpu(struct watch *w, int cpu)
{
	struct epoll_event readable = {.events = EPOLLIN};
	int fd = open_cpu(cpu);
	void *page;

	if (fd == -ENODEV) /* an offline CPU */
		return 0;
	if (fd < 0)
		return fd;
	page = mmap(NULL, ring_length(w), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED) {
		int err = -errno;

		close(fd);
		return err;
	}
	w->cpus[w->cpu_count++] = (struct watch_cpu){.fd = fd, .page = page};
	return epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &readable) ? -errno : 0;
}

struct watch *watch_new(int *err)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	struct watch *w = calloc(1, sizeof(*w));

	*err = -ENOMEM;
	if (!w)
		return NULL;
	w->epoll = -1;
	w->page_size = (size_t)sysconf(_SC_PAGESIZE);
	w->cpus = calloc((size_t)cpus, sizeof(*w->cpus));
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!w->cpus || w->epoll < 0)
		goto fail;
	*err = 0;
	for (int cpu = 0; cpu < cpus && !*err; cpu++)
		*err = add_cpu(w, cpu);
	if (!*err)
		return w;
fail:
	watch_free(w);
	return NULL;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->cpu_count; i++) {
		munmap(w->cpus[i].page, ring_length(w));
		close(w->cpus[i].fd);
	}
	if (w->epoll >= 0)
		close(w->epoll);
	free(w->cpus);
	free(w->records);
	free(w->paths);
	free(w);
}

int watch_fd(const struct watch *w)
{
	return w->epoll;
}

/* Doubles an array that is full; false when there is no memory. */
static bool make_room(void **array, size_t *room, size_t need, size_t item)
{
	size_t bigger = *room ? *room : 64;
	void *grown;

	if (need <= *room)
		return true;
	while (bigger < need)
		bigger *= 2;
	grown = realloc(*array, bigger * item);
	if (!grown)
		return false;
	*array = grown;
	*room = bigger;
	return true;
}

static struct watch_record *add_record(struct watch *w, enum watch_kind kind)
{
	struct watch_record *r;

	if (!make_room((void **)&w->records, &w->record_room, w->record_count + 1, sizeof(*r)))
		return NULL;
	r = &w->records[w->record_count++];
	*r = (struct watch_record){.kind = kind};
	return r;
}

/* The path is kept as an offset into `paths` until that buffer has stopped moving. */
static void add_map(struct watch *w, const struct mmap2_body *m, size_t body,
		    const struct trailer *t)
{
	size_t length = strnlen(m->filename, body - sizeof(*m));
	struct watch_record *r;

	if (!make_room((void **)&w->paths, &w->path_room, w->path_bytes + length + 1, 1))
		return;
	r = add_record(w, WATCH_MAP);
	if (!r)
		return;
	r->ts_ns = t->time;
	r->pid = (pid_t)m->pid;
	r->mapping = (struct proc_mapping){
		.start = m->addr,
		.end = m->addr + m->len,
		.offset = m->pgoff,
		.inode = m->inode,
		.made_ns = t->time,
		.generation = m->generation,
		.dev_major = m->major,
		.dev_minor = m->minor,
		.executable = m->prot & PROT_EXEC,
		.path = (const char *)w->path_bytes,
	};
	memcpy(w->paths + w->path_bytes, m->filename, length);
	w->paths[w->path_bytes + length] = '\0';
	w->path_bytes += length + 1;
}

static void add_task(struct watch *w, enum watch_kind kind, const struct task_body *task)
{
	struct watch_record *r;

	/* A new or ending thread is no news: only whole processes have address spaces. */
	if (kind == WATCH_FORK ? task->pid == task->parent : task->pid != task->tid)
		return;
	r = add_record(w, kind);
	if (!r)
		return;
	r->ts_ns = task->time;
	r->pid = (pid_t)task->pid;
	r->parent = (pid_t)task->parent;
}

static void add_exec(struct watch *w, const struct trailer *t)
{
	struct watch_record *r = add_record(w, WATCH_EXEC);

	if (!r)
		return;
	r->ts_ns = t->time;
	r->pid = (pid_t)t->pid;
}

static void add_lost(struct watch *w, const uint64_t *id_and_lost)
{
	struct watch_record *r = add_record(w, WATCH_LOST);

	if (!r)
		return;
	/* Behind all that was not lost: what is read anew because of it is younger. */
	r->ts_ns = UINT64_MAX;
	r->lost = id_and_lost[1];
}

static void take(struct watch *w, const struct perf_event_header *header)
{
	size_t size = header->size - sizeof(*header);
	const void *body = header + 1;
	const struct trailer *t;

	if (size < sizeof(*t))
		return;
	t = (const void *)((const char *)body + size - sizeof(*t));
	size -= sizeof(*t);
	if (header->type == PERF_RECORD_MMAP2 && size > sizeof(struct mmap2_body))
		add_map(w, body, size, t);
	else if (header->type == PERF_RECORD_COMM && header->misc & PERF_RECORD_MISC_COMM_EXEC)
		add_exec(w, t);
	else if (header->type == PERF_RECORD_FORK && size >= sizeof(struct task_body))
		add_task(w, WATCH_FORK, body);
	else if (header->type == PERF_RECORD_EXIT && size >= sizeof(struct task_body))
		add_task(w, WATCH_EXIT, body);
	else if (header->type == PERF_RECORD_LOST && size >= 2 * sizeof(uint64_t))
		add_lost(w, body);
}

/* Copies a record out of the ring, which it may wrap around. */
static void copy_out(void *to, const char *data, size_t ring, uint64_t at, size_t n)
{
	size_t from = at % ring, first = ring - from < n ? ring - from : n;

	memcpy(to, data + from, first);
	memcpy((char *)to + first, data, n - first);
}

static void read_cpu(struct watch *w, const struct watch_cpu *cpu)
{
	const char *data = (const char *)cpu->page + w->page_size;
	uint64_t head = __atomic_load_n(&cpu->page->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = cpu->page->data_tail;
	size_t ring = RING_PAGES * w->page_size;
	union {
		struct perf_event_header header;
		uint64_t aligned[(1 << 16) / sizeof(uint64_t)]; /* header.size is 16 bits wide */
	} record;

	while (tail < head) {
		copy_out(&record, data, ring, tail, sizeof(record.header));
		if (record.header.size < sizeof(record.header))
			break;
		copy_out(&record, data, ring, tail, record.header.size);
		tail += record.header.size;
		take(w, &record.header);
	}
	__atomic_store_n(&cpu->page->data_tail, head, __ATOMIC_RELEASE);
}

static int by_time(const void *a, const void *b)
{
	const struct watch_record *x = a, *y = b;

	return (x->ts_ns > y->ts_ns) - (x->ts_ns < y->ts_ns);
}

ssize_t watch_read(struct watch *w, const struct watch_record **records)
{
	w->record_count = w->path_bytes = 0;
	for (size_t i = 0; i < w->cpu_count; i++)
		read_cpu(w, &w->cpus[i]);
	for (size_t i = 0; i < w->record_count; i++) {
		struct watch_record *r = &w->records[i];

		if (r->kind == WATCH_MAP)
			proc_mapping_set_path(&r->mapping, w->paths + (size_t)r->mapping.path);
	}
	if (w->record_count > 1)
		qsort(w->records, w->record_count, sizeof(*w->records), by_time);
	*records = w->records;
	return (ssize_t)w->record_count;
}
