#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_sites.py FILE SITES: what `alloctrace sites -f json FILE` said (SITES), judged by objdump's text.

The functions are read from the ELF tables here, the instructions from objdump, and the rules below know nothing of the
decoder that alloctrace uses: an instruction may be skipped only if it is on a list of harmless ones. Each line but the
last is a finding, or a note: code of other functions that jumps into what was skipped, which alloctrace, who reads one
function at a time, does not see. The last line says what was looked at. Exit 0: no findings.
"""

import collections
import ctypes
import errno
import json
import re
import struct
import subprocess
import sys

MOST_SKIPPED = 8
MOST_CODE = 1 << 20

Instruction = collections.namedtuple("Instruction", "at length code prefixes name operands target")

# ---- the ELF tables


def functions_of(path):
    """{(name, file offset of the entry): (address, size)} of every global or weak function that the file defines."""
    with open(path, "rb") as file:
        image = file.read()
    if image[:6] != b"\x7fELF\x02\x01":
        sys.exit(f"{path} is no little-endian 64-bit ELF file")
    phoff, shoff = struct.unpack_from("<QQ", image, 32)
    phsize, phcount, shsize, shcount = struct.unpack_from("<HHHH", image, 54)
    segments = [struct.unpack_from("<IIQQQQ", image, phoff + i * phsize) for i in range(phcount)]
    sections = [struct.unpack_from("<IIQQQQIIQQ", image, shoff + i * shsize) for i in range(shcount)]
    found = {}
    for section in sections:
        if section[1] not in (2, 11):  # SHT_SYMTAB, SHT_DYNSYM
            continue
        strings = sections[section[6]][4]
        for at in range(section[4], section[4] + section[5], 24):
            name, info, _, index, value, size = struct.unpack_from("<IBBHQQ", image, at)
            if info & 15 != 2 or info >> 4 not in (1, 2) or not index or not value:
                continue
            offset = offset_of(segments, value)
            if offset is None:
                continue
            start = strings + name
            text = image[start : image.index(b"\0", start)].decode("utf-8", "replace")
            found.setdefault((text, offset), (value, size))
    return found


def offset_of(segments, value):
    for kind, flags, offset, address, _, size in segments:
        if kind == 1 and flags & 1 and address <= value < address + size:
            return value - address + offset
    return None


# ---- objdump's text

PREFIXES = set("lock rep repz repe repnz repne bnd notrack data16 addr32 cs ds es fs gs ss xacquire xrelease".split())
LINE = re.compile(r"^ *([0-9a-f]+):\t((?:[0-9a-f]{2} )+) *\t?(.*)$")
TARGET = re.compile(r"^(?:0x)?([0-9a-f]+)(?: <.*)?$")
BRANCH = re.compile(r"^(?:j[a-z]+|call|loop[a-z]*|xbegin)$")


def disassemble(path):
    """All instructions by address."""
    run = subprocess.run(
        ["objdump", "-d", "-w", "-z", "-M", "intel", path], stdout=subprocess.PIPE, check=True, encoding="utf-8", errors="replace"
    )
    code = {}
    for line in run.stdout.splitlines():
        match = LINE.match(line)
        if match:
            instruction = parse(*match.groups())
            code[instruction.at] = instruction
    return code


def parse(at, raw, text):
    raw = bytes.fromhex(raw)
    words = text.split("#")[0].split(None)
    prefixes = []
    while words and (words[0] in PREFIXES or words[0].startswith("rex")) and len(words) > 1:
        prefixes.append(words.pop(0))
    name = words.pop(0) if words else "(bad)"
    name, _, hint = name.partition(",")  # je,pt
    if hint:
        prefixes.append(hint)
    operands = " ".join(words)
    target = None
    if BRANCH.match(name):
        match = TARGET.match(operands)
        target = int(match.group(1), 16) if match else None
    return Instruction(int(at, 16), len(raw), raw, tuple(prefixes), name, operands, target)


# ---- what the kernel runs without a step (arch/x86/kernel/uprobes.c)

CONDITIONS = set("o no b ae e ne be a s ns p np l ge le g".split())


def is_emulated(i):
    if i.prefixes:
        return False
    if i.name == "push":
        # One register, by the short opcode. REX.B is the one prefix that the kernel takes.
        return re.fullmatch(r"r[a-z0-9]+", i.operands) is not None and i.length == (2 if re.search(r"\d", i.operands) else 1)
    if i.name == "nop":
        return i.length == 1
    if i.name in ("jmp", "call"):
        return i.target is not None
    return i.name[:1] == "j" and i.name[1:] in CONDITIONS


# ---- what may be skipped

NEEDED = re.compile(
    r"\b(?:[re]?(?:di|si|dx|cx|sp)|[ds]il|spl|[dc][lh]|r[89][dwb]?)\b"
)
# Nothing but flags, or nothing at all, comes of these.
READERS = set("cmp test bt nop endbr64 prefetcht0 prefetcht1 prefetcht2 prefetchnta prefetchw ptest comiss comisd ucomiss ucomisd".split())
# The first operand, if any, is all that these write.
WRITERS = re.compile(
    r"""^(?:mov|movabs|movzx|movsxd?|lea|xor|or|and|add|sub|adc|sbb|inc|dec|neg|not|s[ha][lr]|ro[lr]|imul|bs[fr]|bswap|tzcnt|lzcnt|popcnt
    |set[a-z]+|cmov[a-z]+|rdfsbase|[sr][ha]?[lr]x|andn|bls[a-z]+|bzhi|pext|pdep
    |v?(?:mov|p?xor|p?and|p?or|padd|psub|pcmp|punpck|pshuf|unpck|shuf|add|sub|mul|div|sqrt|min|max|cvt|broadcast|insert|pinsr|pextr)[a-z0-9]*
    |vpbroadcast[a-z0-9]*|vinsert[a-z0-9]*|fstp?|fnstsw|fabs|fchs|fxam)$""",
    re.X,
)
# These write more, but nothing that a probe looks at.
ACCUMULATOR = set("cdqe cwde cbw clc stc cmc cld sahf lahf fldz fld1 fld fild vzeroupper".split())


def why_not_skipped(i):
    """None, or what is wrong with a probe behind this instruction."""
    if i.prefixes and not set(i.prefixes) <= {"cs", "ds", "es", "ss", "fs", "gs", "data16"}:
        return "a prefix"
    if i.name in READERS or i.name in ACCUMULATOR or i.code == b"\x66\x90":
        return None
    if i.name == "imul" and "," not in i.operands:
        return "it writes rdx"
    if not WRITERS.match(i.name):
        return "an instruction that is not known to be harmless"
    first = i.operands.split(",")[0]
    if "[" in first or "PTR" in first:
        return "it writes memory"
    if NEEDED.search(first):
        return "it writes " + first
    return None


def body_of(code, start, size):
    """The function's instructions, or None when objdump cannot make sense of all its bytes."""
    body, at = [], start
    while at < start + size:
        i = code.get(at)
        if i is None or "(bad)" in i.name or at + i.length > start + size:
            return None
        body.append(i)
        at += i.length
    return body


