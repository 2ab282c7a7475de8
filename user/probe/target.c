// SPDX-License-Identifier: MIT
/* From processes to probes: walks the mappings, opens each file once, hands it to the session. */
#include "probe/target.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/log.h"
#include "probe/object.h"
#include "sym/proc.h"

#define MAX_FILES (1 << 20)

/* A file within a scope: a PID, or every process. */
struct file_key {
	uint64_t device, inode;
	int64_t scope;
};

struct visit {
	struct target_attacher *attacher;
	pid_t pid;   /* whose mappings these are */
	pid_t scope; /* for whom the probes are placed */
};

int target_check(pid_t pid, char *why, size_t len)
{
	if (pid == getpid()) {
		snprintf(why, len, "process %d is alloctrace itself", pid);
		return -EINVAL;
	}
	if (!proc_exists(pid)) {
		snprintf(why, len, "no such process: %d", pid);
		return -ESRCH;
	}
	if (!proc_live_thread(pid)) {
		snprintf(why, len, "process %d has ended (it is a zombie)", pid);
		return -ESRCH;
	}
	if (proc_is_kernel_thread(pid)) {
		snprintf(why, len, "process %d is a kernel thread: it has no user memory to trace",
			 pid);
		return -EINVAL;
	}
	if (proc_is_thread(pid)) {
		snprintf(why, len, "%d is a thread, not a process: give the PID of its process",
			 pid);
		return -EINVAL;
	}
	return 0;
}

void target_attacher_init(struct target_attacher *a, struct session *session)
{
	*a = (struct target_attacher){.session = session};
	table_init(&a->seen, sizeof(struct file_key), 0, MAX_FILES);
}

void target_attacher_fini(struct target_attacher *a)
{
	table_fini(&a->seen);
}

static void add_to_summary(struct target_attacher *a, int n, const char *path)
{
	const char *base = strrchr(path, '/');
	size_t used = strlen(a->summary);

	snprintf(a->summary + used, sizeof(a->summary) - used, "%s%d of %s", used ? ", " : "", n,
		 base ? base + 1 : path);
}

static int attach_object(struct target_attacher *a, const struct object *o, pid_t scope)
{
	int n;

	if (!object_is_interesting(o))
		return 0;
	n = session_attach(a->session, o, scope);
	if (n < 0) {
		snprintf(a->why, sizeof(a->why), "%s", session_why(a->session));
		return n;
	}
	if (!n)
		return 0;
	a->sites += (size_t)n;
	add_to_summary(a, n, o->path);
	log_debug("probed %d functions of '%s'%s", n, o->path,
		  o->has_pools ? ", its pools included" : "");
	for (size_t i = 0; i < o->site_count; i++)
		log_debug("  %-16s +%" PRIu64 " %s: %s (%s)", functions[o->sites[i].function].name,
			  o->sites[i].site.skip,
			  o->sites[i].site.cost == SITE_EMULATED ? "emulated" : "single-stepped",
			  o->sites[i].site.instruction, o->sites[i].site.why);
	return 0;
}

/* A file that is no ELF file, or cannot be read, has no allocator: the rest goes on. */
static int visit_file(struct target_attacher *a, int fd, const char *path, pid_t scope)
{
	struct object o;
	int err = object_init(&o, fd, path);

	if (err) {
		log_debug("skipped '%s': %s", path, strerror(-err));
		return 0;
	}
	err = attach_object(a, &o, scope);
	object_fini(&o);
	return err;
}

static int visit_mapping(const struct proc_mapping *m, void *context)
{
	struct visit *v = context;
	struct file_key key = {
		.device = (uint64_t)m->dev_major << 32 | m->dev_minor,
		.inode = m->inode,
		.scope = v->scope,
	};
	bool fresh;
	int fd;

	if (!m->executable || !m->inode)
		return 0;
	table_insert(&v->attacher->seen, &key, &fresh);
	if (!fresh)
		return 0;
	fd = proc_open_mapped(v->pid, m);
	if (fd < 0) {
		log_debug("cannot open '%s' of process %d: %s", m->path, v->pid, strerror(-fd));
		return 0;
	}
	return visit_file(v->attacher, fd, m->path, v->scope);
}

int target_attach_process(struct target_attacher *a, pid_t pid)
{
	pid_t thread = proc_live_thread(pid);
	struct visit v = {.attacher = a, .pid = thread, .scope = thread};
	int err = thread ? proc_each_mapping(thread, visit_mapping, &v) : -ESRCH;

	/* The kernel's own word for a process that ended meanwhile. */
	if (err && !proc_live_thread(pid)) {
		snprintf(a->why, sizeof(a->why), "process %d ended while alloctrace attached to it",
			 pid);
		return -ESRCH;
	}
	if (err && !a->why[0])
		snprintf(a->why, sizeof(a->why), "cannot read the mappings of process %d: %s", pid,
			 strerror(-err));
	return err;
}

int target_attach_mapping(struct target_attacher *a, pid_t pid, pid_t scope,
			  const struct proc_mapping *m)
{
	struct visit v = {.attacher = a, .pid = pid, .scope = scope};

	return visit_mapping(m, &v);
}

/* A process that ends while it is looked at is none; a probe that the kernel refuses is an error.
 */
static int visit_process(pid_t pid, void *context)
{
	struct target_attacher *a = context;
	struct visit v = {.attacher = a, .pid = pid, .scope = SESSION_ALL_PROCESSES};

	if (pid == getpid())
		return 0;
	proc_each_mapping(pid, visit_mapping, &v);
	return a->why[0] ? -EIO : 0;
}

int target_attach_system(struct target_attacher *a)
{
	return proc_each_process(visit_process, a);
}
