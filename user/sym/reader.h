/*
 * The symbolizer's questions to its helper process (reading.h): what an ELF file is, and what lies
 * at its addresses. Files are numbered by the caller.
 */
#ifndef ALLOCTRACE_SYM_READER_H
#define ALLOCTRACE_SYM_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sym/image.h"

struct fetch;
struct reader;

/* A file that is asked about. Borrowed, as is what it names. */
struct reader_file {
	uint32_t id;
	const char *path; /* it was opened with */
	uid_t uid;        /* whose it is; (uid_t)-1: not known */
	/* Told of every debug file that the process wants for it, and gets; -1: none. May be NULL.
	 */
	void (*wanted)(void *context, const char *path, int fd);
	void *context;
};

/* Starts the process, which has that name, up to 15 bytes. NULL with errno set. */
struct reader *reader_new(const char *name);
void reader_free(struct reader *r); /* NULL is allowed */

/* From now on debug files that are not here are asked for there; borrowed. */
void reader_use_fetch(struct reader *r, struct fetch *fetch);

/*
 * Hands over a file, whose descriptor stays the caller's, and fills *facts, which may be NULL.
 * `plain`: it is to be read without its debug information. 0, or a negative errno with zeros in
 * *facts: -ECONNRESET when the process died of it.
 */
int reader_open(struct reader *r, const struct reader_file *file, int fd, bool plain,
		struct image_facts *facts);

/* The answer to the question of that index; `frames` are the callee's to change until it returns.
 */
typedef void (*reader_take_fn)(void *context, size_t index, struct sym_frame *frames, size_t count);

/*
 * As image_frames, of a file that was handed over, for n addresses; strings go
 * to `names`. How many were answered, the first of them and at least one, or a negative errno:
 * -ESTALE when the file has to be opened anew. An answer that is damaged half-way has been taken up
 * to there.
 */
ssize_t reader_frames(struct reader *r, const struct reader_file *file,
		      const struct sym_address *at, size_t n, struct names *names,
		      reader_take_fn take, void *context);

void reader_close(struct reader *r, uint32_t id);

uint64_t reader_fetched_ms(const struct reader *r); /* waited for servers, in all */
uint64_t reader_unanswered(const struct reader *r); /* by servers: see guard/fetch.h */

/* `wait` is told while the answer about a file is waited for, see helper_on_wait, and with a NULL
 * path when it has come after all. */
typedef void (*reader_wait_fn)(void *context, const char *path);

void reader_on_wait(struct reader *r, reader_wait_fn wait, void *context);

/* The debug file of that path as the process would be given it for that file, or -1. */
int reader_open_debug(struct reader *r, const struct reader_file *file, const char *path);

/* What the process says from now on may not be believed in another run: it has been given what
 * others may have made. */
void reader_distrust(struct reader *r);
bool reader_is_distrusted(const struct reader *r);

/* How often a file has ended the process, by a fault or by taking too long. */
uint64_t reader_deaths(const struct reader *r);

/* The process is there no more: nothing has names from now on. */
bool reader_is_lost(const struct reader *r);

pid_t reader_keeper(const struct reader *r); /* see guard/helper.h */
bool reader_owns(const struct reader *r, pid_t pid);

#endif
