// SPDX-License-Identifier: MIT
/*
 * Functions of known length, for probes: known_0, known_25 … known_10000 spin for about so many
 * nanoseconds, and known_100_jcc, _jmp, _nop, _call and _stepped begin with other instructions than
 * a push, the last one with none that the kernel can emulate.
 *
 *	known [--wait] [CALLS]
 *
 *	truth known_100 p50=101.3 calls=20000      before "ready": how long it takes, untraced
 *	ready PID                                  with --wait: goes on at a line or the end of
 *stdin meanwhile known_100 p50=101.4 calls=20000  the same while the functions were called
 *
 * After "ready" each function is called CALLS times, in turns of 100. What is timed by the
 * processor's counter is a twin, the same code that nobody probes, many calls at a time where
 *single ones are too short for the counter; a function that does nothing is subtracted, the loop
 *and the call with it. All of them are --function 'NAME(size=arg1,ret=ptr)'.
 */
#include "spin.h"
#include "tally.h"

#define TURN      100
#define TURN_NS   20000.0 /* of the truth's turns at most */
#define MAX_TURNS 2000
#define TRUTH     400 /* turns */

typedef void *(*known_fn)(size_t size);

/* How often each one spins, by its number; its name is for the assembler. */
uint64_t known_spins[16] __attribute__((visibility("hidden"), used));
char known_block[64] __attribute__((visibility("hidden"), used));

#define SPINS(number)                                                                      \
	"mov known_spins+8*" #number "(%rip), %rax\n7:\t" SPIN_TURN("%rdx") "dec %rax\n\t" \
									    "jnz 7b\n\t"

/*
 * FIRST comes first, LAST before the return. Without the fence the processor would look for the way
 * back, which costs some 60 ns under a probe, while it still multiplies, and a probe would see
 * less. For the same reason known_0 has no branch: under a probe none is guessed.
 */
#define CODE(name, first, body, last)                                                           \
	".p2align 6\n\t.globl " name "\n\t.hidden " name "\n\t.type " name ", @function\n" name \
	":\n\t" first "\n\t" body "8:\tlfence\n\tlea known_block(%rip), %rax\n\t" last          \
	"\n\tret\n\t.size " name ", . - " name "\n"

#define KNOWN(name, first, body, last)                                 \
	__asm__(".text\n" CODE(#name, first, body, last)               \
			CODE("twin_of_" #name, first, body, last));    \
	void *name(size_t size) __attribute__((visibility("hidden"))); \
	void *twin_of_##name(size_t size) __attribute__((visibility("hidden")))

KNOWN(known_0, "push %rbx", "", "pop %rbx");
KNOWN(known_25, "push %rbx", SPINS(1), "pop %rbx");
KNOWN(known_50, "push %rbx", SPINS(2), "pop %rbx");
KNOWN(known_100, "push %rbx", SPINS(3), "pop %rbx");
KNOWN(known_200, "push %rbx", SPINS(4), "pop %rbx");
KNOWN(known_1000, "push %rbx", SPINS(5), "pop %rbx");
KNOWN(known_10000, "push %rbx", SPINS(6), "pop %rbx");
KNOWN(known_100_jcc, "test %rdi, %rdi\n\tjz 8f", SPINS(7), "");
KNOWN(known_100_jmp, "jmp 1f\n1:", SPINS(8), "");
KNOWN(known_100_nop, "nop", SPINS(9), "");
KNOWN(known_100_call, "call 1f\n\tret\n1:", SPINS(10), "");
KNOWN(known_100_stepped, "mov %rdi, %rcx", SPINS(11), "");

__asm__(".text\n.p2align 6\nknown_nothing:\n\tpush %rbx\n\tlea known_block(%rip), %rax\n\t"
	"pop %rbx\n\tret\n");
void *known_nothing(size_t size);

static struct known {
	const char *name;
	known_fn probed, twin;
	double ns; /* that it is to take */
	double turns[MAX_TURNS];
	int count; /* of turns */
} knowns[] = {
	{.name = "known_0", known_0, twin_of_known_0, 0},
	{.name = "known_25", known_25, twin_of_known_25, 25},
	{.name = "known_50", known_50, twin_of_known_50, 50},
	{.name = "known_100", known_100, twin_of_known_100, 100},
	{.name = "known_200", known_200, twin_of_known_200, 200},
	{.name = "known_1000", known_1000, twin_of_known_1000, 1000},
	{.name = "known_10000", known_10000, twin_of_known_10000, 10000},
	{.name = "known_100_jcc", known_100_jcc, twin_of_known_100_jcc, 100},
	{.name = "known_100_jmp", known_100_jmp, twin_of_known_100_jmp, 100},
	{.name = "known_100_nop", known_100_nop, twin_of_known_100_nop, 100},
	{.name = "known_100_call", known_100_call, twin_of_known_100_call, 100},
	{.name = "known_100_stepped", known_100_stepped, twin_of_known_100_stepped, 100},
};
#define NR_KNOWN ((int)(sizeof(knowns) / sizeof(*knowns)))

/* One call's share, in ticks. Calls do not overlap: under a probe, they cannot either. */
static double time_calls(known_fn call, int count)
{
	uint64_t from = ticks();

	for (int i = 0; i < count; i++) {
		call(16);
		SPIN_FENCE();
	}
	return (double)(ticks() - from) / count;
}

/* So many that the clock's steps do not count, and so few that interrupts seldom come between. */
static int turn_of(const struct known *k)
{
	return k->ns < TURN_NS / TURN ? TURN : (int)(TURN_NS / k->ns);
}

/* A turn of its twin, without what calling costs. */
static void measure(struct known *k, double rate)
{
	double nothing = time_calls(known_nothing, turn_of(k));

	if (k->count < MAX_TURNS)
		k->turns[k->count++] = (time_calls(k->twin, turn_of(k)) - nothing) / rate;
}

static void tell(const char *word)
{
	for (struct known *k = knowns; k < knowns + NR_KNOWN; k++) {
		printf("%s %s p50=%.1f calls=%d\n", word, k->name, median(k->turns, k->count),
		       k->count * turn_of(k));
		k->count = 0;
	}
}

int main(int argc, char **argv)
{
	int wait = take_switch(&argc, &argv, "--wait");
	long turns = (argc > 1 ? atol(argv[1]) : 20000) / TURN;
	double rate = ticks_per_ns(), turn_ns = ns_per_turn(rate);
	char pid[24];

	buffer_output();
	for (int i = 0; i < NR_KNOWN; i++)
		known_spins[i] = knowns[i].ns > turn_ns ? (uint64_t)(knowns[i].ns / turn_ns) : 1;
	for (int turn = 0; turn < TRUTH; turn++) {
		for (int i = 0; i < NR_KNOWN; i++)
			measure(&knowns[i], rate);
	}
	tell("truth");
	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	if (wait)
		wait_for_line("ready", pid);
	for (long turn = 0; turn < turns; turn++) {
		for (int i = 0; i < NR_KNOWN; i++) {
			for (int call = 0; call < TURN; call++)
				knowns[i].probed(16);
			measure(&knowns[i], rate);
		}
	}
	tell("meanwhile");
	return fflush(stdout) ? 1 : 0;
}
