#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Whether standard input is CSV as RFC 4180 has it, of rows that are all as long as the header.

The reader is Python's, which is strict about quotes. Every line ends with CR LF and is one row: no
name brings a line of its own, or a character that steers a terminal. Silence and 0 mean that all is
well.
"""
import csv
import sys
import unicodedata

text = sys.stdin.buffer.read().decode("utf-8")
lines = text.split("\r\n")
assert lines.pop() == "", "the last line does not end with CR LF"
for number, line in enumerate(lines, 1):
    control = [c for c in line if unicodedata.category(c) == "Cc"]
    assert not control, f"line {number}: {control}"
rows = list(csv.reader(lines, strict=True))
assert len(rows) == len(lines), "a row is more than a line"
for number, row in enumerate(rows, 1):
    assert len(row) == len(rows[0]), f"line {number}: {len(row)} fields, not {len(rows[0])}"
assert len(set(rows[0])) == len(rows[0]) > 1, f"the header: {rows[0]}"
