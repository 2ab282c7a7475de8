// SPDX-License-Identifier: MIT
/*
 *	question: nop5_hazard                          (and the file)
 *	answer:   error | facts, count, functions      error: positive; only it is there then
 */
#include "probe/scan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guard/helper.h"
#include "guard/owner.h"
#include "probe/binary.h"

#define MAX_FUNCTIONS  256 /* of one file that the table may know; each name is in two tables */
#define MAX_TEXT_BYTES 160

struct scanner {
	struct helper *helper;
	struct owner last;
	unsigned char answer[HELPER_MAX_BYTES];
};

/* ---- in the helper */

struct scanning {
	const struct functions *functions;
	struct binary *binary;
	bool nop5_hazard;
	struct pack *out;
	size_t count;
};

/* The same function may come twice, from .dynsym and from .symtab; object.c sees to that. */
static int pack_function(void *context, const struct binary_function *f)
{
	struct scanning *s = context;
	struct site site = {0};
	int err;

	if (!functions_know(s->functions, f->name))
		return 0;
	if (s->count == MAX_FUNCTIONS)
		return -E2BIG;
	err = f->has_code ? binary_find_site(s->binary, f, s->nop5_hazard, &site) : 0;
	if (err)
		return err;
	s->count++;
	pack_number(s->out, 1); /* one more */
	pack_text(s->out, f->name, FUNCTION_NAME_LEN - 1);
	pack_number(s->out, f->exported);
	pack_number(s->out, f->has_code);
	pack_number(s->out, f->has_code ? f->entry : 0);
	pack_number(s->out, f->has_code ? f->size : 0);
	pack_number(s->out, site.skip);
	pack_number(s->out, site.cost);
	pack_number(s->out, site.class);
	pack_text(s->out, site.instruction, MAX_TEXT_BYTES);
	pack_text(s->out, site.why, MAX_TEXT_BYTES);
	return 0;
}

int scan_file(int fd, const struct functions *functions, bool nop5_hazard, struct pack *out)
{
	struct scanning s = {.functions = functions, .nop5_hazard = nop5_hazard, .out = out};
	int err;

	s.binary = binary_new(fd, &err);
	if (!s.binary)
		return err;
	pack_number(out, 0);
	pack_number(out, binary_has_probe(s.binary, "alloctrace", NULL));
	pack_number(out, binary_has_probe(s.binary, "alloctrace", "timed"));
	pack_number(out, binary_has_probe(s.binary, "otel_memory", NULL));
	pack_number(out, binary_is_go(s.binary));
	err = binary_each_function(s.binary, pack_function, &s);
	pack_number(out, 0); /* no more */
	binary_free(s.binary);
	return err ? err : out->failed ? -E2BIG : 0;
}

static size_t answer(void *context, struct helper_worker *w, const void *question, size_t len,
		     int fd, unsigned char bytes[HELPER_MAX_BYTES])
{
	struct pack in = pack_over((void *)question, len);
	struct pack out = pack_over(bytes, HELPER_MAX_BYTES);
	int err = scan_file(fd, context, unpack_number(&in), &out);

	(void)w;
	if (err) {
		out = pack_over(bytes, HELPER_MAX_BYTES);
		pack_number(&out, (uint64_t)-err);
	}
	close(fd);
	return out.used;
}

/* ---- in alloctrace */

static void take_text(struct pack *answer, char *to, size_t len)
{
	const char *text = unpack_text(answer);

	snprintf(to, len, "%s", text ? text : "");
}

static void take_function(struct pack *answer, struct scan_function *f)
{
	*f = (struct scan_function){.name = unpack_text(answer)};
	f->exported = unpack_number(answer);
	f->has_code = unpack_number(answer);
	f->entry = unpack_number(answer);
	f->size = unpack_number(answer);
	f->site.skip = unpack_number(answer);
	f->site.cost = (enum site_cost)unpack_number(answer);
	f->site.class = (enum calibration_class)unpack_number(answer);
	take_text(answer, f->site.instruction, sizeof(f->site.instruction));
	take_text(answer, f->site.why, sizeof(f->site.why));
	if (!f->name || f->site.cost > SITE_REFUSED || f->site.class >= CALIBRATION_NR ||
	    (f->site.skip && f->site.skip >= f->size))
		answer->failed = true;
}

int scan_take(struct pack *answer, struct scan_facts *facts, scan_visit_fn visit, void *context)
{
	uint64_t err = unpack_number(answer);
	struct scan_function f;

	if (err)
		return err < 4096 ? -(int)err : -EBADMSG;
	facts->has_pools = unpack_number(answer);
	facts->has_timers = unpack_number(answer);
	facts->has_otel_pools = unpack_number(answer);
	facts->is_go = unpack_number(answer);
	while (unpack_number(answer)) {
		take_function(answer, &f);
		if (answer->failed)
			return -EBADMSG;
		visit(context, &f);
	}
	return answer->failed ? -EBADMSG : 0;
}

struct scanner *scanner_new(struct functions *functions, int *err)
{
	const struct helper_job job = {.name = "alloctrace-elf",
				       .answer = answer,
				       .context = functions,
				       .seconds = HELPER_SECONDS};
	struct scanner *s = calloc(1, sizeof(*s));

	*err = -ENOMEM;
	if (!s)
		return NULL;
	s->helper = helper_start(&job, err);
	if (s->helper)
		return s;
	free(s);
	return NULL;
}

void scanner_free(struct scanner *s)
{
	if (!s)
		return;
	helper_stop(s->helper);
	free(s);
}

pid_t scanner_keeper(const struct scanner *s)
{
	return helper_keeper(s->helper);
}

bool scanner_owns(const struct scanner *s, pid_t pid)
{
	return helper_owns(s->helper, pid);
}

/* A new process, if the last file was somebody else's. */
static void tell_apart(struct scanner *s, int fd)
{
	struct owner now = owner_of(fd);

	if (!owner_same(&now, &s->last))
		helper_renew(s->helper);
	s->last = now;
}

int scanner_read(struct scanner *s, int fd, struct scan_facts *facts, scan_visit_fn visit,
		 void *context)
{
	unsigned char bytes[sizeof(uint64_t)];
	struct pack question = pack_over(bytes, sizeof(bytes)), in;
	ssize_t n;

	*facts = (struct scan_facts){0};
	tell_apart(s, fd);
	pack_number(&question, site_nop5_hazard());
	n = helper_ask(s->helper, bytes, question.used, fd, s->answer, NULL, NULL);
	if (n < 0)
		return (int)n;
	in = pack_over(s->answer, (size_t)n);
	return scan_take(&in, facts, visit, context);
}

const char *scan_strerror(int err)
{
	switch (err) {
	case -ENOEXEC:
		return "not a 64-bit ELF file, or cut short";
	case -ECONNRESET:
		return "reading it takes too long, or ends the process that reads it";
	case -ENOTCONN:
		return "the process that reads files is there no more";
	case -EBADMSG:
		return "what was read in it makes no sense";
	case -E2BIG:
		return "it defines too many functions of an allocator";
	default:
		return strerror(-err);
	}
}
