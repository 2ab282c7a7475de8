// SPDX-License-Identifier: MIT
/* What core/event makes of the wire, a recording takes and gives back, whatever it is. */
#include "record.h"
#include "recording_file.h"
#include "recording_stream.h"

static void fill(struct wire_event *w, struct stream *s)
{
	uint64_t *const words[] = {(uint64_t *)&w->ts_ns, (uint64_t *)&w->latency_ns,
				   (uint64_t *)&w->size,  (uint64_t *)&w->align,
				   (uint64_t *)&w->addr,  (uint64_t *)&w->old_addr,
				   (uint64_t *)&w->pool,  (uint64_t *)&w->weighted_bytes};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		*words[i] = stream_below(s, 4) ? stream_random(s) : stream_rarely(s, 0);
	w->function = (uint8_t)stream_below(s, EVENT_MAX_FUNCTIONS);
	w->flags = (uint8_t)stream_below(s, WIRE_ALL_FLAGS + 1);
	w->tgid = (uint32_t)stream_random(s);
	w->tid = (uint32_t)stream_random(s);
	w->ns_tgid = (uint32_t)stream_rarely(s, 0);
	w->ns_tid = (uint32_t)stream_rarely(s, 0);
	memset(w->comm, 0, sizeof(w->comm));
	memset(w->comm, 'a' + (char)stream_below(s, 26), stream_below(s, sizeof(w->comm) + 1));
}

/* A record of the ring that core/event takes. */
static void make(struct stream *s, struct event *e)
{
	static const uint16_t frames[] = {0, 1, 1, 1, 2, 17, WIRE_MAX_FRAMES};
	struct wire_event w =
		sample((uint8_t)(1 + stream_below(s, WIRE_STACK)), frames[stream_below(s, 7)]);
	char name[WIRE_NAME_LEN];

	if (w.kind == WIRE_PRESSURE)
		w.kind = WIRE_ALLOC;
	fill(&w, s);
	w.stack_id = stream_below(s, 2) ? stream_random(s) : 0;
	w.grade = (uint8_t)stream_below(s, WIRE_NR_GRADES);
	w.why = (uint8_t)stream_below(s, WIRE_NR_WHYS);
	if (w.kind == WIRE_STACK) {
		w.frames = w.frames ? w.frames : 1;
		w.stack_id = w.stack_id ? w.stack_id : 1;
	} else if (w.frames < 2 && w.stack_id) {
		w.grade = w.why = 0;
	}
	if (w.kind == WIRE_POOL_CREATE)
		w.frames = 0;
	memset(name, 0, sizeof(name));
	memset(name, 'p', stream_below(s, sizeof(name) + 1));
	assert_int_equal(
		decode_length(e, &w, w.kind == WIRE_POOL_CREATE ? name : NULL, length_of(&w)), 0);
}

static void test_wire(void **state)
{
	const unsigned int count = 5000;
	struct stream written = {.state = 777}, expected = {.state = 777};
	struct reading in;
	struct file f;
	struct event e;

	(void)state;
	file_begin(&f);
	file_start(&f);
	for (unsigned int i = 0; i < count; i++) {
		make(&written, &e);
		file_put_event(&f, e.kind == EVENT_STACK ? RECORD_STACK : RECORD_EVENT, &e);
	}
	file_finish(&f);
	reading_begin(&in, f.bytes, f.size);
	reading_start(&in);
	for (unsigned int i = 0; i < count; i++) {
		make(&expected, &e);
		same_event(reading_expect(&in, e.kind == EVENT_STACK ? RECORD_STACK : RECORD_EVENT)
				   ->event,
			   &e);
	}
	reading_end(&in, READER_WHOLE);
	reading_close(&in);
	file_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wire),
	};

	return cmocka_run_group_tests_name("recording_wire", tests, NULL, NULL);
}
