// SPDX-License-Identifier: MIT
/*
 * The formats that other programs read: hostile names in CSV and in trace events, how often a live
 * heap is told, and the schema. What is written is read back: CSV by a reader that knows RFC 4180
 * and no more, JSON by jansson.
 */
#include <jansson.h>

#include "calls.h"
#include "out/chrome_live.h"
#include "out/csv.h"
#include "out/schema.h"
#include "out/sink.h"

#define FIELDS 19 /* of a row of the trace */
#define MS     1000000ULL
#define NEVER  SIZE_MAX

static struct sym_frame frame;

struct sym_stack symbolizer_resolve(struct symbolizer *s, pid_t pid, uint64_t address,
				    bool is_return)
{
	(void)s, (void)pid, (void)address, (void)is_return;
	return (struct sym_stack){1, &frame};
}

uint64_t symbolizer_serial(struct symbolizer *s, pid_t pid)
{
	(void)s;
	return (uint64_t)pid;
}

static const char *const functions[] = {"malloc", "realloc", "free"};
static struct run_info info;

static int set_up(void **state)
{
	frame = (struct sym_frame){"main", "a.c", 1, 2, "/bin/a", 0, 0, false};
	info = (struct run_info){.version = "0",
				 .kernel = "6",
				 .functions = functions,
				 .function_count = 3,
				 .traced = 7,
				 .frees = 4,
				 .start_ns = 1000,
				 .live_known = true,
				 .heap = &heap};
	return setup(state);
}

/* ---- CSV ---- */

static const char *field_of(const char *text)
{
	static char written[200];
	FILE *out = fmemopen(written, sizeof(written), "w");

	assert_non_null(out);
	csv_text(out, text);
	fclose(out);
	return written;
}

