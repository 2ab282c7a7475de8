// SPDX-License-Identifier: MIT
/* Looks before leaping: privileges by capget(2), BTF by its file. Features are probed, versions
 * never compared. */
#include "probe/preflight.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/log.h"

#define INITIAL_PID_NAMESPACE 0xEFFFFFFCU /* include/linux/proc_ns.h: PROC_PID_INIT_INO */

static uint64_t effective_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};

	if (syscall(SYS_capget, &header, data))
		return 0;
	return (uint64_t)data[1].effective << 32 | data[0].effective;
}

static void append(char *list, size_t len, const char *name)
{
	size_t used = strlen(list);

	snprintf(list + used, len - used, "%s%s", used ? ", " : "", name);
}

/* CAP_SYS_ADMIN stands for the newer, narrower ones. */
static int check_privileges(char *why, char *hint, size_t len)
{
	static const struct {
		int number;
		const char *name;
	} needed[] = {
		{CAP_BPF, "CAP_BPF"},
		{CAP_PERFMON, "CAP_PERFMON"},
		{CAP_SYS_PTRACE, "CAP_SYS_PTRACE"},
	};
	uint64_t have = effective_capabilities();
	char missing[128] = "";

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (have >> needed[i].number & 1)
			continue;
		if (needed[i].number != CAP_SYS_PTRACE && have >> CAP_SYS_ADMIN & 1)
			continue;
		append(missing, sizeof(missing), needed[i].name);
	}
	if (!missing[0])
		return 0;
	snprintf(why, len, "not enough privileges: %s missing", missing);
	snprintf(hint, len,
		 "run as root (sudo alloctrace …), or grant CAP_BPF, CAP_PERFMON and "
		 "CAP_SYS_PTRACE");
	return -EPERM;
}

/* The kernel side tells PIDs as the initial namespace has them; /proc must show the same. */
static bool is_in_initial_namespace(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) || st.st_ino == INITIAL_PID_NAMESPACE;
}

int preflight_check(char *why, char *hint, size_t len)
{
	int err;

	hint[0] = '\0';
	err = check_privileges(why, hint, len);
	if (err)
		return err;
	if (access("/sys/kernel/btf/vmlinux", R_OK)) {
		snprintf(why, len,
			 "this kernel has no BTF (/sys/kernel/btf/vmlinux cannot be read)");
		snprintf(hint, len,
			 "use a kernel built with CONFIG_DEBUG_INFO_BTF, as all current "
			 "distributions do");
		return -EOPNOTSUPP;
	}
	if (!is_in_initial_namespace()) {
		snprintf(why, len, "alloctrace runs in a PID namespace of its own");
		snprintf(hint, len,
			 "run it on the host, or in a container with the host's PIDs (--pid=host)");
		return -EOPNOTSUPP;
	}
	return 0;
}

void preflight_describe(bool multi, bool nop5_hazard, bool seccomp_hazard)
{
	log_debug("uprobes by %s",
		  multi ? "one multi link for all places of a program"
			: "one perf event a place: no multi links that filter by process here");
	if (nop5_hazard)
		log_debug("uprobes on 5-byte nops are not safe here (the kernel patches them into "
			  "calls): none is placed on one");
	else
		log_debug("uprobes on 5-byte nops are safe here");
	if (seccomp_hazard)
		log_debug("return probes are not safe here in processes under seccomp: their "
			  "filters may refuse the system call that returns");
	else
		log_debug("return probes are safe here in processes under seccomp");
}
