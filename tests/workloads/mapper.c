// SPDX-License-Identifier: MIT
/*
 * A program that maps whatever files it is given as code, and calls malloc, which has nothing to do
 * with these.
 *
 *	mapper [--wait] [--late] [--open LIBRARY] ROUNDS [FILE…]
 *
 * Each FILE is mapped whole, readable and executable, and stays so. LIBRARY is opened by dlopen,
 * for itself alone, and its function run_library(ROUNDS) is called in the end, if it has one. With
 * --late both come after "ready" only, and "loaded" waits for another line.
 *
 * The books are those of tally.h; a library prints its own.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "tally.h"

static const char *library;
static void (*run_library)(long rounds);
static struct block slots[SLOTS];

static int map_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *at;

	if (fd < 0 || fstat(fd, &st)) {
		perror(path);
		return 1;
	}
	at = mmap(NULL, st.st_size > 0 ? (size_t)st.st_size : 1, PROT_READ | PROT_EXEC, MAP_PRIVATE,
		  fd, 0);
	close(fd);
	if (at != MAP_FAILED)
		return 0;
	perror(path);
	return 1;
}

static int open_library(void)
{
	void *handle, *function;

	if (!library)
		return 0;
	handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	function = dlsym(handle, "run_library");
	memcpy(&run_library, &function, sizeof(function));
	return 0;
}

static int map_all(char **files)
{
	int bad = open_library();

	for (; *files; files++)
		bad |= map_file(*files);
	return bad;
}

static void keep(struct block b)
{
	struct block *slot = slot_for(slots, b);

	if (!slot)
		return;
	if (slot->ptr)
		free(slot->ptr), gone("free", __LINE__, *slot);
	*slot = b;
}

static void call(void)
{
	size_t n = next_size(), m = 1 + n % 7;
	struct block b;
	void *p;

	p = malloc(n), keep(made("malloc", __LINE__, n, p));
	n = next_size();
	p = calloc(m, n), b = made("calloc", __LINE__, m * n, p);
	n = next_size();
	p = realloc(b.ptr, n), keep(resized("realloc", __LINE__, b, n, p));
}

int main(int argc, char **argv)
{
	int wait, late;
	long rounds;

	buffer_output();
	wait = take_switch(&argc, &argv, "--wait");
	late = take_switch(&argc, &argv, "--late");
	if (take_switch(&argc, &argv, "--open") && argc > 1)
		library = argv[1], argc--, argv++;
	if (argc < 2)
		return 2;
	rounds = atol(argv[1]);
	free(calloc(1, 1)); /* before anybody looks */
	if (!late && map_all(argv + 2))
		return 1;
	if (wait)
		wait_for_line("ready", "to call");
	if (late) {
		if (map_all(argv + 2))
			return 1;
		wait_for_line("loaded", library ? library : "files");
	}
	for (long i = 0; i < rounds; i++)
		call();
	tally_print(__FILE__);
	if (run_library)
		run_library(rounds);
	return fflush(stdout) ? 1 : 0;
}
