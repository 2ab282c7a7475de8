# SPDX-License-Identifier: MIT
"""Runs in gdb: what stack the calls of the malloc family have, as gdb unwinds it. compare_stacks.py judges by it.

	TRUTH_OUT=FILE gdb -nx -batch -x gdb_stacks.py --args PROGRAM ARG…

One line of JSON for each outermost call of the main thread (what a call calls inside is none), in their order; of one in
TRUTH_EVERY the stack as well, the caller first, frames by module and ELF address:

	{"call": "malloc", "size": 24, "stack": [["/usr/bin/x", 4660], …]}
	{"call": "malloc", "size": 3}
	{"ended": "exited"}

Frames that are no places in memory (inlined calls, tail calls that gdb concludes) are left out. The program is killed when
TRUTH_STOPS stacks have been told, and gets the environment of gdb without what is for this script. Arguments have no
spaces: nothing is run by a shell.
"""
import json
import os
import struct

import gdb

STOPS = int(os.environ.get("TRUTH_STOPS", "300"))
EVERY = int(os.environ.get("TRUTH_EVERY", "1"))
DEEPEST = 140  # alloctrace tells 127

# The traced functions, and the registers that say how much is asked for (several are multiplied).
SIZES = {
    "malloc": ("rdi",), "calloc": ("rdi", "rsi"), "realloc": ("rsi",), "reallocarray": ("rsi", "rdx"),
    "posix_memalign": ("rdx",), "aligned_alloc": ("rsi",), "memalign": ("rsi",), "valloc": ("rdi",), "pvalloc": ("rdi",),
    "mallocx": ("rdi",), "rallocx": ("rsi",),
    "__rust_alloc": ("rdi",), "__rust_alloc_zeroed": ("rdi",), "__rust_realloc": ("rcx",),
}


# ---- ELF files

class Elf:
    """Executable segments and defined functions of a file."""

    def __init__(self, path):
        self.segments, self.functions = [], {}
        with open(path, "rb") as f:
            self.data = f.read()
        if self.data[:5] != b"\x7fELF\x02":
            return
        phoff, shoff = struct.unpack_from("<QQ", self.data, 32)
        phsize, phnum, shsize, shnum = struct.unpack_from("<HHHH", self.data, 54)
        for i in range(phnum):
            kind, flags, offset, vaddr, _, filesz = struct.unpack_from("<IIQQQQ", self.data, phoff + i * phsize)
            if kind == 1 and flags & 1:
                self.segments.append((offset, vaddr, filesz))
        self.sections = [struct.unpack_from("<IIQQQQIIQQ", self.data, shoff + i * shsize) for i in range(shnum)]
        for section in self.sections:
            if section[1] in (2, 11):  # SHT_SYMTAB, SHT_DYNSYM
                self.read_symbols(section)
        self.data = None

    def read_symbols(self, section):
        names = self.sections[section[6]][4]
        for at in range(section[4], section[4] + section[5], 24):
            name, info, _, index, value, _ = struct.unpack_from("<IBBHQQ", self.data, at)
            if info & 15 != 2 or index == 0:
                continue
            end = self.data.index(b"\0", names + name)
            self.functions.setdefault(self.data[names + name:end].decode("latin-1"), value)

    def address(self, offset):
        """The ELF address of an offset in the file."""
        for start, vaddr, size in self.segments:
            if start - (start & 4095) <= offset < start + size:
                return offset - start + vaddr
        return offset


class Space:
    """What the process has mapped executable; read again when an address is not known."""

    def __init__(self):
        self.maps, self.elves = [], {}

    def read(self):
        self.maps = []
        with open("/proc/%d/maps" % gdb.selected_inferior().pid) as f:
            for line in f:
                parts = line.split(None, 5)
                if "x" in parts[1]:
                    start, end = (int(x, 16) for x in parts[0].split("-"))
                    self.maps.append((start, end, int(parts[2], 16), parts[5].strip() if len(parts) > 5 else ""))

    def elf(self, path):
        if path not in self.elves:
            self.elves[path] = Elf(path)
        return self.elves[path]

    def search(self, pc):
        for start, end, offset, path in self.maps:
            if start <= pc < end:
                if path.startswith("/"):
                    return [path, self.elf(path).address(pc - start + offset)]
                return [path if path == "[vdso]" else "[anon]", pc - start if path == "[vdso]" else pc]
        return None

    def place(self, pc):
        """[module, ELF address]; None when no code is there."""
        found = self.search(pc)
        if not found:
            self.read()
            found = self.search(pc)
        return found


