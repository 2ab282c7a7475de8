// SPDX-License-Identifier: MIT
/* The bytes: what format.h draws, held against bytes that were written down by hand. */
#include "recording_file.h"

#include <zstd.h>

/* The sum as format.h tells it, by another hand: a word is what eight bytes are, low ones first. */
static uint64_t sum_of(const char *bytes, size_t size)
{
	uint64_t sum = 0x452821e638d01377 ^ size;

	for (size_t at = 0; at <= size / 8 * 8; at += 8) {
		uint64_t word = 0;

		for (size_t i = at; i < at + 8 && i < size; i++)
			word += (uint64_t)(unsigned char)bytes[i] << 8 * (i - at);
		sum = (sum ^ word) * 0x9e3779b97f4a7c15;
		sum ^= sum >> 32;
	}
	return sum;
}

static uint64_t number_at(const char *bytes, unsigned int size)
{
	uint64_t n = 0;

	while (size--)
		n = n << 8 | (unsigned char)bytes[size];
	return n;
}

/* Checks the head of a frame, and unpacks it by zstd's own function. Returns its size. */
static size_t check_frame(const char *at, uint32_t type, const char *raw, size_t size)
{
	size_t packed = number_at(at + 8, 4);
	char *unpacked = malloc(size);

	assert_non_null(unpacked);
	assert_int_equal(number_at(at, 4), type);
	assert_int_equal(number_at(at + 4, 4), size);
	assert_int_equal(number_at(at + 12, 8), sum_of(at + 28, packed));
	assert_int_equal(number_at(at + 20, 8), sum_of(at, 20));
	assert_int_equal(number_at(at + 28, 4), 0xfd2fb528);
	assert_true(at[32] & 4); /* zstd's flag for a checksum at the end */
	assert_int_equal(ZSTD_decompress(unpacked, size, at + 28, packed), size);
	assert_memory_equal(unpacked, raw, size);
	free(unpacked);
	return 28 + packed;
}

static void put_golden(struct file *f)
{
	struct record_function malloc_row = {.name = "malloc", .family = 3, .traced = true};
	struct record start = {.kind = RECORD_START,
			       .start = {.version = "1",
					 .kernel = "6",
					 .command = "c",
					 .start_ns = 300,
					 .targets = {4211},
					 .target_count = 1,
					 .only_pool = "",
					 .checks = true}};
	struct record functions = {.kind = RECORD_FUNCTIONS, .functions = {&malloc_row, 1}};
	struct event e = {.kind = EVENT_ALLOC,
			  .measured = true,
			  .pid = 5,
			  .tid = 6,
			  .ts_ns = 1000,
			  .latency_ns = 200,
			  .size = 64,
			  .addr = 0x1000,
			  .frames = 1,
			  .stack = {0x401000},
			  .comm = "ab"};

	file_begin(f);
	file_put(f, &start);
	file_put(f, &functions);
	file_put_event(f, RECORD_EVENT, &e);
	e.ts_ns = 1250;
	e.size = 48;
	file_put_event(f, RECORD_EVENT, &e);
	e.ts_ns = 1500;
	e.addr = 0x1040;
	e.latency_ns = 3;
	file_put_event(f, RECORD_EVENT, &e);
	file_finish(f);
}

static void test_golden(void **state)
{
	/* clang-format off */
	static const char raw[] =
		"\x05\0\0\0" "\x03\0\0\0" "\x03\0\0\0" "\x01\0\0\0" "\x03\0\0\0"
		"\x02\0\0\0" "\x04\0\0\0" "\x03\0\0\0" "\x03\0\0\0" "\x43\0\0\0"
		/* SHAPES: two records that are no calls, a new one, and two more of it */
		"\x00\x00\x01\x02\x02"
		/* THREADS: a new one, and it again */
		"\x00\x01\x01"
		/* GAPS: 1000, 50, 50, which are 2000, 100, 100 with their sign; 2000 is 80 + 15 * 128 */
		"\xd0\x64\x64" "\x0f"
		/* LATENCIES: 200, 200, 3; 200 is 72 + 1 * 128 */
		"\xc8\xc8\x03" "\x01\x01"
		/* SIZES: 64 more than none, 16 less, as many */
		"\x80\x01\x1f\x00"
		/* PLACES: a new one, the last one again, a new one */
		"\x00\x02\x00"
		/* FRESH: 256 and 4 times 16 bytes further */
		"\x80\x04\x08"
		/* REST: start, functions, shape, thread */
		"\x01" "\x02" "1\0" "\x02" "6\0" "\x02" "c\0" "\xac\x02" "\0" "\x01" "\xf3\x20" "\0"
		"\x01\0" "\0\0\x01\0\0\0\0"
		"\x02" "\x01" "\x07" "malloc\0" "\x03" "\x01\0\0"
		"\x01\0\x04\x07\0\0" "\0\0\0\0\x01" "\x00\x10\x40\0\0\0\0\0"
		"\x05\x06\0\0" "\x03" "ab";
	/* One entry, 3 calls: at 20, other records, 3 calls, from 1000, for 500. */
	static const char index[] = "\x01\x03"
				    "\x14\x01\x03"
				    "\xd0\x0f\xf4\x03";
	/* clang-format on */
	size_t at = 20;
	struct file f;

	(void)state;
	put_golden(&f);
	assert_memory_equal(f.bytes,
			    "\x89"
			    "alltrc\n"
			    "\x01\0\0\0",
			    12);
	assert_int_equal(number_at(f.bytes + 12, 8), sum_of(f.bytes, 12));
	at += check_frame(f.bytes + at, 1, raw, sizeof(raw));
	assert_int_equal(number_at(f.bytes + f.size - 16, 8), at);
	at += check_frame(f.bytes + at, 2, index, sizeof(index) - 1);
	assert_memory_equal(f.bytes + at, "alltrend", 8);
	assert_int_equal(number_at(f.bytes + at + 16, 8), sum_of(f.bytes + at, 16));
	assert_int_equal(at + 24, f.size);
	file_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
	};

	return cmocka_run_group_tests_name("recording_format", tests, NULL, NULL);
}
