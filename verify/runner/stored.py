"""Evidence as strict JSON, and back: exactly.

    encode(result)                      # JSON data of a dataclass, by the types of its fields
    decode(CellResult, data) == result  # also where it holds fractions, tuples, inf and nan

What a value becomes is decided by the declared type, and a value must be of exactly that type: a
truth value is no integer, a list no tuple, a number of numpy's no number. So what has been
encoded decodes to an equal value, or is refused when it is encoded.

| type | JSON |
|---|---|
| bool, str, None | the same |
| int | a number below 2^53 in size, else a string in hexadecimal |
| float | a number; the strings "inf", "-inf" and "nan" |
| Fraction | a list of two integers, numerator and denominator |
| Literal | the same, one of its words |
| list, tuple | a list |
| dict, Mapping, with str for keys | an object |
| dataclass | an object: a key for each field |
| X or None | null, or as X |
| any other union | an object with one key, the name of the type |

A field that is left out of comparisons (`compare=False`) is no part of the value: it must have its
default, and is not stored.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from constructions.guards.errors import InputError
from constructions.guards.wording import represented
from verify.runner.plain_values import PLAIN, Codec, Unfit, exactly, of_words

Value = TypeVar("Value")


def encode(value: Any) -> Any:
    """A dataclass as JSON data.

    Raises:
        InputError: something in it is not of the type that is declared, or of one that is not
            stored, such as a construction that was handed over.
    """
    try:
        return _codec(type(value)).encode(value)
    except Unfit as error:
        raise InputError(f"{type(value).__name__} cannot be stored: {error}") from None


def decode(kind: type[Value], data: Any) -> Value:
    """The value of which `encode` has made this.

    Raises:
        InputError: it has made no such thing of any value of this type.
    """
    try:
        value: Value = _codec(kind).decode(data)
    except Unfit as error:
        raise InputError(f"this is no stored {kind.__name__}: {error}") from None
    return value


def _codec(kind: Any) -> Codec:
    """How values of this type are written and read; made once for each."""
    made: Codec = _made(kind)
    return made


@cache
def _made(kind: Any) -> Codec:
    """See `_codec`."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind in PLAIN:
        return PLAIN[kind]
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _of_dataclass(kind)
    if origin is Literal:
        return of_words(inner)
    if origin in (Union, types.UnionType):
        return _of_union(inner)
    if origin is list:
        return _of_list(list, inner[0])
    if origin is tuple and inner[1:] == (...,):
        return _of_list(tuple, inner[0])
    if origin is tuple:
        return _of_parts(inner)
    if origin in (dict, Mapping) and inner[0] is str:
        return _of_mapping(inner[1])
    raise Unfit(f"there is no way to store {getattr(kind, '__name__', kind)}")


def _of_list(kind: type, inner: Any) -> Codec:
    """A list, or a tuple of any length, of values of one type."""
    one = _codec(inner)
    is_kind, is_list = exactly(kind), exactly(list)
    return Codec(
        lambda value: _each(one.encode, enumerate(is_kind(value))),
        lambda data: kind(_each(one.decode, enumerate(is_list(data)))),
    )


def _of_parts(inner: tuple[Any, ...]) -> Codec:
    """A tuple of so many values, each of its own type."""
    parts = list(map(_codec, inner))
    is_tuple, is_list = exactly(tuple), exactly(list)

    def each(way: str, values: Any) -> list[Any]:
        """Each part written or read."""
        if len(values) != len(parts):
            raise Unfit(f"there are {len(values)} values, and must be {len(parts)}")
        functions = [getattr(part, way) for part in parts]
        return _each(lambda pair: pair[0](pair[1]), enumerate(zip(functions, values, strict=True)))

    return Codec(
        lambda value: each("encode", is_tuple(value)),
        lambda data: tuple(each("decode", is_list(data))),
    )


def _of_mapping(inner: Any) -> Codec:
    """Values of one type by name."""
    one, is_dict, is_str = _codec(inner), exactly(dict), exactly(str)

    def each(function: Callable[[Any], Any], value: Any) -> dict[str, Any]:
        """Each value written or read."""
        values = _each(function, is_dict(value).items())
        return dict(zip(map(is_str, value), values, strict=True))

    return Codec(lambda value: each(one.encode, value), lambda data: each(one.decode, data))


def _of_union(kinds: tuple[Any, ...]) -> Codec:
    """One of several types; the name of the type says which, unless there is but one beside
    None.
    """
    words = tuple(word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind))
    inner = [k for k in kinds if k is not type(None) and get_origin(k) is not Literal]
    inner += [Literal[words]] * bool(words)  # all words are one type
    named = {getattr(kind, "__name__", str(kind)): kind for kind in inner}
    optional, tagged = type(None) in kinds, len(inner) > 1

    def write(value: Any) -> Any:
        """As its type is written."""
        if value is None and optional:
            return None
        if not tagged:
            return _codec(inner[0]).encode(value)
        name = type(value).__name__
        if named.get(name) is not type(value):
            raise Unfit(f"{represented(value)} is of none of the types {', '.join(named)}")
        return {name: _codec(named[name]).encode(value)}

    def read(data: Any) -> Any:
        """As that type is read."""
        if data is None and optional:
            return None
        if not tagged:
            return _codec(inner[0]).decode(data)
        if type(data) is not dict or len(data) != 1 or not data.keys() <= named.keys():
            raise Unfit(f"{represented(data)} is none of {', '.join(named)}")
        ((name, value),) = data.items()
        return _codec(named[name]).decode(value)

    return Codec(write, read)


def _of_dataclass(kind: type) -> Codec:
    """A dataclass, by its fields."""
    fields, hints = dataclasses.fields(kind), get_type_hints(kind)
    stored = {field.name: _codec(hints[field.name]) for field in fields if field.compare}
    apart = {field.name: field.default for field in fields if not field.compare}
    is_kind, is_dict = exactly(kind), exactly(dict)

    def write(value: Any) -> dict[str, Any]:
        """A key for each field."""
        is_kind(value)
        for name, default in apart.items():
            if (given := getattr(value, name)) is not default:
                raise Unfit(f"{name} is {represented(given)}, which has no name to be found by")
        values = _each(
            lambda name: stored[name].encode(getattr(value, name)),
            zip(stored, stored, strict=True),
        )
        return dict(zip(stored, values, strict=True))

    def read(data: Any) -> Any:
        """The dataclass of these fields."""
        if is_dict(data).keys() != stored.keys():
            odd = sorted(map(str, data.keys() ^ stored.keys()))
            raise Unfit(f"{kind.__name__} has other fields: {represented(', '.join(odd))}")
        values = _each(
            lambda name: stored[name].decode(data[name]), zip(stored, stored, strict=True)
        )
        try:
            return kind(**dict(zip(stored, values, strict=True)))
        except (TypeError, ValueError) as error:
            raise Unfit(f"it makes no {kind.__name__}: {error}") from None

    return Codec(write, read)


def _each(function: Callable[[Any], Any], items: Any) -> list[Any]:
    """What a function makes of each of some values; an error says at which."""
    made = []
    for name, value in items:
        try:
            made.append(function(value))
        except Unfit as error:
            raise error.within(f"[{name}]" if isinstance(name, int) else f".{name}") from None
    return made
