/* SPDX-License-Identifier: MIT */
/*
 * The unwind rules of one file: from sorted rules (sym/unwind.h makes them) to the pieces that the
 * kernel side searches. What a rule says is told in bpf/unwind.h.
 */
#ifndef ALLOCTRACE_CORE_UNWIND_H
#define ALLOCTRACE_CORE_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/unwind.h"

#define UNWIND_MAX_RULES  (8U << 20) /* of a file */
#define UNWIND_MAX_PIECES 64         /* of a file */

/*
 * The rules of a file. Their addresses count from `base`, an ELF address; the last one ends what is
 * described (it is UNWIND_NONE, or holds to the end of the code).
 */
struct unwind_rules {
	uint64_t base;
	struct unwind_rule *at; /* owned; ascending addresses, no two equal */
	size_t count, capacity;
};

/* What lies between two ELF addresses of a file, ready for the kernel side. */
struct unwind_piece {
	uint64_t start, end;
	uint8_t shift;               /* of the directory */
	uint32_t block_count;        /* the directory included */
	struct unwind_block *blocks; /* owned */
};

struct unwind_pieces {
	struct unwind_piece *at;
	size_t count;
};

/* All zero is an empty set of rules. Appends one that lies above the last, or takes the last one's
 * place at an equal address; one that says the same as the last is left out. 0, -ENOMEM, -ENOSPC or
 * -EINVAL (it lies below). */
int unwind_add(struct unwind_rules *r, const struct unwind_rule *rule);
void unwind_rules_fini(struct unwind_rules *r);

/* Whether rules that somebody else has made (a helper process, a file) are ones: ascending, of
 * known kinds. */
bool unwind_rules_valid(const struct unwind_rules *r);

/* Lays out valid rules up to the ELF address `end`. 0, -ENOMEM, -EINVAL (no rules, `end` not above
 * the last) or -ENOSPC (too many pieces); then *p is empty. */
int unwind_pack(struct unwind_pieces *p, const struct unwind_rules *r, uint64_t end);
void unwind_pieces_fini(struct unwind_pieces *p);

/* The rule at an address within the piece, counted from its start, found as the kernel side does.
 */
const struct unwind_rule *unwind_find(const struct unwind_piece *piece, uint64_t offset);

#endif
