// SPDX-License-Identifier: MIT
/*
 * Names of traced processes on their way out. An input is a byte of settings and then names, each
 * up to a zero: two pools', a command's, a function's, a file's, a module's. They go through the
 * quoting of text and through whole runs of the sinks. Text must be printable UTF-8 and nothing
 * else, JSON one valid object a line, CSV rows of one length, a profile what its format says; none
 * may lose a call.
 */
#include "fuzz.h"

#include <jansson.h>
#include <zlib.h>

#include "core/log.h"
#include "out/json.h"
#include "out/sink.h"
#include "profile.pb-c.h"
#include "sym/symbolizer.h"

#define LONGEST 5000 /* bytes of a name: longer than any path */
#define PID     4211

struct names {
	char *pool, *other_pool, *comm, *function, *file, *module;
};

/* ---- what UTF-8 is, said once more: not by the code under test ---- */

/* The length of the character at `s`, *point what it is; 0: these bytes are none. */
static size_t character(const uint8_t *s, size_t left, uint32_t *point)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = s[0] < 0x80       ? 1
		   : s[0] >> 5 == 6  ? 2
		   : s[0] >> 4 == 14 ? 3
		   : s[0] >> 3 == 30 ? 4
				     : 0;

	if (!n || n > left)
		return 0;
	*point = n == 1 ? s[0] : s[0] & (0x7fU >> n);
	for (size_t i = 1; i < n; i++) {
		if (s[i] >> 6 != 2)
			return 0;
		*point = *point << 6 | (s[i] & 0x3f);
	}
	if (*point < least[n] || *point > 0x10ffff || (*point >= 0xd800 && *point <= 0xdfff))
		return 0;
	return n;
}

static bool is_utf8(const char *text, size_t length)
{
	const uint8_t *s = (const uint8_t *)text;
	uint32_t point;
	size_t n;

	for (size_t i = 0; i < length; i += n) {
		n = character(s + i, length - i, &point);
		if (!n)
			return false;
	}
	return true;
}

/* Nothing in it steers a terminal. Newlines are the caller's matter. */
static bool is_printable(const char *text, size_t length)
{
	const uint8_t *s = (const uint8_t *)text;
	uint32_t point;
	size_t n;

	for (size_t i = 0; i < length; i += n) {
		n = character(s + i, length - i, &point);
		if (!n || point < 0x20 || (point >= 0x7f && point < 0xa0))
			return false;
	}
	return true;
}

static void check_text(const char *text, size_t length)
{
	const char *end = text + length, *newline;

	for (; text < end; text = newline + 1) {
		newline = memchr(text, '\n', (size_t)(end - text));
		fuzz_check(newline, "text ends with its line");
		fuzz_check(is_printable(text, (size_t)(newline - text)), "text is printable");
	}
}

/* ---- the quoting of text ---- */

/* What stands in the quotes, back to what was quoted: \\ and \xHH. */
static size_t unquote(char *to, const char *from)
{
	size_t n = 0;
	unsigned int byte;

	for (; *from; n++) {
		if (from[0] != '\\') {
			to[n] = *from++;
		} else if (from[1] == '\\') {
			to[n] = '\\';
			from += 2;
		} else {
			fuzz_check(sscanf(from, "\\x%2x", &byte) == 1, "an escape is \\xHH");
			to[n] = (char)byte;
			from += 4;
		}
	}
	return n;
}

static void check_quote(const char *text, uint8_t room)
{
	size_t length = strlen(text), most = 4 * length + 1;
	char *whole = malloc(most), *plain = malloc(most), *cut = malloc(room + 1U);
	size_t n;

	if (!whole || !plain || !cut)
		abort();
	log_quote(whole, most, text);
	fuzz_check(is_printable(whole, strlen(whole)), "a quoted name is printable");
	n = unquote(plain, whole);
	fuzz_check(n == length && !memcmp(plain, text, n), "quoting loses nothing");
	log_quote(cut, room + 1U, text);
	fuzz_check(strlen(cut) <= room && !strncmp(cut, whole, strlen(cut)), "cut, it fits");
	fuzz_check(is_printable(cut, strlen(cut)), "cut, it is printable");
	free(whole);
	free(plain);
	free(cut);
}

