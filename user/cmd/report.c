// SPDX-License-Identifier: MIT
#include "cmd/report.h"

#include <errno.h>
#include <string.h>

#include "cmd/replay.h"
#include "core/log.h"
#include "guard/privileges.h"
#include "out/json.h"

/* What the recording says is read by who can do nothing with it. */
static int confine(void)
{
	int err = privileges_confine_reader();

	if (err)
		log_error("cannot give up the privileges that a report does not need: %s",
			  strerror(-err));
	return err;
}

static int replay(struct run *r, struct options *o)
{
	struct replay *p = replay_open(r, o, o->words[0]);
	struct replay_end end = {0};
	int code = EXIT_CANNOT;

	if (p && !confine()) {
		output_begin(&r->output);
		if (!replay_read(p, &end) && end.begun)
			code = end.partly && o->strict ? EXIT_LOST : EXIT_DONE;
	}
	output_flush(&r->output);
	replay_close(p);
	return code;
}

int run_report(struct options *o)
{
	static struct run r;
	const char *why;
	char shown[160];
	int code;

	if (output_open(&r.output, o->output, &why)) {
		log_error("cannot open '%s' for writing: %s",
			  log_quote(shown, sizeof(shown), o->output), why);
		return EXIT_CANNOT;
	}
	code = replay(&r, o);
	if (json_ran_short() && !r.output.error)
		r.output.error = ENOMEM;
	output_close(&r.output);
	if (!r.output.error)
		return code;
	log_error("cannot write to %s: %s", log_quote(shown, sizeof(shown), r.output.name),
		  strerror(r.output.error));
	return EXIT_CANNOT;
}
