// SPDX-License-Identifier: MIT
/* Every option: its name, what it does, and how its value is taken. */
#include "cmd/option_rows.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "cmd/values.h"
#include "core/log.h"

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
		return complain(row, value,
				row->low > 0 ? "seconds, above 0 and at most 1000000000"
					     : "seconds, at most 1000000000");
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

static int take_color(struct options *o, const struct option_row *row, const char *value)
{
	if (strcmp(value, "auto") && strcmp(value, "always") && strcmp(value, "never"))
		return complain(row, value, "auto, always or never");
	return take_text(o, row, value);
}

#define FIELD(name) offsetof(struct options, name)
#define ANY_SIZE    0, 1.9e19

const struct option_row option_rows[] = {
	{'p', true, "pid", "PID[,PID…]", take_pids, 0, 0, 0,
	 "trace these processes, all their threads"},
	{'n', true, "comm", "COMM", take_text, FIELD(comm), 0, 0,
	 "only threads of that command name"},
	{'u', true, "uid", "USER", take_user, 0, 0, 0,
	 "only processes of that user, by name or number"},
	{0, true, "cgroup", "PATH", take_text, FIELD(cgroup), 0, 0,
	 "only processes in that cgroup (version 2) or below"},
	{0, true, "follow", NULL, take_switch, FIELD(follow), 0, 0,
	 "trace what the targets start as well, by fork and exec"},
	{'d', true, "duration", "SEC", take_seconds, FIELD(duration), 1e-3, 1e9,
	 "stop after SEC seconds"},
	{'i', true, "interval", "SEC", take_seconds, FIELD(interval), 1e-2, 1e9,
	 "print an interim report every SEC seconds"},
	{'f', false, "format", "FORMAT", take_text, FIELD(format), 0, 0,
	 "text (the default), json, csv, folded, pprof or chrome, as the command has them"},
	{'o', false, "output", "FILE", take_text, FIELD(output), 0, 0,
	 "write to FILE, not to standard output"},
	{0, true, "record", "FILE", take_text, FIELD(recording), 0, 0,
	 "leave a recording in FILE as well"},
	{0, true, "embed-symbols", NULL, take_switch, FIELD(embed_symbols), 0, 0,
	 "names and lines go into the recording: it can be read on another machine"},
	{0, false, "as", "REPORT", take_text, FIELD(report), 0, 0,
	 "report: what to print (trace, latency, leaks, hot, temporary, peak, sizes)"},
	{0, false, "from", "SEC", take_seconds, FIELD(from), 0, 1e9,
	 "report --as trace: only calls from that second of the run on"},
	{0, false, "until", "SEC", take_seconds, FIELD(until), 0, 1e9,
	 "report --as trace: only calls up to that second"},
	{0, false, "older", "MS", take_size, FIELD(older_ms), 0, 1e12,
	 "leaks: only blocks that are at least that old"},
	{0, false, "within", "N", take_size, FIELD(within), 1, 1e6,
	 "temporary: freed within N calls of the thread (default 1, the next one)"},
	{'e', true, "events", "LIST", take_list, FIELD(events), 0, 0,
	 "only these: names of functions, pool, pool:NAME, divided by commas"},
	{0, true, "prefix", "PREFIX", take_list, FIELD(prefixes), 0, 0,
	 "functions called PREFIXmalloc and so on count, too"},
	{0, true, "function", "SPEC", take_list, FIELD(own_functions), 0, 0,
	 "an allocator's function of your own, as 'SYM(size=arg1,ret=ptr)'"},
	{0, true, "object", "PATH", take_list, FIELD(objects), 0, 0,
	 "probe this program or library, and no other"},
	{'z', true, "min-size", "SIZE", take_size, FIELD(min_size), ANY_SIZE,
	 "only allocations of SIZE or more"},
	{'Z', true, "max-size", "SIZE", take_size, FIELD(max_size), ANY_SIZE,
	 "only allocations of SIZE or less"},
	{0, true, "sample-bytes", "SIZE", take_size, FIELD(sample_bytes), 1, 1 << 30,
	 "show one allocation in SIZE bytes on average; the totals stay exact"},
	{0, false, "by", "WHAT", take_by, 0, 0, 0,
	 "latency: a row per function (the default), size or call site"},
	{0, true, "why", NULL, take_switch, FIELD(why), 0, 0,
	 "latency: what slow calls were doing, by call site"},
	{'N', false, "top", "N", take_size, FIELD(top), 1, 1 << 20,
	 "rows of a report (default 20 by site)"},
	{0, true, "svg", "FILE", take_text, FIELD(svg), 0, 0,
	 "compare: draw the two histograms into FILE"},
	{'k', false, "stacks", NULL, take_switch, FIELD(stacks), 0, 0, "print whole stacks"},
	{0, true, "unwind", "HOW", take_unwind, 0, 0, 0,
	 "how stacks are walked: auto (unwind tables, the default), fp (frame pointers) or none"},
	{0, true, "max-stack", "N", take_size, FIELD(max_stack), 1, 127,
	 "depth of -k, 1 to 127 (default 127)"},
	{0, true, "ring-size", "SIZE", take_size, FIELD(ring_size), 4096, 1 << 30,
	 "size of the ring buffer (default 16M), rounded up to a power of two; when it fills, less "
	 "is shown, and all is counted"},
	{0, false, "strict", NULL, take_switch, FIELD(strict), 0, 0,
	 "exit with 3 when anything was lost or only counted"},
	{0, true, "as-root", NULL, take_switch, FIELD(as_root), 0, 0,
	 "run COMMAND as root, not as the user who called sudo"},
	{0, true, "exit-status", NULL, take_switch, FIELD(exit_status), 0, 0,
	 "exit with COMMAND's own status"},
	{0, true, "stop-on-error", NULL, take_switch, FIELD(stop_on_error), 0, 0,
	 "stop COMMAND (SIGSTOP) at the call that frees what is not in use, for a debugger"},
	{0, false, "color", "WHEN", take_color, FIELD(color), 0, 0,
	 "auto (on a terminal, the default), always or never"},
	{0, false, "json-schema", NULL, take_switch, FIELD(json_schema), 0, 0,
	 "print the JSON Schema of what -f json prints"},
	{'v', false, "verbose", NULL, take_switch, FIELD(verbose), 0, 0,
	 "say more about what is done"},
	{'q', false, "quiet", NULL, take_switch, FIELD(quiet), 0, 0, "say nothing but errors"},
	{'V', false, "version", NULL, take_switch, FIELD(version), 0, 0, "print the version"},
	{'h', false, "help", NULL, take_switch, FIELD(help), 0, 0, "print this help"},
};

_Static_assert(sizeof(option_rows) / sizeof(option_rows[0]) <= OPTION_MAX_ROWS,
	       "options.c makes tables of that size");

const size_t option_row_count = sizeof(option_rows) / sizeof(option_rows[0]);
