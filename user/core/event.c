// SPDX-License-Identifier: MIT
/* From the bytes of a record to a checked view: the only reader of bpf/event.h on this side. */
#include "core/event.h"

#include <errno.h>
#include <string.h>

#include "bpf/event.h"

_Static_assert((int)EVENT_ALLOC == (int)WIRE_ALLOC, "kinds travel unchanged");
_Static_assert((int)EVENT_PRESSURE == (int)WIRE_PRESSURE, "kinds travel unchanged");
_Static_assert((int)EVENT_STACK == (int)WIRE_STACK, "kinds travel unchanged");
_Static_assert((int)EVENT_NR_GRADES == (int)WIRE_NR_GRADES, "grades travel unchanged");
_Static_assert((int)EVENT_NR_WHYS == (int)WIRE_NR_WHYS, "reasons travel unchanged");
_Static_assert((int)EVENT_WHY_CHANGED == (int)WIRE_WHY_CHANGED, "reasons travel unchanged");
_Static_assert((int)EVENT_COUNTS == (int)WIRE_COUNTS, "levels travel unchanged");
_Static_assert((int)EVENT_NR_LEVELS <= (int)WIRE_PRESSURE_LEVEL, "a level fits into its word");
_Static_assert((int)EVENT_ENTERED == (int)WIRE_ENTERED, "counters travel unchanged");
_Static_assert((int)EVENT_NR_COUNTERS == (int)WIRE_NR_COUNTERS, "counters travel unchanged");
_Static_assert(EVENT_OTEL_POOL == WIRE_OTEL_POOL, "numbers travel unchanged");
_Static_assert(EVENT_MAX_FRAMES == WIRE_MAX_FRAMES, "a view holds the longest stack");
_Static_assert(sizeof(struct event_totals) == sizeof(struct wire_totals),
	       "totals travel unchanged");
_Static_assert(sizeof(struct event_pool) == sizeof(struct wire_pool_key), "keys travel unchanged");
_Static_assert(sizeof(struct event_pool_totals) == sizeof(struct wire_pool_totals),
	       "totals travel unchanged");

_Static_assert(EVENT_LANE_KEY == sizeof(struct wire_lane_key), "the size of a map's key");
_Static_assert(EVENT_LANE_VALUE == sizeof(struct wire_lane), "the size of a map's value");
_Static_assert((int)LANE_POOL_PAIR == (int)WIRE_LANE_POOL_PAIR, "operations travel unchanged");
_Static_assert((int)LANE_OFF_CPU == (int)WIRE_OFF_CPU, "causes travel unchanged");
_Static_assert((int)LANE_NR_CAUSES == (int)WIRE_NR_CAUSES, "causes travel unchanged");
_Static_assert((int)CALIBRATION_CLOCK == (int)WIRE_CLASS_CLOCK, "classes travel unchanged");
_Static_assert((int)CALIBRATION_STEPPED == (int)WIRE_CLASS_STEPPED, "classes travel unchanged");
_Static_assert(LANE_ALL_SIZES == WIRE_ALL_SIZES, "numbers travel unchanged");
_Static_assert(HIST_SUB_BITS == WIRE_BUCKET_BITS, "buckets travel unchanged");

/* The bytes that must follow the header. */
static size_t tail_length(const struct wire_event *w)
{
	if (w->kind == WIRE_POOL_CREATE)
		return WIRE_NAME_LEN;
	return w->frames * sizeof(__u64);
}

/* The ring rounds a record up to 8 bytes and says so: both are multiples of 8 here, so equality
 * holds. */
