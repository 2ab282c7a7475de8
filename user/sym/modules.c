/*
 * Hides how files are told apart. The decisions:
 *
 * - A file is known by the device and inode the list of mappings shows: as long as it is held open
 *   its inode cannot be used again, so a hit needs no look at the file.
 * - Where stat shows another device than that list (btrfs, overlayfs), the number in the list does
 *   not tell files apart: it is shared by subvolumes. There the file is opened each time and
 *   known by what stat shows.
 * - Copies of a file, as containers have, share one module when path, size and build-id agree. The
 *   copy's own descriptor is not kept, so its number is not remembered either.
 * - A module nobody uses is kept until their number has doubled: the next process will map the
 *   same libraries, and their debug information is read already.
 */
#include "sym/modules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "sym/module.h"
#include "sym/names.h"
#include "sym/store.h"
#include "sym/vdso.h"

#define SWEEP_FIRST 256

/* What tells a file from all others. A special module has the inode 0 and a device of no file. */
struct identity {
	uint32_t dev_major, dev_minor;
	uint64_t inode;
};

struct known {
	struct identity listed; /* in the list of mappings */
	struct identity real;   /* by stat */
	struct module *module;
};

struct modules {
	struct names *names;
	struct reader *reader;
	struct vdso vdso;
	struct reader *guests; /* reads what others may have written, when answers are kept */
	struct store *store;   /* NULL: they are not */
	struct known *at; /* sorted by `listed`; the real one is another where it is not unique */
	size_t count, capacity;
	size_t sweep_at; /* the count at which unused modules are closed */
	uint32_t next_id;
};

static int identity_order(const struct identity *a, const struct identity *b)
{
	if (a->inode != b->inode)
		return a->inode < b->inode ? -1 : 1;
	if (a->dev_major != b->dev_major)
		return a->dev_major < b->dev_major ? -1 : 1;
	return (a->dev_minor > b->dev_minor) - (a->dev_minor < b->dev_minor);
}

static size_t first_not_below(const struct modules *t, const struct identity *id)
{
	size_t low = 0, high = t->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (identity_order(&t->at[middle].listed, id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct modules *modules_new(struct names *names, struct reader *reader)
{
	struct modules *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->names = names;
	t->reader = reader;
	t->sweep_at = SWEEP_FIRST;
	t->next_id = 1; /* 0 is never a module */
	vdso_init(&t->vdso);
	return t;
}

void modules_keep(struct modules *t, struct store *store, struct reader *guests)
{
	t->store = store;
	t->guests = guests;
}

void modules_free(struct modules *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->count; i++)
		module_unref(t->at[i].module);
	free(t->at);
	vdso_fini(&t->vdso);
	free(t);
}

void modules_sweep(struct modules *t)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->count; i++) {
		if (module_is_shared(t->at[i].module))
			t->at[kept++] = t->at[i];
		else
			module_unref(t->at[i].module);
	}
	t->count = kept;
	t->sweep_at = kept * 2 > SWEEP_FIRST ? kept * 2 : SWEEP_FIRST;
}

/* Keeps the module under its identity; the reference of the set is a new one. */
static int modules_hold(struct modules *t, const struct known *k)
{
	size_t index;

	if (t->count >= t->sweep_at)
		modules_sweep(t);
	if (t->count == t->capacity) {
		size_t capacity = t->capacity ? t->capacity * 2 : 64;
		struct known *at = reallocarray(t->at, capacity, sizeof(*at));

		if (!at)
			return -ENOMEM;
		t->at = at;
		t->capacity = capacity;
	}
	index = first_not_below(t, &k->listed);
	memmove(&t->at[index + 1], &t->at[index], (t->count - index) * sizeof(*t->at));
	t->at[index] = *k;
	t->count++;
	module_ref(k->module);
	return 0;
}

/* What lies in no file is ours as well, and another one with each kernel: it is not kept. */
static struct module *make_module(struct modules *t, int fd, const char *path, bool special)
{
	struct store_key key;
	bool ours = !t->store || special || store_identify(fd, &key);
	struct module *m =
		module_new(fd, path, t->names, ours ? t->reader : t->guests, t->next_id++);

	if (m && t->store && ours && !special)
		module_keep(m, t->store);
	return m;
}

struct module *modules_make(struct modules *t, int fd, const char *path)
{
	const char *name = names_intern(t->names, path);

	if (name)
		return make_module(t, fd, name, path[0] == '[');
	if (fd >= 0)
		close(fd);
	return NULL;
}

