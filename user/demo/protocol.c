// SPDX-License-Identifier: MIT
/*
 * Hides what the messages say and how they are summed up.
 *
 * Decisions
 * - A message follows from (id, seed) and not from the messages before it: if one lane has to drop
 *   a message, the others still come out the same in both lanes.
 * - The checksum is order-dependent within a message, so that swapped bytes show.
 */
#include <string.h>

#include "protocol.h"

/* The splitmix64 generator: one addition, then a finaliser that scatters the bits. */
uint64_t protocol_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* Printable text of 32 to 63 letters. */
static void build_text(char text[PROTOCOL_TEXT_SIZE], uint64_t *random)
{
	size_t len = 32 + protocol_random(random) % 32;

	for (size_t i = 0; i < len; i++)
		text[i] = (char)('a' + protocol_random(random) % 26);
	text[len] = '\0';
}

/* Up to PROTOCOL_BLOB_MAX bytes, drawn eight at a time. */
static void build_blob(struct protocol_message *message, uint64_t *random)
{
	uint32_t len = (uint32_t)(protocol_random(random) % (PROTOCOL_BLOB_MAX + 1));

	message->blob.len = len;
	for (uint32_t i = 0; i < len; i += 8) {
		uint64_t word = protocol_random(random);

		memcpy(message->blob.bytes + i, &word, len - i < 8 ? len - i : 8);
	}
}

void protocol_build(struct protocol_message *message, uint64_t id, uint64_t seed)
{
	uint64_t random = seed ^ id;

	message->id = id;
	message->kind = (uint32_t)(protocol_random(&random) % PROTOCOL_KINDS);
	switch ((enum protocol_kind)message->kind) {
	case PROTOCOL_ADD:
		message->add.a = (int64_t)protocol_random(&random);
		message->add.b = (int64_t)protocol_random(&random);
		break;
	case PROTOCOL_ECHO:
		build_text(message->echo.text, &random);
		break;
	case PROTOCOL_BLOB:
		build_blob(message, &random);
		break;
	case PROTOCOL_PING:
	case PROTOCOL_QUIT:
	case PROTOCOL_KINDS:
		break;
	}
}

static uint64_t sum_bytes(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++)
		sum = sum * 31 + bytes[i];
	return sum;
}

uint64_t protocol_handle(const struct protocol_message *message)
{
	uint64_t sum = message->id * PROTOCOL_KINDS + message->kind;

	switch ((enum protocol_kind)message->kind) {
	case PROTOCOL_ADD:
		/* unsigned, as the sum of two arbitrary signed numbers may overflow */
		sum += (uint64_t)message->add.a + (uint64_t)message->add.b;
		break;
	case PROTOCOL_ECHO:
		sum = sum_bytes(sum, message->echo.text, strlen(message->echo.text));
		break;
	case PROTOCOL_BLOB:
		sum = sum_bytes(sum, message->blob.bytes, message->blob.len);
		break;
	case PROTOCOL_PING:
	case PROTOCOL_QUIT:
	case PROTOCOL_KINDS:
		break;
	}
	return protocol_random(
		&sum); /* scattered, so that sums of many answers do not cancel out */
}
