/* SPDX-License-Identifier: MIT */
/*
 * Finds the rule by which a frame is unwound: first the part of the process's code that holds the
 * address, then the rule in the piece of that file. bpf/unwind.h draws how they lie. Nothing that is
 * read here is believed to be in order: every index is cut to what there is.
 */
#ifndef ALLOCTRACE_UNWIND_BPF_H
#define ALLOCTRACE_UNWIND_BPF_H

/* One step of a search by halves: to `position + step`, if that is in order. */
#define SEARCH_STEP(position, step, last, below, mask)                                            \
	do {                                                                                      \
		__u32 next_ = (position) + (step);                                                \
                                                                                                  \
		if (next_ <= (last) && (below(next_ & (mask))))                                   \
			(position) = next_ & (mask);                                              \
	} while (0)

/* The part that holds the address, tried first at *hint, which becomes its place; NULL: none. */
static __always_inline struct unwind_map *unwind_map_at(struct unwind_layout *layout, __u64 address,
							__u32 *hint)
{
	const __u32 mask = UNWIND_MAX_MAPS - 1;
	__u32 at = unknown_zero & mask, last = layout->count - 1;
	struct unwind_map *map = &layout->maps[*hint & mask];

	if (address >= map->start && address < map->end)
		return map;
#define BEGINS_BELOW(i) (layout->maps[i].start <= address)
	SEARCH_STEP(at, 256, last, BEGINS_BELOW, mask);
	SEARCH_STEP(at, 128, last, BEGINS_BELOW, mask);
	SEARCH_STEP(at, 64, last, BEGINS_BELOW, mask);
	SEARCH_STEP(at, 32, last, BEGINS_BELOW, mask);
	SEARCH_STEP(at, 16, last, BEGINS_BELOW, mask);
	SEARCH_STEP(at, 8, last, BEGINS_BELOW, mask);
	SEARCH_STEP(at, 4, last, BEGINS_BELOW, mask);
	SEARCH_STEP(at, 2, last, BEGINS_BELOW, mask);
	SEARCH_STEP(at, 1, last, BEGINS_BELOW, mask);
#undef BEGINS_BELOW
	*hint = at;
	map = &layout->maps[at & mask];
	return address >= map->start && address < map->end ? map : NULL;
}

static __always_inline struct unwind_block *unwind_block_of(void *piece, __u32 rule)
{
	__u32 block = 1 + rule / UNWIND_BLOCK_ROWS;

	return bpf_map_lookup_elem(piece, &block);
}

/* The last of the rules from `first` to `last` of one block that is not above the offset. */
static __always_inline struct unwind_rule *unwind_search(struct unwind_block *block, __u32 first,
							 __u32 last, __u64 offset)
{
	const __u32 mask = UNWIND_BLOCK_ROWS - 1;
	__u32 at = first & mask;

	last &= mask;
#define IS_BELOW(i) (block->rules[i].address <= offset)
	SEARCH_STEP(at, 512, last, IS_BELOW, mask);
	SEARCH_STEP(at, 256, last, IS_BELOW, mask);
	SEARCH_STEP(at, 128, last, IS_BELOW, mask);
	SEARCH_STEP(at, 64, last, IS_BELOW, mask);
	SEARCH_STEP(at, 32, last, IS_BELOW, mask);
	SEARCH_STEP(at, 16, last, IS_BELOW, mask);
	SEARCH_STEP(at, 8, last, IS_BELOW, mask);
	SEARCH_STEP(at, 4, last, IS_BELOW, mask);
	SEARCH_STEP(at, 2, last, IS_BELOW, mask);
	SEARCH_STEP(at, 1, last, IS_BELOW, mask);
#undef IS_BELOW
	return &block->rules[at & mask];
}

/* The rule that holds `offset` bytes behind the piece's beginning; NULL: the piece is not there. */
static __always_inline struct unwind_rule *unwind_rule_at(const struct unwind_map *map,
							  __u64 offset)
{
	const __u32 mask = UNWIND_DIRECTORY - 1;
	__u32 table = map->table, zero = 0, first, last;
	__u32 bucket = offset >> (map->shift & 31);
	void *piece = bpf_map_lookup_elem(&tables, &table);
	struct unwind_block *block;

	if (!piece)
		return NULL;
	block = bpf_map_lookup_elem(piece, &zero);
	if (!block)
		return NULL;
	first = block->directory[bucket & mask];
	last = block->directory[(bucket + 1) & mask];
	block = unwind_block_of(piece, last);
	if (!block)
		return NULL;
	if (first / UNWIND_BLOCK_ROWS != last / UNWIND_BLOCK_ROWS) {
		if (block->rules[0].address <= offset) {
			first = 0;
		} else {
			block = unwind_block_of(piece, first);
			last = UNWIND_BLOCK_ROWS - 1;
		}
	}
	return block ? unwind_search(block, first, last, offset) : NULL;
}

#endif
