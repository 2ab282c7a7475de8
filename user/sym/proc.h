/*
 * What /proc tells about processes. Nothing here keeps state: every call reads anew, and the
 * answer may be out of date when it arrives. Errors are negative errno; nothing is printed.
 */
#ifndef ALLOCTRACE_SYM_PROC_H
#define ALLOCTRACE_SYM_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* One line of /proc/PID/maps, or one mmap record of perf. */
struct proc_mapping {
	uint64_t start, end; /* addresses; end is the first one outside */
	uint64_t offset;     /* of `start` in the file, in bytes */
	uint64_t inode;      /* 0: no file */
	uint32_t dev_major, dev_minor;
	uint64_t made_ns;    /* when, CLOCK_MONOTONIC; 0: not told */
	uint64_t generation; /* of the inode, where a number may come again; 0: not told */
	bool executable;
	bool writable;
	bool shared;      /* with other processes that map it; not told of mappings as they come */
	bool deleted;     /* the file has no name any more; `path` is its last one */
	const char *path; /* never NULL; "" or "[...]" when there is no file; a view, see below */
};

/* The view is valid until the function returns. Non-zero stops the walk and is its result. */
typedef int (*proc_mapping_fn)(const struct proc_mapping *m, void *ctx);

/*
 * Calls `fn` for every mapping of the process, by ascending address. A kernel thread and a zombie
 * have none. 0, what `fn` returned, -ESRCH when there is no such process, -EACCES when it may not
 * be looked at, or another negative errno.
 */
int proc_each_mapping(pid_t pid, proc_mapping_fn fn, void *ctx);

/*
 * Reads one line of a maps file, with or without its newline. The line is edited, and m->path
 * points into it. 0, or -EINVAL with *m undefined.
 */
int proc_parse_mapping(char *line, struct proc_mapping *m);

/*
 * Splits the kernel's " (deleted)" off `path`, in place, and sets m->path and m->deleted. For
 * records of perf, whose path comes raw; proc_parse_mapping has done it already.
 */
void proc_mapping_set_path(struct proc_mapping *m, char *path);

/*
 * Opens the very file that is mapped: a regular file of the mapping's inode, whatever its name
 * leads to by now. The descriptor is O_RDONLY|O_CLOEXEC|O_NOCTTY|O_NONBLOCK and the caller's to
 * close. -ENOENT when nothing of that identity is found, -ESTALE when the name leads to another
 * file by now, or another negative errno.
 */
int proc_open_mapped(pid_t pid, const struct proc_mapping *m);

/* The command name of the process or thread, up to len - 1 bytes, always terminated. It may hold
 * any byte: escape before showing it. 0 or a negative errno (-ESRCH: no such process). */
int proc_comm(pid_t pid, char *buf, size_t len);

/* Some process or thread has this number; a zombie counts until it is reaped. */
bool proc_exists(pid_t pid);

/* It is a thread of the kernel: it has no memory of its own to trace. False when it is gone. */
bool proc_is_kernel_thread(pid_t pid);

/* The number names a thread whose process has another number. False when it is gone. */
bool proc_is_thread(pid_t pid);

/*
 * A thread of the process that has not ended: the main one while it lives, else any other; 0 when
 * all have ended. The main thread of a process may leave by pthread_exit while others go on.
 */
pid_t proc_live_thread(pid_t pid);

/* Memory of a process, in bytes. */
struct proc_memory {
	uint64_t anonymous; /* mapped: private, writable, without a file, no stack */
	uint64_t resident;  /* of the memory without a file, what is in RAM; stacks included */
	uint64_t rss;       /* all that is */
};

/* 0 or a negative errno, as of proc_each_mapping. */
int proc_memory(pid_t pid, struct proc_memory *memory);

/* Calls `fn` with the number of every process, in no order. 0, the non-zero value of `fn` that
 * stopped the walk, or a negative errno. */
int proc_each_process(int (*fn)(pid_t pid, void *ctx), void *ctx);

#endif
