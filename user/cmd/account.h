/* SPDX-License-Identifier: MIT */
/* The state of a live run's books: what the events have come to, and what the kernel side knows
 * besides. */
#ifndef ALLOCTRACE_CMD_ACCOUNT_H
#define ALLOCTRACE_CMD_ACCOUNT_H

#include "cmd/state.h"

/* As of now; `books` is the same for a recording, and to be freed. What could not be read is said.
 */
void account_fill(struct run *r, struct report *report, bool final, struct record_books *books);
void account_free(struct record_books *books);

/* The same for those who need no books. */
void account_report(struct run *r, struct report *report, bool final);

/* The report has been printed: it is written into the recording, and to be freed still. */
void account_record(struct run *r, const struct report *report, struct record_books *books);

#endif
