// SPDX-License-Identifier: MIT
/* The table of options, and the few kinds of values that they take. */
#include "cmd/options.h"

#include <errno.h>
#include <getopt.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/values.h"
#include "cmd/choose.h"
#include "core/event.h"
#include "core/log.h"
#include "out/sink.h"

struct option_row;
/* Stores the value; 0, or -EINVAL when it is not one of its kind. */
typedef int (*option_fn)(struct options *o, const struct option_row *row, const char *value);

struct option_row {
	char letter; /* 0: none */
	const char *name;
	const char *value; /* as the help calls it; NULL: a switch */
	option_fn take;
	size_t field; /* offset into struct options */
	double low, high;
	const char *help;
};

static void *field_of(struct options *o, const struct option_row *row)
{
	return (char *)o + row->field;
}

static int take_switch(struct options *o, const struct option_row *row, const char *value)
{
	(void)value;
	*(bool *)field_of(o, row) = true;
	return 0;
}

static int take_text(struct options *o, const struct option_row *row, const char *value)
{
	*(const char **)field_of(o, row) = value;
	return 0;
}

static int complain(const struct option_row *row, const char *value, const char *wanted)
{
	char shown[128];

	log_error("--%s takes %s, not '%s'", row->name, wanted,
		  log_quote(shown, sizeof(shown), value));
	return -EINVAL;
}

static int take_size(struct options *o, const struct option_row *row, const char *value)
{
	uint64_t size;
	char wanted[128];

	if (value_size(value, &size) && (double)size >= row->low && (double)size <= row->high) {
		*(uint64_t *)field_of(o, row) = size;
		return 0;
	}
	if (row->high > 1e18)
		snprintf(wanted, sizeof(wanted), "a size in bytes (K, M, G may follow)");
	else
		snprintf(wanted, sizeof(wanted), "a number from %.0f to %.0f (K, M, G may follow)",
			 row->low, row->high);
	return complain(row, value, wanted);
}

static int take_seconds(struct options *o, const struct option_row *row, const char *value)
{
	double seconds;

	if (!value_seconds(value, &seconds) || seconds < row->low || seconds > row->high)
		return complain(row, value, "seconds, above 0 and at most 1000000000");
	*(double *)field_of(o, row) = seconds;
	return 0;
}

/* A PID named twice is one target. */
static int add_pid(struct options *o, pid_t pid)
{
	for (size_t i = 0; i < o->pid_count; i++) {
		if (o->pids[i] == pid)
			return 0;
	}
	if (o->pid_count == OPTIONS_MAX_PIDS)
		return -ENOSPC;
	o->pids[o->pid_count++] = pid;
	return 0;
}

static int take_pids(struct options *o, const struct option_row *row, const char *value)
{
	for (const char *text = value;; text++) {
		size_t length = strcspn(text, ",");
		pid_t pid;

		if (!value_pid(text, length, &pid) || add_pid(o, pid))
			return complain(row, value, "up to 256 process numbers, divided by commas");
		text += length;
		if (!*text)
			return 0;
	}
}

/* A name, or a number. */
static int take_user(struct options *o, const struct option_row *row, const char *value)
{
	const struct passwd *user = getpwnam(value);
	uint64_t number;

	if (user)
		o->uid = user->pw_uid;
	else if (value_size(value, &number) && number < UINT32_MAX &&
		 value[strspn(value, "0123456789")] == '\0')
		o->uid = (uid_t)number;
	else
		return complain(row, value, "the name or number of a user");
	o->by_uid = true;
	return 0;
}

/* What may come more than once is looked at when all options are known. */
static int take_list(struct options *o, const struct option_row *row, const char *value)
{
	struct option_list *list = field_of(o, row);

	if (list->count == OPTIONS_MAX_LISTS) {
		log_error("--%s may come %d times at most", row->name, OPTIONS_MAX_LISTS);
		return -EINVAL;
	}
	list->values[list->count++] = value;
	return 0;
}

static int take_by(struct options *o, const struct option_row *row, const char *value)
{
	if (!strcmp(value, "function"))
		o->by = LANE_BY_FUNCTION;
	else if (!strcmp(value, "size"))
		o->by = LANE_BY_SIZE;
	else if (!strcmp(value, "site"))
		o->by = LANE_BY_SITE;
	else
		return complain(row, value, "function, size or site");
	return 0;
}

