// SPDX-License-Identifier: MIT
/* From processes to probes: walks the mappings, opens each file once, hands it to the session. */
#include "probe/target.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"
#include "probe/loader.h"
#include "probe/object.h"
#include "sym/proc.h"

#define MAX_FILES (1 << 20)

/* A mapping as it is told: the device is the kernel's own, and may differ from stat's. */
struct mapping_key {
	uint64_t device, inode, generation;
	int64_t scope;
};

struct attached_key {
	struct target_file file;
	int64_t scope;
};

/* The probes of a file. */
struct attached {
	struct uprobe_links links;
	char *path;                           /* owned; for people */
	uint64_t mapped_device, mapped_inode; /* as its mappings say; 0: none was seen yet */
	uint64_t round;                       /* the last in which it was seen to be mapped */
	int64_t sites;
	uint64_t functions; /* as object.h has them defined */
	bool ahead;         /* placed before anybody mapped it: stays for good */
	bool counted;       /* in the sum of what was probed */
};

static uint64_t device_of(const struct proc_mapping *m)
{
	return (uint64_t)m->dev_major << 32 | m->dev_minor;
}

struct visit {
	struct target_attacher *attacher;
	pid_t pid;             /* whose mappings these are */
	pid_t scope;           /* for whom the probes are placed */
	int refused;           /* 0, or the kernel's word on the file that it refused last … */
	char refused_why[512]; /* … which is not said yet */
};

void target_attacher_init(struct target_attacher *a, struct session *session,
			  struct functions *functions, struct scanner *scanner,
			  const struct symbolizer *symbolizer)
{
	*a = (struct target_attacher){.session = session,
				      .functions = functions,
				      .scanner = scanner,
				      .symbolizer = symbolizer};
	table_init(&a->seen, sizeof(struct mapping_key), 0, MAX_FILES);
	table_init(&a->attached, sizeof(struct attached_key), sizeof(struct attached), MAX_FILES);
}

static void drop(struct attached *t)
{
	uprobe_drop(&t->links, 0);
	free(t->path);
}

/* All probes are dropped together in the end. */
static bool gather(const void *key, void *value, void *context)
{
	struct attached *t = value;

	(void)key;
	uprobe_move(context, &t->links);
	drop(t);
	return true;
}

void target_attacher_fini(struct target_attacher *a)
{
	struct uprobe_links all = {0};

	table_sweep(&a->attached, gather, &all);
	uprobe_drop(&all, 0);
	table_fini(&a->attached);
	table_fini(&a->seen);
}

static void add_to_summary(struct target_attacher *a, int n, const char *path)
{
	const char *base = strrchr(path, '/');
	size_t used = strlen(a->summary);

	snprintf(a->summary + used, sizeof(a->summary) - used, "%s%d of %s", used ? ", " : "", n,
		 base ? base + 1 : path);
}

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void describe(const struct target_attacher *a, const struct object *o, int n, bool ahead,
		     double ms)
{
	log_debug("probed %d functions of '%s'%s in %.1f ms%s", n, o->path,
		  o->has_pools || o->has_otel_pools ? ", its pools included," : "", ms,
		  ahead ? ", ahead: nobody is known to map it yet" : "");
	for (size_t i = 0; i < o->site_count && !ahead; i++)
		log_debug("  %-16s +%" PRIu64 " %s: %s (%s)",
			  a->functions->rows[o->sites[i].function].name, o->sites[i].site.skip,
			  o->sites[i].site.cost == SITE_EMULATED ? "emulated" : "single-stepped",
			  o->sites[i].site.instruction, o->sites[i].site.why);
}

/* The probes of the file, kept in `t`. How many, or a negative errno. */
static int attach_object(struct target_attacher *a, const struct object *o, pid_t scope,
			 struct attached *t)
{
	double begun = now_ms();
	int n = session_attach(a->session, o, scope, &t->links);

	if (n < 0) {
		a->company.incomplete = true;
		snprintf(a->why, sizeof(a->why), "%s", session_why(a->session));
		return n;
	}
	if (!n)
		return 0;
	t->sites = n;
	t->path = strdup(o->path);
	t->round = a->round;
	t->functions = o->defined;
	describe(a, o, n, t->ahead, now_ms() - begun);
	return n;
}

static bool is_named(const struct target_attacher *a, const struct target_file *file)
{
	for (size_t i = 0; i < a->named_count; i++) {
		if (a->named[i].file.device == file->device &&
		    a->named[i].file.inode == file->inode)
			return true;
	}
	return false;
}

/* A file that is no ELF file, or cannot be read, has no allocator: the rest goes on. */
static int attach_file(struct target_attacher *a, int fd, const char *path, pid_t scope,
		       struct attached *t, bool named)
{
	struct object o;
	int err = object_init(&o, a->scanner, fd, path, a->functions, named);

