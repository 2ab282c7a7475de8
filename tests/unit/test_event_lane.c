// SPDX-License-Identifier: MIT
/* Entries of the kernel side's map of lanes: sums over CPUs, and what is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/event.h"

/* As bpf/event.h lays it out, byte by byte: struct wire_lane_key. */
static const unsigned char plain_key[EVENT_LANE_KEY] = {
	0,    5,    1, 255,                /* op, function, class, size class */
	3,    1,    7, 0,                  /* cause, disturbed, slice, failed */
	0x39, 0x30, 0, 0,                  /* tgid 12345 */
	64,   0,    0, 0,                  /* group */
	0xef, 0xbe, 0, 0,   0, 0, 0, 0,    /* site */
	0x78, 0x56, 0, 0,   0, 0, 0, 0x10, /* pool */
	0x21, 0x03, 0, 0,   0, 0, 0, 0,    /* bucket, reserved */
};

enum { WORDS = EVENT_LANE_VALUE / 8 };

static void test_sums(void **state)
{
	unsigned char pool_key[EVENT_LANE_KEY];
	uint64_t values[3][WORDS];
	struct lane_part part;

	(void)state;
	for (uint64_t cpu = 0; cpu < 3; cpu++) {
		for (uint64_t i = 0; i < WORDS; i++)
			values[cpu][i] = (cpu + 1) * 100 + i;
	}
	values[1][2] = 100000; /* the largest */
	assert_int_equal(event_decode_lane(&part, plain_key, values, 3), 0);
	assert_int_equal(part.key.op, LANE_CALL);
	assert_int_equal(part.key.function, 5);
	assert_int_equal(part.key.class, CALIBRATION_PUSH);
	assert_int_equal(part.key.size_class, LANE_ALL_SIZES);
	assert_int_equal(part.key.cause, LANE_MMAP);
	assert_int_equal(part.key.disturbed, 1);
	assert_int_equal(part.key.slice, 7);
	assert_int_equal(part.key.failed, 0);
	assert_int_equal(part.key.pid, 12345);
	assert_int_equal(part.key.group, 64);
	assert_int_equal(part.key.site, 0xbeef);
	assert_int_equal(part.key.pool, 0); /* a call is no pool's, whatever is there */
	memcpy(pool_key, plain_key, sizeof(pool_key));
	pool_key[0] = LANE_POOL_ALLOC;
	assert_int_equal(event_decode_lane(&part, pool_key, values, 3), 0);
	assert_int_equal(part.key.pool, 0x1000000000005678);
	assert_int_equal(part.bucket, 0x321);
	assert_int_equal(part.count, 600);
	assert_int_equal(part.sum, 603);
	assert_int_equal(part.max, 100000);
	assert_int_equal(part.bytes, 609);
	for (size_t i = 0; i < LANE_NR_CAUSES; i++) {
		assert_int_equal(part.times[i], 600 + 3 * (4 + i));
		assert_int_equal(part.ns[i], 600 + 3 * (4 + LANE_NR_CAUSES + i));
	}
}

/* One byte at a time is made what it cannot be. */
static void test_malformed(void **state)
{
	static const struct {
		size_t at;
		unsigned char value;
	} wrong[] = {{0, 4}, {1, 64}, {2, CALIBRATION_NR}, {4, LANE_NR_CAUSES}, {36, 1}};
	uint64_t values[WORDS] = {1, 1, 1};
	struct lane_part part;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		unsigned char key[EVENT_LANE_KEY];

		memcpy(key, plain_key, sizeof(key));
		key[wrong[i].at] = wrong[i].value;
		assert_int_equal(event_decode_lane(&part, key, values, 1), -EINVAL);
	}
}

/* What was decoded adds up by key; a bucket that there is not is refused. */
static void test_added(void **state)
{
	uint64_t values[WORDS] = {2, 2000, 1200, 64};
	struct lane_part part;
	struct lanes lanes;

	(void)state;
	lanes_init(&lanes);
	assert_int_equal(event_decode_lane(&part, plain_key, values, 1), 0);
	part.bucket = hist_bucket(1000);
	assert_int_equal(lanes_add(&lanes, &part), 0);
	assert_int_equal(lanes_add(&lanes, &part), 0);
	part.key.site++;
	assert_int_equal(lanes_add(&lanes, &part), 0);
	assert_int_equal(lanes.count, 2);
	assert_int_equal(lanes.all[0].hist.count, 4);
	assert_int_equal(lanes.all[0].hist.sum, 4000);
	assert_int_equal(lanes.all[0].hist.max, 1200);
	assert_int_equal(lanes.all[0].bytes, 128);
	assert_int_equal(lanes.all[1].hist.count, 2);
	part.bucket = HIST_BUCKETS;
	assert_int_equal(lanes_add(&lanes, &part), -EINVAL);
	lanes_fini(&lanes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_added),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
