#!/usr/bin/env python3
"""Makes the seeds of the fuzz corpora: tests/fuzz/seeds.py DIR writes DIR/TARGET/NAME. What is kept in corpus/ began
with these; run it again when the wire or a target's reading of its input changes. Compilers that are not there are
left out."""
import os
import shutil
import struct
import subprocess
import sys
import tempfile

OUT = sys.argv[1]


def write(target, name, data):
    os.makedirs(f"{OUT}/{target}", exist_ok=True)
    with open(f"{OUT}/{target}/{name}", "wb") as file:
        file.write(data)


# ---- records of the wire (bpf/event.h)

VERSION = 4
ALLOC, FREE, REALLOC, CREATE, TAKE, GIVE, DESTROY, PRESSURE, STACK = range(1, 10)
CALL_SITE, COMPLETE, TRUNCATED, GUESSED = range(4)
EXACT = 1 << 63
LANE, FORK, END, EXEC, SETTLE = range(0xF0, 0xF5)
POOL = 0x7F0000001000


def record(kind, ts, addr=0, size=0, old=0, pool=0, pid=7, tid=7, flags=0, function=0, stack=(0x401000,), latency=5,
           align=0, weight=0, name=None, grade=CALL_SITE, why=0, stack_id=0):
    frames = 0 if kind == CREATE else len(stack)
    head = struct.pack("<BBBBHBBIIQQQQQQQQQII16s", VERSION, kind, function, flags, frames, grade, why, pid, tid, ts,
                       latency, size, align, addr, old, pool, weight, stack_id, 0, 0, b"demo")
    tail = name.ljust(64, b"\0") if kind == CREATE else b"".join(struct.pack("<Q", word) for word in stack)
    whole = head + tail
    return struct.pack("<H", len(whole)) + whole


def create(ts, pool=POOL, base=POOL, chunk=64, count=8, name=b"protocol"):
    return record(CREATE, ts, addr=base, size=chunk * count, align=chunk, old=count, pool=pool, weight=0x401234, name=name)


def take(ts, index, pool=POOL, tid=7, size=64):
    return record(TAKE, ts, addr=pool + 64 * index, size=size, pool=pool, tid=tid)


def give(ts, index, pool=POOL, tid=7):
    return record(GIVE, ts, addr=pool + 64 * index, pool=pool, tid=tid)


def stack(number, *above, grade=COMPLETE, why=0):
    """The caller of record()'s calls, and what is above it."""
    return record(STACK, 90, size=3, stack=(0x401000, *above), stack_id=number, grade=grade, why=why)


def along(ts, addr, number):
    return record(ALLOC, ts, addr, 160, stack_id=number)


def lane(op=0, bucket=70, count=3, pid=0):
    key = struct.pack("<8BIIQQII", op, 1, 1, 255, 0, 0, 0, 0, pid, 0, 0, 0, bucket, 0)
    value = struct.pack("<4Q14Q", count, 100 * count, 140, 64 * count, *range(14))
    return bytes([LANE]) + key + value + value


