// SPDX-License-Identifier: MIT
/*
 * Hides how records lie in the file. The decisions:
 *
 * - Sums are against what happens to files (a run that was ended while it wrote, a disk that was
 *   full), not against people: the file is nobody's but ours, and so is its directory. They are
 *   taken over words of 8 bytes, each mixed in by a multiplication and a shift, both of which lose
 *   nothing, so that no single changed word goes unnoticed.
 * - The key is a file's identity, not its build-id, which anybody may write into any file.
 * - No record is ever changed. A file that was changed gets a new one; the old one is in nobody's
 *   way until the file begins anew.
 */
#include "sym/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "core/table.h"
#include "sym/tabling.h"

#define MAX_FILES 65536
#define SECOND    1000000000LL
#define SETTLED \
	(2 * SECOND) /* times of files go by ticks; one that changes twice in one shows one */

/* To be told from others: the last byte grows when records, or the rules that sym/unwind.c makes,
 * become others. */
static const unsigned char MAGIC[8] = "atunwnd\1";

struct record {
	unsigned char magic[8];
	struct kept_key key;
	uint64_t base, end, count;
	uint64_t rules_sum;
	uint64_t sum; /* of what stands before it */
};

struct place {
	uint64_t at, count; /* of the record; its rules */
};

struct kept {
	int fd;
	bool writes;
	uint64_t size; /* of what is sound in the file */
	uint64_t most;
	struct table places;
};

/* ---- whose rules are kept */

static int64_t in_ns(const struct timespec *ts)
{
	return (int64_t)ts->tv_sec * SECOND + ts->tv_nsec;
}

static bool is_trusted(int fd, const struct stat *st)
{
	struct statvfs fs;

	return S_ISREG(st->st_mode) && (!st->st_uid || st->st_uid == geteuid()) &&
	       !(st->st_mode & (S_IWGRP | S_IWOTH)) && !fstatvfs(fd, &fs) &&
	       !(fs.f_flag & ST_NOSUID);
}

bool kept_identify(int fd, struct kept_key *key)
{
	struct timespec now;
	struct stat st;

	clock_gettime(CLOCK_REALTIME, &now);
	if (fstat(fd, &st) || !is_trusted(fd, &st) || in_ns(&st.st_ctim) > in_ns(&now) - SETTLED)
		return false;
	*key = (struct kept_key){.device = st.st_dev,
				 .inode = st.st_ino,
				 .size = (uint64_t)st.st_size,
				 .modified_ns = in_ns(&st.st_mtim),
				 .changed_ns = in_ns(&st.st_ctim)};
	return true;
}

/* ---- records */

static uint64_t sum_of(const void *bytes, size_t len)
{
	const unsigned char *at = bytes;
	uint64_t sum = len, word;

	for (size_t i = 0; i < len / sizeof(word); i++) {
		memcpy(&word, at + i * sizeof(word), sizeof(word));
		sum = (sum ^ word) * 0x9e3779b97f4a7c15ULL;
		sum ^= sum >> 32;
	}
	return sum;
}

static uint64_t size_of(uint64_t count)
{
	return sizeof(struct record) + count * sizeof(struct unwind_rule);
}

static bool read_all(int fd, void *bytes, size_t len, uint64_t at)
{
	ssize_t n = 0;

	for (size_t done = 0; done < len; done += (size_t)n) {
		n = pread(fd, (unsigned char *)bytes + done, len - done, (off_t)(at + done));
		if (n <= 0)
			return false;
	}
	return true;
}

static bool write_all(int fd, const void *bytes, size_t len)
{
	ssize_t n = 0;

	for (size_t done = 0; done < len; done += (size_t)n) {
		n = write(fd, (const unsigned char *)bytes + done, len - done);
		if (n <= 0)
			return false;
	}
	return true;
}

static bool read_record(const struct kept *k, uint64_t at, struct record *r)
{
	return read_all(k->fd, r, sizeof(*r), at) && !memcmp(r->magic, MAGIC, sizeof(MAGIC)) &&
	       r->sum == sum_of(r, offsetof(struct record, sum)) && r->count <= UNWIND_MAX_RULES;
}

/* ---- the file */

static int remember(struct kept *k, const struct kept_key *key, uint64_t at, uint64_t count)
{
	struct place *place;
	bool fresh;

	place = table_insert(&k->places, key, &fresh);
	if (!place)
		return -ENOMEM;
	*place = (struct place){.at = at, .count = count};
	return 0;
}