def expected(code, start, size):
    """(skip, run) by the rules of this file."""
    if not size or size > MOST_CODE:
        return 0, "single-stepped"
    first = code.get(start)
    if first is None:
        return 0, "single-stepped"
    if is_emulated(first):
        return 0, "emulated"
    body = body_of(code, start, size) or []
    for i in body[: MOST_SKIPPED + 1]:
        if is_emulated(i):
            if any(b.target is not None and start < b.target <= i.at for b in body):
                break
            return i.at - start, "emulated"
        if why_not_skipped(i):
            break
    if is_nop(first) and first.length == 5:
        return 0, "nop5"
    return 0, "refused" if is_unprobed(first) else "single-stepped"


def is_unprobed(i):
    """What this kernel answered ENOTSUPP for: lock and segment prefixes, traps, ports, 66 before a jump or call."""
    rest = i.code.lstrip(b"\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3")
    prefixes = i.code[: len(i.code) - len(rest)]
    if any(p in prefixes for p in b"\x26\x2e\x36\x3e\xf0"):
        return True
    if 0x66 in prefixes and (rest[0] in b"\xe8\xe9\xeb" or 0x70 <= rest[0] <= 0x7F):
        return True
    return rest[0] in b"\xcc\xcd\xf1\xf4\xfa\xfb\x6c\x6d\x6e\x6f\xe4\xe5\xe6\xe7\xec\xed\xee\xef"


def is_nop(i):
    return i.name == "nop" or i.code.lstrip(b"\x66") == b"\x90"


def nop5_hazard():
    """Whether this kernel turns a probed 5-byte nop into a call: it then has a system call that answers ENXIO."""
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.syscall(336) == -1 and ctypes.get_errno() == errno.ENXIO


# ---- alloctrace's word

SYNONYMS = dict(z="e", nz="ne", nb="ae", nbe="a", nl="ge", nle="g")
FAMILIES = ("j", "set", "cmov")


def canonical(name):
    for family in FAMILIES:
        if name.startswith(family) and name[len(family) :] in SYNONYMS:
            return family + SYNONYMS[name[len(family) :]]
    return name


