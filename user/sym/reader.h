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

/* Starts the process. NULL with errno set. */
struct reader *reader_new(void);
void reader_free(struct reader *r); /* NULL is allowed */

/* From now on debug files that are not here are asked for there; borrowed. */
void reader_use_fetch(struct reader *r, struct fetch *fetch);

/*
 * Hands over a file, whose descriptor stays the caller's, and fills *facts, which may be NULL.
 * `plain`: it is to be read without its debug information. 0, or a negative errno with zeros in
 * *facts: -ECONNRESET when the process died of it.
 */
int reader_open(struct reader *r, uint32_t id, const char *path, int fd, bool plain,
		struct image_facts *facts);

/*
 * As image_frames, of the file `id`, which was opened with that path; strings go to `names`. How
 * many, or a negative errno: -ESTALE when the file has to be opened anew.
 */
ssize_t reader_frames(struct reader *r, uint32_t id, const char *path, uint64_t address,
		      bool is_return, struct names *names,
		      struct sym_frame frames[DEBUGINFO_FRAMES_MAX]);

void reader_close(struct reader *r, uint32_t id);

uint64_t reader_fetched_ms(const struct reader *r); /* waited for servers, in all */
uint64_t reader_unanswered(const struct reader *r); /* by servers: see guard/fetch.h */

/* How often a file has ended the process, by a fault or by taking too long. */
uint64_t reader_deaths(const struct reader *r);

/* The process is there no more: nothing has names from now on. */
bool reader_is_lost(const struct reader *r);

pid_t reader_keeper(const struct reader *r); /* see guard/helper.h */
bool reader_owns(const struct reader *r, pid_t pid);

#endif
