#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""compare_stacks.py GDB TRACE: alloctrace's stacks (TRACE, of -k -f json) beside gdb's (GDB, of gdb_stacks.py).

Both have seen the same program do the same calls: the k-th call of the one is the k-th of the other, which is checked by
function and size. Where the program did something else meanwhile (a timer, say), the two are brought together again at the
next calls that are alike; what lies between is compared with nothing. Frames are the same when module and ELF address
are. Prints what differs, at the most TRUTH_SHOWN (3) stacks of each kind, then one line of figures:

	1500 compared, 1500 equal (100.00 %), lies 0; complete 1490, truncated 10; apart 0 of 1500

Exit 1: a lie, that is a stack that is graded complete and differs in any frame or in length, or one that is graded truncated
and differs as far as it goes; fewer than 98 % are equal from the caller to the outermost frame (or to the depth that was asked
for), but of a few hundred five may be cut: a sample of these has as many by chance; or more than 2 % of the calls have no counterpart.
"""
import collections
import json
import os
import sys

LEAST_EQUAL = 0.98
CUT_BY_CHANCE = 5
VARIES = int(os.environ.get("TRUTH_VARIES", 0))  # calls of one size that may change places, of programs that are not the same each time
MOST_APART = 0.02
ALIKE = 8       # calls in a row that must agree where two sequences are brought together again …
FAR = 3000      # … within so many
SHOWN = int(os.environ.get("TRUTH_SHOWN", "3"))
DEEPEST = 127

Call = collections.namedtuple("Call", "key stack grade why names")

# Names at one address: which of them it is called by is a matter of taste.
SAME = {"memalign": "aligned_alloc"}


def load_gdb(path):
    out = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            o = json.loads(line)
            if "call" in o:
                stack = [tuple(f) for f in o["stack"]] if "stack" in o else None
                out.append(Call((SAME.get(o["call"], o["call"]), o["size"]), stack, None, None, None))
    return out


def physical(frames):
    """Module and address of the frames that are places in memory: inlined calls belong to the next one."""
    return [(f["module"], int(f["module_offset"], 16)) for f in frames if not f.get("inlined")]


def load_trace(path):
    out, summary = [], None
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            o = json.loads(line)
            if o["type"] == "summary":
                summary = o
            if o["type"] != "event" or o["pid"] != o["tid"]:
                continue
            names = [f.get("function", "?") for f in o["stack"] if not f.get("inlined")]
            key = (SAME.get(o["call"], o["call"]), o["size"])
            out.append((o["ts_ns"], Call(key, physical(o["stack"]), o.get("stack_grade", "ungraded"), o.get("stack_why"), names)))
    if not summary or summary["lost"]["total"] or summary.get("counted_only"):
        sys.exit("alloctrace lost calls, or did not end: %s" % (summary and summary["lost"]))
    out.sort(key=lambda e: e[0])
    return [call for _, call in out]


def alike(a, i, b, j):
    rest = min(ALIKE, len(a) - i, len(b) - j)
    return rest > 0 and all(a[i + k].key == b[j + k].key for k in range(rest))


def meet(a, i, b, j):
    """The nearest places behind i and j from which on both do the same, or None."""
    for far in range(1, FAR):
        for skip in range(far + 1):
            if alike(a, i + skip, b, j + far - skip):
                return i + skip, j + far - skip
    return None


def pairs(a, b):
    """Of what both have: the calls side by side; and how many of `a` have no counterpart."""
    out, apart, i, j = [], 0, 0, 0
    while i < len(a) and j < len(b):
        if a[i].key == b[j].key:
            out.append((a[i], b[j]))
            i, j = i + 1, j + 1
            continue
        met = meet(a, i, b, j)
        if not met:
            break
        apart += met[0] - i
        i, j = met
    return out, apart + len(a) - i


def show(truth, ours):
    print("%s(%d), graded %s%s" % (*ours.key, ours.grade, ", " + ours.why if ours.why else ""))
    for i in range(max(len(truth.stack), len(ours.stack))):
        gdb = "%s+%#x" % truth.stack[i] if i < len(truth.stack) else "-"
        own = "%s+%#x %s" % (*ours.stack[i], ours.names[i]) if i < len(ours.stack) else "-"
        print("  %s #%-3d %-60s %s" % (" " if gdb == own.split()[0] else "!", i, gdb, own))


def begins(truth, ours):
    return truth.stack[:len(ours.stack)] == ours.stack


def is_equal(truth, ours):
    return truth.stack == ours.stack or len(ours.stack) >= DEEPEST and begins(truth, ours)


def is_lie(truth, ours):
    return ours.grade == "complete" or ours.grade != "guessed" and not begins(truth, ours)


def changed_places(both, at):
    """A program with timers or a random seed does the same in another order: a neighbour of that size is gdb's."""
    truth, near = both[at][0], both[max(0, at - VARIES):at + VARIES + 1]
    return any(ours.key == truth.key and is_equal(truth, ours) for _, ours in near)


def main():
    gdb, trace = load_gdb(sys.argv[1]), load_trace(sys.argv[2])
    both, apart = pairs(gdb, trace)
    grades, shown = collections.Counter(), collections.Counter()
    compared = equal = lies = 0
    for at, (truth, ours) in enumerate(both):
        if truth.stack is None:
            continue
        if is_lie(truth, ours) and not is_equal(truth, ours) and changed_places(both, at):
            apart += 1
            continue
        compared += 1
        grades[ours.grade] += 1
        if is_equal(truth, ours):
            equal += 1
            continue
        lies += is_lie(truth, ours)
        shown[ours.grade, ours.why] += 1
        if shown[ours.grade, ours.why] <= SHOWN:
            show(truth, ours)
    share = equal / compared if compared else 0
    print("%d compared, %d equal (%.2f %%), lies %d; %s; apart %d of %d" % (
        compared, equal, 100 * share, lies, ", ".join("%s %d" % g for g in grades.most_common()), apart, len(gdb)))
    too_few = not compared or (share < LEAST_EQUAL and compared - equal > CUT_BY_CHANCE)
    return lies > 0 or too_few or apart > MOST_APART * len(gdb)


if __name__ == "__main__":
    sys.exit(main())