static int check(const struct wire_event *w, size_t len)
{
	if (w->version != WIRE_VERSION)
		return -EPROTO;
	if (w->kind < WIRE_ALLOC || w->kind > WIRE_STACK)
		return -EINVAL;
	if (w->function >= EVENT_MAX_FUNCTIONS || w->flags & ~WIRE_ALL_FLAGS)
		return -EINVAL;
	if (w->grade >= WIRE_NR_GRADES || w->why >= WIRE_NR_WHYS)
		return -EINVAL;
	if (w->kind == WIRE_STACK && (!w->frames || !w->stack_id))
		return -EINVAL;
	if (w->kind == WIRE_POOL_CREATE && w->frames)
		return -EINVAL;
	if (w->kind == WIRE_PRESSURE && (w->frames || w->wire_pressure_level > WIRE_COUNTS))
		return -EINVAL;
	if (w->frames > WIRE_MAX_FRAMES || len != sizeof(*w) + tail_length(w))
		return -EINVAL;
	return 0;
}

#define NO_HANDLE 2

uint64_t event_pool_handle(uint64_t pool)
{
	return pool && ~pool ? pool : NO_HANDLE;
}

static void copy_pool_create(struct event *e, const struct wire_event *w, const char *name)
{
	e->base = w->wire_pool_base;
	e->size = w->wire_pool_bytes;
	e->chunk_size = w->wire_pool_chunk_size;
	e->chunk_count = w->wire_pool_chunk_count;
	e->weighted_bytes = 0;
	e->grade = EVENT_CALL_SITE;
	e->why = EVENT_WHY_NONE;
	e->stack_id = e->layout = 0;
	e->frames = w->wire_pool_site ? 1 : 0;
	e->stack[0] = w->wire_pool_site;
	memcpy(e->name, name, WIRE_NAME_LEN);
	e->name[WIRE_NAME_LEN] = '\0';
}

static void copy_call(struct event *e, const struct wire_event *w, const void *stack)
{
	e->size = w->size;
	e->align = w->align;
	e->addr = w->addr;
	e->old_addr = w->old_addr;
	e->base = e->chunk_size = e->chunk_count = 0;
	e->name[0] = '\0';
	e->grade = (enum event_grade)w->grade;
	e->why = (enum event_why)w->why;
	e->stack_id = w->kind == WIRE_STACK || w->frames < 2 ? w->stack_id : 0;
	e->layout = w->kind == WIRE_STACK ? w->wire_stack_layout : w->frames > 1 ? w->stack_id : 0;
	e->frames = w->frames;
	memcpy(e->stack, stack, w->frames * sizeof(__u64));
}

int event_decode(struct event *e, const void *data, size_t len)
{
	const char *tail = (const char *)data + sizeof(struct wire_event);
	struct wire_event w;
	int err;

	if (len < sizeof(w))
		return -EINVAL;
	memcpy(&w, data, sizeof(w));
	err = check(&w, len);
	if (err)
		return err;
	if (w.kind == WIRE_PRESSURE) {
		event_make_pressure(e, (enum event_level)w.wire_pressure_level, w.ts_ns);
		return 0;
	}
	e->kind = (enum event_kind)w.kind;
	e->level = EVENT_WHOLE;
	e->function = w.function;
	e->failed = w.flags & WIRE_FAILED;
	e->by_realloc = w.flags & WIRE_BY_REALLOC;
	e->measured = !(w.flags & WIRE_NOT_MEASURED);
	e->otel = w.flags & WIRE_OTEL;
	e->old_unsampled = w.flags & WIRE_OLD_UNSAMPLED;
	e->new_unsampled = w.flags & WIRE_NEW_UNSAMPLED;
	e->pid = w.tgid;
	e->tid = w.tid;
	e->ns_pid = w.ns_tgid;
	e->ns_tid = w.ns_tid;
	e->ts_ns = w.ts_ns;
	e->latency_ns = w.latency_ns;
	e->pool = w.kind < WIRE_POOL_CREATE || w.kind == WIRE_STACK ? 0 : event_pool_handle(w.pool);
	e->weighted_bytes = w.weighted_bytes;
	memcpy(e->comm, w.comm, WIRE_COMM_LEN);
	e->comm[WIRE_COMM_LEN] = '\0';
	if (w.kind != WIRE_POOL_CREATE) {
		copy_call(e, &w, tail);
		return 0;
	}
	e->align = e->addr = e->old_addr = 0;
	copy_pool_create(e, &w, tail);
	return 0;
}

