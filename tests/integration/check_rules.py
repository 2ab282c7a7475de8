#!/usr/bin/env python3
"""check_rules.py PRINTER FILE…: every row of `readelf --debug-dump=frames-interp` against the rules that PRINTER makes
of the file: where it begins, the CFA, rbp and the return address. Prints how many rows were compared, and the first that
differ; exit 1 if one does. readelf prints "exp" for every expression: which ones a function has is read from
`--debug-dump=frames`, and the rule must be what one of them says."""
import bisect
import re
import subprocess
import sys

NONE, SP, FP, AT_SP, AT_FP, PLT, SIGNAL, OUTERMOST, STOP = range(9)
SAME, FP_AT_CFA, FP_AT_FP, UNKNOWN = range(4)
ENTRY = re.compile(r"^([0-9a-f]+) [0-9a-f]+ [0-9a-f]+ (CIE|FDE)(?: cie=([0-9a-f]+) pc=([0-9a-f]+)\.\.([0-9a-f]+))?")
SUM = re.compile(r"^(r[a-z0-9]+)([+-]\d+)$")
PLT_TEXT = re.compile(r"DW_OP_breg7 \(rsp\): 8; DW_OP_breg16 \(rip\): 0; DW_OP_lit15; DW_OP_and; DW_OP_lit(\d+); DW_OP_ge; "
                      r"DW_OP_lit3; DW_OP_shl; DW_OP_plus")


