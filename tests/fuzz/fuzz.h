/* SPDX-License-Identifier: MIT */
/*
 * What the fuzz targets share: cutting an input into pieces, a file in memory that holds it, and a
 * way to say that something is wrong. A target is one function that libFuzzer calls with one input
 * after another; it aborts when the code under test breaks a promise, and the sanitizers abort for
 * it when that code breaks the language's.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define fuzz_check(condition, promise)                                                        \
	do {                                                                                  \
		if (!(condition)) {                                                           \
			fprintf(stderr, "broken: %s (%s:%d)\n", promise, __FILE__, __LINE__); \
			abort();                                                              \
		}                                                                             \
	} while (0)

/* What is left of an input. */
struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

/* The next `n` bytes, or all that are left and then zeros. */
static inline void fuzz_take(struct fuzz_input *in, void *to, size_t n)
{
	size_t have = n < in->left ? n : in->left;

	memset(to, 0, n);
	if (have)
		memcpy(to, in->at, have);
	in->at += have;
	in->left -= have;
}

static inline uint8_t fuzz_byte(struct fuzz_input *in)
{
	uint8_t byte;

	fuzz_take(in, &byte, sizeof(byte));
	return byte;
}

static inline uint64_t fuzz_word(struct fuzz_input *in)
{
	uint64_t word;

	fuzz_take(in, &word, sizeof(word));
	return word;
}

/*
 * A block of exactly the next `n` bytes or of what is left, *n how many: one byte too many is seen
 * by the sanitizer. The caller frees it.
 */
static inline uint8_t *fuzz_block(struct fuzz_input *in, size_t *n)
{
	uint8_t *block;

	*n = *n < in->left ? *n : in->left;
	block = malloc(*n ? *n : 1);
	if (!block)
		abort();
	fuzz_take(in, block, *n);
	return block;
}

/* A string of exactly the next bytes up to a zero, at most `most` of them. The caller frees it. */
static inline char *fuzz_text(struct fuzz_input *in, size_t most)
{
	size_t have = most < in->left ? most : in->left;
	size_t length = have ? strnlen((const char *)in->at, have) : 0;
	char *text = malloc(length + 1);

	if (!text)
		abort();
	fuzz_take(in, text, length);
	text[length] = '\0';
	if (length < have) /* the zero itself */
		fuzz_byte(in);
	return text;
}

/* A descriptor of a file that holds the input and has no name. The caller closes it. */
static inline int fuzz_file(const uint8_t *data, size_t size)
{
	int fd = memfd_create("input", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
		perror("memfd");
		abort();
	}
	return fd;
}

#endif