def same_instruction(i, start, told):
    """Whether the two decoders name the same instruction; operands are compared where both spell them alike."""
    words = told.split()
    while words and words[0] in PREFIXES:
        words.pop(0)
    if i.code == b"\x66\x90" and words == ["nop"]:
        return True
    name = canonical(words[0]) if words else ""
    if name not in (i.name, "mov" if i.name == "movabs" else i.name):
        return False
    if i.target is not None:
        return int(words[-1], 16) == (i.target - start) % (1 << 64)
    if "[" in told or "PTR" in i.operands or "0x" in told or i.name == "nop":
        return True
    return "".join(words[1:]) == i.operands.replace(" ", "")


class Check:
    def __init__(self, path, sites):
        self.functions = functions_of(path)
        self.code = disassemble(path)
        self.sites = sites
        self.findings = 0
        self.foreign = 0
        self.hazard = nop5_hazard()
        self.kinds = collections.Counter()
        self.jumps = sorted((i.target, i.at) for i in self.code.values() if i.target is not None and i.name != "call")

    def finding(self, text):
        self.findings += 1
        print(text)

    def run(self):
        told = {(s["function"], int(s["entry"], 16)) for s in self.sites}
        if len(told) != len(self.sites):
            self.finding("a function is listed twice")
        for name, entry in sorted(set(self.functions) - told):
            self.finding(f"{name} at {entry:#x} is missing")
        for site in self.sites:
            where = self.functions.get((site["function"], int(site["entry"], 16)))
            if where is None:
                self.finding(f"{site['function']} at {site['entry']} is no function of the file")
            else:
                self.one(site, *where)

    def one(self, site, start, size):
        name, skip, run = site["function"], site["skip"], site["run"]
        at = start + skip
        i = self.code.get(at)
        self.kinds[run if not skip else run + ", later"] += 1
        if int(site["site"], 16) != int(site["entry"], 16) + skip:
            self.finding(f"{name}: site, entry and skip disagree")
        if i is None:
            self.finding(f"{name}: +{skip} lies between instructions")
            return
        if size and not same_instruction(i, start, site["instruction"]):
            self.finding(f"{name}: +{skip} is '{i.name} {i.operands}', not '{site['instruction']}'")
        if (run == "emulated") != is_emulated(i) and size:
            self.finding(f"{name}: '{i.name} {i.operands}' at +{skip} is called {run}")
        if skip:
            self.skipped(name, start, size, at)
        self.compare(name, start, size, skip, run)

    def skipped(self, name, start, size, site):
        """Everything between the entry and a later site, whatever the rules would have chosen."""
        at = start
        while at < site:
            i = self.code.get(at)
            if i is None:
                self.finding(f"{name}: no instruction at +{at - start}")
                return
            why = why_not_skipped(i)
            if why:
                self.finding(f"{name}: skipped '{' '.join(i.prefixes)} {i.name} {i.operands}': {why}")
            at += i.length
        if at != site:
            self.finding(f"{name}: +{site - start} lies between instructions")
        if site >= start + size:
            self.finding(f"{name}: +{site - start} lies behind its end")
        for source in self.jumps_into(start, site):
            if start <= source < start + size:
                self.finding(f"{name}: its own jump at {source:#x} leads into what +{site - start} skips")
            else:
                self.foreign += 1
                print(f"note: {name}: the jump at {source:#x}, not its own, leads into what +{site - start} skips")

    def jumps_into(self, start, site):
        """Jumps from anywhere in the file. Calls of the function's own range are among what `expected` looks at."""
        low, high = 0, len(self.jumps)
        while low < high:
            middle = (low + high) // 2
            if self.jumps[middle][0] <= start:
                low = middle + 1
            else:
                high = middle
        while low < len(self.jumps) and self.jumps[low][0] <= site:
            yield self.jumps[low][1]
            low += 1

    def compare(self, name, start, size, skip, run):
        want_skip, want = expected(self.code, start, size)
        if want == "nop5":
            want = "refused" if self.hazard else "single-stepped"
        if skip != want_skip or run != want:
            self.finding(f"{name}: +{skip} {run}, by the rules +{want_skip} {want}")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[2], encoding="utf-8") as file:
        sites = [json.loads(line) for line in file]
    check = Check(sys.argv[1], sites)
    check.run()
    counts = ", ".join(f"{n} {kind}" for kind, n in sorted(check.kinds.items()))
    print(f"checked {len(sites)} functions: {counts}; {check.foreign} notes, {check.findings} findings")
    return check.findings > 0


if __name__ == "__main__":
    sys.exit(main())
