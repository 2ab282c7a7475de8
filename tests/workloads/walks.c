// SPDX-License-Identifier: MIT
/*
 * Stacks that are hard to walk, each ending in take(), which allocates a block of the size that
 * stands beside the case below. The suites say what each stack is. `walks CASE`
 */
#include <alloca.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "walks.h"

static volatile unsigned int sink;

/* ---- calls */

static OWN void inner(size_t size)
{
	take(size);
	AND_RETURN();
}

/* So many values live across the call that the frame pointer is one of them. */
static OWN unsigned int busy(void (*call)(size_t), size_t size, unsigned int a)
{
	unsigned int b = a * 3, c = b ^ a, d = c + sink, e = d * b, f = e - c, g = f ^ d;

	sink = g;
	call(size);
	return a + 3 * b + 5 * c + 7 * d + 11 * e + 13 * f + 17 * g;
}

static OWN void plain(void)
{
	sink += busy(inner, 7001, sink);
}

/* The frame's size is not known before it runs. */
static OWN void grown(size_t size)
{
	char *room = alloca(sink % 100 + 16);

	memset(room, 1, 16);
	sink += busy(inner, size, (unsigned char)room[3]);
}

static OWN void of_length(size_t n)
{
	volatile char room[n % 61 + 1];

	room[0] = 1;
	sink += busy(grown, 7002, room[0]);
}

static OWN void dynamic(void)
{
	of_length(sink + 700);
	AND_RETURN();
}

/* A frame that is aligned to 32 bytes and grows: its CFA is where a word in it points. */
static OWN void aligned(size_t size)
{
	_Alignas(32) volatile unsigned char wide[64];
	char *room = alloca(sink % 100 + 16);

	memset(room, 1, 16);
	wide[5] = (unsigned char)room[2];
	sink += busy(inner, size, wide[5]);
	sink += (unsigned int)((uintptr_t)wide & 31);
}

static OWN void align(void)
{
	sink += busy(aligned, 7003, 5);
}

/* Its caller is left out: it has nothing to return to. */
static OWN void jumped_to(size_t size)
{
	inner(size + sink % 1);
	AND_RETURN();
}

static OWN void jumper(size_t size)
{
	jumped_to(size);
}

static OWN void *allocate(size_t size)
{
	return malloc(size);
}

static OWN void tail(void)
{
	sink += busy(jumper, 7004, 4);
	free(allocate(7005));
	AND_RETURN();
}

/* ---- ends */

static jmp_buf out;

static OWN __attribute__((noreturn)) void leave(size_t size)
{
	inner(size);
	longjmp(out, 1);
}

/* Nothing follows the call: its return address belongs to whatever lies behind. */
static OWN __attribute__((noreturn)) void never_back(size_t size)
{
	char *room = alloca(sink % 100 + 16);

	memset(room, 1, 16);
	leave(size);
}

static OWN void no_return(void)
{
	if (!setjmp(out))
		never_back(7006);
	AND_RETURN();
}

/* The stack that was jumped out of is still there, below. */
static OWN void jump_out(size_t size)
{
	volatile char room[600];

	memset((char *)room, 1, sizeof(room));
	leave(size);
}

static OWN void long_jump(void)
{
	if (!setjmp(out))
		sink += busy(jump_out, 7007, 3);
	inner(7008);
	AND_RETURN();
}

static OWN unsigned int recurse(unsigned int n, size_t size)
{
	if (n == 0)
		inner(size);
	else
		sink += recurse(n - 1, size);
	return sink + n;
}

static OWN void deep(void)
{
	sink += recurse(400, 7009);
	sink += recurse(60, 7010);
}

static OWN void *thread_main(void *arg)
{
	inner((size_t)arg);
	return NULL;
}

static OWN void thread(void)
{
	pthread_t t;

	if (!pthread_create(&t, NULL, thread_main, (void *)7011))
		pthread_join(t, NULL);
}

static void late(void)
{
	inner(7013);
	AND_RETURN();
}

static OWN void at_exit(void)
{
	atexit(late);
}

static bool wanted_early;

__attribute__((constructor)) static void early(int argc, char **argv)
{
	wanted_early = argc > 1 && !strcmp(argv[1], "early");
	if (wanted_early)
		inner(7012);
	AND_RETURN();
}

static void nothing(void)
{
}

/* ---- assembly */

void with_rules(void (*call)(size_t), size_t size);
void with_frame_pointer(void (*call)(size_t), size_t size);
void without_rules(void (*call)(size_t), size_t size);
void on_stack(void *top, void (*call)(size_t), size_t size);
void fault_at_once(void);
void behind_no_return(void);

/*
 * on_stack changes to another stack and back, and its rules say so. fault_at_once is what follows a
 * function that ends in a call, with another frame: who looks one byte before the fault finds that.
 */
