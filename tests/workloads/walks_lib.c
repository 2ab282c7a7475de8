// SPDX-License-Identifier: MIT
/*
 * libwalks-near.so and libwalks-far.so: the same function at the same place, once with a small
 * frame and once with a large one. Who takes the one for the other finds no way out of it.
 */
#include <stddef.h>

#ifndef FRAME
#define FRAME 2
#endif

void walks_through(void (*call)(size_t), size_t size);

__attribute__((noinline)) void walks_through(void (*call)(size_t), size_t size)
{
	void *volatile room[FRAME];

	for (int i = 0; i < FRAME; i++)
		room[i] = __builtin_return_address(0);
	call(size);
	room[0] = room[FRAME - 1];
}