space = Space()


# ---- calls

class Walk:
    """The frames of a stop: program counters, and the stack pointer that each has after its callee's return."""

    def __init__(self):
        self.pcs, self.sps = [], []
        frame = gdb.newest_frame().older()
        while frame is not None and len(self.pcs) < DEEPEST:
            if frame.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):
                self.pcs.append(frame.pc())
                self.sps.append(int(frame.read_register("rsp")) & (2**64 - 1))
            frame = frame.older()

    def places(self):
        """Up to the last frame that is code: beyond functions without unwind information gdb guesses."""
        out = [space.place(pc) for pc in self.pcs]
        return out[:out.index(None)] if None in out else out


class Calls:
    def __init__(self):
        self.count = self.told = 0
        self.open = None  # stack pointer, return address and function of the last outermost call
        self.out = open(os.environ["TRUTH_OUT"], "w", encoding="utf-8")

    def tell(self, line):
        self.out.write(json.dumps(line) + "\n")

    def nested(self, sp, caller, function, walk):
        """Made by an outermost call that has not returned."""
        if not self.open or sp > self.open[0]:
            return False
        if sp == self.open[0]:
            return caller == self.open[1] and function != self.open[2]
        if word(self.open[0]) != self.open[1]:
            return False
        return any(pc == self.open[1] and at == self.open[0] + 8 for pc, at in zip(walk.pcs, walk.sps))

    def note(self, function, size):
        """True when enough has been seen."""
        sp = register("rsp")
        caller = word(sp)
        walk = None
        if self.open and sp < self.open[0] and word(self.open[0]) == self.open[1]:
            walk = Walk()
        if self.nested(sp, caller, function, walk):
            return False
        self.open = (sp, caller, function)
        line = {"call": function, "size": size}
        if self.count % EVERY == 0:
            line["stack"] = (walk or Walk()).places()
            self.told += 1
        self.tell(line)
        self.count += 1
        return self.told >= STOPS


def register(name):
    return int(gdb.newest_frame().read_register(name)) & (2**64 - 1)


def word(address):
    return struct.unpack("<Q", bytes(gdb.selected_inferior().read_memory(address, 8)))[0]


calls = Calls()


class Entry(gdb.Breakpoint):
    def __init__(self, address, function):
        super().__init__("*%#x" % address, internal=True)
        self.silent = True
        self.function = function

    def stop(self):
        if gdb.selected_thread().num != 1:
            return False
        size = 1
        for name in SIZES[self.function]:
            size *= register(name)
        return calls.note(self.function, min(size, 2**64 - 1))


# ---- the run

probed = set()


def short(symbol):
    """The name by which a function is called: Rust's has a mangled path before it."""
    for name in SIZES:
        if symbol == name or name.startswith("__rust") and symbol.endswith("%d%s" % (len(name), "_" + name)):
            return name
    return None


def probe(start, offset, path):
    """Breakpoints on the functions of a file that is mapped at `start`."""
    elf = space.elf(path)
    rust = any(short(name) == "__rust_alloc" for name in elf.functions)
    if not rust and not {"malloc", "free"} <= elf.functions.keys():
        return
    for symbol, value in elf.functions.items():
        name = short(symbol)
        if not name or name.startswith("__rust") != rust:
            continue
        at = start + value - elf.address(offset)
        if at not in probed:
            probed.add(at)
            Entry(at, name)


def probe_new(_event):
    if gdb.selected_inferior().pid == 0:
        return
    space.read()
    for start, _, offset, path in space.maps:
        if path.startswith("/") and "/ld-linux" not in path:
            probe(start, offset, path)


for setting in (
        "pagination off", "confirm off", "debuginfod enabled off", "startup-with-shell off", "print thread-events off",
        "disable-randomization on", "backtrace past-main on", "backtrace past-entry on", "backtrace limit unlimited"):
    gdb.execute("set " + setting)
for variable in ("LINES", "COLUMNS", "TRUTH_OUT", "TRUTH_STOPS", "TRUTH_EVERY"):
    gdb.execute("unset environment " + variable)
for signal in ("SIGSEGV", "SIGILL", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGPIPE"):
    gdb.execute("handle %s nostop noprint pass" % signal, to_string=True)
gdb.events.new_objfile.connect(probe_new)
gdb.execute("run")
if gdb.selected_inferior().pid:
    gdb.execute("kill")
    calls.tell({"ended": "killed"})
else:
    calls.tell({"ended": "exited"})
calls.out.close()
