// SPDX-License-Identifier: MIT
/* From words to struct options, by the table of options; and the help, from the same table. */
#include "cmd/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cmd/choose.h"
#include "cmd/option_rows.h"
#include "cmd/together.h"
#include "core/event.h"
#include "core/log.h"

#define FIRST_VALUE 1000 /* getopt_long's answer for option_rows[0]; above all letters */

static void make_getopt_tables(char *letters, struct option *names)
{
	*letters++ = '+'; /* stop at the first word that is no option */
	*letters++ = ':'; /* a missing value is ours to tell */
	for (size_t i = 0; i < option_row_count; i++) {
		names[i] = (struct option){
			.name = option_rows[i].name,
			.has_arg = option_rows[i].value ? required_argument : no_argument,
			.val = FIRST_VALUE + (int)i,
		};
		if (!option_rows[i].letter)
			continue;
		*letters++ = option_rows[i].letter;
		if (option_rows[i].value)
			*letters++ = ':';
	}
	*letters = '\0';
	names[option_row_count] = (struct option){0};
}

static const struct option_row *row_of(int answer)
{
	if (answer >= FIRST_VALUE)
		return &option_rows[answer - FIRST_VALUE];
	for (size_t i = 0; i < option_row_count; i++) {
		if (option_rows[i].letter == answer)
			return &option_rows[i];
	}
	return NULL;
}

/* `word` is where getopt stands; inside a cluster of letters only optopt knows which one it was. */
static int complain_unknown(int answer, const char *word)
{
	const char letter[] = {'-', (char)optopt, '\0'};
	char shown[128];

	if (optopt > 0 && optopt < FIRST_VALUE)
		word = letter;
	log_quote(shown, sizeof(shown), word);
	if (answer == ':')
		log_error("option '%s' needs a value; see --help", shown);
	else if (optopt >= FIRST_VALUE)
		log_error("option '%s' takes no value", shown);
	else
		log_error("unknown option '%s'; see --help", shown);
	return -EINVAL;
}

static int parse_options(struct options *o, int argc, char **argv)
{
	char letters[3 + 2 * OPTION_MAX_ROWS];
	struct option names[OPTION_MAX_ROWS + 1];
	int answer, err;

	make_getopt_tables(letters, names);
	opterr = 0;
	optind = 1;
	while ((answer = getopt_long(argc, argv, letters, names, NULL)) != -1) {
		const struct option_row *row = row_of(answer);

		if (!row)
			return complain_unknown(answer, argv[optind - 1]);
		if (row->live)
			o->live_option = row->name;
		err = row->take(o, row, optarg);
		if (err)
			return err;
	}
	return 0;
}

static int complain_command(const char *word)
{
	char shown[128];

	if (command_is_reserved(word))
		log_error("'%s' is a reserved word: this version does not have it yet", word);
	else
		log_error("unknown command '%s'; to run a program, put it behind '--'",
			  log_quote(shown, sizeof(shown), word));
	return -EINVAL;
}

/* The word before the options, if there is one; the rest moves up to its place. */
static int take_command(struct options *o, int *argc, char ***argv)
{
	o->command = command_at(0);
	if (*argc < 2 || (*argv)[1][0] == '-')
		return 0;
	o->command = command_find((*argv)[1]);
	if (!o->command)
		return complain_command((*argv)[1]);
	--*argc;
	++*argv;
	return 0;
}

/* Files may stand before the options: they move behind these. */
static void take_files(const struct options *o, int argc, char **argv)
{
	int files = 0;

	if (o->command->kind == COMMAND_LIVE)
		return;
	while (1 + files < argc && argv[1 + files][0] != '-')
		files++;
	for (int i = 0; i < files; i++) {
		char *first = argv[1];

		memmove(&argv[1], &argv[2], (size_t)(argc - 2) * sizeof(*argv));
		argv[argc - 1] = first;
	}
}

