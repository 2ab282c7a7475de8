#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Whether each line of JSON is as the schema says that alloctrace prints.

	check_schema.py SCHEMA < LINES

The validator is Debian's python3-jsonschema. Silence and 0 mean that all are; else each line that is
not is told with its reason. A line that no line of the schema allows is told by its type.
"""
import json
import sys

import jsonschema


def branches(schema):
    """The definitions of "oneOf", by the types of line that they are for."""
    found = {}
    for one in schema["oneOf"]:
        definition = schema["$defs"][one["$ref"].rsplit("/", 1)[1]]
        said = definition["properties"]["type"]
        for name in said.get("enum", [said.get("const")]):
            assert name not in found, f"two definitions of {name}"
            found[name] = one["$ref"]
    return found


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        schema = json.load(file)
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    by_type = branches(schema)
    whole, parts = validator(schema), {}
    for name, ref in by_type.items():
        parts[name] = validator({"$schema": schema["$schema"], "$ref": ref, "$defs": schema["$defs"]})
    bad = 0
    for number, line in enumerate(sys.stdin.buffer, 1):
        value = json.loads(line.decode("utf-8"))
        if whole.is_valid(value):
            continue
        bad = 1
        kind = value.get("type") if isinstance(value, dict) else None
        errors = [f"type {kind!r} is none"] if kind not in parts else [
            f"{'/'.join(map(str, e.path)) or kind}: {e.message}" for e in parts[kind].iter_errors(value)]
        for error in errors:
            print(f"line {number}: {error}")
    return bad


sys.exit(main())
