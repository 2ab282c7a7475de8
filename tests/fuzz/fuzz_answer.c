// SPDX-License-Identifier: MIT
/*
 * What a helper process answers when the file that it read has got hold of it: whatever it says,
 * alloctrace takes it for a file's contents or refuses it.
 */
#include "fuzz.h"

#include <unistd.h>

#include "core/log.h"
#include "in_process.h"
#include "probe/object.h"
#include "sym/names.h"
#include "sym/reader.h"
#include "sym/tables.h"

#define QUESTIONS 3

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	log_set_level(LOG_QUIET);
	return 0;
}

static void take_object(void)
{
	static struct functions functions;
	struct scanner *scanner;
	struct object o;
	int err;

	functions_init(&functions);
	scanner = scanner_new(&functions, &err);
	if (!scanner)
		abort();
	if (!object_init(&o, scanner, -1, "/input", &functions, false)) {
		for (size_t i = 0; i < o.site_count; i++) {
			const struct object_site *s = &o.sites[i];

			fuzz_check(s->site.cost <= SITE_REFUSED, "its cost is known");
			fuzz_check(s->site.class < CALIBRATION_NR, "its class is known");
			fuzz_check(!s->site.skip || s->site.skip < s->size,
				   "it lies in the function");
			fuzz_check(strlen(s->site.why) < sizeof(s->site.why), "words end");
		}
		object_fini(&o);
	}
	scanner_free(scanner);
	functions_fini(&functions);
}

static void check_frames(void *context, size_t index, struct sym_frame *frames, size_t count)
{
	(void)context;
	fuzz_check(index < QUESTIONS, "only what was asked is answered");
	fuzz_check(count && count <= DEBUGINFO_FRAMES_MAX, "no more frames than fit");
	for (size_t i = 0; i < count; i++) {
		fuzz_check(frames[i].line >= 0 && frames[i].column >= 0, "lines count from 0");
		fuzz_check(!frames[i].function || strlen(frames[i].function) < SIZE_MAX / 2,
			   "names end");
	}
}

static void take_frames(void)
{
	const struct sym_address at[QUESTIONS] = {{4096, false}, {4100, true}, {8192, false}};
	const struct reader_file file = {.id = 1, .path = "/input"};
	struct reader *reader = reader_new("fuzz");
	struct names *names = names_new();
	struct image_facts facts;
	ssize_t n;

	if (!names || !reader)
		abort();
	if (!reader_open(reader, &file, -1, false, &facts)) {
		fuzz_check(facts.segment_count <= IMAGE_MAX_SEGMENTS, "no more segments than fit");
		fuzz_check(facts.build_id_length <= IMAGE_MAX_BUILD_ID, "a build-id fits");
	}
	n = reader_frames(reader, &file, at, QUESTIONS, names, check_frames, NULL);
	fuzz_check(n <= QUESTIONS, "no more answers than questions");
	reader_free(reader);
	names_free(names);
}

static void check_rules(void *context, uint32_t id, const struct unwind_rules *rules, uint64_t end)
{
	(void)context;
	(void)id;
	fuzz_check(unwind_rules_valid(rules), "rules are ones");
	fuzz_check(!rules->count || end > rules->base, "they have an end");
}

static void take_tables(void)
{
	struct tables *tables = tables_new(-1);

	if (!tables || tables_want(tables, 1, STDIN_FILENO))
		abort();
	while (tables_pending(tables))
		tables_step(tables, check_rules, NULL);
	tables_free(tables);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + 1);

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	fuzz_answer = pack_over(copy, size);
	take_object();
	take_frames();
	fuzz_answer.used = 0;
	take_tables();
	fuzz_answer = (struct pack){0};
	free(copy);
	return 0;
}