/* What is left behind the options must be a command to run, and that only behind "--". */
static int take_program(struct options *o, int argc, char **argv)
{
	char shown[128];

	if (optind >= argc) {
		if (optind >= 1 && argc > 1 && !strcmp(argv[argc - 1], "--")) {
			log_error("'--' must be followed by a command");
			return -EINVAL;
		}
		return 0;
	}
	if (strcmp(argv[optind - 1], "--")) {
		log_error("unexpected '%s'; to run a program, put it behind '--'",
			  log_quote(shown, sizeof(shown), argv[optind]));
		return -EINVAL;
	}
	o->argv = argv + optind;
	return 0;
}

/* The files that the command reads, and for sites up to 62 names. */
static int take_words(struct options *o, int argc, char **argv)
{
	static const struct {
		size_t least, most;
		const char *sentence;
	} wanted[] = {
		[COMMAND_SITES] =
			{1, 63,
			 "'sites' takes a file and up to 62 names of functions, and no target"},
		[COMMAND_REPORT] = {1, 1, "'report' takes a file that 'record' has made"},
		[COMMAND_DIFF] = {2, 2, "'diff' takes two files that 'record' has made"},
	};
	enum command_kind kind = o->command->kind;

	o->words = argv + optind;
	o->word_count = (size_t)(argc - optind);
	if (kind == COMMAND_SITES && o->pid_count)
		o->word_count = 0;
	if (o->word_count >= wanted[kind].least && o->word_count <= wanted[kind].most)
		return 0;
	log_error("%s", wanted[kind].sentence);
	return -EINVAL;
}

bool options_by_rules(const struct options *o)
{
	return o->stacks && o->unwind == OPTIONS_UNWIND_AUTO && !options_add_up(o);
}

void options_fini(struct options *o)
{
	functions_fini(&o->functions);
}

int options_parse(struct options *o, int argc, char **argv)
{
	int err;

	*o = (struct options){
		.format = "text",
		.color = "auto",
		.max_size = UINT64_MAX,
		.max_stack = EVENT_MAX_FRAMES - 1,
		.ring_size = 16 << 20,
	};
	functions_init(&o->functions);
	err = take_command(o, &argc, &argv);
	if (err)
		return err;
	take_files(o, argc, argv);
	err = parse_options(o, argc, argv);
	if (err || o->help || o->version || o->json_schema)
		return err;
	err = o->command->kind == COMMAND_LIVE ? take_program(o, argc, argv)
					       : take_words(o, argc, argv);
	if (!err)
		err = options_settle(o);
	return err ? err : options_choose(o);
}

/* A word and what fills its column; bytes that go on with a character have no width. */
static void print_cell(const char *text, int width)
{
	for (const char *c = text; *c; c++)
		width -= (*c & 0xc0) != 0x80;
	printf("%s%*s ", text, width > 0 ? width : 0, "");
}

void options_print_help(void)
{
	const struct command *c;

	puts("alloctrace: who allocates, how much, how slowly\n\n"
	     "usage: alloctrace [COMMAND] … [OPTIONS]\n");
	for (size_t i = 0; (c = command_at(i)); i++) {
		char left[48];

		snprintf(left, sizeof(left), "%s %s", c->name, c->operands);
		fputs("  ", stdout);
		print_cell(left, 28);
		puts(c->help);
	}
	fputs("\nTARGET: -p PID[,PID…]\n"
	      "        -- COMMAND [ARG…]   behind the options\n"
	      "        nothing             the whole system\n\n",
	      stdout);
	for (size_t i = 0; i < option_row_count; i++) {
		char left[64];

		snprintf(left, sizeof(left), "--%s%s%s", option_rows[i].name,
			 option_rows[i].value ? " " : "",
			 option_rows[i].value ? option_rows[i].value : "");
		printf("  %c%c%c ", option_rows[i].letter ? '-' : ' ',
		       option_rows[i].letter ? option_rows[i].letter : ' ',
		       option_rows[i].letter ? ',' : ' ');
		print_cell(left, 24);
		puts(option_rows[i].help);
	}
	fputs("\nSizes take K, M, G. Ctrl-C ends the run and prints the report; SIGUSR1 prints an "
	      "interim one.\n"
	      "Exit: 0 done; 1 it could not do it; 2 the command line is wrong; 3 --strict and "
	      "something was lost or only counted.\n",
	      stdout);
}