def dump(how, path):
    return subprocess.run(["readelf", f"--debug-dump={how}", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          check=False).stdout.decode().splitlines()


def words(offset, most):
    return offset // 8 if offset % 8 == 0 and -most <= offset // 8 < most else None


def cfa_of_expression(text):
    """The CFA's kind and words."""
    sums = re.fullmatch(r"DW_OP_breg([67]) \(r[sb]p\): (-?\d+)(; DW_OP_deref)?", text)
    if sums and words(int(sums[2]), 32768) is not None:
        kind = {("7", True): AT_SP, ("6", True): AT_FP, ("7", False): SP, ("6", False): FP}[sums[1], bool(sums[3])]
        return kind, words(int(sums[2]), 32768)
    plt = PLT_TEXT.fullmatch(text)
    return (PLT, int(plt[1])) if plt and int(plt[1]) < 16 else (STOP, 0)


def fp_of_expression(text):
    saved = re.fullmatch(r"DW_OP_breg6 \(rbp\): (-?\d+)", text)
    if saved and words(int(saved[1]), 128) is not None:
        return FP_AT_FP, words(int(saved[1]), 128)
    return UNKNOWN, 0


def expressions(path):
    """(section, offset of the entry) -> the texts of the expressions for the CFA, for rbp and for the return address."""
    found, section, here = {}, None, None
    for line in dump("frames", path):
        entry = ENTRY.match(line)
        if entry:
            here = found.setdefault((section, entry[1]), {"cfa": set(), "rbp": set(), "ra": set()})
        elif line.startswith("Contents of"):
            section = line.split()[3]
        elif "_expression" in line and here is not None:
            text = line[line.index("(", line.index("expression") + (0 if "cfa" in line else 0)):]
            if "def_cfa_expression" in line:
                here["cfa"].add(text[1:-1])
            for number, name in ((6, "rbp"), (16, "ra")):
                told = re.match(rf"\s*DW_CFA_expression: r{number} \(r..\) \((.*)\)$", line)
                if told:
                    here[name].add(told[1])
    return found


def rows(path):
    """(section, start, end, is the first, address, {column: value}, CIE, entry) of every row of every function."""
    section, cies, kind = None, {}, None
    fde = names = None

    def rest():
        if fde and not fde["rows"]:
            yield section, fde, fde["start"], cies.get(fde["cie"])
    for line in dump("frames-interp", path):
        entry = ENTRY.match(line)
        if entry or line.startswith("Contents of"):
            yield from rest()
            fde = names = None
            if not entry:
                section, cies = line.split()[3], {}
            else:
                kind = entry[2]
                if kind == "FDE":
                    fde = {"at": entry[1], "cie": entry[3], "start": int(entry[4], 16), "end": int(entry[5], 16), "rows": 0}
                else:
                    cie = entry[1]
        elif line.lstrip().startswith("LOC"):
            names = line.split()[1:]
        elif names and re.match(r"^[0-9a-f]{16} ", line):
            values = dict(zip(names, re.sub(r" \(r\w+\)", "", line).split()[1:])) # "r10 (r10)": another register
            if kind == "CIE":
                cies[cie] = values
            else:
                fde["rows"] += 1
                yield section, fde, int(line[:16], 16), values
    yield from rest()


def expected(values, texts):
    """The rules that a row may be."""
    cfa, rbp, ra, sp = values["CFA"], values.get("rbp", "u"), values.get("ra", "c-8"), values.get("rsp", "u")
    if ra == "u":
        return {(OUTERMOST, 0, SAME, 0)}
    if ra == "exp" and "DW_OP_breg7 (rsp): 168" in texts["ra"] and cfa == "exp" and \
            "DW_OP_breg7 (rsp): 160; DW_OP_deref" in texts["cfa"]:
        return {(SIGNAL, 0, SAME, 0)}
    if ra != "c-8" or sp not in ("u", "s", "v+0"):
        return {(STOP, 0, SAME, 0)}
    sums = SUM.match(cfa)
    if cfa == "exp":
        cfas = {cfa_of_expression(text) for text in texts["cfa"]}
    elif sums and sums[1] in ("rsp", "rbp") and words(int(sums[2]), 32768) is not None:
        cfas = {(SP if sums[1] == "rsp" else FP, words(int(sums[2]), 32768))}
    else:
        cfas = {(STOP, 0)}
    if rbp in ("u", "s"):
        fps = {(SAME, 0)}
    elif re.fullmatch(r"c[+-]\d+", rbp) and words(int(rbp[1:]), 128) is not None:
        fps = {(FP_AT_CFA, words(int(rbp[1:]), 128))}
    elif rbp == "exp":
        fps = {fp_of_expression(text) for text in texts["rbp"]}
    else:
        fps = {(UNKNOWN, 0)}
    return {(STOP, 0, SAME, 0) if c[0] == STOP else c + f for c in cfas for f in fps}


def borders(functions):
    """Where a function ends and no other one goes on."""
    found, reached = [], 0
    for start, end in sorted(functions):
        if start > reached and reached:
            found.append(reached)
        reached = max(reached, end)
    return found + [reached]


def compare(printer, path):
    told = [line.split() for line in subprocess.run([printer, path], stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()]
    addresses = [int(line[0], 16) for line in told]
    rules = [tuple(int(word) for word in line[1:]) for line in told]
    texts, nothing = expressions(path), {"cfa": set(), "rbp": set(), "ra": set()}
    count = wrong = 0
    functions, believed = set(), set() # those of .eh_frame are believed first
    begins = set(addresses)
    for section, fde, address, values in rows(path):
        if not fde["start"] or not fde["start"] <= address < fde["end"]:
            continue
        if section == ".debug_frame" and any(start < fde["end"] and fde["start"] < end for start, end in believed):
            continue
        if section == ".eh_frame":
            believed.add((fde["start"], fde["end"]))
        functions.add((fde["start"], fde["end"]))
        own, common = texts.get((section, fde["at"]), nothing), texts.get((section, fde["cie"]), nothing)
        wanted = expected(values, {name: own[name] | common[name] for name in own})
        at = bisect.bisect_right(addresses, address) - 1
        count += 1
        if at < 0 or rules[at] not in wanted:
            wrong += 1
            if wrong <= 5:
                print(f"{path}: {address:#x} {values}: {rules[at] if at >= 0 else None}, not {wanted}")
        # Nothing but rows of readelf's and ends of functions begins a rule.
        begins.discard(address)
    for end in borders(functions)[:-1]: # the last one may be that of all code
        at = bisect.bisect_right(addresses, end) - 1
        if rules[at][0] != NONE:
            print(f"{path}: {end:#x} is described by nobody, but the rule is {rules[at]}")
            wrong += 1
    for address in begins - {end for _, end in functions}:
        print(f"{path}: {address:#x} begins a rule, but no row")
        wrong += 1
    print(f"{count} rows, {len(rules)} rules, {wrong} differ: {path}")
    return count == 0 or wrong > 0


sys.exit(any([compare(sys.argv[1], path) for path in sys.argv[2:]]))
