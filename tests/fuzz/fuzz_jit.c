// SPDX-License-Identifier: MIT
/*
 * /tmp/perf-PID.map, all of which the traced process writes: in two parts, with questions between
 * them. Whatever it says, a name lies where its line says, and all room is given back.
 */
#include "fuzz.h"

#include "sym/jit.h"

static void ask(struct jit *j, uint64_t address)
{
	uint64_t start = 0;
	const char *name = jit_find(j, address, &start);

	if (!name)
		return;
	fuzz_check(*name && strlen(name) < JIT_MAX_LINE, "a name has bytes, and not too many");
	fuzz_check(start <= address, "code starts before what lies in it");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jit_room room = {JIT_MAX_ENTRIES, JIT_MAX_BYTES};
	struct jit j = {.room = &room};
	size_t first = size / 2;

	jit_add(&j, (const char *)data, first);
	for (uint64_t at = 0; at < 64; at++)
		ask(&j, at);
	jit_add(&j, (const char *)data + first, size - first);
	for (uint64_t at = 0; at < 0x1100; at++)
		ask(&j, at);
	ask(&j, UINT64_MAX);
	jit_clear(&j);
	fuzz_check(room.entries == JIT_MAX_ENTRIES && room.bytes == JIT_MAX_BYTES,
		   "the room is given back");
	return 0;
}
