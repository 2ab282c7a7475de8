// SPDX-License-Identifier: MIT
#include "cmd/report.h"

#include <errno.h>
#include <string.h>

#include "cmd/replay.h"
#include "core/log.h"
#include "guard/privileges.h"
#include "out/diff.h"
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

/* The exit code of a recording that was read. */
static int code_of(const struct options *o, const struct replay_end *end)
{
	if (!end->begun)
		return EXIT_CANNOT;
	return end->partly && o->strict ? EXIT_LOST : EXIT_DONE;
}

static int replay(struct run *r, struct options *o)
{
	struct replay *p = replay_open(r, o, o->words[0]);
	struct replay_end end = {0};
	int code = EXIT_CANNOT;

	if (p && !confine()) {
		output_begin(&r->output);
		if (!replay_read(p, &end))
			code = code_of(o, &end);
	}
	output_flush(&r->output);
	replay_close(p);
	return code;
}

/* One side: what the recording adds up to. */
static int take_side(struct replay *p, struct run *r, struct diff_side *side)
{
	struct replay_end end = {0};

	if (replay_read(p, &end) || !end.begun)
		return EXIT_CANNOT;
	if (diff_take(&r->sink, side)) {
		log_error("out of memory");
		return EXIT_CANNOT;
	}
	return code_of(r->options, &end);
}

static int compare(struct run *r, struct options *o)
{
	static struct run before;
	struct replay *p[2] = {0};
	struct diff_side sides[2] = {0};
	int code = EXIT_CANNOT, second = EXIT_CANNOT;

	before.output = r->output;
	p[0] = replay_open(&before, o, o->words[0]);
	p[1] = p[0] ? replay_open(r, o, o->words[1]) : NULL;
	if (p[1] && !confine()) {
		output_begin(&r->output);
		code = take_side(p[0], &before, &sides[0]);
	}
	if (code != EXIT_CANNOT)
		second = take_side(p[1], r, &sides[1]);
	if (second == EXIT_CANNOT || diff_write(&r->sink, &sides[0], &sides[1]))
		code = EXIT_CANNOT;
	else if (second > code)
		code = second;
	output_flush(&r->output);
	for (size_t i = 0; i < 2; i++) {
		diff_side_fini(&sides[i]);
		replay_close(p[i]);
	}
	return code;
}

/* The output is open while `make` prints the report into it. */
static int with_output(struct options *o, int (*make)(struct run *r, struct options *o))
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
	code = make(&r, o);
	if (json_ran_short() && !r.output.error)
		r.output.error = ENOMEM;
	output_close(&r.output);
	if (!r.output.error)
		return code;
	log_error("cannot write to %s: %s", log_quote(shown, sizeof(shown), r.output.name),
		  strerror(r.output.error));
	return EXIT_CANNOT;
}

int run_report(struct options *o)
{
	return with_output(o, replay);
}

int run_diff(struct options *o)
{
	return with_output(o, compare);
}