/* Up to the first record that is none: what a run that was ended left there is cut off. */
static void read_places(struct kept *k, uint64_t size)
{
	struct record r;

	while (k->size < size && read_record(k, k->size, &r) &&
	       size_of(r.count) <= size - k->size) {
		(void)remember(k, &r.key, k->size, r.count);
		k->size += size_of(r.count);
	}
	if (k->writes && k->size < size && ftruncate(k->fd, (off_t)k->size))
		k->writes = false;
}

static bool is_ours(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_uid == geteuid() && st->st_nlink == 1 &&
	       !(st->st_mode & (S_IWGRP | S_IWOTH));
}

/* A smaller limit would end us by a signal. */
static bool may_be_large(uint64_t most)
{
	struct rlimit limit;

	return !getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur >= most;
}

struct kept *kept_open(int dir, uint64_t most)
{
	struct kept *k = calloc(1, sizeof(*k));
	struct stat st;

	if (!k)
		return NULL;
	table_init(&k->places, sizeof(struct kept_key), sizeof(struct place), MAX_FILES);
	k->most = most;
	k->fd = openat(dir, KEPT_NAME,
		       O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (k->fd < 0 || fstat(k->fd, &st) || !is_ours(&st)) {
		kept_close(k);
		return NULL;
	}
	k->writes = may_be_large(most) && !flock(k->fd, LOCK_EX | LOCK_NB);
	/* Another one may have written until just now. */
	if (!fstat(k->fd, &st))
		read_places(k, (uint64_t)st.st_size);
	return k;
}

void kept_close(struct kept *k)
{
	if (!k)
		return;
	if (k->fd >= 0)
		close(k->fd);
	table_fini(&k->places);
	free(k);
}

/* ---- rules */

static int read_rules(const struct kept *k, const struct kept_key *key, const struct place *place,
		      struct unwind_rules *rules, uint64_t *end)
{
	size_t bytes = place->count * sizeof(*rules->at);
	struct record r;

	/* Another run may have let the file begin anew since. */
	if (!read_record(k, place->at, &r) || memcmp(&r.key, key, sizeof(*key)) != 0 ||
	    r.count != place->count)
		return -EBADMSG;
	if (tabling_reserve(rules, r.count))
		return -ENOMEM;
	rules->base = r.base;
	rules->count = r.count;
	*end = r.end;
	if (!read_all(k->fd, rules->at, bytes, place->at + sizeof(r)) ||
	    sum_of(rules->at, bytes) != r.rules_sum || !tabling_makes_sense(rules, *end))
		return -EBADMSG;
	return 0;
}

int kept_read(struct kept *k, const struct kept_key *key, struct unwind_rules *rules, uint64_t *end)
{
	const struct place *place = table_find(&k->places, key);
	int err = place ? read_rules(k, key, place, rules, end) : -ENOENT;

	if (err)
		rules->count = 0;
	if (err == -EBADMSG)
		table_remove(&k->places, key);
	return err;
}

static int begin_anew(struct kept *k)
{
	if (ftruncate(k->fd, 0))
		return -errno;
	table_fini(&k->places);
	table_init(&k->places, sizeof(struct kept_key), sizeof(struct place), MAX_FILES);
	k->size = 0;
	return 0;
}

/* All of it or nothing; where not even that succeeds, the file is left alone from now on. */
static int append(struct kept *k, const struct record *r, const struct unwind_rules *rules)
{
	if (write_all(k->fd, r, sizeof(*r)) &&
	    write_all(k->fd, rules->at, rules->count * sizeof(*rules->at)))
		return 0;
	if (ftruncate(k->fd, (off_t)k->size))
		k->writes = false;
	return -EIO;
}

int kept_write(struct kept *k, const struct kept_key *key, const struct unwind_rules *rules,
	       uint64_t end)
{
	struct record r = {.key = *key, .base = rules->base, .end = end, .count = rules->count};
	int err = 0;

	if (!k->writes)
		return -EROFS;
	if (size_of(r.count) > k->most)
		return -EFBIG;
	memcpy(r.magic, MAGIC, sizeof(MAGIC));
	r.rules_sum = sum_of(rules->at, rules->count * sizeof(*rules->at));
	r.sum = sum_of(&r, offsetof(struct record, sum));
	if (k->size + size_of(r.count) > k->most)
		err = begin_anew(k);
	if (!err)
		err = append(k, &r, rules);
	if (err)
		return err;
	k->size += size_of(r.count);
	return remember(k, key, k->size - size_of(r.count), r.count);
}
