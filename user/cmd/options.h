/* SPDX-License-Identifier: MIT */
/*
 * The command line. One table describes every option; parsing, the help and the tests that compare
 * the manual page and the completions with it all read that table.
 */
#ifndef ALLOCTRACE_CMD_OPTIONS_H
#define ALLOCTRACE_CMD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cmd/commands.h"
#include "probe/functions.h"

#define OPTIONS_MAX_PIDS  256
#define OPTIONS_MAX_LISTS 16 /* of each option that may come more than once */

/* The values of such an option, in their order. */
struct option_list {
	const char *values[OPTIONS_MAX_LISTS];
	size_t count;
};

/* How the stack above the caller is found. */
enum options_unwind {
	OPTIONS_UNWIND_AUTO, /* by the rules in the files, else by frame pointers */
	OPTIONS_UNWIND_FP,   /* by frame pointers */
	OPTIONS_UNWIND_NONE, /* not at all */
};

struct options {
	const struct command *command;
	const char *report; /* what is printed: of "report" that of --as, else the command's name */
	pid_t pids[OPTIONS_MAX_PIDS];
	size_t pid_count;
	char **argv;  /* the command to run, NULL-terminated; NULL: none */
	char **words; /* of commands that read files: these, and for "sites" names of functions */
	size_t word_count;
	const char
		*live_option; /* the last one that only a command with a target can take; or NULL */
	const char *comm;     /* NULL: any */
	bool by_uid;
	uid_t uid;
	const char *cgroup;        /* NULL: any */
	double duration, interval; /* seconds; 0: not given */
	const char *format;
	const char *output;         /* NULL: standard output */
	const char *recording;      /* the file for it; NULL: none is made */
	bool embed_symbols;         /* the recording is to be read elsewhere */
	uint64_t older_ms;          /* leaks: only blocks of that age */
	uint64_t within;            /* temporary: calls */
	double from, until;         /* report: seconds of the run; until 0: to its end */
	const char *color;          /* "auto", "always", "never" */
	struct functions functions; /* what to look at; the run adds rows to it */
	struct option_list events, prefixes, own_functions, objects;
	bool follow;
	uint64_t min_size, max_size; /* bytes */
	uint64_t sample_bytes;       /* 0: every call */
	enum lane_by by;             /* latency: how calls are told apart */
	bool why;                    /* latency: what slow ones were doing */
	uint64_t top;                /* rows of a report; 0: all */
	const char *svg;             /* compare: where its picture goes; NULL: nowhere */
	bool stacks;
	enum options_unwind unwind;
	uint64_t max_stack; /* frames */
	uint64_t ring_size; /* bytes */
	bool strict, verbose, quiet, as_root, exit_status;
	bool stop_on_error; /* trace: the command stops where it frees what is not in use */
	bool help, version, json_schema;
};

enum exit_code { EXIT_DONE = 0, EXIT_CANNOT = 1, EXIT_USAGE = 2, EXIT_LOST = 3 };

/* 0, or -EINVAL after one sentence on standard error. `o` borrows from argv. */
int options_parse(struct options *o, int argc, char **argv);

/* Whether stacks are asked for, and to be walked by unwind rules. */
bool options_by_rules(const struct options *o);

/* Whether the command adds calls up (latency, compare) and does not look at each. */
static inline bool options_add_up(const struct options *o)
{
	return command_find(o->report)->adds_up;
}

/* Whether that is the command, or the report that is asked for. */
bool options_is(const struct options *o, const char *report);

/* To be called in any case. */
void options_fini(struct options *o);

void options_print_help(void);

#endif
