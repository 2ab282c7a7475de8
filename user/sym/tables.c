// SPDX-License-Identifier: MIT
/*
 * Hides the helper process and the queue before it. The decisions:
 *
 * - One file is under way at a time, and in parts (tabling.h): alloctrace waits for none of them.
 *   The time for a file is limited as a whole, so that a worker that was taken over cannot hold up
 *   the others by dealing out its parts.
 * - What comes is checked as if the file had written it itself. What makes no sense is as good as
 *   a worker that died: the file has no rules, and the next one finds another worker.
 * - One worker reads the files of one owner and no others, so that no file changes the rules of
 *   somebody else's.
 * - All rules are kept, those of small files too: to read them from there takes a tenth of the time
 *   or less, whatever the size (libc: 1 ms instead of 15, 150 rules: 0.05 instead of 0.5).
 */
#include "sym/tables.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "guard/helper.h"
#include "guard/owner.h"
#include "sym/kept.h"
#include "sym/tabling.h"

#define FILE_MS    60000 /* for a file */
#define LOOK_MS    200   /* a worker that is late makes nothing readable */
#define MIN_ROOM   64
#define MAX_REUSED (1 << 20) /* rules whose memory is held */

struct file {
	uint32_t id;
	int fd; /* ours */
	bool keeps;
	struct kept_key key; /* when it keeps */
};

struct tables {
	struct helper *helper;
	struct kept *kept; /* NULL: nothing is kept */
	int always; /* readable at all times: there is something to do that nobody has to bring */
	uint64_t failed;

	struct file *files; /* those from `first` on wait; the first one may be under way */
	size_t first, count, capacity;

	/* Of the file that is under way. */
	struct unwind_rules rules;
	uint64_t end;
	size_t expected;
	int64_t deadline_ms;

	struct owner last; /* whose files the worker has read */
	unsigned char answer[HELPER_MAX_BYTES];
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

struct tables *tables_new(int cache)
{
	struct tables *t = calloc(1, sizeof(*t));
	int err = -ENOMEM;

	if (!t)
		goto out;
	t->always = eventfd(1, EFD_CLOEXEC);
	err = t->always < 0 ? -errno : 0;
	if (!err)
		t->helper = helper_start(&tabling_job, &err);
	/* Last: the descriptor is no other process's. */
	if (!err && cache >= 0)
		t->kept = kept_open(cache, KEPT_MAX_BYTES);
	if (!err)
		return t;
out:
	tables_free(t);
	errno = -err;
	return NULL;
}

void tables_free(struct tables *t)
{
	if (!t)
		return;
	for (size_t i = t->first; i < t->count; i++)
		close(t->files[i].fd);
	free(t->files);
	unwind_rules_fini(&t->rules);
	helper_stop(t->helper);
	kept_close(t->kept);
	if (t->always >= 0)
		close(t->always);
	free(t);
}

pid_t tables_keeper(const struct tables *t)
{
	return helper_keeper(t->helper);
}

bool tables_owns(const struct tables *t, pid_t pid)
{
	return helper_owns(t->helper, pid);
}

size_t tables_pending(const struct tables *t)
{
	return t->count - t->first;
}

uint64_t tables_failed(const struct tables *t)
{
	return t->failed;
}

/* ---- the queue */

/* Room for one more; what was served makes room first. */
static int reserve(struct tables *t)
{
	size_t room = t->capacity ? 2 * t->capacity : MIN_ROOM;
	struct file *files;

	if (t->first && t->count == t->capacity) {
		memmove(t->files, t->files + t->first, tables_pending(t) * sizeof(*t->files));
		t->count -= t->first;
		t->first = 0;
	}
	if (t->count < t->capacity)
		return 0;
	files = reallocarray(t->files, room, sizeof(*files));
	if (!files)
		return -ENOMEM;
	t->files = files;
	t->capacity = room;
	return 0;
}

int tables_want(struct tables *t, uint32_t id, int fd)
{
	int err = reserve(t), own;
	struct file *file;

	if (err)
		return err;
	own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0)
		return -errno;
	file = &t->files[t->count++];
	*file = (struct file){.id = id, .fd = own};
	file->keeps = t->kept && kept_identify(own, &file->key);
	return 0;
}

static struct file *current(struct tables *t)
{
	return &t->files[t->first];
}

/* Their memory is for the next ones: most of what it costs to read kept ones is that it is new. */
static void forget_rules(struct tables *t)
{
	if (t->rules.capacity > MAX_REUSED)
		unwind_rules_fini(&t->rules);
	t->rules.base = t->rules.count = t->expected = 0;
	t->end = 0;
}