static void test_csv_text(void **state)
{
	(void)state;
	assert_string_equal(field_of(""), "");
	assert_string_equal(field_of("operator new"), "operator new");
	assert_string_equal(field_of("f<a, b>"), "\"f<a, b>\"");
	assert_string_equal(field_of("\"x\""), "\"\"\"x\"\"\"");
	assert_string_equal(field_of("a\r\nb"), "a\\x0d\\x0ab");
	assert_string_equal(field_of("\x1b[2J\x7f"), "\\x1b[2J\\x7f");
	assert_string_equal(field_of("a\\x0a"), "a\\\\x0a");
	assert_string_equal(field_of("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
	assert_string_equal(field_of("\xff,\xc2\x9b"), "\"\\xff,\\xc2\\x9b\"");
}

/* The length of the row at `text`, its fields in `fields`; each ends with a zero. */
static size_t read_row(const char *text, char fields[FIELDS][256], size_t *count)
{
	const char *c = text;
	bool quoted = false;
	size_t used = 0;

	for (*count = 0; *c; c++) {
		assert_true(*count < FIELDS && used < 255);
		if (*c == '"' && quoted && c[1] == '"') {
			fields[*count][used++] = *++c;
		} else if (*c == '"') {
			assert_true(quoted || used == 0); /* in the middle, it would be text */
			quoted = !quoted;
		} else if (!quoted && (*c == ',' || (*c == '\r' && c[1] == '\n'))) {
			fields[(*count)++][used] = '\0';
			used = 0;
			if (*c == '\r')
				return (size_t)(c + 2 - text);
		} else {
			assert_true(*c != '\r' && *c != '\n');
			fields[*count][used++] = *c;
		}
	}
	fail_msg("the row does not end: %s", text);
	return 0;
}

/* What the sink writes of the events. The caller frees it. */
static char *written(const struct sink_ops *ops, const struct event *events, size_t count)
{
	struct report report = {.heap = &heap, .calls = heap.calls, .final = true};
	struct heap_note known;
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	struct sink sink;

	assert_non_null(out);
	assert_int_equal(sink_init(&sink, ops, &info, out), 0);
	ops->start(&sink);
	for (size_t i = 0; i < count; i++) {
		assert_true(heap_apply(&heap, &events[i], &known));
		ops->event(&sink, &events[i], &known);
	}
	if (ops->finish)
		ops->finish(&sink, &report);
	sink_fini(&sink);
	fclose(out);
	assert_non_null(text);
	assert_int_equal(strlen(text), length);
	return text;
}

static struct event call_at(uint64_t ns, uint64_t addr, uint64_t size)
{
	struct event e = {.kind = size ? EVENT_ALLOC : EVENT_FREE,
			  .function = size ? MALLOC : FREE,
			  .pid = PID,
			  .tid = PID,
			  .ts_ns = 1000 + ns,
			  .addr = addr,
			  .size = size,
			  .frames = 1,
			  .stack = {0x400000}};

	strcpy(e.comm, "demo");
	return e;
}

static void test_csv_row(void **state)
{
	struct event e = call_at(5, BLOCK, 64);
	char fields[FIELDS][256];
	size_t count, at;
	char *text;

	(void)state;
	frame.function = "std::map<a, \"b\">::operator,\n";
	frame.file = "C:\\a,b\"";
	strcpy(e.comm, "\",\r\n\x1b");
	text = written(&csv_trace_sink, &e, 1);
	at = read_row(text, fields, &count);
	assert_int_equal(count, FIELDS);
	assert_string_equal(fields[0], "time_ns");
	assert_string_equal(fields[FIELDS - 1], "module");
	at += read_row(text + at, fields, &count);
	assert_int_equal(count, FIELDS);
	assert_string_equal(fields[0], "5");
	assert_string_equal(fields[3], "\",\\x0d\\x0a\\x1b");
	assert_string_equal(fields[6], "64");
	assert_string_equal(fields[8], "0x1000");
	assert_string_equal(fields[14], "std::map<a, \"b\">::operator,\\x0a");
	assert_string_equal(fields[15], "C:\\\\a,b\"");
	assert_string_equal(fields[18], "/bin/a");
	assert_int_equal(strlen(text), at); /* no word about the end of the run */
	free(text);
}

/* ---- trace events ---- */

static json_t *trace_of(const struct event *events, size_t count)
{
	char *text = written(&chrome_trace_sink, events, count);
	json_t *trace = json_loads(text, JSON_REJECT_DUPLICATES, NULL), *all;

	assert_non_null(trace);
	all = json_object_get(trace, "traceEvents");
	assert_true(json_is_array(all));
	json_incref(all);
	json_decref(trace);
	free(text);
	return all;
}

static const char *text_at(json_t *event, const char *key)
{
	return json_string_value(json_object_get(event, key));
}

/* The event of that number among those of a phase; NULL: there are less. */
static json_t *nth(json_t *events, const char *phase, size_t n)
{
	json_t *event;
	size_t i;

	json_array_foreach(events, i, event)
	{
		if (!strcmp(text_at(event, "ph"), phase) && !n--)
			return event;
	}
	return NULL;
}

static void test_chrome_nothing(void **state)
{
	json_t *events = trace_of(NULL, 0);

	(void)state;
	assert_int_equal(json_array_size(events), 0);
	json_decref(events);
}

static void test_chrome_names(void **state)
{
	struct event e = call_at(1500, BLOCK, 64);
	json_t *events, *call;

	(void)state;
	frame.function = "\"},{\"ph\":\"X\"\x01";
	frame.file = NULL;
	strcpy(e.comm, "\"\\\n\xff");
	e.measured = true;
	e.latency_ns = 48;
	events = trace_of(&e, 1);
	call = nth(events, "X", 0);
	assert_null(nth(events, "X", 1));
	assert_string_equal(text_at(call, "name"), "malloc");
	assert_string_equal(text_at(json_object_get(call, "args"), "location"),
			    "\"},{\"ph\":\"X\"\\x01+0x0 (/bin/a)");
	assert_true(json_number_value(json_object_get(call, "ts")) == 1.5);
	assert_true(json_number_value(json_object_get(call, "dur")) == 0.048);
	assert_string_equal(text_at(json_object_get(nth(events, "M", 0), "args"), "name"),
			    "\"\\\n\xef\xbf\xbd");
	json_decref(events);
}

/* A thread is named once, and again when it is called something else; a process, after its main
 * thread. */
static void test_chrome_threads(void **state)
{
	struct event all[] = {call_at(1, BLOCK, 8), call_at(2, BLOCK, 0), call_at(3, BLOCK, 8),
			      call_at(4, BLOCK, 0)};
	static const char *const names[][2] = {
		{"process_name", "worker"}, {"thread_name", "worker"}, {"process_name", "demo"},
		{"thread_name", "demo"},    {"thread_name", "other"},
	};
	json_t *events, *name;

	(void)state;
	all[0].tid = all[3].tid = PID + 1;
	strcpy(all[0].comm, "worker");
	strcpy(all[3].comm, "other");
	events = trace_of(all, 4);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		name = nth(events, "M", i);
		assert_non_null(name);
		assert_string_equal(text_at(name, "name"), names[i][0]);
		assert_string_equal(text_at(json_object_get(name, "args"), "name"), names[i][1]);
	}
	assert_null(nth(events, "M", 5));
	json_decref(events);
}

/* ---- what is live ---- */

static struct told {
	uint64_t ts_ns;
	double blocks, bytes;
} told[16];
static size_t told_count;

static void tell(struct sink *s, uint32_t pid, uint64_t ts_ns, struct chrome_live_value value)
{
	(void)s;
	assert_int_equal(pid, PID);
	assert_true(told_count < 16);
	told[told_count++] = (struct told){ts_ns, value.blocks, value.bytes};
}

static void check_told(size_t i, uint64_t ns, double blocks, double bytes)
{
	assert_true(i < told_count);
	assert_int_equal(told[i].ts_ns, 1000 + ns);
	assert_true(told[i].blocks == blocks);
	assert_true(told[i].bytes == bytes);
}

/* The process ends before the event of that number. */
static void play_live(const struct event *events, size_t count, size_t end)
{
	struct sink sink = {.info = &info};
	struct chrome_live live;
	struct heap_note known;

	told_count = 0;
	chrome_live_init(&live, &sink, tell);
	for (size_t i = 0; i < count; i++) {
		if (i == end)
			heap_end_process(&heap, PID);
		heap_apply(&heap, &events[i], &known);
		chrome_live_apply(&live, &events[i], &known);
	}
	if (end == count)
		heap_end_process(&heap, PID);
	chrome_live_finish(&live);
	chrome_live_fini(&live);
}

/* A burst is told once when it begins and once a step later, as it was then, not as it is when the
 * next event comes. */
static void test_live_steps(void **state)
{
	struct event all[] = {call_at(0, BLOCK, 100), call_at(10, BLOCK2, 50),
			      call_at(20, BLOCK, 0), call_at(5 * MS, 0x5000, 7),
			      call_at(5 * MS + 1, BLOCK2, 0)};

	(void)state;
	play_live(all, 5, NEVER);
	assert_int_equal(told_count, 4);
	check_told(0, 0, 1, 100);
	check_told(1, MS, 1, 50);
	check_told(2, 5 * MS, 2, 57);
	check_told(3, 6 * MS, 1, 7);
}

/* A realloc, one that fails, and calls that change nothing. */
static void test_live_calls(void **state)
{
	struct event all[] = {call_at(0, BLOCK, 100), call_at(MS, BLOCK2, 300),
			      call_at(2 * MS, 0, 900), call_at(3 * MS, 0, 0),
			      call_at(4 * MS, 0x7000, 0)};

	(void)state;
	all[1].kind = EVENT_REALLOC;
	all[1].function = REALLOC;
	all[1].old_addr = BLOCK;
	all[2].failed = true;
	play_live(all, 5, NEVER);
	assert_int_equal(told_count, 2);
	check_told(0, 0, 1, 100);
	check_told(1, MS, 1, 300);
}

/* What is handed out again is not there twice; what is left at the end stays. */
static void test_live_left(void **state)
{
	struct event all[] = {call_at(0, BLOCK, 100), call_at(MS, BLOCK, 30),
			      call_at(MS + 1, BLOCK2, 1)};

	(void)state;
	play_live(all, 3, 3);
	assert_int_equal(told_count, 3);
	check_told(0, 0, 1, 100);
	check_told(1, MS, 1, 30);
	check_told(2, 2 * MS, 2, 31);
}

/* Another process of that number begins with nothing. */
static void test_live_anew(void **state)
{
	struct event all[] = {call_at(0, BLOCK, 100), call_at(5 * MS, BLOCK2, 7)};

	(void)state;
	play_live(all, 2, 1);
	assert_int_equal(told_count, 2);
	check_told(0, 0, 1, 100);
	check_told(1, 5 * MS, 1, 7);
}

/* ---- the schema ---- */

static void test_schema(void **state)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	json_t *schema;

	(void)state;
	assert_non_null(out);
	schema_print(out);
	fclose(out);
	assert_true(length && text[length - 1] == '\n');
	schema = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(schema);
	assert_string_equal(text_at(schema, "$schema"),
			    "https://json-schema.org/draft/2020-12/schema");
	json_decref(schema);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_csv_text, set_up, teardown),
		cmocka_unit_test_setup_teardown(test_csv_row, set_up, teardown),
		cmocka_unit_test_setup_teardown(test_chrome_nothing, set_up, teardown),
		cmocka_unit_test_setup_teardown(test_chrome_names, set_up, teardown),
		cmocka_unit_test_setup_teardown(test_chrome_threads, set_up, teardown),
		cmocka_unit_test_setup_teardown(test_live_steps, set_up, teardown),
		cmocka_unit_test_setup_teardown(test_live_calls, set_up, teardown),
		cmocka_unit_test_setup_teardown(test_live_left, set_up, teardown),
		cmocka_unit_test_setup_teardown(test_live_anew, set_up, teardown),
		cmocka_unit_test_setup_teardown(test_schema, set_up, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
