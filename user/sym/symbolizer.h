/*
 * From code addresses of processes to functions, files and lines, while the processes run and after
 * they have ended. Nothing attaches to a process: its list of mappings is read once or reported by
 * the caller, and each mapped file is held open from then on, so that a file that is deleted or a
 * process that ends takes no names along. Debug information is read at the first lookup in a file.
 *
 * One thread at a time. Errors are negative errno; nothing is printed. Every name may hold any
 * byte a traced program has put there: escape before showing it.
 */
#ifndef ALLOCTRACE_SYM_SYMBOLIZER_H
#define ALLOCTRACE_SYM_SYMBOLIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sym/frame.h"
#include "sym/proc.h"
#include "sym/processes.h"
#include "sym/space.h"

struct fetch;
struct symbolizer;

/* What the caps have refused, for the books. All zero is the normal case. */
struct symbolizer_losses {
	uint64_t processes;  /* not remembered, too many at once */
	uint64_t mappings;   /* not remembered, too many in one process */
	uint64_t files;      /* not opened because descriptors ran out: they stay without names */
	uint64_t addresses;  /* answered "[unknown]" because the store of answers is full */
	uint64_t deaths;     /* of the helper process, by files that then lack lines or names */
	uint64_t unanswered; /* questions for debug files, by the servers that were named */
	bool reader;         /* there is no helper process any more: nothing new has names */
};

/*
 * Starts the process that will read the files (guard/helper.h), which has the caller's memory as of
 * now. NULL with errno set. The caller frees it.
 */
struct symbolizer *symbolizer_new(void);

/*
 * Answers are kept in that directory, which is borrowed for the call, for later runs: about files
 * that only root and we can write. Whatever others can write is then read by a second process. To
 * be called before any process is added; nothing is kept when the directory is not fit for it. 0 or
 * a negative errno: there is no second process, and no file may be read.
 */
int symbolizer_keep(struct symbolizer *s, int dir);

/* How many answers earlier runs have given. */
uint64_t symbolizer_kept(const struct symbolizer *s);

/*
 * `wait` is told when an answer takes more than a second, and every quarter of one from then on:
 * the path of the file that is being read, and NULL when that is over.
 */
typedef void (*symbolizer_wait_fn)(void *context, const char *path);

void symbolizer_on_wait(struct symbolizer *s, symbolizer_wait_fn wait, void *context);

/* Ends the life of every view that was handed out. NULL is allowed. */
void symbolizer_free(struct symbolizer *s);

/* Debug files that are not here are asked for there (guard/fetch.h) from now on; borrowed. */
void symbolizer_use_fetch(struct symbolizer *s, struct fetch *fetch);

/*
 * Reads the mappings of the process now, unless they are known already: by an earlier call, or
 * because it is the child of a known process. A process that had ended counts as new: its number
 * is in use again. 0, -ESRCH when there is no such process or it has no memory (a zombie, a thread
 * of the kernel), -EACCES, -ENOMEM, -ENOSPC (too many processes). What was known stays on error.
 */
int symbolizer_add_process(struct symbolizer *s, pid_t pid);

/* The same, but reads the mappings again in any case, for callers that are not told of new ones. */
int symbolizer_refresh(struct symbolizer *s, pid_t pid);

/* The same for every process that is known and has not ended; one that cannot be read keeps what
 * was known of it. */
void symbolizer_refresh_all(struct symbolizer *s);

/*
 * The process has a new mapping, which replaces what it overlaps; one that is not executable only
 * clears its place. The file is opened before the call returns, if it can be. `m` is not kept.
 * 0, -ENOMEM or -ENOSPC.
 */
int symbolizer_map(struct symbolizer *s, pid_t pid, const struct proc_mapping *m);

/* The process runs a new program: all its mappings are forgotten. */
void symbolizer_exec(struct symbolizer *s, pid_t pid);

/* The child starts with the parent's mappings. A new thread (child equal to parent) changes
 * nothing. 0, -ESRCH when the parent is not known, -ENOMEM, -ENOSPC. */
int symbolizer_fork(struct symbolizer *s, pid_t parent, pid_t child);

/* The process has ended. Its addresses can still be resolved until SYMBOLIZER_ENDED_MAX more
 * processes have ended, or its number is reported in use again. */
void symbolizer_exit(struct symbolizer *s, pid_t pid);

#define SYMBOLIZER_ENDED_MAX PROCESSES_ENDED_MAX

/*
 * The frames at a code address. With `is_return` the address is one a call returns to: the call
 * before it is looked up. A process that is not known is not read now, since its number may belong
 * to another one by now or come from another machine. The view lives until symbolizer_free. A
 * repeated address costs less than 100 ns, the first one in a file with debug information up to a
 * second.
 */
struct sym_stack symbolizer_resolve(struct symbolizer *s, pid_t pid, uint64_t address,
				    bool is_return);

/* For those who follow what processes have mapped: grows with every change. */
uint64_t symbolizer_changes(const struct symbolizer *s);

/* Tells each process that has not ended, a number that is another one after each change and for
 * each process, when its mappings changed last (CLOCK_MONOTONIC in ns), and these, a view for the
 * time of the call. */
typedef void (*symbolizer_process_fn)(void *ctx, pid_t pid, uint64_t serial, uint64_t changed_ns,
				      const struct space *space);
void symbolizer_each_process(const struct symbolizer *s, symbolizer_process_fn fn, void *ctx);

/* What the process has mapped now, whatever is known of it, and when that was begun to be read. The
 * space is the caller's to release; empty on error. Errors as of symbolizer_add_process. */
int symbolizer_look(struct symbolizer *s, pid_t pid, struct space *space, uint64_t *when_ns);

/* How many words of a stack (as for symbolizer_prepare), from the first on, lie in mappings that
 * were there at that time already, or in none. All when the process is not known. */
size_t symbolizer_unchanged(struct symbolizer *s, pid_t pid, uint64_t since_ns,
			    const uint64_t *words, size_t count);

/* Time has gone by: what processes write down about their code (perf maps) may have grown, and is
 * looked at again when it is asked for. To be called before the first event that is younger than
 * the last call. */
void symbolizer_advance(struct symbolizer *s);

/* Changes whenever the answers for the process may: with what it has mapped, or when its number has
 * passed to another one. 0: it is not known. */
uint64_t symbolizer_serial(struct symbolizer *s, pid_t pid);

/*
 * Resolves the words of stacks (core/event.h: those with EVENT_EXACT are addresses, the others
 * return addresses) ahead of symbolizer_resolve, which then only looks them up: one question a file
 * in place of one an address. The more at once the better; words that are known already cost as
 * much as a repeated address. Nothing fails here: what is not prepared is resolved when asked for.
 */
void symbolizer_prepare(struct symbolizer *s, pid_t pid, const uint64_t *words, size_t n);

/* The process whose children read the files; and whether a process is one of these. */
pid_t symbolizer_keeper(const struct symbolizer *s);
pid_t symbolizer_guest_keeper(const struct symbolizer *s); /* of the second process; 0: none */
bool symbolizer_owns(const struct symbolizer *s, pid_t pid);

void symbolizer_losses(const struct symbolizer *s, struct symbolizer_losses *losses);

#endif
