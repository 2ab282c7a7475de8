// SPDX-License-Identifier: MIT
/*
 * The helper and its functions.
 *
 *	us				helper
 *	struct order {classes, cpu, hits}  ->  pins itself, calls, looks at the clock
 *			<-  one byte: done
 *
 * What the probes see of the helper's calls comes out of the map of lanes like everybody's; its
 * looks at the clock lie in memory that both share.
 */
#include "probe/calibrate.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guard/privileges.h"
#include "sym/proc.h"

#define ENOUGH_DURING 2000 /* hits of a class, for what is not of the run to be left out */
#define CLOCK_MAX     4096 /* ns; what lies above was interrupted */

struct clock_counts {
	uint64_t by_ns[CLOCK_MAX];
};

struct order {
	uint32_t classes;
	int cpu;
	unsigned int hits;
};

struct calibrator {
	pid_t pid;
	int line;
	bool busy;
	struct clock_counts *clock; /* shared with the helper */
};

typedef void (*null_function)(void);

#if defined(__x86_64__)

/* Each begins with the instruction of its class: that is where the probe lies. */
__asm__(".pushsection .text\n"
	".balign 16\n"
	"calibrate_push: push %rbp\n pop %rbp\n ret\n"
	".balign 16\n"
	"calibrate_jcc: jne 1f\n 1: ret\n"
	".balign 16\n"
	"calibrate_jmp: jmp 1f\n 1: ret\n"
	".balign 16\n"
	"calibrate_call: call 1f\n ret\n 1: ret\n"
	".balign 16\n"
	"calibrate_nop: nop\n ret\n"
	".popsection\n");

void calibrate_push(void);
void calibrate_jcc(void);
void calibrate_jmp(void);
void calibrate_call(void);
void calibrate_nop(void);

static const null_function null_functions[CALIBRATION_NR] = {
	[CALIBRATION_PUSH] = calibrate_push, [CALIBRATION_JCC] = calibrate_jcc,
	[CALIBRATION_JMP] = calibrate_jmp,   [CALIBRATION_CALL] = calibrate_call,
	[CALIBRATION_NOP] = calibrate_nop,
};

#else

static const null_function null_functions[CALIBRATION_NR];

#endif

/* As alloctrace/pool.h looks at it: the same clock, out of line. */
static __attribute__((noinline)) uint64_t look_at_clock(void)
{
	struct timespec now = {0, 0};

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void time_clock(struct clock_counts *counts, unsigned int hits)
{
	for (unsigned int i = 0; i < hits; i++) {
		uint64_t before = look_at_clock();
		uint64_t ns = look_at_clock() - before;

		if (ns < CLOCK_MAX)
			counts->by_ns[ns]++;
	}
}

static void obey(const struct order *order, struct clock_counts *counts)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(order->cpu, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus); /* one that has gone: anywhere will do */
	for (int class = 0; class < CALIBRATION_NR; class ++) {
		if (!null_functions[class] || !(order->classes >> class & 1))
			continue;
		for (unsigned int i = 0; i < order->hits; i++)
			null_functions[class]();
	}
	if (order->classes >> CALIBRATION_CLOCK & 1)
		time_clock(counts, order->hits);
}

/* The helper's life. No file of ours stays open in it, and no privilege. It has no filter of system
 * calls: on some kernels that lengthens what is measured. */
static void help(int line, struct clock_counts *counts, pid_t parent)
{
	struct order order;
	char done = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "calibrator");
	if (getppid() != parent)
		_exit(0);
	if (dup2(line, 3) != 3)
		_exit(1);
	close_range(4, ~0U, 0);
	if (privileges_renounce())
		_exit(1);
	while (read(3, &order, sizeof(order)) == sizeof(order)) {
		obey(&order, counts);
		if (write(3, &done, 1) != 1)
			break;
	}
	_exit(0);
}

static int start_helper(struct calibrator *c)
{
	pid_t parent = getpid();
	int lines[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, lines))
		return -errno;
	c->pid = fork();
	if (c->pid == 0)
		help(lines[1], c->clock, parent);
	close(lines[1]);
	c->line = lines[0];
	return c->pid < 0 ? -errno : 0;
}

