// SPDX-License-Identifier: MIT
/* Two mechanisms, one way in. What this libbpf cannot do is left out at compile time, what this
 * kernel cannot at run time. */
#include "probe/uprobe.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <unistd.h>

#define LIBBPF_HAS_MULTI \
	(LIBBPF_MAJOR_VERSION > 1 || (LIBBPF_MAJOR_VERSION == 1 && LIBBPF_MINOR_VERSION >= 3))

int uprobe_keep(struct uprobe_links *links, struct bpf_link *link)
{
	if (!link)
		return -errno;
	if (links->count == links->room) {
		size_t room = links->room ? links->room * 2 : 64;
		struct bpf_link **grown =
			reallocarray(links->links, room, sizeof(struct bpf_link *));

		if (!grown) {
			bpf_link__destroy(link);
			return -ENOMEM;
		}
		links->links = grown;
		links->room = room;
	}
	links->links[links->count++] = link;
	return 0;
}

void uprobe_drop(struct uprobe_links *links, size_t keep)
{
	while (links->count > keep)
		bpf_link__destroy(links->links[--links->count]);
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
		err = uprobe_keep(links, link);
		if (err)
			return err;
	}
	return 0;
}

#if LIBBPF_HAS_MULTI

static int attach_multi(struct uprobe_links *links, struct bpf_program *program, bool at_return,
			pid_t pid, const char *path, const struct uprobe_places *places)
{
	LIBBPF_OPTS(bpf_uprobe_multi_opts, options, .offsets = places->offsets,
		    .cookies = places->cookies, .cnt = places->count, .retprobe = at_return);

	return uprobe_keep(links,
			   bpf_program__attach_uprobe_multi(program, pid, path, NULL, &options));
}

void uprobe_choose(struct bpf_program *program, bool multi)
{
	if (multi)
		bpf_program__set_expected_attach_type(program, BPF_TRACE_UPROBE_MULTI);
}

/*
 * A link to something that is no file: a kernel that knows multi links answers EBADF, one that does
 * not EINVAL (the way libbpf itself asks).
 */
static bool try_multi(int program)
{
	unsigned long offset = 0;
	LIBBPF_OPTS(bpf_link_create_opts, options, .uprobe_multi.path = "/",
		    .uprobe_multi.offsets = &offset, .uprobe_multi.cnt = 1);
	int link = bpf_link_create(program, -1, BPF_TRACE_UPROBE_MULTI, &options);

	if (link >= 0)
		close(link);
	return link == -EBADF;
}

bool uprobe_multi_supported(void)
{
	/* r0 = 0; exit */
	const struct bpf_insn nothing[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_TRACE_UPROBE_MULTI);
	int program = bpf_prog_load(BPF_PROG_TYPE_KPROBE, NULL, "GPL", nothing, 2, &options);
	bool supported;

	if (program < 0)
		return false;
	supported = try_multi(program);
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