	if (err == -ENOEXEC || err == -ENOMEM)
		log_debug("skipped '%s': %s", path, scan_strerror(err));
	else if (err)
		log_warn("'%s' is not traced: %s", path, scan_strerror(err));
	a->company.incomplete |= (err && err != -ENOEXEC) || (!err && o.is_partial);
	if (err)
		return 0;
	if (object_is_interesting(&o))
		err = attach_object(a, &o, scope, t);
	object_fini(&o);
	return err;
}

/* From now on it belongs to what was probed. */
static void count_attached(struct target_attacher *a, struct attached *t, const char *path)
{
	t->counted = true;
	a->sites += (size_t)t->sites;
	a->functions_seen |= t->functions;
	add_to_summary(a, (int)t->sites, path);
}

/* Somebody maps it: its mappings are known again by this. */
static int note_mapped(struct target_attacher *a, struct attached *t, const struct proc_mapping *m)
{
	t->mapped_device = device_of(m);
	t->mapped_inode = m->inode;
	t->round = a->round;
	if (t->counted)
		return TARGET_OLD;
	count_attached(a, t, m->path);
	company_note(&a->company, a->functions, t->functions, m);
	return t->ahead ? TARGET_AHEAD : TARGET_LATE;
}

/*
 * The file behind `fd`, which is taken. Its entry in `attached` is made when there is something to
 * probe; NULL with 0 in *err: there is not.
 */
static struct attached *find_or_attach(struct target_attacher *a, int fd, const char *path,
				       pid_t scope, bool ahead, int *err)
{
	struct attached_key key = {.scope = scope};
	struct attached *t, fresh_one = {.ahead = ahead};
	struct stat st;
	bool fresh, named;

	*err = fstat(fd, &st) ? -errno : 0;
	key.file = (struct target_file){.device = st.st_dev, .inode = st.st_ino};
	t = *err ? NULL : table_find(&a->attached, &key);
	named = !*err && is_named(a, &key.file);
	if (t || *err || (a->named_count && !named)) {
		close(fd);
		return t;
	}
	*err = attach_file(a, fd, path, scope, &fresh_one, named);
	if (*err <= 0)
		return NULL;
	*err = 0;
	t = table_insert(&a->attached, &key, &fresh);
	if (t)
		*t = fresh_one;
	else
		drop(&fresh_one);
	return t;
}

/* TARGET_OLD and so on, or a negative errno. */
static int take_mapping(struct visit *v, const struct proc_mapping *m)
{
	struct mapping_key key = {
		.device = device_of(m),
		.inode = m->inode,
		.generation = m->generation,
		.scope = v->scope,
	};
	struct attached *t;
	bool fresh;
	int fd, err;

	if (!m->executable || !m->inode)
		return TARGET_OLD;
	table_insert(&v->attacher->seen, &key, &fresh);
	if (!fresh)
		return TARGET_OLD;
	fd = proc_open_mapped(v->pid, m);
	if (fd < 0) {
		log_debug("cannot open '%s' of process %d: %s", m->path, v->pid, strerror(-fd));
		table_remove(&v->attacher->seen, &key); /* another process may show it */
		v->attacher->company.incomplete = true;
		return TARGET_OLD;
	}
	t = find_or_attach(v->attacher, fd, m->path, v->scope, false, &err);
	return t ? note_mapped(v->attacher, t, m) : err;
}

static void say_refused(struct visit *v)
{
	if (v->refused)
		log_warn("%s", v->refused_why);
	v->refused = 0;
}

/* What the kernel refuses is said, and the rest goes on. */
static int visit_mapping(const struct proc_mapping *m, void *context)
{
	struct visit *v = context;
	int err = take_mapping(v, m);

	if (err >= 0)
		return 0;
	if (proc_live_thread(v->pid)) { /* else it has ended: no loss */
		say_refused(v);
		v->refused = err;
		strcpy(v->refused_why, v->attacher->why);
	}
	v->attacher->why[0] = '\0';
	return 0;
}

int target_attach_process(struct target_attacher *a, pid_t pid, bool alone)
{
	pid_t thread = proc_live_thread(pid);
	struct visit v = {
		.attacher = a, .pid = thread, .scope = alone ? thread : SESSION_ALL_PROCESSES};
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
	if (!err && v.refused && !a->sites) { /* that was all there is */
		strcpy(a->why, v.refused_why);
		return v.refused;
	}
	say_refused(&v);
	return err;
}

int target_attach_mapping(struct target_attacher *a, pid_t pid, pid_t scope,
			  const struct proc_mapping *m)
{
	struct visit v = {.attacher = a, .pid = pid, .scope = scope};

	return take_mapping(&v, m);
}

