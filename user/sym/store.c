// SPDX-License-Identifier: MIT
/*
 * Hides how records lie in the file. They are found by going from head to head once, at the
 * beginning; whether one is whole is looked at when it is read. Where a head is none, the file
 * ends, and what is appended next is put there.
 */
#include "sym/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define MAGIC       0x3173656d616e7461ULL /* another one when the head changes */
#define MAX_RECORDS (1 << 16)
#define SETTLED_NS  2000000000 /* file systems may tell the time of a change in whole seconds */

struct head {
	uint64_t magic;
	struct store_key key;
	uint64_t bytes; /* behind the head */
	uint64_t check; /* of the key, the number and the bytes */
};

struct record {
	struct store_key key;
	off_t at; /* of its head */
};

struct store {
	int fd;
	bool writes; /* this run is the one that does */
	struct record *records;
	size_t count, capacity;
	off_t end;
};

/* ---- keys ---- */

static int64_t ns_of(const struct timespec *ts)
{
	return (int64_t)ts->tv_sec * 1000000000 + ts->tv_nsec;
}

static bool is_settled(int64_t changed_ns)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return ns_of(&now) - changed_ns > SETTLED_NS;
}

static bool is_ours(const struct stat *st)
{
	return S_ISREG(st->st_mode) && (!st->st_uid || st->st_uid == geteuid()) &&
	       !(st->st_mode & (S_IWGRP | S_IWOTH));
}

bool store_identify(int fd, struct store_key *key)
{
	struct statfs fs;
	struct stat st;

	if (fstat(fd, &st) || !is_ours(&st) || fstatfs(fd, &fs) || fs.f_flags & ST_NOSUID)
		return false;
	*key = (struct store_key){
		.device = st.st_dev,
		.inode = st.st_ino,
		.size = (uint64_t)st.st_size,
		.modified_ns = ns_of(&st.st_mtim),
		.changed_ns = ns_of(&st.st_ctim),
	};
	return is_settled(key->changed_ns);
}

bool store_key_equal(const struct store_key *a, const struct store_key *b)
{
	return a->inode == b->inode && a->device == b->device && a->size == b->size &&
	       a->modified_ns == b->modified_ns && a->changed_ns == b->changed_ns;
}

/* ---- the check ---- */

/* Each step can be undone, so that one changed word changes the sum for certain. */
static uint64_t mix(uint64_t sum, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	while (n) {
		uint64_t word = 0;
		size_t step = n < sizeof(word) ? n : sizeof(word);

		memcpy(&word, p, step);
		sum = (sum ^ word) * 0x9e3779b97f4a7c15ULL;
		sum ^= sum >> 32;
		p += step;
		n -= step;
	}
	return sum;
}

static uint64_t check_of(const struct head *h, const void *bytes)
{
	uint64_t sum = mix(h->bytes, &h->key, sizeof(h->key));

	return mix(sum, bytes, h->bytes);
}

/* ---- opening ---- */

static int remember(struct store *s, const struct store_key *key, off_t at)
{
	if (s->count == MAX_RECORDS)
		return -EFBIG;
	if (s->count == s->capacity) {
		size_t capacity = s->capacity ? s->capacity * 2 : 64;
		struct record *records = reallocarray(s->records, capacity, sizeof(*records));

		if (!records)
			return -ENOMEM;
		s->records = records;
		s->capacity = capacity;
	}
	s->records[s->count++] = (struct record){*key, at};
	return 0;
}

/* The head at that place; false when the file ends there. */
static bool read_head(const struct store *s, off_t at, off_t size, struct head *h)
{
	return pread(s->fd, h, sizeof(*h), at) == sizeof(*h) && h->magic == MAGIC &&
	       h->bytes <= (uint64_t)(size - at) - sizeof(*h);
}

static void find_records(struct store *s, off_t size)
{
	struct head h;

	while (read_head(s, s->end, size, &h)) {
		if (remember(s, &h.key, s->end))
			return;
		s->end += (off_t)(sizeof(h) + h.bytes);
	}
}

/* A smaller limit would end us by a signal. */
static bool may_be_large(void)
{
	struct rlimit limit;

	return !getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur >= STORE_MAX_BYTES;
}

struct store *store_open(int dir)
{
	struct store *s = calloc(1, sizeof(*s));
	struct stat st;

	if (!s)
		return NULL;
	s->fd = openat(dir, STORE_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
		       S_IRUSR | S_IWUSR);
	/* What somebody else could have written is not read. */
	if (s->fd < 0 || fstat(s->fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    st.st_mode & (S_IWGRP | S_IWOTH) || st.st_nlink != 1 || st.st_size > STORE_MAX_BYTES) {
		store_close(s);
		return NULL;
	}
	s->writes = may_be_large() && !flock(s->fd, LOCK_EX | LOCK_NB);
	/* Another one may have written until just now. */
	if (!fstat(s->fd, &st))
		find_records(s, st.st_size);
	return s;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	free(s->records);
	free(s);
}

/* ---- reading and writing ---- */

static void read_record(const struct store *s, const struct record *r, store_take_fn take,
			void *context)
{
	unsigned char *bytes;
	struct head h;

	if (!read_head(s, r->at, s->end, &h) || !store_key_equal(&h.key, &r->key))
		return;
	bytes = malloc(h.bytes + 1);
	if (bytes && pread(s->fd, bytes, h.bytes, r->at + (off_t)sizeof(h)) == (ssize_t)h.bytes &&
	    check_of(&h, bytes) == h.check)
		take(context, bytes, h.bytes);
	free(bytes);
}

void store_each(const struct store *s, const struct store_key *key, store_take_fn take,
		void *context)
{
	for (size_t i = 0; i < s->count; i++)
		if (store_key_equal(&s->records[i].key, key))
			read_record(s, &s->records[i], take, context);
}

static int write_all(int fd, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	while (n) {
		ssize_t written = write(fd, p, n);

		if (written < 0 && errno != EINTR)
			return -errno;
		if (written > 0) {
			p += written;
			n -= (size_t)written;
		}
	}
	return 0;
}

/* The head comes last: as long as it is not there, neither is the record. */
static int write_record(struct store *s, const struct head *h, const void *bytes)
{
	int err = ftruncate(s->fd, s->end) ? -errno : 0;

	if (!err && lseek(s->fd, s->end + (off_t)sizeof(*h), SEEK_SET) < 0)
		err = -errno;
	if (!err)
		err = write_all(s->fd, bytes, h->bytes);
	if (!err && lseek(s->fd, s->end, SEEK_SET) < 0)
		err = -errno;
	return err ? err : write_all(s->fd, h, sizeof(*h));
}

int store_append(struct store *s, const struct store_key *key, const void *bytes, size_t n)
{
	struct head h = {.magic = MAGIC, .key = *key, .bytes = n};
	int err;

	if (!s->writes)
		return -EROFS;
	if (n > STORE_MAX_BYTES - sizeof(h))
		return -EFBIG;
	h.check = check_of(&h, bytes);
	if ((uint64_t)s->end + sizeof(h) + n > STORE_MAX_BYTES || s->count == MAX_RECORDS)
		s->end = (off_t)(s->count = 0);
	err = write_record(s, &h, bytes);
	if (!err)
		err = remember(s, key, s->end);
	if (!err)
		s->end += (off_t)(sizeof(h) + n);
	return err;
}
