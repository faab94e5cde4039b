"""Values on the command line: numbers as people write them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from bounds.lower_bound import LARGEST_SIZE

MOST_DIGITS = 4300
"""Of a number, as Python reads them."""
MOST_SIZES = 1000
"""That one option may name."""


def size(text: str) -> int:
    """An integer from 1 to 2^40, as 65536, 65_536, 1e6 or 2^16."""
    value = integer(text)
    if value is None or not 1 <= value <= LARGEST_SIZE:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is not an integer from 1 to 2^40")
    return value


def sizes(text: str) -> tuple[int, ...]:
    """Integers from 1 to 2^40, each once: 64, or lists and ranges as 4,16 or 2^10:2^20 or 1:3 or
    10:100:30.

    `a:b` has both ends, and doubles between powers of two; else it has every integer. `a:b:s` goes
    by steps of s, as far as b.
    """
    found: dict[int, None] = {}
    for part in text.split(","):
        some = _range(part)
        if len(some) > MOST_SIZES or len(found) + len(some) > MOST_SIZES:
            raise argparse.ArgumentTypeError(
                f"{_shown(text)} has more than {MOST_SIZES:,} values; give fewer, such as"
                " 2^10:2^20, which doubles"
            )
        found.update(dict.fromkeys(some))
    return tuple(found)


def _range(text: str) -> Sequence[int]:
    """One part of a list of sizes: a size, or a range of them, of any length."""
    parts = [size(part) for part in text.split(":")[:2]]
    steps = text.split(":")[2:]
    first, last = parts[0], parts[-1]
    if len(steps) > 1:
        raise argparse.ArgumentTypeError(
            f"{_shown(text)} has {len(steps) + 1} colons; a range is first:last or first:last:step"
        )
    if first > last:
        raise argparse.ArgumentTypeError(
            f"{_shown(text)} begins at {first:,}, which is more than its end {last:,}"
        )
    if steps:
        return range(first, last + 1, size(steps[0]))
    if first & (first - 1) == last & (last - 1) == 0:
        return [first << i for i in range(last.bit_length() - first.bit_length() + 1)]
    return range(first, last + 1)


def budget(text: str) -> int:
    """A positive integer of any size, also as 1e15 or 2^50."""
    value = integer(text)
    if value is None or value < 1:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is not a positive integer")
    return value


def integer(text: str) -> int | None:
    """The integer that is written there, exactly: 65536, 65_536, 1e6, 2^40; None if it is none.

    Powers and exponents make integers below 10^309, and digits alone those that Python reads.
    """
    base, power, exponent = text.strip().partition("^")
    if power:
        if not (base.isdecimal() and exponent.isdecimal() and len(base + exponent) <= 12):
            return None
        a, b = int(base), int(exponent)
        return a**b if a < 2 or b * a.bit_length() <= 1024 else None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = Decimal(text)
    except ArithmeticError:
        return None
    if not value.is_finite() or not -400 < value.adjusted() <= 308 or len(text) > MOST_DIGITS:
        return None
    numerator, denominator = value.as_integer_ratio()
    return numerator if denominator == 1 else None


def margin(text: str) -> float:
    """A finite number of at least 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 0")
    return value


def share(text: str) -> Fraction:
    """A share of some whole, exactly as it is written: 0.01, 1/3. Its exponent, as that of 1e-9,
    is at most 4,300: a fraction with that many digits is still computed with at once.
    """
    exponent = re.search(r"[eE][-+]?([\d_]+)\s*$", text)
    digits = exponent[1].replace("_", "").lstrip("0") if exponent else ""
    if len(digits) > 4 or int(digits or 0) > MOST_DIGITS:
        raise argparse.ArgumentTypeError(
            f"{_shown(text)} has an exponent of 10 that is larger than {MOST_DIGITS:,}"
        )
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        value = Fraction(-1)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(
            f"{_shown(text)} is no share, a number from 0 to 1 such as 0.01 or 1/3"
        )
    return value


def count(text: str) -> int:
    """A non-negative integer of any size that Python reads, also as 1e6 or 2^40."""
    value = integer(text)
    if value is None or value < 0:
        raise argparse.ArgumentTypeError(
            f"{_shown(text)} is not an integer of at least 0 and at most 4,300 digits"
        )
    return value


def memory(text: str) -> int:
    """Bytes, also as 16GiB, 500MB, 2e9 or 2^34."""
    number, unit = text, 1
    for name, factor in _UNITS.items():
        if text.endswith(name):
            number, unit = text.removesuffix(name), factor
            break
    try:
        whole = integer(number)
        value = (float(number) if whole is None else whole) * unit
    except ValueError:
        value = 0
    if not 1 <= value < 2**63:
        raise argparse.ArgumentTypeError(
            f"{_shown(text)} is no number of bytes, such as 16GiB, 500MB or 2e9"
        )
    return int(value)


_UNITS = {
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
}


def part(text: str) -> tuple[int, int]:
    """Which part of how many: 2/3 is the second of three."""
    which, slash, of = text.partition("/")
    if not (slash and which.isdecimal() and of.isdecimal() and 1 <= int(which) <= int(of)):
        raise argparse.ArgumentTypeError(
            f"{_shown(text)} is no part such as 2/3, the second of three"
        )
    return int(which), int(of)


def seeds(text: str) -> tuple[int, ...]:
    """Seeds 3, or from 3 to 7 as 3-7: at most 100, each below 10^6."""
    first, dash, last = text.partition("-")
    last = last if dash else first
    if not (first.isdecimal() and last.isdecimal() and len(last) <= 6):
        raise argparse.ArgumentTypeError(
            f"{_shown(text)} is neither a seed nor a range such as 0-4"
        )
    found = tuple(range(int(first), int(last) + 1))
    if not 1 <= len(found) <= 100:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is no range of 1 to 100 seeds")
    return found


def inches(text: str) -> tuple[float, float]:
    """Width and height of a picture in inches, as 4x3, each 1 to 50."""
    try:
        width, height = map(float, text.lower().split("x"))
    except ValueError:
        width = height = 0.0
    if not (1 <= width <= 50 and 1 <= height <= 50):
        raise argparse.ArgumentTypeError(
            f"{_shown(text)} is no width and height of 1 to 50 inches, such as 4x3"
        )
    return width, height


def points(text: str) -> int:
    """How many points a curve has, 10 to 10,000."""
    value = integer(text)
    if value is None or not 10 <= value <= 10_000:
        raise argparse.ArgumentTypeError(
            f"{_shown(text)} is no number of points from 10 to 10,000"
        )
    return value


def names(text: str) -> tuple[str, ...]:
    """Names, as one or as one,other; each once."""
    found = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if "" in found:
        raise argparse.ArgumentTypeError(f"{_shown(text)} has an empty name; give NAME,NAME")
    return found


def option(text: str) -> int:
    """A construction's option: an integer from 0 to 2^40."""
    value = count(text)
    if value > LARGEST_SIZE:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is not an integer from 0 to 2^40")
    return value


def _shown(text: str) -> str:
    """What was given, cut off where it is long."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
