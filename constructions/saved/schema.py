"""What a JSON object of a folder must look like, and where it does not."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from constructions.guards.errors import InputError
from constructions.saved.json_text import is_count, shown


class Leaf(NamedTuple):
    """What a single value must be, in words and as a test."""

    expected: str
    accepts: Callable[[Any], bool]


class Each(NamedTuple):
    """An object with any keys, all of whose values have one schema."""

    schema: Any


COUNT = Leaf("a count below 10^60", is_count)
SIZE = Leaf("a positive integer below 10^60", lambda value: is_count(value) and value >= 1)
TEXT = Leaf("a text", lambda value: isinstance(value, str))
SHA256 = Leaf(
    "64 lower-case hexadecimal digits",
    lambda value: isinstance(value, str) and bool(re.fullmatch("[0-9a-f]{64}", value)),
)
FILES = Each({"bytes": COUNT, "sha256": SHA256})
"""The files of a folder, by name."""


def require_schema(value: object, schema: Any, where: str = "") -> None:
    """Raise InputError, naming the place, unless the value is as the schema says: a `Leaf`, an
    `Each`, a list with the schema of every item, or an object with the schema of each key.
    """
    if isinstance(schema, Leaf):
        if not schema.accepts(value):
            raise InputError(f"{where} is {shown(value)}; {schema.expected} is expected")
    elif isinstance(schema, list):
        if not isinstance(value, list):
            raise InputError(f"{where} is {shown(value)}; a list is expected")
        for index, item in enumerate(value):
            require_schema(item, schema[0], f"{where}[{index}]")
    elif not isinstance(value, dict):
        raise InputError(f"{where} is {shown(value)}; an object is expected")
    elif isinstance(schema, Each):
        for name, item in value.items():
            require_schema(item, schema.schema, f"{where}[{shown(name)}]")
    else:
        at = f" in {where}" if where else ""
        for name in sorted(schema.keys() - value.keys()):
            raise InputError(f"the key {name!r} is missing{at}")
        for name in sorted(value.keys() - schema.keys()):
            raise InputError(f"the key {shown(name)} is unknown{at}")
        for name, part in schema.items():
            require_schema(value[name], part, f"{where}.{name}" if where else name)
