// SPDX-License-Identifier: MIT
/*
 * Works with hardly a pause, and says at every line of its standard input how it fares:
 *
 *	ready PID
 *	fares NUMBER wrong=0 intact=1     the lines so far; bytes of the heap that were wrong;
 *	                                  whether the code of all its files is as on the disk
 *	truth malloc=… and so on          at the end of standard input
 *
 * It waits, for as long as the kernel may take, until its code is as on the disk.
 */
#include <stdio.h>

#include "victim.h"

static struct work work;

/* Whether `bytes` of the file's code from `offset` lie at `start` as they do on the disk. */
static bool code_intact(const char *path, uintptr_t start, size_t bytes, uintptr_t offset)
{
	static unsigned char disk[1 << 16];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool same = fd >= 0;

	for (size_t at = 0; same && at < bytes; at += sizeof(disk)) {
		ssize_t n = pread(fd, disk, sizeof(disk), (off_t)(offset + at));

		if (n <= 0) /* the last page goes on behind the end of the file */
			break;
		if ((size_t)n > bytes - at)
			n = (ssize_t)(bytes - at);
		same = !memcmp((const void *)(start + at), disk, (size_t)n);
	}
	close(fd);
	return same;
}

static bool all_code_intact(void)
{
	int files = 0;

	for (const char *line = read_maps(); *line; line = strchr(line, '\n') + 1) {
		uintptr_t start, end, offset;
		char path[512];

		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " r-xp %" SCNxPTR " %*s %*s /%510[^\n]",
			   &start, &end, &offset, path + 1) != 4)
			continue;
		path[0] = '/';
		files++;
		if (!code_intact(path, start, end - start, offset))
			return false;
	}
	return files >= 2;
}

static void fare(int number)
{
	int tries = 0;

	while (!all_code_intact() && tries++ < PATIENCE_S * 1000)
		pause_us(1000);
	say("fares %d wrong=%" PRIu64 " intact=%d\n", number, work.wrong, all_code_intact());
}

int main(void)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	int number = 0;
	char byte;

	say("ready %d\n", getpid());
	for (;;) {
		work_rounds(&work, 20);
		pause_us(300);
		if (poll(&in, 1, 0) <= 0)
			continue;
		if (read(STDIN_FILENO, &byte, 1) <= 0)
			break;
		if (byte == '\n')
			fare(++number);
	}
	work_end(&work);
	say_truth(&work);
	return 0;
}
