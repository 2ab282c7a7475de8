/* SPDX-License-Identifier: MIT */
/* A cgroup (version 2) as BPF programs know it: cgroups(7), bpf_get_current_ancestor_cgroup_id in
 * bpf-helpers(7). */
#ifndef ALLOCTRACE_PROBE_CGROUP_H
#define ALLOCTRACE_PROBE_CGROUP_H

#include <stdint.h>

struct cgroup {
	uint64_t id;    /* its directory's inode number */
	uint32_t level; /* below the root, which is 0 */
};

/* From the path of its directory. 0; -ENOTSUP when that is no directory of cgroup2; or another
 * negative errno. */
int cgroup_find(struct cgroup *c, const char *path);

#endif