def events():
    plain, late, checks_off, sampled = b"\0", b"\1" + struct.pack("<Q", 50), b"\4", bytes([32, 8])
    malloc = record(ALLOC, 100, 0x1000, 160)
    free = record(FREE, 200, 0x1000)
    yield "malloc-free", plain + malloc + free
    yield "free-unseen", plain + free
    yield "free-null", plain + record(FREE, 1) + record(FREE, 2, flags=8, latency=9)
    yield "malloc-with-a-pool", plain + record(ALLOC, 100, 0x1000, 160, pool=POOL) + free
    yield "realloc", plain + malloc + record(REALLOC, 150, 0x2000, 320, old=0x1000) + record(FREE, 200, 0x2000)
    yield "realloc-late", plain + malloc + record(ALLOC, 170, 0x1000, 16, tid=8) + record(REALLOC, 160, 0x2000, 320, old=0x1000)
    yield "realloc-failed", plain + malloc + record(REALLOC, 150, 0, 1 << 62, old=0x1000, flags=1)
    yield "overflow", plain + record(ALLOC, 1, 0, 2**64 - 1, flags=1)
    yield "superseded", plain + malloc + record(ALLOC, 110, 0x1000, 8) + record(ALLOC, 120, 0x1000, 9) + free + free
    yield "long-stack", plain + record(ALLOC, 1, 0x1000, 1, stack=range(0x401000, 0x401080))
    yield "sampled", sampled + record(ALLOC, 1, 0x1000, 1 << 30) + record(REALLOC, 5, 0x2000, 2**63, old=0x1000, flags=64)
    yield "pool-life", plain + create(10) + take(20, 0) + take(30, 1) + give(40, 0) + give(50, 1) + record(DESTROY, 60, pool=POOL)
    yield "pool-leak", plain + create(10) + take(20, 0) + give(30, 0) + take(40, 0) + record(DESTROY, 60, pool=POOL)
    yield "pool-twice-freed", plain + create(10) + take(20, 0) + give(30, 0) + give(40, 0) + bytes([SETTLE]) + b"\xff" * 8
    yield "pool-twice-out", plain + create(10) + take(20, 0) + take(40, 0) + bytes([SETTLE]) + b"\xff" * 8
    yield "pool-outside", plain + create(10) + take(20, 9) + take(21, 7, size=65)
    yield "pool-overlap", plain + create(10) + take(20, 0, size=128) + take(30, 1)
    yield "pool-other", plain + create(10) + create(11, POOL + 4096, POOL + 4096, name=b"other") + take(20, 0) + \
        record(GIVE, 30, addr=POOL, pool=POOL + 4096)
    yield "pool-region-freed", plain + record(ALLOC, 5, POOL, 512) + create(10) + take(20, 0) + give(25, 0) + take(30, 1) + \
        record(FREE, 40, POOL)
    yield "pool-misaligned", plain + create(10) + record(TAKE, 20, addr=POOL + 8, size=16, align=64, pool=POOL)
    yield "pool-doubt", late + create(10) + take(20, 0) + take(30, 0) + give(60, 0) + give(70, 0)
    yield "pool-unchecked", checks_off + create(10) + take(20, 0) + take(30, 0)
    yield "pool-two-threads", plain + create(10) + take(20, 0) + give(40, 0, tid=8) + take(30, 0, tid=9) + give(50, 0)
    yield "pool-no-name", plain + take(20, 0) + give(30, 0)
    yield "pool-other-name", b"\x80" + create(10) + take(20, 0) + create(30, POOL + 4096, name=b"wanted")
    yield "pool-null", plain + create(10, pool=0) + record(TAKE, 20, addr=64, size=64) + malloc + record(DESTROY, 30)
    yield "pool-huge", plain + create(10, count=1 << 50, chunk=1) + record(TAKE, 20, addr=POOL + (1 << 49), size=1 << 48, pool=POOL)
    yield "otel", plain + record(TAKE, 20, addr=0x9000, size=512, pool=1, flags=16, weight=65536) + \
        record(GIVE, 30, addr=0x9000, pool=1, flags=16)
    yield "own-function", b"\x40" + struct.pack("<Q", 2) + malloc + record(ALLOC, 110, 0x1000, 16, function=1) + free + free
    yield "family", plain + malloc + bytes([FORK, 9]) + record(FREE, 120, 0x1000, pid=9) + bytes([END, 9, EXEC, 7]) + free
    yield "lanes", plain + lane() + lane(1, 80) + lane(2, 90, pid=9) + lane(3, 100) + lane()
    yield "lane-bucket", plain + lane(0, 2**32 - 1)
    yield "other-version", plain + malloc[:2] + b"\3" + malloc[3:]
    yield "stacks", plain + stack(1, 21, 22) + along(100, 0x1000, 1) + stack(2, EXACT | 23, grade=TRUNCATED, why=5) + \
        along(110, 0x2000, 2) + along(120, 0x3000, 1) + record(FREE, 200, 0x1000, stack_id=2)
    yield "stack-unknown", plain + along(100, 0x1000, 3) + record(FREE, 200, 0x1000, stack=(), stack_id=4)
    yield "stack-twice", plain + stack(1, 21) + stack(1, 22, 23, grade=GUESSED) + along(100, 0x1000, 1)
    yield "stack-of-another-caller", plain + stack(1, 21) + record(ALLOC, 100, 0x1000, 8, stack=(0x402000,), stack_id=1)
    yield "stack-empty", plain + record(STACK, 100, stack=(), stack_id=1) + record(STACK, 100)
    yield "stack-grade", plain + stack(1, grade=4) + stack(1, why=11) + along(100, 0x1000, 1)
    yield "pressure", plain + record(PRESSURE, 100, size=1, stack=()) + malloc + record(PRESSURE, 150, stack=()) + free


