/* SPDX-License-Identifier: MIT */
/*
 * Finds the rule by which a frame is unwound: first the part of the process's code that holds the
 * address, then the rule in the piece of that file. bpf/unwind.h draws how they lie. Nothing that
 * is read here is believed to be in order: every index is cut to what there is.
 */
#ifndef ALLOCTRACE_UNWIND_BPF_H
#define ALLOCTRACE_UNWIND_BPF_H

/*
 * One step of a search by halves: to `at + step`, if that is not behind `last`, and what stands
 * there not above what is wanted. By arithmetic: a branch would be guessed wrongly every other
 * time, and would be two ways for the verifier. All numbers are far below 2^63.
 */
#define SEARCH_STEP(at, step, last, KEY, wanted)             \
	do {                                                 \
		__u64 next_ = (at) + (step);                 \
		__s64 behind_ = (__s64)((last)-next_) >> 63; \
		__s64 above_;                                \
                                                             \
		barrier_var(next_);                          \
		above_ = (__s64)((wanted)-KEY(next_)) >> 63; \
		(at) += (step) & ~(behind_ | above_);        \
		barrier_var(at);                             \
	} while (0)

#define SEARCH_32(at, last, KEY, wanted)                \
	do {                                            \
		SEARCH_STEP(at, 32, last, KEY, wanted); \
		SEARCH_STEP(at, 16, last, KEY, wanted); \
		SEARCH_STEP(at, 8, last, KEY, wanted);  \
		SEARCH_STEP(at, 4, last, KEY, wanted);  \
		SEARCH_STEP(at, 2, last, KEY, wanted);  \
		SEARCH_STEP(at, 1, last, KEY, wanted);  \
	} while (0)

#define MAP_MASK       (UNWIND_MAX_MAPS - 1)
#define MAP_START(i)   (layout->maps[(i)&MAP_MASK].start)
#define RULE_MASK      (UNWIND_BLOCK_ROWS - 1)
#define RULE_START(i)  ((__u64)block->rules[(i)&RULE_MASK].address)
#define DIRECTORY_MASK (UNWIND_DIRECTORY - 1)

/* The part that holds the address, tried first at *hint, which becomes its place; NULL: none. */
static __always_inline struct unwind_map *unwind_map_at(struct unwind_layout *layout, __u64 address,
							__u32 *hint)
{
	struct unwind_map *map = &layout->maps[*hint & MAP_MASK];
	__u64 at = 0, last = layout->count - 1ULL;

	if (address >= map->start && address < map->end)
		return map;
	if (last >= 64) {
		SEARCH_STEP(at, 256, last, MAP_START, address);
		SEARCH_STEP(at, 128, last, MAP_START, address);
		SEARCH_STEP(at, 64, last, MAP_START, address);
	}
	SEARCH_32(at, last, MAP_START, address);
	*hint = at;
	map = &layout->maps[at & MAP_MASK];
	return address >= map->start && address < map->end ? map : NULL;
}

/* `begin`: the piece's first block in its map, which is the directory. */
static __always_inline struct unwind_block *unwind_block_of(void *piece, __u32 begin, __u32 rule)
{
	__u32 block = begin + 1 + rule / UNWIND_BLOCK_ROWS;

	return bpf_map_lookup_elem(piece, &block);
}

/* The last of the rules from `at` to `last` of one block that is not above the offset. */
static __always_inline struct unwind_rule *unwind_search(struct unwind_block *block, __u64 at,
							 __u64 last, __u64 offset)
{
	at &= RULE_MASK;
	last &= RULE_MASK;
	if (last - at >= 64) {
		SEARCH_STEP(at, 512, last, RULE_START, offset);
		SEARCH_STEP(at, 256, last, RULE_START, offset);
		SEARCH_STEP(at, 128, last, RULE_START, offset);
		SEARCH_STEP(at, 64, last, RULE_START, offset);
	}
	SEARCH_32(at, last, RULE_START, offset);
	return &block->rules[at & RULE_MASK];
}

/* The rule that holds `offset` bytes behind the piece's beginning; NULL: the piece is not there. */
static __always_inline struct unwind_rule *unwind_rule_at(const struct unwind_map *map,
							  __u64 offset)
{
	__u32 table = UNWIND_PLACE_TABLE(map->table), begin = UNWIND_PLACE_BLOCK(map->table);
	__u32 first, last;
	__u32 bucket = offset >> (map->shift & 31);
	void *piece = bpf_map_lookup_elem(&tables, &table);
	struct unwind_block *block;

	if (!piece)
		return NULL;
	block = bpf_map_lookup_elem(piece, &begin);
	if (!block)
		return NULL;
	first = block->directory[bucket & DIRECTORY_MASK];
	last = block->directory[(bucket + 1) & DIRECTORY_MASK];
	block = unwind_block_of(piece, begin, last);
	if (!block)
		return NULL;
	if (first / UNWIND_BLOCK_ROWS != last / UNWIND_BLOCK_ROWS) {
		if (block->rules[0].address <= offset) {
			first = 0;
		} else {
			block = unwind_block_of(piece, begin, first);
			last = UNWIND_BLOCK_ROWS - 1;
		}
	}
	return block ? unwind_search(block, first, last, offset) : NULL;
}

#endif
