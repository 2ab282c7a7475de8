// SPDX-License-Identifier: MIT
/* Signals as a descriptor: signalfd(2). */
#include "cmd/signals.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void fill(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGUSR1);
}

int signals_init(struct signals *s)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t set;

	*s = (struct signals){.fd = -1};
	fill(&set);
	if (sigprocmask(SIG_BLOCK, &set, &s->inherited.mask) ||
	    sigaction(SIGPIPE, &ignore, &s->inherited.pipe))
		return -errno;
	s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->fd < 0 ? -errno : 0;
}

static void restore(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

void signals_fini(struct signals *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

void signals_read(struct signals *s)
{
	struct signalfd_siginfo info;

	while (read(s->fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGUSR1) {
			s->report = true;
			continue;
		}
		s->stop = true;
		restore();
	}
}
