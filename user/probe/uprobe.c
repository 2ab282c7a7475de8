// SPDX-License-Identifier: MIT
/* Two mechanisms, one way in. What this libbpf cannot do is left out at compile time, what this
 * kernel cannot at run time. */
#include "probe/uprobe.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define DROP_TOGETHER 32

#define LIBBPF_HAS_MULTI \
	(LIBBPF_MAJOR_VERSION > 1 || (LIBBPF_MAJOR_VERSION == 1 && LIBBPF_MINOR_VERSION >= 3))

static bool make_room(struct uprobe_links *links, size_t more)
{
	size_t room = links->count + more;
	struct uprobe_link *grown;

	if (room <= links->room)
		return true;
	room *= 2;
	grown = reallocarray(links->links, room, sizeof(*grown));
	if (!grown)
		return false;
	links->links = grown;
	links->room = room;
	return true;
}

int uprobe_keep(struct uprobe_links *links, struct bpf_link *link, bool shares)
{
	if (!link)
		return -errno;
	if (!make_room(links, 1)) {
		bpf_link__destroy(link);
		return -ENOMEM;
	}
	links->links[links->count++] = (struct uprobe_link){.link = link, .shares = shares};
	return 0;
}

int uprobe_move(struct uprobe_links *links, struct uprobe_links *from)
{
	if (!make_room(links, from->count))
		return -ENOMEM;
	for (size_t i = 0; i < from->count; i++)
		links->links[links->count++] = from->links[i];
	free(from->links);
	*from = (struct uprobe_links){0};
	return 0;
}

static void *destroy(void *link)
{
	bpf_link__destroy(link);
	return NULL;
}

/* Up to `n` links at once; those that share, and those for which there is no thread, in turn. */
static void drop_together(struct uprobe_link *links, size_t n)
{
	pthread_t threads[DROP_TOGETHER];
	bool started[DROP_TOGETHER];

	for (size_t i = 0; i < n; i++)
		started[i] = !links[i].shares &&
			     !pthread_create(&threads[i], NULL, destroy, links[i].link);
	for (size_t i = 0; i < n; i++) {
		if (started[i])
			pthread_join(threads[i], NULL);
		else
			destroy(links[i].link);
	}
}

void uprobe_drop(struct uprobe_links *links, size_t keep)
{
	while (links->count > keep) {
		size_t n = links->count - keep;

		if (n > DROP_TOGETHER)
			n = DROP_TOGETHER;
		links->count -= n;
		drop_together(links->links + links->count, n);
	}
	if (keep)
		return;
	free(links->links);
	*links = (struct uprobe_links){0};
}

static int attach_each(struct uprobe_links *links, struct bpf_program *program, bool at_return,
		       pid_t pid, const char *path, const struct uprobe_places *places)
{
	for (size_t i = 0; i < places->count; i++) {
		LIBBPF_OPTS(bpf_uprobe_opts, options, .bpf_cookie = places->cookies[i],
			    .retprobe = at_return);
		struct bpf_link *link;
		int err;

		link = bpf_program__attach_uprobe_opts(program, pid, path, places->offsets[i],
						       &options);
		err = uprobe_keep(links, link, false);
		if (err)
			return err;
	}
	return 0;
}

#if LIBBPF_HAS_MULTI

/* BPF_TRACE_UPROBE_MULTI: the kernel's headers may be older than libbpf (Debian 12, backports). */
#define TRACE_UPROBE_MULTI ((enum bpf_attach_type)48)

static int attach_multi(struct uprobe_links *links, struct bpf_program *program, bool at_return,
			pid_t pid, const char *path, const struct uprobe_places *places)
{
	LIBBPF_OPTS(bpf_uprobe_multi_opts, options, .offsets = places->offsets,
		    .cookies = places->cookies, .cnt = places->count, .retprobe = at_return);

	return uprobe_keep(
		links, bpf_program__attach_uprobe_multi(program, pid, path, NULL, &options), false);
}

void uprobe_choose(struct bpf_program *program, bool multi)
{
	if (multi)
		bpf_program__set_expected_attach_type(program, TRACE_UPROBE_MULTI);
}

/*
 * What a link to something that is no file fails with: a kernel that knows multi links answers
 * EBADF, one that does not EINVAL (the way libbpf itself asks).
 */
static int try_multi(int program, uint32_t pid)
{
	unsigned long offset = 0;
	LIBBPF_OPTS(bpf_link_create_opts, options, .uprobe_multi.path = "/",
		    .uprobe_multi.offsets = &offset, .uprobe_multi.cnt = 1,
		    .uprobe_multi.pid = pid);
	int link = bpf_link_create(program, -1, TRACE_UPROBE_MULTI, &options);

	if (link >= 0)
		close(link);
	return link;
}

/*
 * The first multi links (kernel 6.6 to 6.9) take the process they are given for a thread, and the
 * calls of its other threads go unseen. "bpf: fix multi-uprobe PID filtering logic" (6.10, 6.9.5,
 * 6.6.35) mended that, and refuses a negative process before it looks at the file: EINVAL instead
 * of EBADF. Links to all processes were sound before, but whether it will be one is not known when
 * the mechanism is chosen.
 */
static bool multi_works(int program)
{
	return try_multi(program, 0) == -EBADF && try_multi(program, (uint32_t)-1) == -EINVAL;
}

bool uprobe_multi_supported(void)
{
	/* r0 = 0; exit */
	const struct bpf_insn nothing[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = TRACE_UPROBE_MULTI);
	int program = bpf_prog_load(BPF_PROG_TYPE_KPROBE, NULL, "GPL", nothing, 2, &options);
	bool supported;

	if (program < 0)
		return false;
	supported = multi_works(program);
	close(program);
	return supported;
}

#else /* libbpf before 1.3 */

static int attach_multi(struct uprobe_links *links, struct bpf_program *program, bool at_return,
			pid_t pid, const char *path, const struct uprobe_places *places)
{
	return attach_each(links, program, at_return, pid, path, places);
}

void uprobe_choose(struct bpf_program *program, bool multi)
{
	(void)program;
	(void)multi;
}

bool uprobe_multi_supported(void)
{
	return false;
}

#endif

int uprobe_attach(struct uprobe_links *links, struct bpf_program *program, bool multi,
		  bool at_return, pid_t pid, const char *path, const struct uprobe_places *places)
{
	if (!places->count)
		return 0;
	if (multi)
		return attach_multi(links, program, at_return, pid, path, places);
	return attach_each(links, program, at_return, pid, path, places);
}