static int decode_lane_key(struct lane_key *key, const struct wire_lane_key *w)
{
	if (w->op > WIRE_LANE_POOL_PAIR || w->function >= EVENT_MAX_FUNCTIONS ||
	    w->class >= CALIBRATION_NR || w->cause >= WIRE_NR_CAUSES || w->reserved)
		return -EINVAL;
	*key = (struct lane_key){
		.op = w->op,
		.function = w->function,
		.class = w->class,
		.size_class = w->size_class,
		.cause = w->cause,
		.disturbed = w->disturbed,
		.slice = w->slice,
		.failed = w->failed,
		.pid = w->tgid,
		.group = w->group,
		.site = w->site,
		.pool = w->op == WIRE_LANE_CALL ? 0 : event_pool_handle(w->pool),
	};
	return 0;
}

int event_decode_lane(struct lane_part *part, const void *key, const void *values, size_t cpus)
{
	struct wire_lane_key k;
	struct wire_lane v;

	memcpy(&k, key, sizeof(k));
	memset(part, 0, sizeof(*part));
	if (decode_lane_key(&part->key, &k))
		return -EINVAL;
	part->bucket = k.bucket;
	for (size_t i = 0; i < cpus; i++) {
		memcpy(&v, (const char *)values + i * sizeof(v), sizeof(v));
		part->count += v.count;
		part->sum += v.sum;
		part->bytes += v.bytes;
		part->max = v.max > part->max ? v.max : part->max;
		for (size_t j = 0; j < LANE_NR_CAUSES; j++) {
			part->times[j] += v.times[j];
			part->ns[j] += v.ns[j];
		}
	}
	return 0;
}

uint64_t event_cookie(unsigned int function, const struct event_args *args,
		      enum calibration_class class)
{
	return function | WIRE_COOKIE_ARG(class, WIRE_ARG_CLASS) |
	       WIRE_COOKIE_ARG(args->size, WIRE_ARG_SIZE) |
	       WIRE_COOKIE_ARG(args->count, WIRE_ARG_COUNT) |
	       WIRE_COOKIE_ARG(args->align, WIRE_ARG_ALIGN) |
	       WIRE_COOKIE_ARG(args->flags, WIRE_ARG_FLAGS) |
	       WIRE_COOKIE_ARG(args->ptr, WIRE_ARG_PTR) | WIRE_COOKIE_ARG(args->out, WIRE_ARG_OUT) |
	       WIRE_COOKIE_ARG(args->returns_size, WIRE_ARG_RETURNS_SIZE) |
	       WIRE_COOKIE_ARG(args->paired, WIRE_ARG_PAIRED);
}

uint64_t event_level_word(enum event_level level, uint64_t since_ns)
{
	return (since_ns & ~WIRE_PRESSURE_LEVEL) | level;
}

enum event_level event_word_level(uint64_t word)
{
	return (enum event_level)(word & WIRE_PRESSURE_LEVEL);
}

uint64_t event_word_since(uint64_t word)
{
	return word & ~WIRE_PRESSURE_LEVEL;
}

void event_make_pressure(struct event *e, enum event_level level, uint64_t ts_ns)
{
	*e = (struct event){.kind = EVENT_PRESSURE, .level = level, .ts_ns = ts_ns};
}

uint64_t event_end_ns(const struct event *e)
{
	return event_is_pool(e) ? e->ts_ns : e->ts_ns + e->latency_ns;
}

uint64_t event_begin_ns(const struct event *e)
{
	return event_is_pool(e) ? e->ts_ns - e->latency_ns : e->ts_ns;
}
