// SPDX-License-Identifier: MIT
/* Which options make sense together, and with which command; one sentence for what does not. */
#include "cmd/together.h"

#include <errno.h>
#include <string.h>

#include "core/log.h"
#include "out/sink.h"

bool options_is(const struct options *o, const char *report)
{
	return !strcmp(o->report, report);
}

/* What is printed, and what goes with it: when all options are known. */
static int settle_report(struct options *o)
{
	const struct command *asked = command_find(o->report ? o->report : o->command->name);
	bool reads = o->command->kind == COMMAND_REPORT;
	char shown[128];

	if (o->report && !reads) {
		log_error("--as belongs to 'report'");
		return -EINVAL;
	}
	if (reads && !o->report)
		asked = command_find("leaks");
	if (reads && (!asked || !asked->replays)) {
		log_error("--as does not know '%s': it takes %s",
			  log_quote(shown, sizeof(shown), o->report), command_replays());
		return -EINVAL;
	}
	o->report = asked->name;
	o->stacks |= asked->stacks;
	if (!strcmp(o->command->name, "record")) {
		o->recording = o->output;
		o->output = NULL;
	}
	return 0;
}

/* Options that belong to some commands alone. */
static int check_belongings(const struct options *o)
{
	if (o->live_option && o->command->kind != COMMAND_LIVE && o->command->kind != COMMAND_SITES)
		log_error("'%s' reads a recording: --%s is for commands that have a target",
			  o->command->name, o->live_option);
	else if ((o->by != LANE_BY_FUNCTION || o->why) && !options_is(o, "latency"))
		log_error("--by and --why belong to 'latency'");
	else if (o->svg && !options_is(o, "compare"))
		log_error("--svg belongs to 'compare'");
	else if (o->older_ms && !options_is(o, "leaks"))
		log_error("--older belongs to 'leaks'");
	else if (o->within && !options_is(o, "temporary"))
		log_error("--within belongs to 'temporary'");
	else if ((o->from > 0 || o->until > 0) &&
		 !(o->command->kind == COMMAND_REPORT && options_is(o, "trace")))
		log_error("--from and --until belong to 'report --as trace'");
	else if (o->until > 0 && o->from > o->until)
		log_error("--from is behind --until: nothing would be shown");
	else if (options_is(o, "record") && !o->recording)
		log_error("'record' needs a file: -o FILE");
	else if (o->recording && options_add_up(o))
		log_error("'%s' does not look at each call: it leaves no recording",
			  o->command->name);
	else if (o->embed_symbols && !o->recording)
		log_error("--embed-symbols belongs to 'record' and --record");
	else
		return 0;
	return -EINVAL;
}

/* Every call of a command, from its first one on. */
static bool sees_all(const struct options *o)
{
	return o->argv && options_is(o, "trace") && !o->comm && !o->by_uid && !o->cgroup &&
	       !o->events.count && !o->min_size && o->max_size == UINT64_MAX && !o->sample_bytes &&
	       !o->own_functions.count && !o->objects.count;
}

static int check_together(const struct options *o)
{
	const char *serves = o->command->kind == COMMAND_SITES ? "trace" : o->report;
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
			  o->command->name);
	else if (o->why && o->by == LANE_BY_SIZE)
		log_error("--why tells call sites apart: it does not go with --by size");
	else if (!sink_find(serves, o->format))
		log_error("'%s' has no format '%s'; it has %s", serves,
			  log_quote(shown, sizeof(shown), o->format), sink_formats(serves));
	else
		return check_belongings(o);
	return -EINVAL;
}

int options_settle(struct options *o)
{
	int err = settle_report(o);

	return err ? err : check_together(o);
}
