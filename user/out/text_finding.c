// SPDX-License-Identifier: MIT
/*
 * What a pool did wrong, or who freed what must not be, for eyes: one sentence in the columns of
 *the trace, and a line for each side. "!!" is what to look for.
 *
 *	0.000740 4211/4211 demo !! freed-twice  pool protocol: the chunk at 0x55d… (144 bytes) had …
 *	                  freed now     queue_pop at queue.c:77:3
 *	                  freed before  queue_drop at queue.c:95:3, 12.0us earlier, by thread 4212
 *
 * Of a block that was freed twice there is a third line: where it had been handed out.
 */
#include <inttypes.h>

#include "core/log.h"
#include "out/books.h"
#include "out/location.h"
#include "out/text.h"

/* What the two sides are called. */
static const struct {
	const char *now, *before;
} sides[FINDING_NR_CHECKS] = {
	[FINDING_OUTSIDE] = {"handed out", "pool created"},
	[FINDING_MISALIGNED] = {"handed out", "pool created"},
	[FINDING_OVERLAPPING] = {"handed out now", "handed out before"},
	[FINDING_TWICE_OUT] = {"handed out now", "handed out before"},
	[FINDING_TWICE_FREED] = {"freed now", "freed before"},
	[FINDING_OTHER_POOL] = {"freed now", "handed out"},
	[FINDING_LEAKED] = {"pool destroyed", "handed out"},
	[FINDING_REGION_FREED] = {"region freed", "handed out"},
	[FINDING_DOUBLE_FREE] = {"freed now", "freed before"},
	[FINDING_INVALID_FREE] = {"freed now", "block handed out"},
	[FINDING_MISMATCHED] = {"freed now", "handed out"},
};

static void write_chunk(FILE *out, const struct finding *f)
{
	fprintf(out, "the chunk at 0x%" PRIx64 " (%" PRIu64 " byte%s) ", f->addr, f->size,
		f->size == 1 ? "" : "s");
}

static void write_chunks(FILE *out, const struct finding *f)
{
	fprintf(out, "%" PRIu64 " chunk%s of it (%" PRIu64 " byte%s) %s in use", f->chunks,
		f->chunks == 1 ? "" : "s", f->chunk_bytes, f->chunk_bytes == 1 ? "" : "s",
		f->chunks == 1 ? "was" : "were");
}

static void write_region(FILE *out, const struct finding *f)
{
	fprintf(out, "0x%" PRIx64 " to 0x%" PRIx64, f->base, f->base + f->bytes);
	if (f->chunk_size)
		fprintf(out, " (chunks of %" PRIu64 ")", f->chunk_size);
}

static const char *function_name(const struct sink *s, unsigned int function)
{
	return function < s->info->function_count ? s->info->functions[function] : "?";
}

/* Nothing is known of how large a thing is that is none. */
static void write_block(const struct sink *s, const struct finding *f)
{
	char name[264];

	if (f->check == FINDING_INVALID_FREE) {
		fprintf(s->out, "0x%" PRIx64 " was freed, and no block begins there", f->addr);
		if (f->other_addr)
			fprintf(s->out,
				": it lies %" PRIu64 " byte%s into one of %" PRIu64 " byte%s",
				f->addr - f->other_addr, f->addr - f->other_addr == 1 ? "" : "s",
				f->other_size, f->other_size == 1 ? "" : "s");
		return;
	}
	fprintf(s->out, "the block at 0x%" PRIx64 " (%" PRIu64 " byte%s) ", f->addr, f->size,
		f->size == 1 ? "" : "s");
	if (f->check == FINDING_DOUBLE_FREE)
		fputs("was freed, and had not been handed out since the last time", s->out);
	else if (f->other_pool)
		fprintf(s->out, "was freed, and is a chunk of pool %s",
			log_quote(name, sizeof(name), f->other_pool));
	else
		fprintf(s->out, "was freed, and had been handed out by %s",
			log_quote(name, sizeof(name), function_name(s, f->other_function)));
}