/* The next one is the first now. */
static void hand_over(struct tables *t, tables_take_fn take, void *context)
{
	struct file file = *current(t);

	close(file.fd);
	t->first++;
	take(context, file.id, &t->rules, t->end);
	forget_rules(t);
}

/* ---- the worker's side */

/* It has no rules then, whatever has come of them. */
static void fail(struct tables *t, tables_take_fn take, void *context)
{
	helper_renew(t->helper);
	t->failed++;
	forget_rules(t);
	hand_over(t, take, context);
}

/* Asks for what is still missing of the first file. 0 or a negative errno. */
static int ask(struct tables *t, int fd)
{
	const struct tabling_question q = {.id = current(t)->id, .first = (uint32_t)t->rules.count};
	int64_t left = t->deadline_ms - now_ms();

	return helper_send(t->helper, &q, sizeof(q), fd, left > 0 ? (int)left : 0);
}

/* A new process, if the last file was somebody else's. */
static int ask_first(struct tables *t)
{
	struct owner now = owner_of(current(t)->fd);

	if (!owner_same(&now, &t->last))
		helper_renew(t->helper);
	t->last = now;
	t->deadline_ms = now_ms() + FILE_MS;
	return ask(t, current(t)->fd);
}

static int take_head(struct tables *t, const struct tabling_answer *head)
{
	if (head->count > UNWIND_MAX_RULES)
		return -EBADMSG;
	if (tabling_reserve(&t->rules, head->count))
		return -ENOMEM;
	t->expected = head->count;
	if (head->count) {
		t->rules.base = head->base;
		t->end = head->end;
	}
	return 0;
}

/* What the first part said of all of them is not asked again. */
static int take_part(struct tables *t, size_t len)
{
	struct tabling_answer head;
	size_t bytes = len - sizeof(head), n = bytes / sizeof(*t->rules.at);
	int err = 0;

	if (len < sizeof(head) || bytes % sizeof(*t->rules.at))
		return -EBADMSG;
	memcpy(&head, t->answer, sizeof(head));
	if (!t->rules.count)
		err = take_head(t, &head);
	if (err)
		return err;
	if (n > t->expected - t->rules.count || (!n && t->expected))
		return -EBADMSG;
	if (n)
		memcpy(t->rules.at + t->rules.count, t->answer + sizeof(head), bytes);
	t->rules.count += n;
	return 0;
}

/* For the next run. The file must still be the one that it was when it was asked for. */
static void keep(struct tables *t)
{
	const struct file *file = current(t);
	struct kept_key now;

	if (t->kept && file->keeps && t->rules.count && kept_identify(file->fd, &now) &&
	    !memcmp(&now, &file->key, sizeof(now)))
		(void)kept_write(t->kept, &now, &t->rules, t->end);
}

/* All that was asked for is there. */
static void finish(struct tables *t, tables_take_fn take, void *context)
{
	keep(t);
	hand_over(t, take, context);
}

/* What has come of the file that is under way; true: all of it has, or will never. */
static bool go_on(struct tables *t, tables_take_fn take, void *context)
{
	ssize_t n = helper_take(t->helper, t->answer);
	int err;

	if (n == -EAGAIN)
		return false;
	err = n < 0 ? (int)n : take_part(t, (size_t)n);
	if (!err && t->rules.count < t->expected) {
		err = ask(t, -1);
		if (!err)
			return false;
	}
	if (err || !tabling_makes_sense(&t->rules, t->end))
		fail(t, take, context);
	else
		finish(t, take, context);
	return true;
}

/* What an earlier run has kept of the first file. */
static bool read_kept(struct tables *t)
{
	const struct file *file = current(t);

	return t->kept && file->keeps && !kept_read(t->kept, &file->key, &t->rules, &t->end);
}

int tables_fd(const struct tables *t)
{
	if (!tables_pending(t))
		return -1;
	return helper_fd(t->helper) >= 0 ? helper_fd(t->helper) : t->always;
}

void tables_step(struct tables *t, tables_take_fn take, void *context)
{
	if (helper_fd(t->helper) >= 0 && !go_on(t, take, context))
		return;
	while (tables_pending(t)) {
		if (read_kept(t)) { /* one at a time: it is not nothing */
			hand_over(t, take, context);
			return;
		}
		if (!ask_first(t))
			return;
		fail(t, take, context);
	}
}

void tables_wait(struct tables *t, int ms, tables_take_fn take, void *context)
{
	int64_t end = now_ms() + ms, left = ms;

	while (tables_pending(t) && left > 0) {
		struct pollfd ready = {.fd = tables_fd(t), .events = POLLIN};

		(void)poll(&ready, 1, left < LOOK_MS ? (int)left : LOOK_MS);
		tables_step(t, take, context);
		left = end - now_ms();
	}
}
