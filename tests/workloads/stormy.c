// SPDX-License-Identifier: MIT
/*
 * stormy [--wait] timer|jump ROUNDS: allocates while signals come in fast.
 *
 * timer: a handler that calls nothing interrupts anything, the allocator included. jump: a handler
 * on an alternate stack allocates there and leaves with siglongjmp; it is only let loose while
 * plain code runs, since nobody may jump out of malloc.
 */
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>

#include "victim.h"

static struct work work;
static volatile sig_atomic_t ticks, jumps, may_jump;
static sigjmp_buf landing;

static void on_tick(int number)
{
	(void)number;
	ticks++;
}

static void on_jump(int number)
{
	(void)number;
	ticks++;
	if (!may_jump)
		return;
	may_jump = 0;
	work_rounds(&work, 1);
	siglongjmp(landing, 1);
}

static void handle(void (*handler)(int))
{
	static char stack[1 << 16];
	stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK | SA_RESTART};

	sigaltstack(&alternate, NULL);
	sigaction(SIGALRM, &action, NULL);
}

static void set_timer(int us)
{
	struct itimerval timer = {.it_interval.tv_usec = us, .it_value.tv_usec = us};

	setitimer(ITIMER_REAL, &timer, NULL);
}

/* Plain code, until a handler throws us out of it. */
static void be_thrown(void)
{
	static volatile uint64_t spins;

	if (sigsetjmp(landing, 1)) {
		jumps++;
		return;
	}
	may_jump = 1;
	for (;;)
		spins++;
}

int main(int argc, char **argv)
{
	int i = 1;
	bool jump;
	long rounds;

	say("ready %d\n", getpid());
	if (argc > 1 && !strcmp(argv[i], "--wait")) {
		await_eof();
		i++;
	}
	if (argc < i + 2)
		return 2;
	jump = !strcmp(argv[i], "jump");
	rounds = atol(argv[i + 1]);
	handle(jump ? on_jump : on_tick);
	set_timer(jump ? 1000 : 300);
	for (long n = 0; n < rounds; n++) {
		work_rounds(&work, 1);
		if (jump && n % 50 == 0)
			be_thrown();
	}
	set_timer(0);
	work_end(&work);
	say_truth(&work);
	say("truth ticks=%d\ntruth jumps=%d\n", (int)ticks, (int)jumps);
	return 0;
}