# ---- names

def names(pool, other=b"other", comm=b"demo", function=b"main", file=b"main.c", module=b"/usr/bin/demo",
          settings=0, room=20):
    return bytes([settings, room]) + b"\0".join([pool, other, comm, function, file, module]) + b"\0"


def texts():
    yield "plain", names(b"protocol")
    yield "escape", names(b"p\x1b]0;owned\x07", comm=b"\x1b[2J\x1b[31m", function=b"ev\x1b[31mil\n")
    yield "newline", names(b"a\nb", b"\r\n", b"\n", b"\t", b"/tmp/a\nb (deleted)")
    yield "not-utf8", names(b"\xff\xfe", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x92", b"\xc0\x80")
    yield "surrogate", names(b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80")
    yield "c1", names(b"\xc2\x9b31m", b"\xc2\x80", b"\xc2\x9f", b"\x7f", settings=4)
    yield "utf8", names("grüße".encode(), "日本".encode(), "😀".encode(), "naïve::fn<T>".encode(), settings=16)
    yield "backslash", names(b"a\\b", b"\\x1b", b"\\", b"\\\\n", b'"', settings=8)
    yield "json", names(b'","type":"event', b"}\n{", b'\\"', b"\\u0000", settings=12)
    yield "same-after-repair", names(b"a\xff", b"a\xfe")
    yield "same", names(b"one", b"one")
    yield "longest", names(b"p" * 70, b"\xc3\xbc" * 40, b"c" * 20, b"f" * 300, b"/" + b"d/" * 300, settings=31)
    yield "cut-character", names(b"p" * 63 + b"\xc3\xbc", b"q" * 62 + b"\xe2\x82\xac", "grüßeeeeeeeeeeü".encode(), room=3)
    yield "empty", names(b"", b"", b"", b"", b"", b"")
    yield "path-4k", names(b"p", file=b"/" + b"x" * 4095, room=255)
    for check in range(11):
        yield f"finding-{check}", names(b"pool\x01", b"oth\xffer", settings=check)


# ---- lines of maps

def lines():
    where = b"7f01a000-7f01c000 r-xp 00026000 08:01 131"
    yield "plain", where + b"                    /usr/lib/libc.so.6\n"
    yield "anonymous", b"55d0c0a80000-55d0c0aa1000 rw-p 00000000 00:00 0 \n"
    yield "heap", b"55d0c0a80000-55d0c0aa1000 rw-p 00000000 00:00 0                          [heap]\n"
    yield "vsyscall", b"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n"
    yield "deleted", where + b" /tmp/a (deleted)\n"
    yield "deleted-twice", where + b" /tmp/a (deleted) (deleted)\n"
    yield "only-deleted", where + b"  (deleted)\n"
    yield "newline", where + b" /tmp/a\\012b\n"
    yield "octal", where + b" /tmp/a\\040b\\134012\n"
    yield "escape", where + b" /tmp/\x1b[31m\xff\xfe\n"
    yield "spaces", where + b" /tmp/a  b\tc \n"
    yield "shared", b"7f01a000-7f01c000 rw-s 00026000 00:01 131 /dev/zero (deleted)\n"
    yield "no-inode-end", b"1-2 r-xp 0 8:1 5"
    yield "most", b"0-ffffffffffffffff rwxs ffffffffffffffff ffffffff:ffffffff 18446744073709551615 /x\n"
    yield "too-much", b"0-10000000000000000 rwxs 0 0:0 0\n"
    yield "backwards", b"2000-1000 r-xp 0 0:0 0\n"
    yield "sign", b"-1000-2000 r-xp +0 0:0 0\n"
    yield "memfd", b"7f01a000-7f01c000 r-xs 00000000 00:01 1024                      /memfd:jit (deleted)\n"
    yield "long", where + b" /" + b"d/" * 2000 + b"x\n"


# ---- code

def codes():
    for name, text in {
        "push": "41 54 55 53 c3",
        "endbr-push": "f3 0f 1e fa 55 48 89 e5 c3",
        "test-je": "48 85 ff 74 10 55 c3",
        "jumped-into": "48 85 ff 74 10 48 89 f8 eb f6 c3",
        "nop5": "0f 1f 44 00 00 55 c3",
        "nop5-first": "0f 1f 44 00 00 48 89 f8 c3",
        "jump": "e9 00 00 00 00",
        "call": "e8 fb ff ff ff c3",
        "jcc-near": "0f 84 10 00 00 00 c3",
        "sub-rsp": "48 83 ec 18 55 c3",
        "mov-args": "48 89 fe 55 c3",
        "mov-rax": "48 89 f8 48 89 f9 55 c3",
        "lock": "f0 48 0f b1 0f c3",
        "segment": "64 48 8b 04 25 28 00 00 00 55 c3",
        "int3": "cc 55 c3",
        "hlt": "f4 55",
        "ud2": "0f 0b 55",
        "prefix-66-jump": "66 e9 00 00 55 c3",
        "rep-movs": "f3 48 a5 55 c3",
        "avx": "c5 f9 ef c0 c4 e2 7d 18 07 55 c3",
        "evex": "62 f1 7c 48 28 07 55 c3",
        "cut": "48 8b",
        "bad": "06 06 06",
        "eight-then-push": "48 89 f8 48 89 f8 48 89 f8 48 89 f8 48 89 f8 48 89 f8 48 89 f8 48 89 f8 55 c3",
        "nine-then-push": "48 89 f8 48 89 f8 48 89 f8 48 89 f8 48 89 f8 48 89 f8 48 89 f8 48 89 f8 48 89 f8 55 c3",
        "backward-jump": "48 89 f8 55 5d eb fb c3",
        "jump-far-back": "48 89 f8 55 e9 f6 ff ff ff",
        "loop": "48 89 f8 55 e2 fb c3",
        "syscall": "b8 0c 00 00 00 0f 05 c3",
        "nops": "66 66 2e 0f 1f 84 00 00 00 00 00 66 90 90 c3",
    }.items():
        for settings in (1, 3):
            yield f"{name}-{settings}", bytes([settings]) + bytes.fromhex(text)
    yield "part", b"\0" + bytes.fromhex("48 85 ff 74 10 55 c3")
    yield "nothing", b"\1"


# ---- call frame information

FRAMES, CODE = 0x400000, 0x10000  # where the target puts .eh_frame and code


def leb(n):
    return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + leb(n >> 7)


def entry(body):
    body += b"\0" * (-len(body) % 8 + 4)
    return struct.pack("<I", len(body)) + body


def cie(letters=b"zR", data=b"\x1b", code=b"\x0c\x07\x08\x90\x01", eh=True, version=1):
    augmentation = leb(len(data)) + data if letters[:1] == b"z" else b""
    return entry(struct.pack("<I", 0 if eh else 2**32 - 1) + bytes([version]) + letters + b"\0" +
                 (b"\x08\0" if version == 4 else b"") + b"\x01\x78\x10" + augmentation + code)


def fde(before, start, size, code, augmented=b"\0"):
    """An entry of .eh_frame behind those, whose first one is its CIE."""
    at = len(before) + 8
    return before + entry(struct.pack("<IiI", len(before) + 4, CODE + start - (FRAMES + at), size) + augmented + code)


def frames():
    plain, signal = cie(), cie(b"zRS", b"\x1b", b"")
    handled = cie(b"zPLR", b"\x9b" + struct.pack("<i", 64) + b"\x1b\x1b")
    push = b"\x41\x0e\x10\x86\x02\x43\x0d\x06"
    plt = b"\x0e\x10\x46\x0e\x18\x4a\x0f\x0b\x77\x08\x80\x00\x3f\x1a\x3b\x2a\x33\x24\x22"
    realign = b"\x45\x0c\x0a\x00\x4b\x10\x06\x02\x76\x00\x44\x0f\x03\x76\x78\x06"
    ucontext = b"\x0f\x04\x77\xa0\x01\x06\x10\x06\x03\x77\xf8\x00\x10\x10\x03\x77\xa8\x01"
    two = fde(fde(plain, 0, 64, push), 128, 64, push + b"\x0a\x45\x0c\x07\x08\x41\x0b")
    yield "push", b"\0" + two
    yield "plt", b"\0" + fde(plain, 0, 64, plt)
    yield "realigned", b"\0" + fde(plain, 0, 64, realign)
    yield "signal", b"\0" + fde(signal, 0, 9, ucontext)
    yield "exceptions", b"\0" + fde(handled, 0, 64, push, leb(4) + struct.pack("<i", 4))
    yield "outermost", b"\0" + fde(plain, 0, 64, b"\x07\x10")
    yield "overlap", b"\0" + fde(fde(fde(plain, 0, 64, push), 32, 64, plt), 32, 8, push)
    yield "remember", b"\0" + fde(plain, 0, 64, b"\x0a\x41" * 40 + b"\x0b" * 41)
    yield "set-loc", b"\0" + fde(plain, 0, 64, b"\x01\x00\x00\x00\x00")
    yield "zero", b"\0" + fde(two + b"\0" * 4, 0, 4, push)
    for version in (1, 3, 4):
        common = cie(b"", b"", eh=False, version=version)
        yield f"debug-{version}", b"\2" + common + entry(struct.pack("<IQQ", 0, CODE, 64) + push)
    rest = cie(b"", b"", eh=False) + entry(struct.pack("<IQQ", 0, CODE + 64, 64) + push) + \
        entry(struct.pack("<IQQ", 0, CODE + 32, 8) + plt)
    one = fde(plain, 0, 64, push)
    rest += b"\0" * (len(one) - len(rest))
    yield "both", b"\6" + one + b"\0" * (len(rest) - len(one)) + rest
    for name, step, count in (("dense", 1, 1000), ("sparse", 70000, 600), ("crowd", 3, 1020)):
        yield f"rules-{name}", b"\1" + struct.pack("<QQ", CODE, CODE + step * count + 9) + b"".join(
            struct.pack("<IhbB", step * k, k, -2, 0x11) for k in range(count))


# ---- recordings (user/recording/format.h)

SHAPES, THREADS, GAPS, GAPS_MORE, LATENCIES, LATENCIES_MORE, SIZES, PLACES, FRESH, REST = range(10)
FILE, CONTENTS, INDEX = b"\0", b"\1", b"\2"  # what the target takes an input for


def text(string):
    return leb(0) if string is None else leb(len(string) + 1) + string + b"\0"


def content(columns):
    parts = [columns.get(k, b"") for k in range(10)]
    return struct.pack("<10I", *map(len, parts)) + b"".join(parts)


def others(*bodies):
    """Records that are no calls: a kind and its fields each."""
    return {SHAPES: b"\0" * len(bodies), REST: b"".join(bodies)}


def joined(*all_columns):
    return {k: b"".join(columns.get(k, b"") for columns in all_columns) for k in range(10)}


BEGIN = others(b"\x01" + text(b"0.1.0") + text(b"6.1.0") + text(b"alloctrace -- true") + leb(1000) + leb(2000) + b"\1" +
               leb(4211) + b"\0" + text(b"") + b"\1\1\0\0\0\0\1",
               b"\x02\2" + text(b"malloc") + b"\0\1\0\0" + text(b"free") + b"\0\1\1\0")
WORD_1 = struct.pack("<Q", 0x401000)
THREAD = b"\x05\x06\0\0" + text(b"demo")
CALL = {SHAPES: b"\1", THREADS: b"\0", GAPS: b"\x64", REST: b"\1\0\0\0\0\0" + b"\0\0\0\0\1" + WORD_1 + THREAD}
CALLS = {SHAPES: b"\1\2\2", THREADS: b"\0\1\1", GAPS: b"\0\x80\2", GAPS_MORE: b"\1", LATENCIES: b"\x80\1\1",
         LATENCIES_MORE: b"\1", SIZES: b"\x80\1\0\3", PLACES: b"\0\1\3\4\2\2", FRESH: b"\2\x80\2",
         REST: b"\3\1\x3f\x1f\x40\0" + b"\0\2\1\5\0" + THREAD + b"\5\5\5"}
POOLS = {SHAPES: b"\1\1\3", THREADS: b"\0\1\1", GAPS: b"\0\1\2", SIZES: b"\x40\0", PLACES: b"\0\2", FRESH: b"\x20",
         REST: b"\4\0\0\0\0\x40" + b"\0\0\0\0\1" + WORD_1 + THREAD + b"\1\2\3" + text(b"protocol") +
               b"\5\0\4\6\0\x40" + b"\0\0\0\0\0"}
KNOWN = {SHAPES: b"\0\1\2\1", THREADS: b"\0\1\1\1", GAPS: b"\0\0\0",
         REST: b"\x08\1" + THREAD + struct.pack("<Q", 77) + b"\0" * 9 + b"\1\0\7\2" + WORD_1 * 2 +
               b"\1\0\0\0\0\0" + b"\1\0" + b"\2\1\0\0\0\0" + b"\2\7\1" + WORD_1 + struct.pack("<Q", 78)}
MAPS = others(b"\3" + text(b"/lib/x.so") + b"\2id\5", b"\4\1\1\2" + b"\x80\x20\x80\x20\0\0" + b"\0\1\0\0",
              b"\7\0\x05\1\2" + text(b"inner") + text(b"a.c") + b"\6\1\2\3\1" + text(b"outer") + text(None) + b"\0\0\0\0\0",
              b"\5\1\1\6" + b"1 2 f\n", b"\6\0\1\2\3", b"\6\2\1\0\0")
SMALL = others(b"\x0a\1\2\3", b"\x0b\5", b"\x0c\6", b"\x0d\1\2\1", b"\x0e", b"\x0f\1\2\3\4\5")
BOOKS = others(b"\x10\1\5" + b"\1" * 10 + b"\2" * 320 + b"\1" + b"\1\2\3" + b"\4" * 12 + b"\1" * 6 + text(b"exited with 0"))


def checksum(data):
    total, full = 0x452821e638d01377 ^ len(data), data + b"\0" * (8 - len(data) % 8)
    for (word,) in struct.iter_unpack("<Q", full):
        total = (total ^ word) * 0x9e3779b97f4a7c15 % 2**64
        total ^= total >> 32
    return struct.pack("<Q", total)


def summed(data):
    return data + checksum(data)


def frame(raw, kind=1):
    """What zstd makes of incompressible bytes: a block of them as they are."""
    packed = b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", len(raw)) + struct.pack("<I", len(raw) << 3 | 1)[:3] + raw
    return summed(struct.pack("<III", kind, len(raw), len(packed)) + checksum(packed)) + packed


def finished(index, *frames):
    data = summed(b"\x89alltrc\n\1\0\0\0") + b"".join(frames)
    return data + frame(index, 2) + summed(b"alltrend" + struct.pack("<Q", len(data)))


def recordings():
    for name, columns in {"nothing": {}, "call": CALL, "calls": CALLS, "pools": POOLS, "stack": KNOWN, "maps": MAPS,
                          "small": SMALL, "books": BOOKS}.items():
        raw = content(joined(BEGIN, columns))
        yield name, CONTENTS + struct.pack("<H", len(raw)) + raw
    two = [content(joined(BEGIN, MAPS, KNOWN)), content(CALLS)]
    yield "two", CONTENTS + b"".join(struct.pack("<H", len(raw)) + raw for raw in two)
    frames = [frame(raw) for raw in two]
    index = b"\2\6\x14\1\3\0\0" + leb(len(frames[0])) + b"\0\3\0" + leb(400)
    yield "file", FILE + b"\0\0" + finished(index, *frames)
    yield "file-sought", FILE + b"\1" + struct.pack("<Q", 10**6) + b"\7" + finished(index, *frames)
    yield "file-unfinished", FILE + b"\0\0" + finished(index, *frames)[:-40]
    yield "index", INDEX + struct.pack("<QQQ", 2000, 300, 400) + index


# ---- ELF files

ALLOCATOR = """
#define USED __attribute__((used, noinline, visibility("default")))
USED void *malloc(unsigned long n) { return (void *)(n * 8); }
USED void free(void *p) { __asm__ volatile("" :: "r"(p)); }
USED void *calloc(unsigned long n, unsigned long m) { unsigned long r; return __builtin_mul_overflow(n, m, &r) ? 0 : malloc(r); }
USED void *realloc(void *p, unsigned long n) { free(p); return malloc(n); }
"""
PREFIXED = ALLOCATOR.replace("malloc(", "je_malloc(").replace("free(", "je_free(").replace("calloc(", "je_calloc(")
INLINED = """
struct message { int kind; struct message *next; };
static inline __attribute__((always_inline)) int parse(int c) { if (c > 3) { __asm__ volatile("nop"); return c * 2; } return c; }
static inline __attribute__((always_inline)) int next(int c) { for (int i = 0; i < c; i++) { __asm__ volatile("nop"); c += parse(i); } return c; }
__attribute__((noinline)) static int cold(struct message *m) { __asm__ volatile("nop"); return m->kind + next(m->kind); }
int start(int c) { struct message m = {c, 0}; return cold(&m) + next(c); }
"""
NOTES = """
#include <sys/sdt.h>
void start(void *p, long n) { DTRACE_PROBE3(alloctrace, alloc, p, n, 8); DTRACE_PROBE2(alloctrace, timed, p, n);
 DTRACE_PROBE2(otel_memory, alloc, p, n); DTRACE_PROBE1(other, free, p); }
"""
NAMESPACES = """
namespace ns { template <class T> struct box { T t; __attribute__((noinline)) T get(T u) { __asm__ volatile("nop"); return t + u; } };
 struct local { static int call(int n) { struct in { int v; }; box<int> b{n}; in i{b.get(n)}; return i.v; } }; }
extern "C" int start(int n) { return ns::local::call(n) + ns::box<long>{3}.get(n); }
"""
RUST = """
#![no_std]
#![no_main]
pub mod pool { pub struct Chunk<T>(pub T); impl<T: Copy> Chunk<T> { #[inline(never)] pub fn get(&self) -> T { self.0 } } }
#[panic_handler] fn panic(_: &core::panic::PanicInfo) -> ! { loop {} }
#[no_mangle] pub extern "C" fn start(n: u32) -> u32 { pool::Chunk(n).get() }
"""
LINK = ["-nostdlib", "-static", "-Wl,-z,noseparate-code", "-Wl,-z,max-page-size=64", "-Wl,-e,start",
        "-Wl,--no-warn-execstack", "-fno-asynchronous-unwind-tables", "-fcf-protection=none", "-fno-stack-protector"]
HEADER = """
.section .text,"ax"
.globl start
.type start, @function
start: nop
 ret
.size start, . - start
"""


def run(*command, folder=None):
    return subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def compiled(folder, name, compiler, source, suffix, *flags):
    """The file's bytes, or None."""
    path, out = f"s.{suffix}", f"{folder}/{name}"
    with open(f"{folder}/{path}", "w", encoding="utf-8") as file:
        file.write(source)
    nowhere = ["--remap-path-prefix", f"{folder}=/src"] if compiler == "rustc" else [f"-ffile-prefix-map={folder}=/src"]
    if not shutil.which(compiler) or not run(compiler, *flags, *nowhere, "-o", out, path, folder=folder):
        return None
    return out


def elf_files(folder):
    """Names and paths: what the probes look at."""
    debug = ["-O1", "-g0", "-Wl,--build-id=none", "-fno-builtin", "-Wno-builtin-declaration-mismatch"]
    yield compiled(folder, "allocator", "gcc", ALLOCATOR, "c", *debug, *LINK)
    yield compiled(folder, "allocator-cet", "gcc", ALLOCATOR, "c", *debug, *LINK, "-fcf-protection=full")
    yield compiled(folder, "library", "gcc", ALLOCATOR, "c", *debug, *LINK[:1], "-fPIC", "-shared", *LINK[2:4])
    yield compiled(folder, "prefixed", "gcc", PREFIXED, "c", *debug, *LINK)
    yield compiled(folder, "notes", "gcc", NOTES, "c", *debug, *LINK)
    yield compiled(folder, "notes-malloc", "gcc", NOTES + ALLOCATOR, "c", *debug, *LINK)
    yield compiled(folder, "go", "gcc", ALLOCATOR + '__attribute__((section(".gopclntab"), used)) static int t = 1;', "c", *debug, *LINK)
    yield compiled(folder, "many", "gcc", "".join(
        f"__attribute__((used)) void *{prefix}{name}(long n) {{ return (void *)(n + {k}); }}\n"
        for prefix in ("", "je_", "mi_", "tc_", "_rjem_") for k, name in enumerate(("malloc", "free", "calloc", "mallocx", "dallocx"))),
        "c", *debug, *LINK)
    yield compiled(folder, "absolute", "gcc", ALLOCATOR + '__asm__(".globl valloc\\n.type valloc, @function\\n.set valloc, 0x7fffffff");',
                   "c", *debug, *LINK)


def dwarf_files(folder):
    """Names and paths: what the symbolizer looks at."""
    for name, flags in {
        "dwarf5": ["-g", "-gdwarf-5"],
        "dwarf4": ["-g", "-gdwarf-4"],
        "dwarf3": ["-g", "-gdwarf-3", "-gstrict-dwarf"],
        "compressed": ["-g", "-gz=zlib"],
        "compressed-gnu": ["-g", "-gz=zlib-gnu"],
        "split": ["-g", "-gsplit-dwarf"],
        "no-debug": ["-g0"],
        "lines-only": ["-g1"],
        "type-units": ["-g", "-fdebug-types-section"],
        "build-id": ["-g0", "-Wl,--build-id=0x00112233445566778899aabbccddeeff00112233"],
    }.items():
        yield compiled(folder, name, "gcc", INLINED, "c", "-O1", "-Wl,--build-id=none", *LINK, *flags)
    yield compiled(folder, "clang", "clang", INLINED, "c", "-O1", "-g", "-fuse-ld=bfd", *LINK[:5], "-fno-asynchronous-unwind-tables")
    yield compiled(folder, "cpp", "g++", NAMESPACES, "cc", "-O1", "-g", *LINK)
    yield compiled(folder, "cpp-no-debug", "g++", NAMESPACES, "cc", "-O1", "-g0", *LINK)
    yield compiled(folder, "rust", "rustc", RUST, "rs", "--edition", "2021", "-O", "-g", "-C", "panic=abort", "-C", "link-arg=-nostartfiles",
                   "-C", "link-arg=-nostdlib", "-C", "link-arg=-static", "-C", "link-arg=-Wl,-estart", "-C", "relocation-model=static",
                   "-C", "link-arg=-Wl,-z,max-page-size=64,-z,noseparate-code,--gc-sections")
    yield compiled(folder, "assembly", "gcc", HEADER, "s", "-g", *LINK[:5])
    yield compiled(folder, "debuglink", "gcc", INLINED, "c", "-O1", "-g0", *LINK) and linked(folder)
    yield mini(folder)
    whole = compiled(folder, "dwz-source", "gcc", INLINED, "c", "-O1", "-g", "-gdwarf-4", *LINK)
    if whole and shutil.which("dwz") and run("dwz", "-L", "none", "-o", f"{folder}/dwz", whole):
        yield f"{folder}/dwz"


def frame_files(folder):
    """Names and paths: what stacks are walked by."""
    small = ["-O2", "-g0", "-Wl,--build-id=none", *LINK[:5], "-fasynchronous-unwind-tables"]
    for name, flags in {
        "eh": [],
        "eh-frame-pointers": ["-fno-omit-frame-pointer"],
        "debug": ["-g", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables"],
        "debug-compressed": ["-g", "-gz=zlib", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables"],
    }.items():
        yield compiled(folder, name, "gcc", INLINED, "c", *small, *flags)
    yield headless(compiled(folder, "no-sections", "gcc", INLINED, "c", *small, "-Wl,--eh-frame-hdr", "-s"))


def headless(path):
    """Without section headers: what the program headers say is all there is."""
    if path:
        with open(path, "r+b") as file:
            for offset, size in ((40, 8), (60, 4)):  # e_shoff, e_shnum and e_shstrndx
                file.seek(offset)
                file.write(b"\0" * size)
    return path


def linked(folder):
    path = f"{folder}/debuglink"
    with open(f"{folder}/debuglink.debug", "wb") as file:
        file.write(b"debug")
    return path if run("objcopy", f"--add-gnu-debuglink={folder}/debuglink.debug", path) else None


def mini(folder):
    """A stripped file whose symbols lie in .gnu_debugdata, an ELF file compressed by xz."""
    full = compiled(folder, "mini", "gcc", INLINED, "c", "-O1", "-g0", *LINK)
    if not full or not shutil.which("xz"):
        return None
    symbols = f"{folder}/mini.symbols"
    good = run("objcopy", "--only-keep-debug", full, symbols) and run("xz", "-f", symbols) and \
        run("strip", full) and run("objcopy", f"--add-section=.gnu_debugdata={symbols}.xz", full)
    return full if good else None


def trimmed(data):
    """Bytes behind which nothing lies that a header names are the target's: where it asks."""
    return data + struct.pack("<8H", 0x80, 0x100, 0x140, 0x180, 0x1c0, 0x200, 0x240, 0x280)


def main():
    for target, seeds in {"event": events, "json": texts, "maps": lines, "site": codes, "unwind": frames,
                          "recording": recordings}.items():
        for name, data in seeds():
            write(target, name, data)
    with tempfile.TemporaryDirectory() as folder:
        for target, files in {"elf": elf_files, "dwarf": dwarf_files, "unwind": frame_files}.items():
            for path in files(folder):
                if path:
                    with open(path, "rb") as file:
                        data = file.read()
                    write(target, os.path.basename(path), trimmed(data) if target == "dwarf" else data)
    for target in ("elf", "dwarf"):
        write(target, "no-elf", b"#!/bin/sh\n")
        write(target, "magic", b"\x7fELF\2\1\1")


main()