asm(".text\n"
    ".globl with_rules, with_frame_pointer, without_rules, on_stack, behind_no_return, "
    "fault_at_once\n"
    ".type with_rules, @function\n"
    "with_rules:\n"
    "	.cfi_startproc\n"
    "	sub $1048, %rsp\n"
    "	.cfi_adjust_cfa_offset 1048\n"
    "	mov %rdi, %rax\n"
    "	mov %rsi, %rdi\n"
    "	call *%rax\n"
    "	add $1048, %rsp\n"
    "	.cfi_adjust_cfa_offset -1048\n"
    "	ret\n"
    "	.cfi_endproc\n"
    ".size with_rules, . - with_rules\n"
    ".type with_frame_pointer, @function\n"
    "with_frame_pointer:\n"
    "	push %rbp\n"
    "	mov %rsp, %rbp\n"
    "	sub $64, %rsp\n"
    "	mov %rdi, %rax\n"
    "	mov %rsi, %rdi\n"
    "	call *%rax\n"
    "	leave\n"
    "	ret\n"
    ".size with_frame_pointer, . - with_frame_pointer\n"
    ".type without_rules, @function\n"
    "without_rules:\n"
    "	push %rbp\n"
    "	sub $1040, %rsp\n"
    "	mov $12345, %ebp\n"
    "	mov %rdi, %rax\n"
    "	mov %rsi, %rdi\n"
    "	call *%rax\n"
    "	add $1040, %rsp\n"
    "	pop %rbp\n"
    "	ret\n"
    ".size without_rules, . - without_rules\n"
    ".type on_stack, @function\n"
    "on_stack:\n"
    "	.cfi_startproc\n"
    "	push %rbp\n"
    "	.cfi_adjust_cfa_offset 8\n"
    "	.cfi_rel_offset rbp, 0\n"
    "	mov %rsp, %rbp\n"
    "	.cfi_def_cfa_register rbp\n"
    "	mov %rdi, %rsp\n"
    "	mov %rdx, %rdi\n"
    "	call *%rsi\n"
    "	mov %rbp, %rsp\n"
    "	pop %rbp\n"
    "	.cfi_def_cfa rsp, 8\n"
    "	ret\n"
    "	.cfi_endproc\n"
    ".size on_stack, . - on_stack\n"
    ".type behind_no_return, @function\n"
    "behind_no_return:\n"
    "	.cfi_startproc\n"
    "	sub $520, %rsp\n"
    "	.cfi_adjust_cfa_offset 520\n"
    "	call abort\n"
    "	.cfi_endproc\n"
    ".size behind_no_return, . - behind_no_return\n"
    ".type fault_at_once, @function\n"
    "fault_at_once:\n"
    "	.cfi_startproc\n"
    "	ud2\n"
    "	ret\n"
    "	.cfi_endproc\n"
    ".size fault_at_once, . - fault_at_once\n");

static OWN void assembly(void)
{
	with_rules(inner, 7020);
	with_frame_pointer(inner, 7021);
	without_rules(inner, 7022);
	AND_RETURN();
}

static char other_stack[65536] __attribute__((aligned(64)));

static OWN void other(void)
{
	on_stack(other_stack + sizeof(other_stack), inner, 7023);
	AND_RETURN();
}

/* ---- coroutines */

static ucontext_t here, there;

static void coroutine(void)
{
	inner(7030);
	swapcontext(&there, &here);
	inner(7031);
	AND_RETURN();
}

static OWN void resume(void)
{
	swapcontext(&here, &there);
	inner(7032);
	AND_RETURN();
}

static OWN void coroutines(void)
{
	getcontext(&there);
	there.uc_stack.ss_sp = other_stack;
	there.uc_stack.ss_size = sizeof(other_stack);
	there.uc_link = &here;
	makecontext(&there, coroutine, 0);
	resume();
	resume();
	AND_RETURN();
}

/* A switch as small libraries of coroutines have it; nobody says where the other stack ends. */
void switch_to(void **save, void *stack);
asm(".text\n"
    ".type switch_to, @function\n"
    "switch_to:\n"
    "	push %rbp\n"
    "	push %rbx\n"
    "	push %r12\n"
    "	mov %rsp, (%rdi)\n"
    "	mov %rsi, %rsp\n"
    "	pop %r12\n"
    "	pop %rbx\n"
    "	pop %rbp\n"
    "	ret\n"
    ".size switch_to, . - switch_to\n");

static void *main_stack, *own_stack;

static void switched(void)
{
	inner(7033);
	switch_to(&own_stack, main_stack);
}

static OWN void hand_made(void)
{
	uint64_t *top = (uint64_t *)(other_stack + sizeof(other_stack)) - 5;

	top[3] =
		(uint64_t)(uintptr_t)switched; /* behind three registers, and nobody to return to */
	switch_to(&main_stack, top);
	inner(7034);
	AND_RETURN();
}

/* ---- signals */

#include "walks_signals.h"

/* ---- code that was written just now */

static OWN void written(void)
{
	/* push %rbp; mov %rsp, %rbp; mov %rdi, %rax; mov %rsi, %rdi; call *%rax; pop %rbp; ret */
	static const unsigned char code[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0x89, 0xf8,
					     0x48, 0x89, 0xf7, 0xff, 0xd0, 0x5d, 0xc3};
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void (*call)(void (*)(size_t), size_t);

	if (page == MAP_FAILED)
		return;
	memcpy(page, code, sizeof(code));
	mprotect(page, 4096, PROT_READ | PROT_EXEC);
	memcpy(&call, &page, sizeof(call));
	for (int i = 0; i < 50; i++) { /* it takes a while until anybody knows of the page */
		call(inner, 7060);
		nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{"plain", plain},
	{"dynamic", dynamic},
	{"aligned", align},
	{"tail", tail},
	{"no-return", no_return},
	{"long-jump", long_jump},
	{"deep", deep},
	{"thread", thread},
	{"early", nothing},
	{"at-exit", at_exit},
	{"assembly", assembly},
	{"other-stack", other},
	{"coroutine", coroutines},
	{"hand-made", hand_made},
	{"signals", signals},
	{"step", step},
	{"written", written},
};

/* `walks exec CASE`: by another program, which is this one again. */
int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	if (!strcmp(name, "exec") && argc > 2) {
		inner(7070);
		execl(argv[0], argv[0], argv[2], NULL);
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(cases[i].name, name) != 0)
			continue;
		cases[i].run();
		return 0;
	}
	fprintf(stderr, "no such case\n");
	return 2;
}
