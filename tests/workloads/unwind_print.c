// SPDX-License-Identifier: MIT
/* unwind_print [-t] FILE…: the unwind rules of ELF files as text, for comparing with another
 * reader's. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sym/unwind.h"

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void print_rules(const struct unwind_rules *rules)
{
	for (size_t i = 0; i < rules->count; i++)
		printf("%lx %d %d %d %d\n", rules->base + rules->at[i].address,
		       UNWIND_CFA(rules->at[i].kind), rules->at[i].cfa_words,
		       UNWIND_RULE_FP(rules->at[i].kind), rules->at[i].fp_words);
}

/* How many rules, how long they take to make and to pack, and what they take up. */
static void print_facts(const char *path, const struct unwind_rules *rules, uint64_t end,
			double began, double read)
{
	struct unwind_pieces pieces;
	size_t blocks = 0, stops = 0;
	int err = unwind_pack(&pieces, rules, end);

	for (size_t i = 0; i < pieces.count; i++)
		blocks += pieces.at[i].block_count;
	for (size_t i = 0; i < rules->count; i++)
		stops += UNWIND_CFA(rules->at[i].kind) == UNWIND_STOP;
	printf("%8zu rules %6zu stops %7.1f ms read %6.1f ms packed%s %zu pieces %zu blocks  %s\n",
	       rules->count, stops, read - began, now() - read, err ? " (failed)" : "",
	       pieces.count, blocks, path);
	unwind_pieces_fini(&pieces);
}

static int print_file(const char *path, bool facts)
{
	struct unwind_rules rules = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	double began = now();
	uint64_t end = 0;
	Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
	int err = unwind_read(elf, &rules, &end);

	if (err)
		fprintf(stderr, "%s: %s\n", path, strerror(-err));
	else if (facts)
		print_facts(path, &rules, end, began, now());
	else
		print_rules(&rules);
	unwind_rules_fini(&rules);
	elf_end(elf);
	close(fd);
	return err;
}

int main(int argc, char **argv)
{
	bool facts = argc > 1 && !strcmp(argv[1], "-t");
	int bad = 0;

	elf_version(EV_CURRENT);
	for (int i = 1 + facts; i < argc; i++)
		bad |= print_file(argv[i], facts) != 0;
	return bad;
}