int modules_open_vdso(const struct modules *t)
{
	return t->vdso.fd < 0 ? -1 : fcntl(t->vdso.fd, F_DUPFD_CLOEXEC, 0);
}

/* A new module under `k`, with a reference for the caller, or a known one of the same program. */
static int modules_add(struct modules *t, struct known *k, int fd, const char *name,
		       struct module **m)
{
	const char *path = names_intern(t->names, name);

	if (!path) {
		if (fd >= 0)
			close(fd);
		return -ENOMEM;
	}
	k->module = make_module(t, fd, path, !k->listed.inode);
	if (!k->module)
		return -ENOMEM;
	for (size_t i = 0; i < t->count; i++) {
		if (!module_is_same(t->at[i].module, k->module))
			continue;
		module_unref(k->module);
		*m = module_ref(t->at[i].module);
		return 0;
	}
	if (modules_hold(t, k)) {
		module_unref(k->module);
		return -ENOMEM;
	}
	*m = k->module;
	return 0;
}

/* `file` is what it is read from, borrowed; -1: it has no names. */
static int get_special(struct modules *t, const char *name, int file, struct module **m)
{
	struct known k = {0};

	for (size_t i = 0; i < t->count && !t->at[i].listed.inode; i++) {
		if (strcmp(module_path(t->at[i].module), name) ||
		    module_is_open(t->at[i].module) != (file >= 0))
			continue;
		*m = module_ref(t->at[i].module);
		return 0;
	}
	if (file >= 0)
		file = fcntl(file, F_DUPFD_CLOEXEC, 0);
	return modules_add(t, &k, file, name, m);
}

/* Named regions of the kernel are few; any other name may have been made up by a program. */
static const char *special_name(const struct proc_mapping *mapping)
{
	static const char *const known[] = {"[vdso]", "[vsyscall]", "[uprobes]", "[stack]",
					    "[heap]"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(mapping->path, known[i]))
			return known[i];
	return "[anon]";
}

static struct module *find_listed(const struct modules *t, const struct identity *id)
{
	for (size_t i = first_not_below(t, id);
	     i < t->count && !identity_order(&t->at[i].listed, id); i++)
		if (!identity_order(&t->at[i].real, id))
			return t->at[i].module;
	return NULL;
}

static struct module *find_real(const struct modules *t, const struct identity *id)
{
	for (size_t i = 0; i < t->count; i++)
		if (!identity_order(&t->at[i].real, id))
			return t->at[i].module;
	return NULL;
}

/* Closes what is not needed when descriptors are out, and tries once more. */
static int open_file(struct modules *t, pid_t pid, const struct proc_mapping *mapping, bool *lost)
{
	int fd = proc_open_mapped(pid, mapping);

	if (fd == -EMFILE || fd == -ENFILE) {
		modules_sweep(t);
		fd = proc_open_mapped(pid, mapping);
	}
	*lost = fd == -EMFILE || fd == -ENFILE;
	return fd;
}

static int get_unopened(struct modules *t, const struct proc_mapping *mapping, struct module **m)
{
	/* Not kept: it may be possible to open the file when the next process maps it. */
	const char *path = names_intern(t->names, mapping->path);

	*m = path ? module_new(-1, path, t->names, t->reader, t->next_id++) : NULL;
	return *m ? 0 : -ENOMEM;
}

int modules_get(struct modules *t, pid_t pid, const struct proc_mapping *mapping, struct module **m,
		bool *lost)
{
	struct known k = {.listed = {mapping->dev_major, mapping->dev_minor, mapping->inode}};
	struct module *found;
	struct stat st;
	int fd;

	*lost = false;
	if (!mapping->inode) {
		const char *name = special_name(mapping);
		bool vdso = !strcmp(name, "[vdso]") && vdso_is_same(&t->vdso, mapping);

		return get_special(t, name, vdso ? t->vdso.fd : -1, m);
	}
	found = find_listed(t, &k.listed);
	if (found) {
		*m = module_ref(found);
		return 0;
	}
	fd = open_file(t, pid, mapping, lost);
	if (fd < 0 || fstat(fd, &st)) {
		if (fd >= 0)
			close(fd);
		return get_unopened(t, mapping, m);
	}
	k.real = (struct identity){major(st.st_dev), minor(st.st_dev), st.st_ino};
	found = find_real(t, &k.real);
	if (found) {
		close(fd);
		*m = module_ref(found);
		return 0;
	}
	return modules_add(t, &k, fd, mapping->path, m);
}
