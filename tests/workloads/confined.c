// SPDX-License-Identifier: MIT
/*
 * confined: confines itself as alloctrace does, tries what a process that was taken over would try,
 * and prints "did ACT: works" or "did ACT: ERROR", a line for each.
 *
 * confined --without-seccomp PROGRAM ARG…: runs the program where nobody can set a filter of system
 * calls; it gets ENOMEM.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guard/privileges.h"

#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#endif

static pid_t stranger, child; /* both wait; the second may be killed by us */
static int ends[2];           /* of a pipe */

static void tell(const char *act, long result)
{
	printf("did %s: %s\n", act, result < 0 ? strerrorname_np(errno) : "works");
}

#define TRY(act, call)                   \
	do {                             \
		errno = 0;               \
		tell(act, (long)(call)); \
	} while (0)

static pid_t start_sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

static long fork_and_end(void)
{
	long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	return pid;
}

static long map(int protection)
{
	return mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1
											      : 0;
}

static long protect_executable(void)
{
	static _Alignas(4096) char page[4096];

	return mprotect(page, sizeof(page), PROT_READ | PROT_EXEC);
}

static void *nothing(void *p)
{
	return p;
}

static long run_thread(void)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, nothing, NULL);
	return errno ? -1 : pthread_join(thread, NULL);
}

static long bpf(int command)
{
	static union bpf_attr attr; /* nothing that would succeed */

	syscall(SYS_bpf, command, &attr, sizeof(attr));
	return errno == EPERM ? -1 : 0; /* any other word is the command's own */
}

static long ask_terminal(unsigned long request)
{
	char byte[64] = "x";

	ioctl(STDOUT_FILENO, request, byte);
	return errno == EPERM ? -1 : 0;
}

static void try_to_act(void)
{
	char *const argv[] = {"/bin/true", NULL};

	TRY("execve", execve(argv[0], argv, NULL));
	TRY("fork", fork_and_end());
	TRY("clone3", syscall(SYS_clone3, NULL, 0));
	TRY("ptrace", ptrace(PTRACE_SEIZE, stranger, NULL, NULL));
	TRY("traceme", ptrace(PTRACE_TRACEME, 0, NULL, NULL));
	TRY("write-to-memory", process_vm_writev(stranger, NULL, 0, NULL, 0, 0));
	TRY("kill", kill(stranger, SIGKILL));
	TRY("stop-own-child", kill(child, SIGSTOP));
	TRY("socket", socket(AF_INET, SOCK_STREAM, 0));
	TRY("setuid", setuid(65534));
	TRY("unshare", unshare(CLONE_NEWNS));
	TRY("set-dumpable", prctl(PR_SET_DUMPABLE, 1));
	TRY("io_uring", syscall(SYS_io_uring_setup, 1, NULL));
	TRY("code-mmap", map(PROT_READ | PROT_EXEC));
	TRY("code-mprotect", protect_executable());
	TRY("bpf-pin", bpf(BPF_OBJ_PIN));
	TRY("bpf-others-program", bpf(BPF_PROG_GET_FD_BY_ID));
	TRY("type-for-user", ask_terminal(0x5412)); /* TIOCSTI */
}

static void try_files(const char *mine)
{
	TRY("write-open", open(mine, O_WRONLY));
	TRY("read-write-open", open(mine, O_RDWR));
	TRY("truncate-open", open(mine, O_RDONLY | O_TRUNC));
	TRY("create", open("confined.new", O_RDONLY | O_CREAT, 0600));
	TRY("temporary", open(".", O_TMPFILE | O_RDWR, 0600));
	TRY("openat2", syscall(SYS_openat2, AT_FDCWD, mine, NULL, 0));
	TRY("truncate", truncate(mine, 0));
	TRY("unlink", unlink(mine));
	TRY("rename", rename(mine, "confined.new"));
	TRY("link", link(mine, "confined.new"));
	TRY("chmod", chmod(mine, 0777));
	TRY("chown", chown(mine, 65534, 65534));
	TRY("mkdir", mkdir("confined.new", 0700));
	TRY("mount", mount("none", mine, "tmpfs", 0, NULL));
	TRY("chroot", chroot("/"));
}

static void try_what_is_needed(const char *mine)
{
	int fd = open(mine, O_RDONLY | O_CLOEXEC);
	struct statvfs fs;
	char byte = 'x';

	TRY("read-open", fd);
	TRY("read", pread(fd, &byte, 1, 0));
	TRY("file-system", fstatvfs(fd, &fs));
	TRY("memory", map(PROT_READ | PROT_WRITE));
	TRY("thread", run_thread());
	TRY("write", write(ends[1], &byte, 1));
	TRY("exists", kill(stranger, 0));
	TRY("isatty", ask_terminal(0x5401)); /* TCGETS */
	TRY("bpf-lookup", bpf(BPF_MAP_LOOKUP_ELEM));
	TRY("bpf-load", bpf(BPF_PROG_LOAD));
	TRY("bpf-link", bpf(BPF_LINK_CREATE));
	TRY("end-own-child", kill(child, SIGKILL));
	TRY("reap", waitpid(child, NULL, 0));
}

/* What sets a filter fails with ENOMEM from now on, all else is as it was. */
static int forbid_filters(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter);
}

int main(int argc, char **argv)
{
	struct privileges rest = {0};
	char kept[256];
	int err;

	if (argc > 2 && !strcmp(argv[1], "--without-seccomp")) {
		if (!forbid_filters())
			execvp(argv[2], argv + 2);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	stranger = start_sleeper();
	rest.children[0] = child = start_sleeper();
	if (argc != 2 || pipe(ends))
		return 2;
	err = privileges_confine(&rest, kept, sizeof(kept));
	if (err) {
		printf("cannot confine: %s\n", strerrorname_np(-err));
		return 1;
	}
	try_to_act();
	try_files(argv[1]);
	try_what_is_needed(argv[1]);
	return 0;
}
