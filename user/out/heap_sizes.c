// SPDX-License-Identifier: MIT
/*
 * All blocks by their sizes, in classes that end with a power of two; chunks of pools excepted.
 *
 *	======== sizes after 14.846 s: 9012 blocks of 2.30 MiB in all, half of them of 64 B at most
 *
 *	BYTES       BLOCKS  SHARE               IN ALL  STILL LIVE    IN ALL MEAN LIFE TEMPORARY
 *	17..32        9000  99.9% ▇▇▇▇▇▇▇▇▇▇  2.20 MiB         300  1.20 MiB    1.20us     88.0%
 */
#include "out/heap_text.h"

#include <inttypes.h>

#include "out/books.h"
#include "out/human.h"
#include "out/latency.h"

static const char *class_text(char *buf, unsigned int class)
{
	if (class > 1)
		return human_class(buf, class - 1);
	snprintf(buf, HUMAN_TEXT, "%u", class);
	return buf;
}

static uint64_t most_blocks(const struct profile *p)
{
	uint64_t most = 0;

	for (unsigned int i = 0; i < PROFILE_SIZES; i++)
		most = p->sizes[i].allocated.blocks > most ? p->sizes[i].allocated.blocks : most;
	return most;
}

/* The largest size of the class that holds the block in the middle. */
static uint64_t median(const struct profile *p)
{
	uint64_t below = 0;

	for (unsigned int i = 0; i < PROFILE_SIZES; i++) {
		below += p->sizes[i].allocated.blocks;
		if (below && below >= p->all.allocated.blocks - below)
			return profile_size_limit(i);
	}
	return 0;
}

static void write_head(FILE *out, const struct profile *p)
{
	char bytes[HUMAN_TEXT], middle[HUMAN_TEXT];

	human_number_write(out, p->all.allocated.blocks, "block");
	if (p->all.allocated.blocks)
		fprintf(out, " of %s in all, half of them of %s at most",
			human_size(bytes, p->all.allocated.bytes), human_size(middle, median(p)));
	fputc('\n', out);
}

static void write_class(struct sink *s, const struct profile *p, unsigned int class, uint64_t most)
{
	const struct profile_size *c = &p->sizes[class];
	char name[HUMAN_TEXT], share[HUMAN_TEXT], bytes[HUMAN_TEXT], live[HUMAN_TEXT];
	char mean[BOOKS_DURATION] = "-", temporary[HUMAN_TEXT];

	fprintf(s->out, "%-14s %10" PRIu64 " %6s ", class_text(name, class), c->allocated.blocks,
		human_share(share, c->allocated.blocks, p->all.allocated.blocks));
	human_style(s, HUMAN_FIGURE);
	human_bar_write(s->out, c->allocated.blocks, most);
	human_style(s, HUMAN_PLAIN);
	if (c->freed)
		books_duration(mean, c->lifetime_ns / c->freed);
	fprintf(s->out, " %10s %10" PRIu64 " %10s %9s %9s\n", human_size(bytes, c->allocated.bytes),
		c->live.blocks, human_size(live, c->live.bytes), mean,
		human_share(temporary, c->temporary, c->allocated.blocks));
}

void heap_sizes_write(struct sink *s, const struct report *r)
{
	const struct sites *all = s->state;
	const struct profile *p = &all->profile;
	uint64_t most = most_blocks(p);

	heap_title_write(s, r);
	write_head(s->out, p);
	heap_caveats_write(s, r);
	if (most)
		fprintf(s->out, "\n%-14s %10s %6s %10s %10s %10s %10s %9s %9s\n", "BYTES", "BLOCKS",
			"SHARE", "", "IN ALL", "STILL LIVE", "IN ALL", "MEAN LIFE", "TEMPORARY");
	for (unsigned int i = 0; i < PROFILE_SIZES; i++) {
		if (p->sizes[i].allocated.blocks)
			write_class(s, p, i, most);
	}
	fputc('\n', s->out);
	books_write(s, r);
}