static void write_sentence(FILE *out, const struct finding *f)
{
	char name[264];

	if (!f->chunks)
		write_chunk(out, f);
	switch (f->check) {
	case FINDING_OUTSIDE:
		fputs("does not lie within the region, ", out);
		write_region(out, f);
		break;
	case FINDING_MISALIGNED:
		fprintf(out, "does not lie on a boundary of %" PRIu64 ", as was asked for",
			f->align);
		break;
	case FINDING_OVERLAPPING:
		fprintf(out, "overlaps one that is in use, at 0x%" PRIx64 " (%" PRIu64 " byte%s)",
			f->other_addr, f->other_size, f->other_size == 1 ? "" : "s");
		break;
	case FINDING_TWICE_OUT:
		fputs("was handed out while it was in use", out);
		break;
	case FINDING_TWICE_FREED:
		fputs("was freed, and had not been handed out since the last time", out);
		break;
	case FINDING_OTHER_POOL:
		fprintf(out, "was freed to it and is of pool %s",
			log_quote(name, sizeof(name), f->other_pool));
		break;
	case FINDING_LEAKED:
		write_chunks(out, f);
		fputs(" when it was destroyed", out);
		break;
	default:
		write_chunks(out, f);
		fprintf(out, " when its memory at 0x%" PRIx64 " was freed", f->addr);
		break;
	}
}

static void write_side(struct sink *s, const char *label, const struct finding *f, uint64_t word)
{
	struct sym_stack stack;

	fprintf(s->out, "\n                  %-17s  ", label);
	if (!word) {
		fputs("(unknown place)", s->out);
		return;
	}
	stack = sink_frames(s, f->pid, word);
	location_write(s->out, &stack.frames[0], s->info->stacks);
}

/* How long before, and by whom, if that was another. */
static void write_when(FILE *out, const struct finding *f, uint64_t ns, uint32_t tid)
{
	char text[16];

	if (ns && ns <= f->ts_ns)
		fprintf(out, ", %s earlier", books_duration(text, f->ts_ns - ns));
	if (tid && tid != f->tid)
		fprintf(out, ", by thread %" PRIu32, tid);
}

/* What is no block, and lies in none, has one side. */
static void write_before(struct sink *s, const struct finding *f)
{
	FILE *out = s->out;

	if (f->check == FINDING_INVALID_FREE && !f->other_addr)
		return;
	write_side(s, sides[f->check].before, f, f->other_site);
	write_when(out, f, f->other_ns, f->other_tid);
	if (f->chunks > 1)
		fputs(f->check == FINDING_LEAKED ? ", the first of them" : ", the first of all",
		      out);
}

void text_finding(struct sink *s, const struct finding *f)
{
	int64_t since = (int64_t)(f->ts_ns - s->info->start_ns);
	char ids[32], comm[80], name[264], call[48];
	unsigned int function = f->function;

	snprintf(ids, sizeof(ids), "%u/%u", f->pid, f->tid);
	snprintf(call, sizeof(call), "!! %s", finding_name(f->check));
	fprintf(s->out, "%12.6f %15s %-15s %-26s %s%s: ", (double)since / 1e9, ids,
		log_quote(comm, sizeof(comm), f->comm), call, f->pool ? "pool " : "",
		log_quote(name, sizeof(name), f->pool ? f->pool : function_name(s, function)));
	if (f->pool)
		write_sentence(s->out, f);
	else
		write_block(s, f);
	write_side(s, sides[f->check].now, f, f->frames ? f->stack[0] : 0);
	write_before(s, f);
	if (f->check == FINDING_DOUBLE_FREE) {
		write_side(s, "handed out", f, f->made_site);
		write_when(s->out, f, f->made_ns, f->made_tid);
	}
	fputc('\n', s->out);
}
