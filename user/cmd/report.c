// SPDX-License-Identifier: MIT
#include "cmd/report.h"

#include <errno.h>
#include <string.h>

#include "cmd/replay.h"
#include "core/log.h"
#include "out/json.h"

int run_report(struct options *o)
{
	static struct run r;
	struct replay_end end;
	const char *why;
	char shown[160];
	int code = EXIT_CANNOT;

	if (output_open(&r.output, o->output, &why)) {
		log_error("cannot open '%s' for writing: %s",
			  log_quote(shown, sizeof(shown), o->output), why);
		return EXIT_CANNOT;
	}
	output_begin(&r.output);
	if (!replay_file(&r, o, o->words[0], &end) && end.read)
		code = end.short_ && o->strict ? EXIT_LOST : EXIT_DONE;
	if (!output_flush(&r.output) || json_ran_short()) {
		log_error("cannot write to %s: %s", log_quote(shown, sizeof(shown), r.output.name),
			  strerror(r.output.error ? r.output.error : ENOMEM));
		code = EXIT_CANNOT;
	}
	replay_free(&r);
	output_close(&r.output);
	return code;
}
