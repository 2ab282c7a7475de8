// SPDX-License-Identifier: MIT
/*
 * site_probe PID ACTIVE LOW HIGH <PLAN: entry and return probes in that process alone, one pair a
 * line of the plan, "NUMBER OFFSET FILE". Says "ready: N functions", and when it is told to end by
 * a signal what it saw, as site_calls says what it did.
 */
#include <bpf/libbpf.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probe/uprobe.h"
#include "site_row.h" /* the skeleton has rows */
#include "site_probe.skel.h"

struct probing {
	struct site_probe_bpf *skeleton;
	struct uprobe_links links;
	bool multi;
	pid_t pid;
	/* The places not attached yet, all of one file. */
	struct uprobe_places places;
	char path[4096];
	bool planned[SITE_FUNCTIONS];
	size_t count;
};

static int attach(struct probing *p)
{
	struct site_probe_bpf *s = p->skeleton;
	int err;

	/* As alloctrace does: what is to happen at the return before what happens at the entry. */
	err = uprobe_attach(&p->links, s->progs.at_return, p->multi, true, p->pid, p->path,
			    &p->places);
	if (!err)
		err = uprobe_attach(&p->links, s->progs.at_site, p->multi, false, p->pid, p->path,
				    &p->places);
	if (err)
		fprintf(stderr, "site_probe: cannot attach in '%s': %s\n", p->path, strerror(-err));
	p->places.count = 0;
	return err;
}

static int plan(struct probing *p, unsigned int id, unsigned long offset, const char *path)
{
	int err = 0;

	if (id >= SITE_FUNCTIONS)
		return -1;
	if (p->places.count == UPROBE_MAX_PLACES || strcmp(path, p->path) != 0)
		err = attach(p);
	snprintf(p->path, sizeof(p->path), "%s", path);
	p->places.offsets[p->places.count] = offset;
	p->places.cookies[p->places.count++] = id;
	p->planned[id] = true;
	p->count++;
	return err;
}

static int attach_all(struct probing *p)
{
	char path[4096];
	unsigned long offset;
	unsigned int id;

	while (scanf("%u %lx %4095s", &id, &offset, path) == 3) {
		if (plan(p, id, offset, path))
			return -1;
	}
	return attach(p);
}

static struct site_probe_bpf *load(char **argv, bool multi)
{
	struct site_probe_bpf *s = site_probe_bpf__open();

	if (!s)
		return NULL;
	s->rodata->active_at = strtoull(argv[2], NULL, 16);
	s->rodata->caller_low = strtoull(argv[3], NULL, 16);
	s->rodata->caller_high = strtoull(argv[4], NULL, 16);
	uprobe_choose(s->progs.at_site, multi);
	uprobe_choose(s->progs.at_return, multi);
	return site_probe_bpf__load(s) ? NULL : s;
}

static void wait_for_end(void)
{
	sigset_t set;
	int got;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigwait(&set, &got);
}

int main(int argc, char **argv)
{
	static struct probing p;

	if (argc != 5)
		return 2;
	p.pid = (pid_t)strtol(argv[1], NULL, 10);
	p.multi = uprobe_multi_supported();
	p.skeleton = load(argv, p.multi);
	if (!p.skeleton || attach_all(&p))
		return 1;
	fprintf(stderr, "ready: %zu functions\n", p.count);
	wait_for_end();
	for (unsigned int id = 0; id < SITE_FUNCTIONS; id++) {
		if (p.planned[id])
			printf(SITE_ROW_FORMAT, SITE_ROW_VALUES(id, &p.skeleton->bss->rows[id]));
	}
	fflush(stdout);
	_exit(0);
}
