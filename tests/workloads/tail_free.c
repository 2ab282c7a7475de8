// SPDX-License-Identifier: MIT
/*
 * An allocator of its own whose operator delete is nothing but a jump to free, as jemalloc's is,
 *and a block that is deleted again and again by one call site with no other call in between. free
 *does nothing, so that this is harmless.
 *
 *	truth deletes=N		calls of operator delete
 */
#include <stddef.h>
#include <stdio.h>

#define DELETES 5

void *malloc(size_t size)
{
	static _Alignas(16) char heap[1 << 16];
	static size_t used;
	void *block = heap + used;

	used += (size + 15) & ~(size_t)15;
	return used <= sizeof(heap) ? block : NULL;
}

__attribute__((noinline)) void free(void *block)
{
	__asm__ volatile("" : : "r"(block) : "memory");
}

void _ZdlPv(void *block);
__asm__(".globl _ZdlPv\n.type _ZdlPv, @function\n_ZdlPv: jmp free@PLT\n.size _ZdlPv, .-_ZdlPv\n");

int main(void)
{
	char *block = malloc(24);

	for (int i = 0; i < DELETES; i++)
		_ZdlPv(block);
	printf("truth deletes=%d\n", DELETES);
	return 0;
}
