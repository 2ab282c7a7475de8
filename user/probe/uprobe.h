/* SPDX-License-Identifier: MIT */
/*
 * Attaching one program to many places of a file, by whichever mechanism the kernel and libbpf
 * offer: one uprobe_multi link (kernel 6.10 or a mended 6.6, libbpf 1.3), which comes and goes at
 * once, or a perf event a place, each of which takes the kernel some 75 ms to remove.
 */
#ifndef ALLOCTRACE_PROBE_UPROBE_H
#define ALLOCTRACE_PROBE_UPROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <bpf/libbpf.h>

#define UPROBE_MAX_PLACES 64

/* File offsets and the cookies of the probes there. */
struct uprobe_places {
	unsigned long offsets[UPROBE_MAX_PLACES];
	__u64 cookies[UPROBE_MAX_PLACES];
	size_t count;
};

struct uprobe_link {
	struct bpf_link *link;
	bool shares; /* libbpf's state with others: one such at a time can be dropped */
};

/* Links that are held, so that all can be dropped. Starts as zeros. */
struct uprobe_links {
	struct uprobe_link *links;
	size_t count, room;
};

/* Whether multi links are to be had that know a process from a thread: asked of the kernel by
 * trying. */
bool uprobe_multi_supported(void);

/* Before the program is loaded: says by which mechanism it will be attached. */
void uprobe_choose(struct bpf_program *program, bool multi);

/*
 * Attaches to all places of the file, for one process or (-1) all of them. `path` may be a
 * /proc/self/fd link. The links go to `links`. 0 or a negative errno; then some of the places may
 * have been attached: drop back with uprobe_drop.
 */
int uprobe_attach(struct uprobe_links *links, struct bpf_program *program, bool multi,
		  bool at_return, pid_t pid, const char *path, const struct uprobe_places *places);

/*
 * Keeps a link that was made elsewhere; NULL stands for a failure that errno tells. `shares`: as
 * in struct uprobe_link, true for USDT. 0 or a negative errno.
 */
int uprobe_keep(struct uprobe_links *links, struct bpf_link *link, bool shares);

/* Moves all links of `from`, which is empty then. 0, or -ENOMEM: all is as it was. */
int uprobe_move(struct uprobe_links *links, struct uprobe_links *from);

/*
 * Takes the newest links away until `keep` are left, many at once: the kernel waits for a grace
 * period on each, and they can wait together (18 multi links one by one: 440 ms, so: 70 ms).
 */
void uprobe_drop(struct uprobe_links *links, size_t keep);

#endif
