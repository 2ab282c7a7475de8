// SPDX-License-Identifier: MIT
/*
 * A file that a traced process maps, as the probes read it: its symbols, its USDT notes, whether it
 * is Go's, and where in its functions the probes go. The reading process writes an answer, and what
 * traces takes it apart. The input itself is taken apart as well, as if such a process, misled by a
 * file, had written it.
 */
#include "fuzz.h"

#include "core/pack.h"
#include "guard/helper.h"
#include "probe/functions.h"
#include "probe/scan.h"

static void visit(void *context, const struct scan_function *f)
{
	struct functions *functions = context;
	int row = functions_match(functions, f->name, f->exported);

	fuzz_check(row < (int)functions->count, "a function is a row of the table or none");
	fuzz_check(functions->count <= EVENT_MAX_FUNCTIONS, "no more functions than rows");
	fuzz_check(f->site.cost <= SITE_REFUSED, "the cost of its site is known");
	fuzz_check(f->site.class < CALIBRATION_NR, "the class of its site is known");
	fuzz_check(!f->site.skip || f->site.skip < f->size, "its site lies in the function");
	fuzz_check(memchr(f->site.instruction, 0, sizeof(f->site.instruction)) &&
			   memchr(f->site.why, 0, sizeof(f->site.why)),
		   "its words end");
}

static int take(uint8_t *bytes, size_t size, struct functions *functions)
{
	struct pack in = pack_over(bytes, size);
	struct scan_facts facts = {0};

	return scan_take(&in, &facts, visit, functions);
}

/* The one place that knows how a file is read. */
static void read_file(const uint8_t *data, size_t size, struct functions *functions, bool hazard)
{
	static unsigned char answer[HELPER_MAX_BYTES];
	struct pack out = pack_over(answer, sizeof(answer));
	int fd = fuzz_file(data, size);

	if (!scan_file(fd, functions, hazard, &out))
		fuzz_check(!take(answer, out.used, functions), "what was written can be read");
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	static struct functions functions;
	uint8_t *bytes = fuzz_block(&in, &size);

	functions_init(&functions);
	read_file(bytes, size, &functions, size & 1);
	take(bytes, size, &functions);
	for (size_t i = 0; i < functions.count; i++)
		fuzz_check(memchr(functions.rows[i].name, 0, FUNCTION_NAME_LEN),
			   "a function's name ends");
	functions_fini(&functions);
	free(bytes);
	return 0;
}
