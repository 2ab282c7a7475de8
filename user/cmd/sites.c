// SPDX-License-Identifier: MIT
/*
 *	FUNCTION  ENTRY    SITE  RUN       INSTRUCTION  WHY
 *	free      0x99370  +3    emulated  jz 0x…       the first emulated instruction
 *	malloc    0x98d60  +0    emulated  push r12     the entry is emulated
 */
#include "cmd/sites.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/output.h"
#include "core/log.h"
#include "core/table.h"
#include "guard/confine.h"
#include "out/json.h"
#include "probe/binary.h"

struct listing {
	const struct options *options;
	struct binary *binary;
	struct table seen; /* (entry, hash of the name): .dynsym and .symtab repeat each other */
	bool hazard;
	FILE *out;
	uint64_t found; /* bit i: words[i + 1] */
	size_t shown;
};

static const char *run_word(enum site_cost cost)
{
	static const char *const words[] = {"emulated", "single-stepped", "refused"};

	return words[cost];
}

static void show_text(const struct listing *l, const struct binary_function *f,
		      const struct site *site)
{
	char shown[256];

	if (!l->shown)
		fprintf(l->out, "%-32s %-10s %-5s %-15s %-32s %s\n", "FUNCTION", "ENTRY", "SITE",
			"RUN", "INSTRUCTION", "WHY");
	fprintf(l->out, "%-32s 0x%-8" PRIx64 " +%-4" PRIu64 " %-15s %-32s %s\n",
		log_quote(shown, sizeof(shown), f->name), f->entry, site->skip,
		run_word(site->cost), site->instruction, site->why);
}

static void show_json(const struct listing *l, const struct binary_function *f,
		      const struct site *site)
{
	json_t *o = json_object();

	json_object_set_new(o, "type", json_string("probe-site"));
	json_object_set_new(o, "function", json_text(f->name));
	json_object_set_new(o, "entry", json_address(f->entry));
	json_object_set_new(o, "site", json_address(f->entry + site->skip));
	json_object_set_new(o, "skip", json_count(site->skip));
	json_object_set_new(o, "run", json_string(run_word(site->cost)));
	json_object_set_new(o, "instruction", json_text(site->instruction));
	json_object_set_new(o, "why", json_text(site->why));
	json_line(l->out, o);
}

/* Whether the function was asked for: by name, or because none was named. */
static bool is_asked_for(struct listing *l, const char *name)
{
	for (size_t i = 1; i < l->options->word_count; i++) {
		if (strcmp(l->options->words[i], name))
			continue;
		l->found |= 1ULL << (i % 64);
		return true;
	}
	return l->options->word_count == 1;
}

static bool is_new(struct listing *l, const struct binary_function *f)
{
	struct {
		uint64_t entry, name;
	} key = {.entry = f->entry, .name = 5381};
	bool fresh;

	for (const char *c = f->name; *c; c++)
		key.name = key.name * 33 + (unsigned char)*c;
	table_insert(&l->seen, &key, &fresh);
	return fresh;
}

static int visit(void *context, const struct binary_function *f)
{
	struct listing *l = context;
	struct site site;
	int err;

	if (!f->exported || !f->has_code || !is_asked_for(l, f->name) || !is_new(l, f))
		return 0;
	err = binary_find_site(l->binary, f, l->hazard, &site);
	if (err)
		return err;
	if (!strcmp(l->options->format, "json"))
		show_json(l, f, &site);
	else
		show_text(l, f, &site);
	l->shown++;
	return 0;
}

/* A name that is not there is an error, but the others have been shown. */
static int check_found(const struct listing *l)
{
	int code = EXIT_DONE;

	for (size_t i = 1; i < l->options->word_count; i++) {
		if (l->found >> (i % 64) & 1)
			continue;
		log_error("'%s' defines no function '%s' with code", l->options->words[0],
			  l->options->words[i]);
		code = EXIT_CANNOT;
	}
	if (l->options->word_count == 1 && !l->shown) {
		log_error("'%s' has no symbols of functions", l->options->words[0]);
		code = EXIT_CANNOT;
	}
	return code;
}

static int list(struct listing *l, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), err = -errno;

	if (fd < 0) {
		log_error("cannot open '%s': %s", path, strerror(-err));
		return EXIT_CANNOT;
	}
	/* Whoever has made the file: from here on this process can read it and print, and no more.
	 */
	err = confine_keeper();
	if (!err)
		err = confine_worker();
	l->binary = err ? NULL : binary_new(fd, &err);
	if (l->binary)
		err = binary_each_function(l->binary, visit, l);
	else
		log_error("cannot read '%s': %s", path,
			  err == -ENOEXEC ? "not a 64-bit ELF file" : strerror(-err));
	binary_free(l->binary);
	close(fd);
	return err ? EXIT_CANNOT : check_found(l);
}

int run_sites(struct options *o)
{
	struct listing l = {.options = o, .hazard = site_nop5_hazard()};
	struct output output;
	const char *why;
	int code, err = output_open(&output, o->output, &why);

	if (err) {
		log_error("cannot open '%s' for writing: %s", o->output, why);
		return EXIT_CANNOT;
	}
	output_begin(&output);
	l.out = output.file;
	table_init(&l.seen, 2 * sizeof(uint64_t), 0, 1 << 22);
	code = list(&l, o->words[0]);
	table_fini(&l.seen);
	err = output_close(&output);
	if (err)
		log_error("cannot write to %s: %s", output.name, strerror(-err));
	return err ? EXIT_CANNOT : code;
}