static int take_unwind(struct options *o, const struct option_row *row, const char *value)
{
	if (!strcmp(value, "auto"))
		o->unwind = OPTIONS_UNWIND_AUTO;
	else if (!strcmp(value, "fp"))
		o->unwind = OPTIONS_UNWIND_FP;
	else if (!strcmp(value, "none"))
		o->unwind = OPTIONS_UNWIND_NONE;
	else
		return complain(row, value, "auto, fp or none");
	return 0;
}

#define FIELD(name) offsetof(struct options, name)
#define ANY_SIZE    0, 1.9e19

static const struct option_row rows[] = {
	{'p', "pid", "PID[,PID…]", take_pids, 0, 0, 0, "trace these processes, all their threads"},
	{'n', "comm", "COMM", take_text, FIELD(comm), 0, 0, "only threads of that command name"},
	{'u', "uid", "USER", take_user, 0, 0, 0, "only processes of that user, by name or number"},
	{0, "cgroup", "PATH", take_text, FIELD(cgroup), 0, 0,
	 "only processes in that cgroup (version 2) or below"},
	{0, "follow", NULL, take_switch, FIELD(follow), 0, 0,
	 "trace what the targets start as well, by fork and exec"},
	{'d', "duration", "SEC", take_seconds, FIELD(duration), 1e-3, 1e9,
	 "stop after SEC seconds"},
	{'i', "interval", "SEC", take_seconds, FIELD(interval), 1e-2, 1e9,
	 "print an interim report every SEC seconds"},
	{'f', "format", "FORMAT", take_text, FIELD(format), 0, 0, "text (the default) or json"},
	{'o', "output", "FILE", take_text, FIELD(output), 0, 0,
	 "write to FILE, not to standard output"},
	{'e', "events", "LIST", take_list, FIELD(events), 0, 0,
	 "only these: names of functions, pool, pool:NAME, divided by commas"},
	{0, "prefix", "PREFIX", take_list, FIELD(prefixes), 0, 0,
	 "functions called PREFIXmalloc and so on count, too"},
	{0, "function", "SPEC", take_list, FIELD(own_functions), 0, 0,
	 "an allocator's function of your own, as 'SYM(size=arg1,ret=ptr)'"},
	{0, "object", "PATH", take_list, FIELD(objects), 0, 0,
	 "probe this program or library, and no other"},
	{'z', "min-size", "SIZE", take_size, FIELD(min_size), ANY_SIZE,
	 "only allocations of SIZE or more"},
	{'Z', "max-size", "SIZE", take_size, FIELD(max_size), ANY_SIZE,
	 "only allocations of SIZE or less"},
	{0, "sample-bytes", "SIZE", take_size, FIELD(sample_bytes), 1, 1 << 30,
	 "show one allocation in SIZE bytes on average; the totals stay exact"},
	{0, "by", "WHAT", take_by, 0, 0, 0,
	 "latency: a row per function (the default), size or call site"},
	{0, "why", NULL, take_switch, FIELD(why), 0, 0,
	 "latency: what slow calls were doing, by call site"},
	{'N', "top", "N", take_size, FIELD(top), 1, 1 << 20,
	 "rows of a report (default 20 by site)"},
	{0, "svg", "FILE", take_text, FIELD(svg), 0, 0,
	 "compare: draw the two histograms into FILE"},
	{'k', "stacks", NULL, take_switch, FIELD(stacks), 0, 0, "print whole stacks"},
	{0, "unwind", "HOW", take_unwind, 0, 0, 0,
	 "how stacks are walked: auto (unwind tables, the default), fp (frame pointers) or none"},
	{0, "max-stack", "N", take_size, FIELD(max_stack), 1, 127,
	 "depth of -k, 1 to 127 (default 127)"},
	{0, "ring-size", "SIZE", take_size, FIELD(ring_size), 4096, 1 << 30,
	 "size of the ring buffer (default 16M), rounded up to a power of two; when it fills, less "
	 "is shown, and all is counted"},
	{0, "strict", NULL, take_switch, FIELD(strict), 0, 0,
	 "exit with 3 when anything was lost or only counted"},
	{0, "as-root", NULL, take_switch, FIELD(as_root), 0, 0,
	 "run COMMAND as root, not as the user who called sudo"},
	{0, "exit-status", NULL, take_switch, FIELD(exit_status), 0, 0,
	 "exit with COMMAND's own status"},
	{0, "stop-on-error", NULL, take_switch, FIELD(stop_on_error), 0, 0,
	 "stop COMMAND (SIGSTOP) at the call that frees what is not in use, for a debugger"},
	{'v', "verbose", NULL, take_switch, FIELD(verbose), 0, 0, "say more about what is done"},
	{'q', "quiet", NULL, take_switch, FIELD(quiet), 0, 0, "say nothing but errors"},
	{'V', "version", NULL, take_switch, FIELD(version), 0, 0, "print the version"},
	{'h', "help", NULL, take_switch, FIELD(help), 0, 0, "print this help"},
};

