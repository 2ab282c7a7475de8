/* SPDX-License-Identifier: MIT */
/* The part of walks.c in which signals come. */
#ifndef ALLOCTRACE_WALKS_SIGNALS_H
#define ALLOCTRACE_WALKS_SIGNALS_H

/* ---- signals */

static size_t in_handler;

static void handler(int signal, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)info;
	inner(in_handler);
	if (signal == SIGILL)
		uc->uc_mcontext.gregs[REG_RIP] += 2; /* past the ud2 */
	AND_RETURN();
}

static void catch (int signal, int flags)
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
	stack_t stack = {.ss_sp = other_stack, .ss_size = sizeof(other_stack)};

	sigaltstack(&stack, NULL);
	sigaction(signal, &sa, NULL);
}

static OWN void signalled(size_t size)
{
	in_handler = size;
	kill(getpid(), SIGUSR1);
	AND_RETURN();
}

static OWN void faulting(size_t size)
{
	in_handler = size;
	fault_at_once();
	AND_RETURN();
}

static OWN void signals(void)
{
	catch (SIGUSR1, 0);
	catch (SIGILL, 0);
	sink += busy(signalled, 7040, 1);
	sink += busy(faulting, 7041, 1);
	catch (SIGUSR1, SA_ONSTACK);
	catch (SIGILL, SA_ONSTACK);
	sink += busy(signalled, 7042, 1);
	sink += busy(faulting, 7043, 1);
}

/* ---- a signal at every instruction */

static void stepped(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)info, (void)context;
	take(7050);
	AND_RETURN();
}

static OWN unsigned int leaf(unsigned int n)
{
	return n * 7 + sink;
}

/* With what the loader does when a function is called for the first time, and in the vDSO. */
static OWN void all_kinds(void)
{
	struct timespec now;

	sink += leaf(3);
	sink += (unsigned int)strtoul("12", NULL, 10);
	sink += (unsigned int)getppid();
	clock_gettime(CLOCK_MONOTONIC, &now);
	AND_RETURN();
}

/* Every instruction traps from the end of the one to the end of the other. */
void begin_steps(void);
void end_steps(void);
asm(".text\n"
    ".macro flags name, change\n"
    ".type \\name, @function\n"
    "\\name:\n"
    "	.cfi_startproc\n"
    "	pushfq\n"
    "	.cfi_adjust_cfa_offset 8\n"
    "	\\change, (%rsp)\n"
    "	popfq\n"
    "	.cfi_adjust_cfa_offset -8\n"
    "	ret\n"
    "	.cfi_endproc\n"
    ".size \\name, . - \\name\n"
    ".endm\n"
    "flags begin_steps, \"orq $0x100\"\n"
    "flags end_steps, \"andq $~0x100\"\n");

static OWN void step(void)
{
	struct sigaction sa = {.sa_sigaction = stepped, .sa_flags = SA_SIGINFO};

	sigaction(SIGTRAP, &sa, NULL);
	take(7051); /* malloc and free are known to the loader by then */
	begin_steps();
	all_kinds();
	end_steps();
	AND_RETURN();
}

#endif
