/*
 * Hides whose vDSO it is. A process of 32 bits has another one, and it lies below 4 GiB; one of a
 * process that was restored from an image of another kernel has another size, as a rule.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memfd_create */
#endif

#include "sym/vdso.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct found {
	uint64_t start, size;
};

static int find(const struct proc_mapping *m, void *ctx)
{
	struct found *found = ctx;

	if (!m->executable || strcmp(m->path, "[vdso]"))
		return 0;
	*found = (struct found){m->start, m->end - m->start};
	return 1;
}

static bool write_all(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(fd, bytes, len);

		if (n <= 0)
			return false;
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

void vdso_init(struct vdso *v)
{
	const int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
	struct found found;

	*v = (struct vdso){.fd = -1};
	if (proc_each_mapping(getpid(), find, &found) != 1)
		return;
	v->fd = memfd_create("vdso", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (v->fd < 0)
		return;
	v->size = found.size;
	if (!write_all(v->fd, (const char *)(uintptr_t)found.start, found.size) ||
	    fcntl(v->fd, F_ADD_SEALS, seals))
		vdso_fini(v);
}

void vdso_fini(struct vdso *v)
{
	if (v->fd >= 0)
		close(v->fd);
	v->fd = -1;
}

bool vdso_is_same(const struct vdso *v, const struct proc_mapping *m)
{
	return v->fd >= 0 && m->start > UINT32_MAX && m->end - m->start == v->size && !m->offset;
}