#define ROW_COUNT   (sizeof(rows) / sizeof(rows[0]))
#define FIRST_VALUE 1000 /* getopt_long's answer for rows[0]; above all letters */

static void make_getopt_tables(char *letters, struct option *names)
{
	*letters++ = '+'; /* stop at the first word that is no option */
	*letters++ = ':'; /* a missing value is ours to tell */
	for (size_t i = 0; i < ROW_COUNT; i++) {
		names[i] = (struct option){
			.name = rows[i].name,
			.has_arg = rows[i].value ? required_argument : no_argument,
			.val = FIRST_VALUE + (int)i,
		};
		if (!rows[i].letter)
			continue;
		*letters++ = rows[i].letter;
		if (rows[i].value)
			*letters++ = ':';
	}
	*letters = '\0';
	names[ROW_COUNT] = (struct option){0};
}

static const struct option_row *row_of(int answer)
{
	if (answer >= FIRST_VALUE)
		return &rows[answer - FIRST_VALUE];
	for (size_t i = 0; i < ROW_COUNT; i++) {
		if (rows[i].letter == answer)
			return &rows[i];
	}
	return NULL;
}

/* `word` is where getopt stands; inside a cluster of letters only optopt knows which one it was. */
static int complain_unknown(int answer, const char *word)
{
	const char letter[] = {'-', (char)optopt, '\0'};
	char shown[128];

	if (optopt > 0 && optopt < FIRST_VALUE)
		word = letter;
	log_quote(shown, sizeof(shown), word);
	if (answer == ':')
		log_error("option '%s' needs a value; see --help", shown);
	else if (optopt >= FIRST_VALUE)
		log_error("option '%s' takes no value", shown);
	else
		log_error("unknown option '%s'; see --help", shown);
	return -EINVAL;
}

static int parse_options(struct options *o, int argc, char **argv)
{
	char letters[3 + 2 * ROW_COUNT];
	struct option names[ROW_COUNT + 1];
	int answer, err;

	make_getopt_tables(letters, names);
	opterr = 0;
	optind = 1;
	while ((answer = getopt_long(argc, argv, letters, names, NULL)) != -1) {
		const struct option_row *row = row_of(answer);

		if (!row)
			return complain_unknown(answer, argv[optind - 1]);
		err = row->take(o, row, optarg);
		if (err)
			return err;
	}
	return 0;
}

/* The word before the options, if there is one; the rest moves up to its place. */
static int take_command(struct options *o, int *argc, char ***argv)
{
	static const char *const commands[] = {"trace", "latency", "compare", "sites"};
	static const char *const reserved[] = {"leaks", "record", "report", "diff", "top"};
	char shown[128];
	const char *word;

	o->command = "trace";
	if (*argc < 2 || (*argv)[1][0] == '-')
		return 0;
	word = (*argv)[1];
	--*argc;
	++*argv;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!strcmp(word, commands[i])) {
			o->command = word;
			return 0;
		}
	}
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
		if (!strcmp(word, reserved[i])) {
			log_error("'%s' is a reserved word: this version does not have it yet",
				  word);
			return -EINVAL;
		}
	}
	log_error("unknown command '%s'; to run a program, put it behind '--'",
		  log_quote(shown, sizeof(shown), word));
	return -EINVAL;
}

/* What is left behind the options must be a command to run, and that only behind "--". */
static int take_program(struct options *o, int argc, char **argv)
{
	char shown[128];

	if (optind >= argc) {
		if (optind >= 1 && argc > 1 && !strcmp(argv[argc - 1], "--")) {
			log_error("'--' must be followed by a command");
			return -EINVAL;
		}
		return 0;
	}
	if (strcmp(argv[optind - 1], "--")) {
		log_error("unexpected '%s'; to run a program, put it behind '--'",
			  log_quote(shown, sizeof(shown), argv[optind]));
		return -EINVAL;
	}
	o->argv = argv + optind;
	return 0;
}

/* sites: a file and up to 62 names. */
static int take_words(struct options *o, int argc, char **argv)
{
	o->words = argv + optind;
	o->word_count = (size_t)(argc - optind);
	if (o->word_count >= 1 && o->word_count <= 63 && !o->pid_count)
		return 0;
	log_error("'sites' takes a file and up to 62 names of functions, and no target");
	return -EINVAL;
}

