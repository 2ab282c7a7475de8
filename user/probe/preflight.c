// SPDX-License-Identifier: MIT
/* Looks before leaping: privileges by capget(2), BTF by its file. Features are probed, versions
 * never compared. */
#include "probe/preflight.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

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
	return 0;
}
