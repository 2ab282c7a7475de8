// SPDX-License-Identifier: MIT
/*
 * peak FILE COMMAND…: runs the command and writes into FILE what it took: "truth peak-kib=N", the
 * most memory that it, or any process that it started and waited for, had resident at once. Exits
 * as the command did. A signal to end is passed on.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile pid_t child;

static void pass_on(int signal)
{
	kill(child, signal);
}

static int tell(const char *path, long kib)
{
	FILE *file = fopen(path, "we");

	if (!file)
		return -1;
	fprintf(file, "truth peak-kib=%ld\n", kib);
	return fclose(file);
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = pass_on, .sa_flags = SA_RESTART};
	struct rusage usage;
	int status;

	if (argc < 3)
		return 2;
	child = fork();
	if (!child) {
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	if (child < 0 || wait4(child, &status, 0, &usage) < 0 || tell(argv[1], usage.ru_maxrss)) {
		perror("peak");
		return 126;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
