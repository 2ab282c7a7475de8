/* SPDX-License-Identifier: MIT */
/*
 * The messages of a small protocol: a tagged union such as a server keeps in its queue, all of one
 * size whatever they carry. That makes them the natural customers of a fixed-chunk pool.
 *
 * Functions here neither allocate nor fail, keep no state and may run in any thread.
 */
#ifndef DEMO_PROTOCOL_H
#define DEMO_PROTOCOL_H

#include <stdint.h>

enum protocol_kind {
	PROTOCOL_ADD,
	PROTOCOL_ECHO,
	PROTOCOL_BLOB,
	PROTOCOL_PING,
	PROTOCOL_QUIT,
	PROTOCOL_KINDS, /* how many there are */
};

#define PROTOCOL_TEXT_SIZE 64  /* bytes, with the closing NUL */
#define PROTOCOL_BLOB_MAX  120 /* bytes */

struct protocol_message {
	uint64_t id;
	uint32_t kind; /* enum protocol_kind; says which member is alive, PING and QUIT have none */
	union {
		struct {
			int64_t a, b;
		} add;
		struct {
			char text[PROTOCOL_TEXT_SIZE];
		} echo;
		struct {
			uint32_t len; /* bytes in use, at most PROTOCOL_BLOB_MAX */
			uint8_t bytes[PROTOCOL_BLOB_MAX];
		} blob;
	};
};

/* The next number of a repeatable sequence; *state is its seed at first, any value will do. */
uint64_t protocol_random(uint64_t *state);

/*
 * Fills *message, kind and contents both determined by id and seed alone. Bytes beyond the contents
 * are left as they are, as a real builder would.
 */
void protocol_build(struct protocol_message *message, uint64_t id, uint64_t seed);

/*
 * Answers a built message: a checksum over its id, kind and contents, and nothing but those, so
 * that it is the same wherever the message lies, and different if anyone wrote into it in between.
 */
uint64_t protocol_handle(const struct protocol_message *message);

#endif