static void check_json_text(const char *text)
{
	size_t length = strlen(text);
	json_t *json = json_text(text);

	fuzz_check(json, "any name is a JSON string");
	fuzz_check(is_utf8(json_string_value(json), json_string_length(json)), "it is UTF-8");
	if (is_printable(text, length))
		fuzz_check(!strcmp(json_string_value(json), text), "what is UTF-8 is not changed");
	json_decref(json);
}

/* ---- whole runs ---- */

static struct sym_frame frames[2];

/* Stands in for the symbolizer: every address lies in the input's function, inlined in another. */
struct sym_stack symbolizer_resolve(struct symbolizer *s, pid_t pid, uint64_t address,
				    bool is_return)
{
	(void)s;
	(void)pid;
	(void)is_return;
	return address & 1 ? (struct sym_stack){2, frames} : (struct sym_stack){1, frames + 1};
}

/* What it has mapped never changes. */
uint64_t symbolizer_serial(struct symbolizer *s, pid_t pid)
{
	(void)s;
	return (uint64_t)pid;
}

static void set_frames(const struct names *n, uint8_t settings)
{
	frames[0] = (struct sym_frame){.function = n->function,
				       .file = n->file,
				       .line = 7,
				       .module = n->module,
				       .inlined = true};
	frames[1] = (struct sym_frame){.function = settings & 4 ? NULL : n->function,
				       .file = settings & 8 ? NULL : n->file,
				       .line = settings,
				       .column = settings & 3,
				       .module = n->module,
				       .offset = 0x1234};
}

static struct event pool_event(enum event_kind kind, const struct names *n, uint64_t pool)
{
	struct event e = {.kind = kind,
			  .pid = PID,
			  .tid = PID,
			  .ts_ns = 1000,
			  .pool = pool,
			  .size = 64,
			  .addr = pool + 64,
			  .frames = 1,
			  .stack = {pool | 1}};

	snprintf(e.comm, sizeof(e.comm), "%s", n->comm);
	if (kind == EVENT_POOL_CREATE)
		snprintf(e.name, sizeof(e.name), "%s", pool == 0x1000 ? n->pool : n->other_pool);
	return e;
}

static void tell_event(struct sink *s, struct heap *h, const struct event *e)
{
	struct heap_note note;

	if (heap_apply(h, e, &note))
		s->ops->event(s, e, &note);
}

static void tell_finding(struct sink *s, const struct names *n, uint8_t settings)
{
	static const uint64_t stack[] = {0x1001};
	struct finding f = {.check = settings % FINDING_NR_CHECKS,
			    .pool = n->pool,
			    .other_pool = n->other_pool,
			    .pid = PID,
			    .tid = PID,
			    .size = 64,
			    .stack = stack,
			    .frames = 1,
			    .other_site = 0x2000};

	snprintf(f.comm, sizeof(f.comm), "%s", n->comm);
	f.chunks = f.check == FINDING_LEAKED || f.check == FINDING_REGION_FREED;
	f.function = f.other_function = f.made_function = FINDING_NO_FUNCTION;
	if (f.check >= FINDING_DOUBLE_FREE) {
		f.pool = NULL;
		f.function = f.made_function = 0;
		f.made_site = 0x1001;
	}
	s->ops->finding(s, &f);
}

/* Two pools of which each hands out one chunk. */
static void play(struct sink *s, struct heap *h, const struct names *n, uint8_t settings)
{
	struct report report = {
		.heap = h, .calls = h->calls, .fate = "exited with 0", .final = true};

	s->ops->start(s);
	for (uint64_t pool = 0x1000; pool <= 0x2000; pool += 0x1000) {
		struct event created = pool_event(EVENT_POOL_CREATE, n, pool);
		struct event taken = pool_event(EVENT_POOL_ALLOC, n, pool);

		taken.grade = (settings >> 5) % EVENT_NR_GRADES;
		taken.why = settings % EVENT_NR_WHYS;
		taken.stack_id = settings & 64 ? 1 : 0;
		taken.stack[taken.frames++] = EVENT_EXACT | 0x3000;
		tell_event(s, h, &created);
		tell_event(s, h, &taken);
	}
	if (s->ops->finding)
		tell_finding(s, n, settings);
	report.events = h->events;
	report.counters[EVENT_ENTERED] = h->events;
	if (s->ops->finish)
		s->ops->finish(s, &report);
}

