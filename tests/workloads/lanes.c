// SPDX-License-Identifier: MIT
/*
 * Two lanes of known length, timed inside the process: a pool "a" and one that is called "malloc".
 *
 *	lanes [--wait] [--group N] [--ms N] A_NS MALLOC_NS   operations that spin so long
 *	lanes [--wait] [--group N] [--ms N] malloc           both are malloc(64) and its free
 *
 *	ready PID                        with --wait: goes on at a line or the end of stdin
 *	truth a groups=9000 p50=20.1     how many groups it timed; ns of an operation, by the
 *	truth malloc groups=9000 p50=40.2  processor's counter, before the first group
 *	truth ratio=2.00                 of malloc's to a's
 *
 * The lanes take turns of 50 groups, for N milliseconds (1000) in all, each once at least. Nothing
 *is allocated but by the mode that does.
 */
#include <alloctrace/pool.h>

#include "spin.h"
#include "tally.h"

#define TURN 50 /* groups */

struct lane {
	const char *name;
	uint64_t turns; /* of spin, an operation */
	struct alloctrace_timer timer;
	long groups;
};

static struct lane lanes[2] = {{.name = "a"}, {.name = "malloc"}};
static unsigned int group = 16;
static int by_malloc;

TRACED static void operate(const struct lane *lane)
{
	if (by_malloc) {
		volatile char *p = malloc(64);

		*p = 1;
		free((void *)p);
	} else {
		spin(lane->turns);
	}
	SPIN_FENCE();
}

static void operate_group(const struct lane *lane)
{
	for (unsigned int i = 0; i < group; i++)
		operate(lane);
}

static void take_turn(struct lane *lane)
{
	for (int i = 0; i < TURN; i++) {
		uint64_t t0 = ALLOCTRACE_TIMER_BEGIN();

		operate_group(lane);
		ALLOCTRACE_TIMER_END(&lane->timer, t0);
		lane->groups++;
	}
}

static void run(long ms)
{
	uint64_t end;

	for (struct lane *l = lanes; l < lanes + 2; l++) {
		l->timer = (struct alloctrace_timer)ALLOCTRACE_TIMER_INIT(l, ALLOCTRACE_TIMED_PAIR,
									  group);
		ALLOCTRACE_POOL_CREATE(l, l->name, NULL, 0, 0, 0);
	}
	end = spin_clock_ns() + (uint64_t)ms * 1000000u;
	for (int turn = 0; !turn || spin_clock_ns() < end; turn++) {
		take_turn(&lanes[turn % 2]);
		take_turn(&lanes[1 - turn % 2]);
	}
	for (struct lane *l = lanes; l < lanes + 2; l++) {
		ALLOCTRACE_TIMER_FLUSH(&l->timer);
		ALLOCTRACE_POOL_DESTROY(l);
	}
}

/* Of an operation, with the loop and the call. */
static double operation_ns(const struct lane *lane, double rate)
{
	double trials[SPIN_TRIALS];

	for (int i = 0; i < SPIN_TRIALS; i++) {
		uint64_t from = ticks();

		operate_group(lane);
		trials[i] = (double)(ticks() - from) / rate / group;
	}
	return median(trials, SPIN_TRIALS);
}

/* As many turns as come closest. */
static void tune(struct lane *lane, double ns, double rate)
{
	double best = operation_ns(lane, rate);

	for (uint64_t turns = 1; best < ns; turns++) {
		double now;

		lane->turns = turns;
		now = operation_ns(lane, rate);
		if (now > ns && now - ns > ns - best)
			lane->turns--;
		best = now;
	}
}

static long number(int *argc, char ***argv, const char *name, long otherwise)
{
	long n;

	if (!take_switch(argc, argv, name) || *argc < 2)
		return otherwise;
	n = atol((*argv)[1]);
	--*argc, ++*argv;
	return n;
}

int main(int argc, char **argv)
{
	int wait = take_switch(&argc, &argv, "--wait");
	double rate = ticks_per_ns(), p50[2];
	char pid[24];
	long ms;

	buffer_output();
	spin(SPIN_WARM_UP);
	group = (unsigned int)number(&argc, &argv, "--group", 16);
	ms = number(&argc, &argv, "--ms", 1000);
	by_malloc = argc == 2 && !strcmp(argv[1], "malloc");
	if (argc != 3 && !by_malloc)
		return 2;
	for (int i = 0; i < 2 && !by_malloc; i++)
		tune(&lanes[i], atof(argv[1 + i]), rate);
	if (!by_malloc &&
	    !strcmp(argv[1], argv[2])) /* equal means equal, however they were tuned */
		lanes[1].turns = lanes[0].turns;
	for (int i = 0; i < 2; i++)
		p50[i] = operation_ns(&lanes[i], rate);
	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	if (wait)
		wait_for_line("ready", pid);
	run(ms);
	for (int i = 0; i < 2; i++)
		printf("truth %s groups=%ld p50=%.2f\n", lanes[i].name, lanes[i].groups, p50[i]);
	printf("truth ratio=%.3f\n", p50[1] / p50[0]);
	return fflush(stdout) ? 1 : 0;
}
