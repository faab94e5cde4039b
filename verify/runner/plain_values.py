"""Numbers and words as strict JSON, and back: exactly. See `verify.runner.stored`."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

from constructions.guards.wording import represented

SAFE = 2**53
"""Integers below it are read by every program as they are written."""
_UNFINITE = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


class Codec(NamedTuple):
    """How values of a type are written and read. Both raise `Unfit`."""

    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


class Unfit(Exception):
    """A value that is not as its type says: where it stands, from within, and why."""

    def __init__(self, why: str):
        super().__init__(why)
        self.why, self.place = why, ""

    def within(self, name: str) -> Unfit:
        """The same, as a part of something."""
        self.place = name + self.place
        return self

    def __str__(self) -> str:
        return f"{self.place.lstrip('.')}: {self.why}" if self.place else self.why


def exactly(kind: type) -> Callable[[Any], Any]:
    """What gives back a value of exactly this type."""

    def same(value: Any) -> Any:
        """The value itself."""
        if type(value) is not kind:
            raise Unfit(f"{represented(value)} is not of the type {kind.__name__}")
        return value

    return same


def _write_int(value: Any) -> int | str:
    """An integer of any size."""
    number: int = exactly(int)(value)
    return number if abs(number) < SAFE else hex(number)


def _read_int(data: Any) -> int:
    """An integer that `_write_int` has written."""
    if type(data) is str and "0x" in data[:3]:
        try:
            number = int(data, 16)
        except ValueError:
            number = 0
        if data == hex(number) and abs(number) >= SAFE:
            return number
    elif type(data) is int and abs(data) < SAFE:
        return data
    raise Unfit(f"{represented(data)} is no integer")


def _write_float(value: Any) -> float | str:
    """A number in floating point; one that is not finite by its name."""
    number: float = exactly(float)(value)
    return number if math.isfinite(number) else str(number)


def _read_float(data: Any) -> float:
    """A number that `_write_float` has written."""
    if type(data) is float and math.isfinite(data):
        return data
    if type(data) is str and data in _UNFINITE:
        return _UNFINITE[data]
    raise Unfit(f"{represented(data)} is no number in floating point")


def _write_fraction(value: Any) -> list[int | str]:
    """Numerator and denominator."""
    fraction: Fraction = exactly(Fraction)(value)
    return [_write_int(fraction.numerator), _write_int(fraction.denominator)]


def _read_fraction(data: Any) -> Fraction:
    """A fraction in lowest terms."""
    if type(data) is list and len(data) == 2:
        above, below = map(_read_int, data)
        if below > 0 and math.gcd(above, below) == 1:
            return Fraction(above, below)
    raise Unfit(f"{represented(data)} is no fraction in lowest terms")


PLAIN: dict[Any, Codec] = {
    bool: Codec(exactly(bool), exactly(bool)),
    str: Codec(exactly(str), exactly(str)),
    type(None): Codec(exactly(type(None)), exactly(type(None))),
    int: Codec(_write_int, _read_int),
    float: Codec(_write_float, _read_float),
    Fraction: Codec(_write_fraction, _read_fraction),
}


def of_words(words: tuple[Any, ...]) -> Codec:
    """One of some words."""

    def same(value: Any) -> Any:
        """The word itself."""
        if any(type(value) is type(word) and value == word for word in words):
            return value
        raise Unfit(f"{represented(value)} is none of {', '.join(map(str, words))}")

    return Codec(same, same)
