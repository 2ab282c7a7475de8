#!/usr/bin/env python3
"""What heaptrack has written down of a run, summed up; and the same of alloctrace, call site by call site.

    heaptrack_sums.py RAW REPORT

RAW is the unpacked output of `heaptrack --raw`:

    m SIZE PATH BASE …    a file is mapped, "x" is the program; "m 1 -" forgets all files
    t IP PARENT           a frame, numbered from 1: a return address less one, and the frame that called it
    + BYTES FRAME ADDR    a block is handed out
    - ADDR                it goes; a realloc is both

REPORT is what `alloctrace hot -f json` prints, of the same command or of the same process.

On stdout, each with allocations=N leaked=N leaked_bytes=N temporary=N:

    heaptrack …           peak_bytes=N alike=N as well: "temporary" is a block that went with the next thing that
                          happened; "alike" what heaptrack_print calls so: a block of the size and the stack of the
                          last one that was handed out, be it that one or not
    pool …                the part of it that libstdc++ took for itself
    rest …                heaptrack without pool, peak_bytes counted anew
    alloctrace …          peak_bytes=N as well
    env …                 the part of it that /usr/bin/env took before it became the program
    exceptions …          the part that libstdc++ took for exceptions
    file NAME heaptrack A L T alloctrace A L T         allocations, leaked blocks, temporary ones by the file of the
                                                       caller of malloc, if they differ
    site NAME+OFFSET heaptrack A L T alloctrace A L T  the same for each caller
"""

import json
import os
import sys
from collections import defaultdict

LIBSTDCXX = "libstdc++.so"


class Sums:
    """Of all calls, or of some."""

    def __init__(self):
        self.allocations = self.leaked = self.leaked_bytes = self.temporary = 0
        self.peak_bytes = self.alike = 0

    def add(self, size):
        self.allocations += 1
        self.leaked += 1
        self.leaked_bytes += size
        self.peak_bytes = max(self.peak_bytes, self.leaked_bytes)

    def take(self, size, temporary, alike):
        self.leaked -= 1
        self.leaked_bytes -= size
        self.temporary += temporary
        self.alike += alike

    def add_site(self, o):
        self.allocations += o["allocations"]
        self.leaked += o["live"]["blocks"]
        self.leaked_bytes += o["live"]["bytes"]
        self.temporary += o["temporary"]

    def show(self, *more):
        return " ".join(f"{name}={getattr(self, name)}"
                        for name in ("allocations", "leaked", "leaked_bytes", "temporary") + more)

    def counts(self):
        return f"{self.allocations} {self.leaked} {self.temporary}"


def file_name(path):
    return os.path.basename(os.path.realpath(path))


class Heaptrack:
    def __init__(self, lines):
        self.exe = ""
        self.files = []
        self.frames = [None]
        self.blocks = {}  # address -> (size, frame)
        self.kinds = {}  # (size, frame) -> number
        self.last = self.last_kind = 0
        self.all, self.pool, self.rest = Sums(), Sums(), Sums()
        self.sites = defaultdict(Sums)
        for line in lines:
            words = line.split()
            if words and words[0] in self.TAKES:
                self.TAKES[words[0]](self, words)

    def take_exe(self, words):
        self.exe = words[2]

    def take_file(self, words):
        if words[2] == "-":
            self.files = []
            return
        name = file_name(self.exe if words[2] == "x" else words[2])
        base, pieces = int(words[3], 16), [int(w, 16) for w in words[4:]]
        for start, size in zip(pieces[::2], pieces[1::2]):
            self.files.append((base + start, base + start + size, name, base))

    def take_frame(self, words):
        address = int(words[1], 16)
        for start, end, name, base in self.files:
            if start <= address < end:
                self.frames.append((name, address - base))
                return
        self.frames.append(("?", address))

    def take_block(self, words):
        size, frame, address = (int(w, 16) for w in words[1:4])
        kind = self.kinds.setdefault((size, frame), len(self.kinds))
        self.blocks[address] = size, frame, kind
        self.last, self.last_kind = address, kind
        for sums in self.whose(frame):
            sums.add(size)

    # Kinds count from 0, and that is also what heaptrack_print remembers after a block has gone.
    def take_free(self, words):
        address = int(words[1], 16)
        temporary, self.last = address == self.last, 0
        if address not in self.blocks:
            return
        size, frame, kind = self.blocks.pop(address)
        alike, self.last_kind = kind == self.last_kind, 0
        for sums in self.whose(frame):
            sums.take(size, temporary, alike)

    def whose(self, frame):
        place = self.frames[frame]
        return self.all, self.pool if place[0].startswith(LIBSTDCXX) else self.rest, self.sites[place]

    TAKES = {"x": take_exe, "m": take_file, "t": take_frame, "+": take_block, "-": take_free}


class Alloctrace:
    def __init__(self, lines):
        self.all, self.env, self.exceptions = Sums(), Sums(), Sums()
        self.sites = defaultdict(Sums)
        for line in lines:
            o = json.loads(line)
            if o["type"] == "heap":
                self.all.add_site(o)
                self.all.peak_bytes = o["peak"]["bytes"]
            elif o["type"] == "site" and "pool" not in o:
                self.take_site(o)

    def take_site(self, o):
        stack = o.get("stack", [])
        names = [file_name(frame.get("module", "?")) for frame in stack]
        if "env" in names:
            self.env.add_site(o)
        elif names and names[0].startswith(LIBSTDCXX) and "exception" in stack[0].get("function", ""):
            self.exceptions.add_site(o)
        # The frame itself; inlined ones stand before it at the same place.
        place = next(((name, int(frame.get("module_offset", "1"), 16) - 1)
                      for name, frame in zip(names, stack) if not frame.get("inlined")), ("?", 0))
        self.sites[place].add_site(o)


def by_file(sites):
    files = defaultdict(Sums)
    for place, sums in sites.items():
        for name in ("allocations", "leaked", "temporary"):
            setattr(files[place[0]], name, getattr(files[place[0]], name) + getattr(sums, name))
    return files


def show_differences(word, theirs, ours, name_of):
    for key in sorted(set(theirs) | set(ours)):
        a, b = (sites[key].counts() if key in sites else "0 0 0" for sites in (theirs, ours))
        if a != b:
            print(word, name_of(key), "heaptrack", a, "alloctrace", b)


def main():
    with open(sys.argv[1], encoding="utf-8", errors="replace") as lines:
        theirs = Heaptrack(lines)
    with open(sys.argv[2], encoding="utf-8") as lines:
        ours = Alloctrace(lines)
    print("heaptrack", theirs.all.show("peak_bytes", "alike"))
    print("pool", theirs.pool.show())
    print("rest", theirs.rest.show("peak_bytes"))
    print("alloctrace", ours.all.show("peak_bytes"))
    print("env", ours.env.show())
    print("exceptions", ours.exceptions.show())
    show_differences("file", by_file(theirs.sites), by_file(ours.sites), str)
    show_differences("site", theirs.sites, ours.sites, lambda place: f"{place[0]}+{place[1]:#x}")


main()
