// SPDX-License-Identifier: MIT
/* The one logger, and the one place that makes foreign text safe to look at. */
#include "core/log.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static enum log_level level = LOG_NORMAL;

void log_set_level(enum log_level new_level)
{
	level = new_level;
}

enum log_level log_get_level(void)
{
	return level;
}

/* How many bytes the lead byte announces; 0 for a byte that cannot lead. */
static size_t sequence_length(unsigned char lead)
{
	if (lead < 0x80)
		return 1;
	if (lead >= 0xc2 && lead <= 0xdf)
		return 2;
	if (lead >= 0xe0 && lead <= 0xef)
		return 3;
	return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

/* Overlong forms, surrogates and what lies beyond U+10FFFF: the second byte tells (RFC 3629). */
static int second_byte_fits(unsigned char lead, unsigned char second)
{
	switch (lead) {
	case 0xc2: /* U+0080..U+009F are control characters (C1) */
	case 0xe0:
		return second >= 0xa0;
	case 0xed:
		return second <= 0x9f;
	case 0xf0:
		return second >= 0x90;
	case 0xf4:
		return second <= 0x8f;
	default:
		return 1;
	}
}

size_t log_utf8_length(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t length = sequence_length(s[0]);

	if (length == 1)
		return s[0] >= 0x20 && s[0] != 0x7f;
	for (size_t i = 1; i < length; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	if (length && !second_byte_fits(s[0], s[1]))
		return 0;
	return length;
}

/* Copies with every byte that is not printable UTF-8 as \xHH; a backslash becomes `backslash`. */
static char *escape(char *buf, size_t len, const char *text, const char *backslash)
{
	size_t used = 0;

	while (*text && len) {
		size_t n = log_utf8_length(text), length = n;
		const char *piece = text;
		char hex[8];

		if (n == 0) {
			snprintf(hex, sizeof(hex), "\\x%02x", (unsigned char)*text);
			piece = hex;
			length = strlen(hex);
		} else if (*text == '\\') {
			length = strlen(backslash);
			piece = backslash;
		}
		if (used + length >= len)
			break;
		memcpy(buf + used, piece, length);
		used += length;
		text += n ? n : 1;
	}
	if (len)
		buf[used] = '\0';
	return buf;
}

char *log_quote(char *buf, size_t len, const char *text)
{
	return escape(buf, len, text, "\\\\");
}

/*
 * One write a line: two processes on one terminal must not interleave inside a sentence. Whatever
 * names a sentence holds, it stays one line and cannot steer a terminal.
 */
static void say(enum log_level at, const char *prefix, const char *format, va_list args)
{
	char raw[2048], line[4096];

	if (level < at)
		return;
	vsnprintf(raw, sizeof(raw), format, args);
	fprintf(stderr, "alloctrace: %s%s\n", prefix, escape(line, sizeof(line), raw, "\\"));
}

#define DEFINE_LOG(name, at, prefix)           \
	void name(const char *format, ...)     \
	{                                      \
		va_list args;                  \
		va_start(args, format);        \
		say(at, prefix, format, args); \
		va_end(args);                  \
	}

DEFINE_LOG(log_error, LOG_QUIET, "")
DEFINE_LOG(log_warn, LOG_NORMAL, "warning: ")
DEFINE_LOG(log_info, LOG_NORMAL, "")
DEFINE_LOG(log_debug, LOG_VERBOSE, "")
