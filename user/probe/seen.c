// SPDX-License-Identifier: MIT
/* The twin of bpf/share.bpf.h and bpf/scene.bpf.h. */
#include "probe/seen.h"

#include <bpf/bpf.h>
#include <errno.h>

struct sharing {
	uint64_t children, last_ns;
};

uint64_t seen_nested(const struct seen *s, unsigned int function)
{
	return __atomic_load_n(&s->nested[function], __ATOMIC_RELAXED);
}

uint64_t seen_alone_since(const struct seen *s, pid_t pid)
{
	uint32_t key = (uint32_t)pid;
	struct sharing sharing;

	if (__atomic_load_n(s->sharing_unknown, __ATOMIC_RELAXED))
		return UINT64_MAX;
	if (bpf_map_lookup_elem(s->sharing, &key, &sharing))
		return errno == ENOENT ? 0 : UINT64_MAX;
	return sharing.children ? UINT64_MAX : sharing.last_ns;
}

void seen_watch(struct seen *s, pid_t pid)
{
	__atomic_store_n(s->scene_pid, (uint32_t)pid, __ATOMIC_RELEASE);
}

void seen_arm(struct seen *s, uint64_t begin, uint64_t end, bool armed)
{
	if (armed) {
		__atomic_store_n(s->scene_begin, begin, __ATOMIC_RELAXED);
		__atomic_store_n(s->scene_end, end, __ATOMIC_RELAXED);
	}
	__atomic_store_n(s->scene_armed, armed, __ATOMIC_RELEASE);
}

bool seen_judges(const struct seen *s)
{
	return !__atomic_load_n(s->scene_lost, __ATOMIC_RELAXED);
}

bool seen_stopped(struct seen *s, struct seen_stop *stop)
{
	uint64_t stops = __atomic_load_n(&s->stop->stops, __ATOMIC_ACQUIRE);

	if (stops == s->told)
		return false;
	*stop = *s->stop;
	s->told = stops;
	return true;
}