struct calibrator *calibrator_new(int *err)
{
	struct calibrator *c = NULL;

#if !defined(__x86_64__)
	*err = -ENOTSUP;
	return NULL;
#endif
	*err = -ENOMEM;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->line = c->pid = -1;
	c->clock = mmap(NULL, sizeof(*c->clock), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	if (c->clock == MAP_FAILED)
		c->clock = NULL;
	else
		*err = start_helper(c);
	if (!*err)
		return c;
	calibrator_free(c);
	return NULL;
}

void calibrator_free(struct calibrator *c)
{
	if (!c)
		return;
	if (c->line >= 0)
		close(c->line);
	if (c->pid > 0) {
		kill(c->pid, SIGKILL);
		waitpid(c->pid, NULL, 0);
	}
	if (c->clock)
		munmap(c->clock, sizeof(*c->clock));
	free(c);
}

pid_t calibrator_pid(const struct calibrator *c)
{
	return c->pid;
}

/* Where in its file a function of ours lies. */
struct search {
	uint64_t address, offset;
};

static int visit_mapping(const struct proc_mapping *m, void *context)
{
	struct search *s = context;

	if (s->address < m->start || s->address >= m->end)
		return 0;
	s->offset = s->address - m->start + m->offset;
	return 1;
}

int calibrator_attach(struct calibrator *c, struct session *s)
{
	struct uprobe_places places = {.count = 0};
	const struct event_args none = {0};

	(void)c;
	for (int class = 0; class < CALIBRATION_NR; class ++) {
		struct search search = {.address = (uintptr_t)null_functions[class]};

		if (!search.address)
			continue;
		if (proc_each_mapping(getpid(), visit_mapping, &search) != 1)
			return -ENOENT;
		places.offsets[places.count] = search.offset;
		places.cookies[places.count++] = event_cookie(0, &none, class);
	}
	return session_attach_calibrator(s, &places, "/proc/self/exe");
}

bool calibrator_burst(struct calibrator *c, uint32_t classes, int cpu, unsigned int hits)
{
	const struct order order = {.classes = classes, .cpu = cpu, .hits = hits};

	calibrator_wait(c, 0);
	if (c->busy || c->line < 0)
		return false;
	c->busy = send(c->line, &order, sizeof(order), MSG_NOSIGNAL) == sizeof(order);
	return c->busy;
}

void calibrator_wait(struct calibrator *c, int ms)
{
	struct pollfd fd = {.fd = c->line, .events = POLLIN};
	char done;

	if (c->busy && poll(&fd, 1, ms) == 1 && read(c->line, &done, 1) <= 0) {
		close(c->line); /* it has ended: what it told stands */
		c->line = -1;
	} else if (fd.revents) {
		c->busy = false;
	}
}

static void fill_window(struct calibration_window *w, const struct hist *h)
{
	*w = (struct calibration_window){
		.hits = h->count,
		.p5 = hist_quantile_between(h, 0.05),
		.p50 = hist_quantile_between(h, 0.5),
		.p95 = hist_quantile_between(h, 0.95),
		.p99 = hist_quantile_between(h, 0.99),
		.mean = h->count ? (double)h->sum / (double)h->count : 0,
	};
}

static void read_clock(const struct calibrator *c, struct calibration *out)
{
	struct hist h = {0};

	for (uint64_t ns = 0; ns < CLOCK_MAX; ns++) {
		uint64_t n = c->clock->by_ns[ns];

		if (hist_add_bucket(&h, hist_bucket(ns), n, n * ns, ns))
			break;
	}
	fill_window(&out->windows[CALIBRATION_CLOCK], &h);
	hist_fini(&h);
}

void calibrator_read(const struct calibrator *c, const struct lanes *lanes, struct calibration *out)
{
	struct hist all[CALIBRATION_NR] = {0}, during[CALIBRATION_NR] = {0};

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < lanes->count; i++) {
		const struct lane *lane = &lanes->all[i];

		if (lane->key.pid != (uint32_t)c->pid || lane->key.disturbed ||
		    lane->key.op != LANE_CALL)
			continue;
		hist_merge(&all[lane->key.class], &lane->hist);
		if (lane->key.slice == CALIBRATOR_DURING)
			hist_merge(&during[lane->key.class], &lane->hist);
	}
	for (int class = 0; class < CALIBRATION_NR; class ++) {
		bool enough = during[class].count >= ENOUGH_DURING;

		fill_window(&out->windows[class], enough ? &during[class] : &all[class]);
		hist_fini(&all[class]);
		hist_fini(&during[class]);
	}
	read_clock(c, out);
}
