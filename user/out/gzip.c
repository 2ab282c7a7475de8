// SPDX-License-Identifier: MIT
/* There is no time and no name in the header: the same profile is the same file. */
#include "out/gzip.h"

#define WINDOW    (15 + 16) /* the largest; 16: with gzip's header */
#define MEMORY    8         /* zlib's own default */
#define MOST_ONCE (1U << 30)

bool gzip_begin(struct gzip *z, FILE *out)
{
	*z = (struct gzip){.out = out};
	return deflateInit2(&z->stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW, MEMORY,
			    Z_DEFAULT_STRATEGY) == Z_OK;
}

/* Until the stream has taken all, and given all that it is asked for. */
static void drain(struct gzip *z, int flush)
{
	unsigned char bytes[16384];
	int state;

	do {
		z->stream.next_out = bytes;
		z->stream.avail_out = sizeof(bytes);
		state = deflate(&z->stream, flush);
		fwrite(bytes, 1, sizeof(bytes) - z->stream.avail_out, z->out);
	} while (state == Z_OK && !z->stream.avail_out);
}

void gzip_write(struct gzip *z, const void *data, size_t length)
{
	const unsigned char *at = data;

	while (length) {
		size_t part = length < MOST_ONCE ? length : MOST_ONCE;

		z->stream.next_in = (unsigned char *)at; /* is not written to */
		z->stream.avail_in = (unsigned int)part;
		drain(z, Z_NO_FLUSH);
		at += part;
		length -= part;
	}
}

void gzip_end(struct gzip *z)
{
	z->stream.avail_in = 0;
	drain(z, Z_FINISH);
	deflateEnd(&z->stream);
}
