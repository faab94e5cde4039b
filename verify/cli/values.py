"""Values on the command line: numbers as people write them."""

from __future__ import annotations

import argparse
import re
from fractions import Fraction

from bounds.lower_bound import LARGEST_SIZE

MOST_DIGITS = 4300
"""Of a number, as Python reads them."""


def size(text: str) -> int:
    """An integer from 1 to 2^40, also as 1e6 or 65_536."""
    value = integer(text)
    if not 1 <= value <= LARGEST_SIZE:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is not an integer from 1 to 2^40")
    return value


def sizes(text: str) -> tuple[int, ...]:
    """Integers from 1 to 2^40, as 64 or 64,256,1024: at most 20."""
    parts = text.split(",")
    if len(parts) > 20:
        raise argparse.ArgumentTypeError(f"{_shown(text)} are more than 20 sizes")
    return tuple(dict.fromkeys(map(size, parts)))


def budget(text: str) -> int:
    """A positive integer of any size, also as 1e15."""
    value = integer(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is not a positive integer")
    return value


def integer(text: str) -> int:
    """The integer that is written there, 0 if it is none."""
    try:
        return int(text)
    except ValueError:
        try:
            return int(float(text)) if float(text).is_integer() else 0
        except (ValueError, OverflowError):
            return 0


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
    """A non-negative integer of any size that Python reads."""
    try:
        value = int(text) if text.isdecimal() else -1
    except ValueError:  # too many digits
        value = -1
    if value < 0:
        raise argparse.ArgumentTypeError(
            f"{_shown(text)} is not an integer of at least 0 and at most 4,300 digits"
        )
    return value


def memory(text: str) -> int:
    """Bytes, also as 16GiB, 500MB or 2e9."""
    number, unit = text, 1
    for name, factor in _UNITS.items():
        if text.endswith(name):
            number, unit = text.removesuffix(name), factor
            break
    try:
        value = float(number) * unit
    except ValueError:
        value = 0.0
    if not 1 <= value < 2**63:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is no number of bytes, such as 16GiB")
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


def option(text: str) -> int:
    """A construction's option: an integer from 0 to 2^40."""
    value = count(text)
    if value > LARGEST_SIZE:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is not an integer from 0 to 2^40")
    return value


def _shown(text: str) -> str:
    """What was given, cut off where it is long."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
