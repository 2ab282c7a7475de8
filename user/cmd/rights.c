// SPDX-License-Identifier: MIT
/* Which of a run's processes may do what. */
#include "cmd/rights.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cache.h"
#include "core/log.h"
#include "guard/fetch.h"
#include "guard/privileges.h"
#include "probe/spawn.h"

/* A run without the servers is as good as one of which they know nothing. */
static void start_fetch(struct run *r)
{
	struct spawn_user caller = spawn_sudo_user();
	struct fetch_user user = {caller.change, caller.uid, caller.gid, caller.name};
	int err;

	r->fetch = fetch_start(&user, &err);
	if (r->fetch)
		symbolizer_use_fetch(r->symbolizer, r->fetch);
	else if (err == -ENOENT)
		log_warn("no debuginfod server is asked: DEBUGINFOD_URLS is set, but "
			 "debuginfod-find is not installed (package debuginfod)");
	else if (err)
		log_warn("no debuginfod server is asked: cannot start the process that would: %s",
			 strerror(-err));
}

int rights_symbolizer(struct run *r)
{
	int dir, err;

	r->symbolizer = symbolizer_new();
	if (!r->symbolizer)
		return errno ? -errno : -ENOMEM;
	dir = cache_open_dir("names");
	if (dir < 0)
		return 0;
	err = symbolizer_keep(r->symbolizer, dir);
	close(dir);
	return err;
}

int rights_split(struct run *r)
{
	bool by_rules = options_by_rules(r->options);
	int err = rights_symbolizer(r);

	if (!err)
		r->scanner = scanner_new(&r->options->functions, &err);
	if (!err && by_rules) {
		r->kept_rules = cache_open_dir("unwind");
		r->tables = tables_new(r->kept_rules);
		err = r->tables ? 0 : errno ? -errno : -ENOMEM;
	}
	if (err)
		log_error("cannot start the processes that read the files of programs: %s",
			  strerror(-err));
	else
		start_fetch(r);
	return err;
}

int rights_give_up(const struct run *r)
{
	const struct privileges rest = {
		.held = r->child.ended ? 0 : r->child.pid,
		.children = {measure_calibrator(&r->measure)},
		.by_perf_events = !session_is_multi(r->session),
	};
	char kept[256];
	int err = privileges_confine(&rest, kept, sizeof(kept));

	if (err) {
		log_error("cannot give up the privileges that the run does not need: %s",
			  strerror(-err));
		return err;
	}
	log_debug("given up: all capabilities but %s; starting programs, writing files, sockets",
		  kept);
	return 0;
}
