/* SPDX-License-Identifier: MIT */
/*
 * Every knob and every map of the kernel side. Knobs are constants to the verifier: what a run does
 * not use is dead code that the kernel removes at load.
 */
#ifndef ALLOCTRACE_CONFIG_BPF_H
#define ALLOCTRACE_CONFIG_BPF_H

const volatile __u32 config_own_tgid;   /* alloctrace itself, never traced … */
const volatile __u32 config_helpers[5]; /* … nor the parents of its helper processes, nor these */
const volatile __u64 config_ring_bytes; /* of the ring buffer */
const volatile __u32 config_max_stack = 1; /* stack words an event carries, 1..WIRE_MAX_FRAMES */
const volatile bool config_by_rules;    /* whole stacks by unwind rules; else by frame pointers */
const volatile __u64 config_stack_seed; /* random: nobody can make two stacks with one number */
const volatile bool config_by_comm, config_by_uid, config_by_cgroup;
const volatile char config_comm[WIRE_COMM_LEN]; /* zero-padded, as the kernel has it */
const volatile __u32 config_uid;
const volatile __u64 config_cgroup; /* id of a cgroup; those below it count */
const volatile __u32 config_cgroup_level;
const volatile __u64 config_min_size;
const volatile __u64 config_max_size = ~0ULL;
const volatile bool config_follow;        /* only processes in `followed` */
const volatile __u64 config_sample_bytes; /* 0: every call is an event */
const volatile bool config_lanes;         /* calls are added up, not sent */
const volatile bool config_by_size, config_by_site, config_slices, config_why;
const volatile bool config_checks;        /* somebody judges calls: see share.bpf.h */
const volatile bool config_stop_on_error; /* see scene.bpf.h */
const volatile __u64 config_leaves;       /* bit i: function i calls none that hands out blocks */
const volatile __u32 config_calibrator;   /* the helper that calls functions that do nothing */
/* Numbers of the system calls whose time --why looks at; they differ by machine. */
const volatile __u32 config_syscalls[WIRE_NR_CAUSES][3];
#define LOG2_STEPS 1024
const volatile __u64
	config_log2[LOG2_STEPS + 1]; /* log2(1 + i / LOG2_STEPS), 32 bits behind the point */

/*
 * The gate: closed until every probe is in its place, and again before the final report, so that a
 * run has one first and one last moment whatever the order in which probes come and go.
 */
bool gate_open;

/* Median window of a function that does nothing, by class, in ns: what --why leaves out. */
__u64 probe_cost[16];

/* The level at which calls are sent, and since when: event.h, enum wire_pressure. */
__u64 pressure;

/* No more stacks get numbers: from now on they come with every call. */
bool stacks_full;

/* Bit i of nested[j]: function i was called inside of function j. */
__u64 nested[64];

/* A map of those below was full, or children of children share memory: all may do so. */
bool sharing_unknown;

/* With config_stop_on_error. */
__u32 scene_tgid;             /* whose blocks are followed; 0: nobody's */
__u64 scene_begin, scene_end; /* its allocator's own code, which frees what it likes */
bool scene_armed;             /* every allocator that it has mapped has its probes */
bool scene_lost;              /* a hand-out may have gone by unseen: nothing is judged any more */
struct {
	__u64 stops; /* so far; the rest is of the last one */
	__u64 addr, caller;
	__u32 tgid, tid, function, reserved;
} scene;

/* Bit i: calls of class i have returned, and are to be corrected. */
__u32 classes_seen;

/* Whether the run is under way, for the calibrator's calls: they are told apart by it. */
__u8 calibration_phase;

/*
 * How far the walk up a stack has come. It lies in a map for the verifier's sake, which would
 * follow every value that these can have, were they on its stack.
 */
struct stack_walk {
	__u64 pc; /* of the frame at hand: what it returns to, or with `exact` what comes next */
	__u64 sp, fp;
	__u64 awaited;          /* the word that the stack begins with; 0: it has begun */
	__u64 hash, hash_below; /* of the words; of all but the last */
	__u64 known_ns;         /* of the layout by which it goes; 0: by none */
	__u32 depth;            /* words in the stack */
	__u32 hint;             /* where the last address was found in the layout */
	__u8 exact;
	__u8 guessed;  /* a step was taken by frame pointer … */
	__u8 doubtful; /* … the last one */
	__u8 fp_lost;  /* the caller's frame pointer is not known */
	__u8 over;     /* at the outermost frame */
	__u8 why;
	__u16 reserved;
};

