// SPDX-License-Identifier: MIT
/*
 * guard/helper.h without a helper: the job is done in the same process, where the fuzzer sees it.
 * With `fuzz_answer` set nothing is asked, and its bytes are the answer.
 */
#include "in_process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guard/fetch.h"
#include "guard/helper.h"

struct pack fuzz_answer;

struct helper {
	struct helper_job job;
	bool asked;
	ssize_t answered; /* by the bytes, when the job was done */
	unsigned char answer[HELPER_MAX_BYTES];
};

struct helper_worker {
	helper_open_fn open_file;
	void *context;
};

struct helper *helper_start(const struct helper_job *job, int *err)
{
	struct helper *h = malloc(sizeof(*h));

	*err = h ? 0 : -ENOMEM;
	if (h) {
		h->job = *job;
		h->asked = false;
	}
	return h;
}

void helper_stop(struct helper *h)
{
	free(h);
}

pid_t helper_keeper(const struct helper *h)
{
	(void)h;
	return 0;
}

bool helper_owns(const struct helper *h, pid_t pid)
{
	(void)h;
	(void)pid;
	return false;
}

void helper_on_wait(struct helper *h, helper_wait_fn wait, void *context)
{
	(void)h;
	(void)wait;
	(void)context;
}

void helper_renew(struct helper *h)
{
	h->asked = false;
}

int helper_want(struct helper_worker *w, const char *path)
{
	return w->open_file ? w->open_file(w->context, path) : -1;
}

/* What is left of the input, up to the length that its first two bytes say. */
static ssize_t take_answer(unsigned char answer[HELPER_MAX_BYTES])
{
	size_t left = fuzz_answer.size - fuzz_answer.used, n = 0;
	uint16_t wanted;

	if (left > sizeof(wanted)) {
		memcpy(&wanted, fuzz_answer.bytes + fuzz_answer.used, sizeof(wanted));
		fuzz_answer.used += sizeof(wanted);
		left -= sizeof(wanted);
		n = wanted < left ? wanted : left;
		memcpy(answer, fuzz_answer.bytes + fuzz_answer.used, n);
		fuzz_answer.used += n;
	}
	return n ? (ssize_t)n : -ECONNRESET;
}

ssize_t helper_ask(struct helper *h, const void *question, size_t len, int fd,
		   unsigned char answer[HELPER_MAX_BYTES], helper_open_fn open_file, void *context)
{
	static struct helper_worker w; /* the job keeps it, from one question to the next */

	w = (struct helper_worker){.open_file = open_file, .context = context};

	if (fuzz_answer.bytes)
		return take_answer(answer);
	return (ssize_t)h->job.answer(h->job.context, &w, question, len, fd < 0 ? fd : dup(fd),
				      answer);
}

/* No server is asked. */
int fetch_file(struct fetch *f, const unsigned char *id, size_t length)
{
	(void)f;
	(void)id;
	(void)length;
	return -ENOTCONN;
}

uint64_t fetch_waited_ms(const struct fetch *f)
{
	(void)f;
	return 0;
}

uint64_t fetch_unanswered(const struct fetch *f)
{
	(void)f;
	return 0;
}

int helper_send(struct helper *h, const void *question, size_t len, int fd, int ms)
{
	(void)ms;
	h->answered = helper_ask(h, question, len, fd, h->answer, NULL, NULL);
	h->asked = true;
	return 0;
}

int helper_fd(const struct helper *h)
{
	return h->asked ? 0 : -1;
}

ssize_t helper_take(struct helper *h, unsigned char answer[HELPER_MAX_BYTES])
{
	h->asked = false;
	if (h->answered > 0)
		memcpy(answer, h->answer, (size_t)h->answered);
	return h->answered;
}
