/* SPDX-License-Identifier: MIT */
/*
 * A command line as one string, and whether it is a good one. A good one says nothing; a bad one is
 * answered with one sentence that names what is wrong. Which formats there are is decided here.
 */
#ifndef TESTS_UNIT_COMMAND_LINE_H
#define TESTS_UNIT_COMMAND_LINE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cmd/options.h"
#include "out/sink.h"

#define MAX_WORDS 300

const struct sink_ops *sink_find(const char *command, const char *format)
{
	static const struct sink_ops some;

	assert_true(!strcmp(command, "trace") || !strcmp(command, "latency"));
	return !strcmp(format, "text") || !strcmp(format, "json") ? &some : NULL;
}

const char *sink_formats(const char *command)
{
	assert_true(!strcmp(command, "trace") || !strcmp(command, "latency"));
	return "text, json";
}

static struct options o;
static char said[4096];
static char *words[MAX_WORDS];
static int word_count;

static inline void split(const char *line, const char *divider)
{
	static char copy[8192], *rest;

	snprintf(copy, sizeof(copy), "%s", line);
	word_count = 0;
	words[word_count++] = (char *)"alloctrace";
	for (rest = copy; rest && *line;)
		words[word_count++] = strsep(&rest, divider);
	words[word_count] = NULL;
}

/* What went to standard error lands in `said`. */
static inline int parse_words(void)
{
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO), err;
	size_t n;

	assert_non_null(file);
	optind = 0; /* getopt remembers where in a word it stopped, even after an error */
	getopt(1, words, "+");
	fflush(stderr);
	dup2(fileno(file), STDERR_FILENO);
	options_fini(&o); /* of the line before; of none: nothing */
	err = options_parse(&o, word_count, words);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(file);
	n = fread(said, 1, sizeof(said) - 1, file);
	said[n] = '\0';
	fclose(file);
	return err;
}

static inline void good(const char *line)
{
	split(line, " ");
	if (parse_words() || said[0])
		fail_msg("'%s' was refused: %s", line, said);
}

static inline void check_bad(const char *line, const char *what)
{
	const char *end;
	int err = parse_words();

	if (err != -EINVAL)
		fail_msg("'%s' was answered with %d: %s", line, err, said);
	end = strchr(said, '\n');
	if (strncmp(said, "alloctrace: ", 12) || !end || end[1])
		fail_msg("'%s' was not answered with one line: %s", line, said);
	if (!strstr(said, what))
		fail_msg("'%s' was answered without \"%s\": %s", line, what, said);
}

static inline void bad(const char *line, const char *what)
{
	split(line, " ");
	check_bad(line, what);
}

/* The words of `line` divided by '|', for values with spaces in them. */
static inline void bad_words(const char *line, const char *what)
{
	split(line, "|");
	check_bad(line, what);
}

/* Twice the words of `piece`, three times … divided by spaces. */
static inline const char *repeat(const char *piece, int times)
{
	static char line[4096];

	line[0] = '\0';
	for (int i = 0; i < times; i++)
		snprintf(line + strlen(line), sizeof(line) - strlen(line), "%s%s", i ? " " : "",
			 piece);
	return line;
}

/* The wanted functions' names, divided by spaces, in the table's order. */
static inline const char *wanted(void)
{
	static char names[4096];

	names[0] = '\0';
	for (size_t i = 0; i < o.functions.count; i++) {
		if (o.functions.rows[i].wanted)
			snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s",
				 names[0] ? " " : "", o.functions.rows[i].name);
	}
	return names;
}

static inline int forget_line(void **state)
{
	(void)state;
	options_fini(&o);
	return 0;
}

#endif
