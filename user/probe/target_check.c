// SPDX-License-Identifier: MIT
/* Which numbers cannot be a target, each for a reason of its own. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "probe/target.h"

int target_check(pid_t pid, char *why, size_t len)
{
	if (pid == getpid()) {
		snprintf(why, len, "process %d is alloctrace itself", pid);
		return -EINVAL;
	}
	if (!proc_exists(pid)) {
		snprintf(why, len, "no such process: %d", pid);
		return -ESRCH;
	}
	if (!proc_live_thread(pid)) {
		snprintf(why, len, "process %d has ended (it is a zombie)", pid);
		return -ESRCH;
	}
	if (proc_is_kernel_thread(pid)) {
		snprintf(why, len, "process %d is a kernel thread: it has no user memory to trace",
			 pid);
		return -EINVAL;
	}
	if (proc_is_thread(pid)) {
		snprintf(why, len, "%d is a thread, not a process: give the PID of its process",
			 pid);
		return -EINVAL;
	}
	return 0;
}
