/*
 * The unwind rules of mapped files, read one after another by a helper process of their own
 * (guard/helper.h) while alloctrace goes on, and kept on disk between runs where that is safe.
 *
 * One thread. Nothing is printed. Errors are negative errno.
 */
#ifndef ALLOCTRACE_SYM_TABLES_H
#define ALLOCTRACE_SYM_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/unwind.h"

struct tables;

/* Starts the process that will read the files. `cache` is a directory for rules that are kept
 * between runs, borrowed, -1: none. NULL with errno set. */
struct tables *tables_new(int cache);
void tables_free(struct tables *t); /* NULL is allowed */

pid_t tables_keeper(const struct tables *t);
bool tables_owns(const struct tables *t, pid_t pid);

/*
 * Asks for the rules of a file, once: `id` is the caller's number for it. `fd`, open for reading,
 * is borrowed for this call; a descriptor of our own is kept until the rules are handed over. Files
 * are served in the order in which they were asked for. 0, -ENOMEM or -EMFILE.
 */
int tables_want(struct tables *t, uint32_t id, int fd);

/* The rules of the file with that number; `rules` are the callee's to read until it returns. `end`
 * is the ELF address behind the file's code. count 0: it has none, or they cannot be read. */
typedef void (*tables_take_fn)(void *context, uint32_t id, const struct unwind_rules *rules,
			       uint64_t end);

/* Readable when tables_step has something to do; -1: nothing is under way. May change with every
 * call of tables_want and tables_step. */
int tables_fd(const struct tables *t);

/* Takes what has come, without waiting, hands it over, and asks for the next. To be called from
 * time to time while something is under way, also when nothing is readable: a worker that says
 * nothing is given up here, after a minute. The callee may ask for more. */
void tables_step(struct tables *t, tables_take_fn take, void *context);

/* The same until nothing is under way any more, or for `ms` milliseconds. */
void tables_wait(struct tables *t, int ms, tables_take_fn take, void *context);

size_t tables_pending(const struct tables *t);  /* files asked for and not handed over yet */
uint64_t tables_failed(const struct tables *t); /* files the helper process has died of, took too
						 * long for, or told nonsense of */

#endif