/*
 * One open call of one thread, and at the same time the record that it becomes: what the entry
 * learns is written in its place, the return fills the rest, and the bytes go to the ring as they
 * lie.
 */
struct call {
	__u64 sp;     /* stack pointer at entry of the open outermost call; 0: none is open */
	__u64 memptr; /* where the call leaves its block, when it does not return it */
	__u8 muted;   /* the open call is filtered out */
	__u8 silent; /* the open call is counted, and no event: neither of its blocks was sampled */
	__u8 sampled, old_sampled; /* its new block, and the one passed in, are followed */
	__u8 returns_size;         /* xallocx */
	__u8 seeded;               /* until_sample has been drawn */
	__u16 reserved;
	__s64 until_sample;     /* bytes that this thread may still ask for until one is sampled */
	__u64 free_sp, free_ip; /* of the last free, which `event` and `stack` still hold */
	/* With config_lanes, of the open call. */
	__u8 class;
	__u8 cause; /* the system call that it is in: enum wire_cause, 0: none that matters */
	__u16 reserved1;
	__u32 cpu;      /* where it began */
	__u64 switches; /* of the thread until then */
	__u64 faults;   /* the same */
	__u64 cause_ns; /* when that system call began */
	__u64 off_ns;   /* when it was taken off the CPU; 0: it is on one */
	__u64 times[WIRE_NR_CAUSES], ns[WIRE_NR_CAUSES];
	struct stack_walk walk;
	struct wire_event event;
	__u64 stack[WIRE_MAX_FRAMES];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct call);
} calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WIRE_NR_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

/* Processes that are traced with config_follow: its children are added as they are made. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 16);
	__type(key, __u32); /* tgid */
	__type(value, __u8);
} followed SEC(".maps");

struct sample_key {
	__u64 addr, tgid;
};

/* Blocks that were sampled and are live: their frees are events. The upper half of the key's tgid
 * is the stamp of its program. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 20);
	__type(key, struct sample_key);
	__type(value, __u8);
} sampled SEC(".maps");

/* Blocks that are live, with config_stop_on_error. Keys as above. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4 << 20);
	__type(key, struct sample_key);
	__type(value, __u8);
} live_blocks SEC(".maps");

/* Processes that have had a child on their memory … */
struct sharing {
	__u64 children; /* that still are */
	__u64 last_ns;  /* when one came or went */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 16);
	__type(key, __u32); /* tgid */
	__type(value, struct sharing);
} sharing SEC(".maps");

/* … and these children. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 14);
	__type(key, __u32);   /* tgid */
	__type(value, __u32); /* its parent's */
} sharers SEC(".maps");

/* With config_by_rules. The pieces of files; user/cmd/unwinder.c fills them. */
struct unwind_piece {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_INNER_MAP); /* as many blocks as the piece has */
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct unwind_block));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, UNWIND_MAX_TABLES);
	__type(key, __u32);
	__array(values, struct unwind_piece);
} tables SEC(".maps");

/* What processes have mapped. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 13);
	__type(key, __u32); /* tgid */
	__type(value, struct unwind_layout);
} layouts SEC(".maps");

/* The stacks that have been told, by number. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 17);
	__type(key, __u64);
	__type(value, __u8);
} stacks SEC(".maps");

/* With config_lanes: every call, by what it is and how long it took. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 18);
	__type(key, struct wire_lane_key);
	__type(value, struct wire_lane);
} lanes SEC(".maps");

/* By row of the table of functions. With config_sample_bytes or config_lanes, the books of all
 * calls; else of those that did not get into the ring. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct wire_totals);
} totals SEC(".maps");

/* The books of pools' operations that did not get into the ring. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 14);
	__type(key, struct wire_pool_key);
	__type(value, struct wire_pool_totals);
} unsent_pools SEC(".maps");

/* When the pool at that address was made. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 16);
	__type(key, struct sample_key);
	__type(value, __u64);
} births SEC(".maps");

/*
 * Atomic although per CPU: a uprobe's program may be preempted by another one on the same CPU
 * between the load and the store, and the books must be exact.
 */
static __always_inline void count(__u32 what)
{
	__u64 *n = bpf_map_lookup_elem(&counters, &what);

	if (n)
		__sync_fetch_and_add(n, 1);
}

#endif
