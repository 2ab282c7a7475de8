/* SPDX-License-Identifier: MIT */
/* What site_calls says of each function it called, and site_probe of each function it saw called.
 */
#ifndef ALLOCTRACE_TESTS_SITE_ROW_H
#define ALLOCTRACE_TESTS_SITE_ROW_H

#define SITE_ARGUMENTS 6
#define SITE_FUNCTIONS 1024

/* The sums depend on the order too: sum = sum * SITE_MIX + register. */
#define SITE_MIX 1000003ULL

struct site_row {
	unsigned long long calls;  /* all of them */
	unsigned long long direct; /* with site_calls itself at the top of the stack */
	unsigned long long arguments[SITE_ARGUMENTS];
	unsigned long long returns;
	unsigned long long results;
};

#define SITE_ROW_FORMAT \
	"row %u calls %llu %llu arguments %llx %llx %llx %llx %llx %llx returns %llu %llx\n"
#define SITE_ROW_VALUES(id, row)                                                   \
	id, (row)->calls, (row)->direct, (row)->arguments[0], (row)->arguments[1], \
		(row)->arguments[2], (row)->arguments[3], (row)->arguments[4],     \
		(row)->arguments[5], (row)->returns, (row)->results

#endif
