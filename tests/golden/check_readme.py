#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_readme.py README DIR: what the README shows of reports is what the golden runs print.

A block behind a line "<!-- NAME -->" is a piece of DIR/NAME.expected, line by line; "…" alone on a line
stands for lines that are left out. The first line may be the command, which begins with "$ ".
"""
import re
import sys


def pieces(block):
    """Lines that stand together, between those that were left out."""
    lines = [line for line in block.splitlines() if not line.startswith("$ ")]
    piece = []
    for line in lines + ["…"]:
        if line.strip() != "…":
            piece.append(line)
        elif piece:
            yield piece
            piece = []


def find(lines, piece, begin):
    for i in range(begin, len(lines) - len(piece) + 1):
        if lines[i : i + len(piece)] == piece:
            return i + len(piece)
    return None


def main(readme, directory):
    text = open(readme, encoding="utf-8").read()
    blocks = re.findall(r"^<!-- (\S+) -->\n```\n(.*?)^```$", text, re.M | re.S)
    wrong = [] if blocks else ["the README shows none of them"]
    for name, block in blocks:
        lines = open(f"{directory}/{name}.expected", encoding="utf-8").read().splitlines()
        at = 0
        for piece in pieces(block):
            after = find(lines, piece, at)
            if after is None:
                wrong.append(f"{name} does not print: {piece[0]}")
                break
            at = after
    print("\n".join(wrong))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