/* What a sink writes. The caller frees it. */
static char *written(const struct sink_ops *ops, const struct names *n, uint8_t settings,
		     size_t *length)
{
	static const char *const functions[] = {"malloc"};
	struct heap heap;
	const struct run_info info = {.version = "0",
				      .kernel = n->module,
				      .functions = functions,
				      .function_count = 1,
				      .traced = 1,
				      .live_known = true,
				      .stacks = settings & 16,
				      .columns = settings,
				      .heap = &heap};
	char *text = NULL;
	FILE *out = open_memstream(&text, length);
	struct sink sink;

	if (!out || heap_init(&heap) || sink_init(&sink, ops, &info, out))
		abort();
	play(&sink, &heap, n, settings);
	sink_fini(&sink);
	heap_fini(&heap);
	fclose(out);
	return text;
}

static json_int_t calls_of(json_t *summary)
{
	json_int_t calls = 0;
	const char *key;
	json_t *call;

	json_object_foreach(json_object_get(summary, "calls"), key, call) calls +=
		json_integer_value(json_object_get(call, "count"));
	return calls;
}

static void check_json(const char *text, size_t length, size_t least, size_t most)
{
	const char *end = text + length, *newline;
	json_t *line = NULL;
	size_t lines = 0;

	for (; text < end; text = newline + 1, lines++) {
		newline = memchr(text, '\n', (size_t)(end - text));
		fuzz_check(newline, "JSON ends with its line");
		json_decref(line);
		line = json_loadb(text, (size_t)(newline - text), JSON_REJECT_DUPLICATES, NULL);
		fuzz_check(json_is_object(line), "every line is one object");
		fuzz_check(json_is_string(json_object_get(line, "type")), "that says what it is");
	}
	fuzz_check(lines >= least && lines <= most, "nothing is lost, and nothing is added");
	fuzz_check(calls_of(line) == 2, "both chunks are in the summary");
	json_decref(line);
}

/* A row a call behind the header, as RFC 4180 has them. */
static void check_trace_csv(const char *text, size_t length)
{
	size_t rows = 0, fields = 0, begin = 0;
	bool quoted = false;

	for (size_t i = 0; i < length; i++) {
		if (text[i] == '"')
			quoted = !quoted; /* twice inside: out and in again */
		fields += !quoted && text[i] == ',';
		if (text[i] != '\r')
			continue;
		fuzz_check(!quoted && text[++i] == '\n', "a row is a line");
		fuzz_check(is_printable(text + begin, i - 1 - begin), "CSV is printable");
		fuzz_check(fields == 18, "every row has all fields");
		begin = i + 1;
		fields = 0;
		rows++;
	}
	fuzz_check(!quoted && !fields, "CSV ends with its row");
	fuzz_check(rows == 5, "a header, two pools, two chunks");
}

static void check_trace_events(const char *text, size_t length)
{
	json_t *trace = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL), *event;
	size_t i, calls = 0;

	fuzz_check(trace, "a trace is one value");
	json_array_foreach(json_object_get(trace, "traceEvents"), i, event)
	{
		calls += !strcmp(json_string_value(json_object_get(event, "ph")), "X");
	}
	fuzz_check(calls == 4, "two pools and two chunks");
	json_decref(trace);
}

/* Frames and a number. */
static void check_folded(const char *text, size_t length)
{
	const char *end = text + length, *newline, *number;

	check_text(text, length);
	for (; text < end; text = newline + 1) {
		newline = memchr(text, '\n', (size_t)(end - text));
		number = memrchr(text, ' ', (size_t)(newline - text));
		fuzz_check(number && number > text &&
				   strspn(number + 1, "0123456789") ==
					   (size_t)(newline - number - 1),
			   "a line ends with a number");
		fuzz_check(*text != ';' && number[-1] != ';', "no frame is empty at an end");
	}
}

