// SPDX-License-Identifier: MIT
#include "out/human.h"

#include <inttypes.h>
#include <string.h>

#include "core/profile.h"

/* Three digits that count. */
static int decimals(double value)
{
	return value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
}

const char *human_size(char *buf, uint64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1023.5) {
		value /= 1024;
		unit++;
	}
	snprintf(buf, HUMAN_TEXT, "%.*f %s", unit ? decimals(value) : 0, value, units[unit]);
	return buf;
}

const char *human_rate(char *buf, uint64_t count, uint64_t ns)
{
	double rate = ns ? (double)count * 1e9 / (double)ns : 0;

	if (!ns)
		return strcpy(buf, "-");
	snprintf(buf, HUMAN_TEXT, "%.*f", count ? decimals(rate) : 0, rate);
	return buf;
}

const char *human_size_rate(char *buf, uint64_t bytes, uint64_t ns)
{
	double rate = ns ? (double)bytes * 1e9 / (double)ns : 0;

	if (!ns)
		return strcpy(buf, "-");
	human_size(buf, rate < 0x1p63 ? (uint64_t)(rate + 0.5) : INT64_MAX);
	return strcat(buf, "/s");
}

const char *human_share(char *buf, uint64_t part, uint64_t whole)
{
	double share = whole ? 100 * (double)part / (double)whole : 0;

	if (!whole)
		return strcpy(buf, "-");
	if (part && share < 0.1)
		return strcpy(buf, "<0.1%");
	snprintf(buf, HUMAN_TEXT, "%.1f%%", share);
	return buf;
}

const char *human_class(char *buf, unsigned int power)
{
	static const char prefixes[] = "KMGTPE";
	unsigned int low = power - 1;

	if (power <= 1)
		snprintf(buf, HUMAN_TEXT, "%s", power ? "2" : "0..1");
	else if (power <= 10)
		snprintf(buf, HUMAN_TEXT, "%u..%u", (1U << low) + 1, 1U << power);
	else if (power < 64)
		snprintf(buf, HUMAN_TEXT, "%u%c+1..%u%c", 1U << low % 10, prefixes[low / 10 - 1],
			 1U << power % 10, prefixes[power / 10 - 1]);
	else
		snprintf(buf, HUMAN_TEXT, "over 8E");
	return buf;
}

const char *human_lifetime(char *buf, const uint64_t *lifetimes)
{
	static const char *const limits[PROFILE_LIFETIMES] = {
		"<1us", "<10us", "<100us", "<1ms",   "<10ms",   "<100ms",
		"<1s",  "<10s",  "<100s",  "<1000s", "<10000s", ">10000s",
	};
	uint64_t all = 0, below = 0;

	for (unsigned int i = 0; i < PROFILE_LIFETIMES; i++)
		all += lifetimes[i];
	for (unsigned int i = 0; i < PROFILE_LIFETIMES; i++) {
		below += lifetimes[i];
		if (below && below >= all - below)
			return strcpy(buf, limits[i]);
	}
	return strcpy(buf, "-");
}

void human_bar_write(FILE *out, uint64_t value, uint64_t most)
{
	unsigned int full = 0;

	if (most)
		full = (unsigned int)((double)value / (double)most * HUMAN_BAR + 0.5);
	for (unsigned int i = 0; i < HUMAN_BAR; i++)
		fputs(i < full ? "▇" : " ", out);
}

/* Bytes that go on with a character have no width. */
static bool is_first(char c)
{
	return (c & 0xc0) != 0x80;
}

unsigned int human_width(const char *text)
{
	unsigned int width = 0;

	for (; *text; text++)
		width += is_first(*text);
	return width;
}

/* Where the character of that number begins. */
static char *character_at(char *text, unsigned int number)
{
	for (; *text; text++) {
		if (is_first(*text) && !number--)
			break;
	}
	return text;
}

void human_shorten(char *text, unsigned int width)
{
	static const char mark[] = "…";
	unsigned int is = human_width(text), front;
	char *from, *to;

	if (is <= width || width < 4)
		return;
	front = (width - 1) / 3;
	from = character_at(text, is - (width - 1 - front));
	to = character_at(text, front);
	/* A name may be made of single bytes, of which two are taken away for the three of the
	 * mark: it cannot be longer than what it stands for by more than one. */
	if ((size_t)(from - to) < sizeof(mark) - 1)
		from = character_at(to, (unsigned int)sizeof(mark) - 1);
	memcpy(to, mark, sizeof(mark) - 1);
	memmove(to + sizeof(mark) - 1, from, strlen(from) + 1);
}

void human_number_write(FILE *out, uint64_t n, const char *thing)
{
	fprintf(out, "%" PRIu64 " %s%s", n, thing, n == 1 ? "" : "s");
}

void human_style(const struct sink *s, enum human_style style)
{
	static const char *const codes[] = {
		[HUMAN_PLAIN] = "\x1b[0m",
		[HUMAN_TITLE] = "\x1b[1m",
		[HUMAN_FIGURE] = "\x1b[36m",
		[HUMAN_FAINT] = "\x1b[2m",
	};

	if (s->info->color)
		fputs(codes[style], s->out);
}