/* Every call of a command, from its first one on. */
static bool sees_all(const struct options *o)
{
	return o->argv && !strcmp(o->command, "trace") && !o->comm && !o->by_uid && !o->cgroup &&
	       !o->events.count && !o->min_size && o->max_size == UINT64_MAX && !o->sample_bytes &&
	       !o->own_functions.count && !o->objects.count;
}

static int check_together(const struct options *o)
{
	char shown[128];

	if (o->argv && o->pid_count)
		log_error("-p and a command exclude each other");
	else if (o->verbose && o->quiet)
		log_error("-v and -q exclude each other");
	else if (o->min_size > o->max_size)
		log_error("--min-size is above --max-size: nothing would be traced");
	else if ((o->as_root || o->exit_status) && !o->argv)
		log_error("--as-root and --exit-status need a command behind '--'");
	else if (o->stop_on_error && !sees_all(o))
		log_error(
			"--stop-on-error belongs to 'trace', needs a command behind '--', and goes "
			"with none of -n, -u, --cgroup, -e, -z, -Z, --sample-bytes, --function and "
			"--object: it must see every call");
	else if (o->follow && !o->argv && !o->pid_count)
		log_error("--follow needs a target: without one every process is traced");
	else if (o->sample_bytes && options_add_up(o))
		log_error("'%s' looks at every call: it does not go with --sample-bytes",
			  o->command);
	else if ((o->by != LANE_BY_FUNCTION || o->why) && strcmp(o->command, "latency"))
		log_error("--by and --why belong to 'latency'");
	else if (o->why && o->by == LANE_BY_SIZE)
		log_error("--why tells call sites apart: it does not go with --by size");
	else if (o->svg && strcmp(o->command, "compare"))
		log_error("--svg belongs to 'compare'");
	else if (!sink_find(strcmp(o->command, "sites") ? o->command : "trace", o->format))
		log_error("'%s' has no format '%s'; it has %s", o->command,
			  log_quote(shown, sizeof(shown), o->format), sink_formats());
	else
		return 0;
	return -EINVAL;
}

bool options_by_rules(const struct options *o)
{
	return o->stacks && o->unwind == OPTIONS_UNWIND_AUTO && !options_add_up(o);
}

bool options_add_up(const struct options *o)
{
	return !strcmp(o->command, "latency") || !strcmp(o->command, "compare");
}

void options_fini(struct options *o)
{
	functions_fini(&o->functions);
}

int options_parse(struct options *o, int argc, char **argv)
{
	int err;

	*o = (struct options){
		.format = "text",
		.max_size = UINT64_MAX,
		.max_stack = EVENT_MAX_FRAMES - 1,
		.ring_size = 16 << 20,
	};
	functions_init(&o->functions);
	err = take_command(o, &argc, &argv);
	if (!err)
		err = parse_options(o, argc, argv);
	if (err || o->help || o->version)
		return err;
	err = !strcmp(o->command, "sites") ? take_words(o, argc, argv)
					   : take_program(o, argc, argv);
	if (!err)
		err = check_together(o);
	return err ? err : options_choose(o);
}

void options_print_help(void)
{
	fputs("alloctrace: who allocates, how much, how slowly\n\n"
	      "usage: alloctrace [trace] TARGET [OPTIONS]   one line per call, the books at the "
	      "end\n"
	      "       alloctrace latency TARGET [OPTIONS]   a latency histogram a function and "
	      "pool\n"
	      "       alloctrace compare TARGET [OPTIONS]   pools against malloc, with a verdict\n"
	      "       alloctrace sites FILE [FUNCTION…]     where probes would lie in a file\n\n"
	      "TARGET: -p PID[,PID…]\n"
	      "        -- COMMAND [ARG…]   behind the options\n"
	      "        nothing             the whole system\n\n",
	      stdout);
	for (size_t i = 0; i < ROW_COUNT; i++) {
		char left[64];

		snprintf(left, sizeof(left), "--%s%s%s", rows[i].name, rows[i].value ? " " : "",
			 rows[i].value ? rows[i].value : "");
		printf("  %c%c%c %-24s %s\n", rows[i].letter ? '-' : ' ',
		       rows[i].letter ? rows[i].letter : ' ', rows[i].letter ? ',' : ' ', left,
		       rows[i].help);
	}
	fputs("\nSizes take K, M, G. Ctrl-C ends the run and prints the report; SIGUSR1 prints an "
	      "interim one.\n"
	      "Exit: 0 done; 1 it could not do it; 2 the command line is wrong; 3 --strict and "
	      "something was lost or only counted.\n",
	      stdout);
}