/* A start, two pools, two chunks, a finding and a summary. */
static void check_trace_json(const char *text, size_t length)
{
	check_json(text, length, 7, 7);
}

/* A start, the sums, a call site in each pool, which may be of one name, and a summary. */
static void check_heap_json(const char *text, size_t length)
{
	check_json(text, length, 4, 5);
}

/* Rows that end as RFC 4180 has it, and nothing else that is no text. */
static void check_heap_csv(const char *text, size_t length)
{
	const char *end = text + length, *newline;

	for (; text < end; text = newline + 1) {
		newline = memchr(text, '\n', (size_t)(end - text));
		fuzz_check(newline && newline > text && newline[-1] == '\r', "a row is a line");
		fuzz_check(is_printable(text, (size_t)(newline - 1 - text)), "CSV is printable");
	}
}

static void check_pprof(const char *text, size_t length)
{
	static uint8_t plain[1 << 20];
	z_stream z = {.next_in = (uint8_t *)text,
		      .avail_in = (unsigned int)length,
		      .next_out = plain,
		      .avail_out = sizeof(plain)};
	Pprof__Profile *profile;

	fuzz_check(inflateInit2(&z, 15 + 16) == Z_OK && inflate(&z, Z_FINISH) == Z_STREAM_END,
		   "a profile is one gzip file");
	profile = pprof__profile__unpack(NULL, z.total_out, plain);
	inflateEnd(&z);
	fuzz_check(profile, "that is a profile");
	for (size_t i = 0; i < profile->n_string_table; i++)
		fuzz_check(is_printable(profile->string_table[i], strlen(profile->string_table[i])),
			   "its texts are printable");
	fuzz_check(profile->n_sample == 1 || profile->n_sample == 2, "a call site in each pool");
	for (size_t i = 0; i < profile->n_sample; i++)
		fuzz_check(profile->sample[i]->n_location_id, "that is somewhere");
	pprof__profile__free_unpacked(profile, NULL);
}

static void check_sink(const struct sink_ops *ops, const struct names *n, uint8_t settings,
		       void (*check)(const char *text, size_t length))
{
	size_t length;
	char *text = written(ops, n, settings, &length);

	check(text, length);
	free(text);
}

static void check_names(const struct names *n, uint8_t settings, uint8_t room)
{
	const char *const all[] = {n->pool,     n->other_pool, n->comm,
				   n->function, n->file,       n->module};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		check_quote(all[i], room);
		check_json_text(all[i]);
	}
	set_frames(n, settings);
	check_sink(&json_trace_sink, n, settings, check_trace_json);
	check_sink(&text_trace_sink, n, settings, check_text);
	check_sink(&csv_trace_sink, n, settings, check_trace_csv);
	check_sink(&chrome_trace_sink, n, settings, check_trace_events);
	check_sink(&text_leaks_sink, n, settings, check_text);
	check_sink(&json_leaks_sink, n, settings, check_heap_json);
	check_sink(&folded_leaks_sink, n, settings, check_folded);
	check_sink(&csv_leaks_sink, n, settings, check_heap_csv);
	check_sink(&pprof_leaks_sink, n, settings, check_pprof);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	uint8_t settings = fuzz_byte(&in), room = fuzz_byte(&in);
	struct names n = {.pool = fuzz_text(&in, LONGEST)};

	n.other_pool = fuzz_text(&in, LONGEST);
	n.comm = fuzz_text(&in, LONGEST);
	n.function = fuzz_text(&in, LONGEST);
	n.file = fuzz_text(&in, LONGEST);
	n.module = fuzz_text(&in, LONGEST);
	check_names(&n, settings, room);
	free(n.pool);
	free(n.other_pool);
	free(n.comm);
	free(n.function);
	free(n.file);
	free(n.module);
	return 0;
}
