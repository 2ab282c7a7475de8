// SPDX-License-Identifier: MIT
/*
 * libnobody-KIND.so: says that it defines malloc and free, and "nowhere", where nobody can be
 * probed. KIND is one of
 *
 *	outside   the addresses lie beyond all that the file has
 *	data      they lie in data
 *	junk      what lies there is no instruction
 *	absolute  the symbols are numbers
 *
 * It can be opened; only run_library() can be called, and does nothing.
 */
#if !defined(__x86_64__)
#error "the bytes are x86-64's"
#endif

#define NAMES(symbol, size) \
	".globl " symbol "\n.type " symbol ", @function\n.size " symbol ", " size "\n"
#define SET(symbol, value) NAMES(symbol, "0") ".set " symbol ", " value "\n"
#define LABEL(symbol)      NAMES(symbol, "4") symbol ": .byte 0x06, 0x07, 0x06, 0x07\n"

#if defined(OUTSIDE)
__asm__(".text\nbase:\n" SET("malloc", "base + 0x999000") SET("free", "base + 0x999100")
		SET("nowhere", "base + 0x999200"));
#elif defined(DATA)
__asm__(".data\n" LABEL("malloc") LABEL("free") LABEL("nowhere") ".text\n");
#elif defined(JUNK)
__asm__(".text\n" LABEL("malloc") LABEL("free") LABEL("nowhere"));
#elif defined(ABSOLUTE)
__asm__(SET("malloc", "0x999000") SET("free", "0x999100") SET("nowhere", "0x999200"));
#endif

void run_library(long rounds);
void run_library(long rounds)
{
	(void)rounds;
}
