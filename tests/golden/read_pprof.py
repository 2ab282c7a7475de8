#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A profile for pprof (standard input) as text, by a reader of its own: the wire format of protocol
buffers and the numbers of the fields, from their public description.

Whatever refers to something must find it, and every number is used once; else this fails with a
sentence.

	alloc_objects/count alloc_space/bytes inuse_objects/count inuse_space/bytes
	3 480 1 160 | main demo.c:12 < __libc_start_main (libc.so.6 0x27305)
"""
import gzip
import sys


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        assert shift <= 70, "a number without an end"
        if byte < 0x80:
            return value & (1 << 64) - 1, at


def fields(data):
    """(number, value) of each field: an integer, or bytes."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        if tag & 7 == 0:
            value, at = varint(data, at)
        else:
            assert tag & 7 == 2, f"wire type {tag & 7}"
            size, at = varint(data, at)
            assert at + size <= len(data), "a field beyond the end"
            value, at = data[at:at + size], at + size
        yield tag >> 3, value


def numbers(value):
    if isinstance(value, int):
        return [value]
    found, at = [], 0
    while at < len(value):
        number, at = varint(value, at)
        found.append(number)
    return found


def message(data, names):
    """A dictionary of lists by name; a field that has none is an error."""
    found = {name: [] for name in names.values()}
    for number, value in fields(data):
        assert number in names, f"unknown field {number}"
        found[names[number]].append(value)
    return found


def one(found, name, default=0):
    assert len(found[name]) <= 1, f"{name} twice"
    return found[name][0] if found[name] else default


def by_id(pieces, names, what):
    found = {}
    for piece in pieces:
        value = message(piece, names)
        number = one(value, "id")
        assert number and number not in found, f"{what} {number} twice, or 0"
        found[number] = value
    return found


PROFILE = {1: "sample_type", 2: "sample", 3: "mapping", 4: "location", 5: "function", 6: "text", 9: "time",
           10: "duration", 11: "period_type", 12: "period", 13: "comment", 14: "shown"}
TYPE = {1: "type", 2: "unit"}
SAMPLE = {1: "location", 2: "value", 3: "label"}
LABEL = {1: "key", 2: "str"}
MAPPING = {1: "id", 2: "start", 3: "limit", 4: "offset", 5: "file", 6: "build_id", 7: "functions", 8: "files",
           9: "lines", 10: "inlined"}
LOCATION = {1: "id", 2: "mapping", 3: "address", 4: "line"}
LINE = {1: "function", 2: "line"}
FUNCTION = {1: "id", 2: "name", 3: "system_name", 4: "file"}


class Profile:
    def __init__(self, data):
        self.top = message(data, PROFILE)
        self.texts = [text.decode("utf-8") for text in self.top["text"]]
        assert self.texts[0] == "", "the first text is not empty"
        self.mappings = by_id(self.top["mapping"], MAPPING, "mapping")
        self.functions = by_id(self.top["function"], FUNCTION, "function")
        self.locations = by_id(self.top["location"], LOCATION, "location")

    def value_type(self, data):
        found = message(data, TYPE)
        return f"{self.texts[one(found, 'type')]}/{self.texts[one(found, 'unit')]}"

    def line(self, data):
        found = message(data, LINE)
        function = self.functions[one(found, "function")]
        name, file = self.texts[one(function, "name")], self.texts[one(function, "file")]
        assert name, "a function without a name"
        return f"{name} {file}:{one(found, 'line')}" if file else name

    def location(self, number):
        found = self.locations[number]
        text = " inlined in ".join(self.line(line) for line in found["line"])
        assert text, f"location {number} has no line"
        if not one(found, "mapping"):
            return text
        mapping = self.mappings[one(found, "mapping")]
        address = one(found, "address")
        assert one(mapping, "start") <= address < one(mapping, "limit"), f"{address:#x} is not in its mapping"
        return f"{text} ({self.texts[one(mapping, 'file')]} {address:#x})"

    def sample(self, data):
        found = message(data, SAMPLE)
        values = [v for packed in found["value"] for v in numbers(packed)]
        path = [n for packed in found["location"] for n in numbers(packed)]
        assert len(values) == len(self.top["sample_type"]) and path, "a sample without values or a path"
        labels = [message(label, LABEL) for label in found["label"]]
        labels = "".join(f" [{self.texts[one(label, 'key')]}={self.texts[one(label, 'str')]}]" for label in labels)
        return f"{' '.join(map(str, values))}{labels} | {' < '.join(map(self.location, path))}"

    def write(self):
        top = self.top
        print("time", one(top, "time"), "duration", one(top, "duration"))
        for number in (n for packed in top["comment"] for n in numbers(packed)):
            print("#", self.texts[number])
        for mapping in map(message, top["mapping"], [MAPPING] * len(top["mapping"])):
            print("mapping", self.texts[one(mapping, "file")], self.texts[one(mapping, "build_id")])
        if top["period_type"]:
            print("one", self.value_type(one(top, "period_type")), "in", one(top, "period"))
        print("shown first:", self.texts[one(top, "shown")])
        print(*map(self.value_type, top["sample_type"]))
        for sample in top["sample"]:
            print(self.sample(sample))


Profile(gzip.decompress(sys.stdin.buffer.read())).write()