/* alloctrace itself, and the processes that read files for it. */
static bool is_own(const struct target_attacher *a, pid_t pid)
{
	return pid == getpid() || scanner_owns(a->scanner, pid) ||
	       symbolizer_owns(a->symbolizer, pid);
}

/* A process that ends while it is looked at is none. */
static int visit_process(pid_t pid, void *context)
{
	struct visit v = {.attacher = context, .pid = pid, .scope = SESSION_ALL_PROCESSES};

	if (!is_own(v.attacher, pid))
		proc_each_mapping(pid, visit_mapping, &v);
	say_refused(&v);
	return 0;
}

void target_attach_system(struct target_attacher *a)
{
	proc_each_process(visit_process, a);
}

/* ---- files by name */

static int open_path(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return S_ISDIR(st.st_mode) ? -EISDIR : -EMEDIUMTYPE;
}

int target_name_object(struct target_attacher *a, const char *path)
{
	struct object o;
	struct stat st;
	int fd = open_path(path), err = fd < 0 ? fd : 0;

	if (!err && fstat(fd, &st))
		err = -errno;
	if (!err && a->named_count == TARGET_MAX_NAMED)
		err = -E2BIG;
	if (!err) {
		a->named[a->named_count++] = (struct target_named){
			.path = path, .file = {.device = st.st_dev, .inode = st.st_ino}};
		err = object_init(&o, a->scanner, fd, path, a->functions, true);
	}
	if (err) {
		snprintf(a->why, sizeof(a->why), "cannot probe '%s': %s", path,
			 err == -EMEDIUMTYPE ? "not a regular file" : scan_strerror(err));
		return err;
	}
	if (!object_is_interesting(&o)) {
		snprintf(a->why, sizeof(a->why),
			 "cannot probe '%s': it defines none of the functions that are looked for",
			 path);
		err = -ENOENT;
	}
	object_fini(&o);
	return err;
}

struct ahead {
	struct target_attacher *attacher;
	pid_t scope;
};

static struct attached *attach_path(const struct ahead *ahead, const char *path)
{
	int fd = open_path(path), err;
	struct attached *t = NULL;

	if (fd >= 0)
		t = find_or_attach(ahead->attacher, fd, path, ahead->scope, true, &err);
	ahead->attacher->why[0] = '\0';
	return t;
}

static void visit_allocator(void *context, const char *path)
{
	attach_path(context, path);
}

/* In the whole system it is enough that the user has named it; a process must map it. */
static void attach_named(const struct ahead *ahead, const char *path)
{
	struct target_attacher *a = ahead->attacher;
	struct attached *t = attach_path(ahead, path);

	if (t && !t->counted && ahead->scope == SESSION_ALL_PROCESSES)
		count_attached(a, t, path);
}

void target_attach_ahead(struct target_attacher *a, pid_t scope, const char *preload)
{
	const struct ahead ahead = {.attacher = a, .scope = scope};

	for (size_t i = 0; i < a->named_count; i++)
		attach_named(&ahead, a->named[i].path);
	if (!a->named_count && session_is_multi(a->session))
		loader_each_allocator(visit_allocator, (void *)&ahead, preload);
}

/* ---- letting go */

struct marking {
	struct target_attacher *attacher;
	const struct proc_mapping *mapping;
	bool let_go;
};

static bool mark_if_mapped(const void *key, void *value, void *context)
{
	const struct marking *marking = context;
	struct attached *t = value;

	(void)key;
	if (t->mapped_inode == marking->mapping->inode &&
	    t->mapped_device == device_of(marking->mapping))
		t->round = marking->attacher->round;
	return false;
}

static int mark_mapping(const struct proc_mapping *m, void *context)
{
	struct marking *marking = context;

	marking->mapping = m;
	if (m->executable && m->inode)
		table_sweep(&marking->attacher->attached, mark_if_mapped, marking);
	return 0;
}

static int mark_process(pid_t pid, void *context)
{
	proc_each_mapping(pid, mark_mapping, context);
	return 0;
}

static bool drop_if_unmapped(const void *key, void *value, void *context)
{
	struct marking *marking = context;
	struct attached *t = value;

	(void)key;
	if (t->ahead || t->round == marking->attacher->round)
		return false;
	log_debug("let go of %" PRId64 " functions of '%s': nobody maps it any more", t->sites,
		  t->path);
	marking->attacher->sites -= (size_t)t->sites;
	marking->let_go = true;
	drop(t);
	return true;
}

void target_let_go(struct target_attacher *a)
{
	struct marking marking = {.attacher = a};

	a->round++;
	proc_each_process(mark_process, &marking);
	table_sweep(&a->attached, drop_if_unmapped, &marking);
	if (!marking.let_go)
		return;
	/* What was let go is probed anew when it comes again. */
	table_fini(&a->seen);
	table_init(&a->seen, sizeof(struct mapping_key), 0, MAX_FILES);
}
