"""Values on the command line: numbers as people write them."""

from __future__ import annotations

import argparse

from bounds.lower_bound import LARGEST_SIZE


def size(text: str) -> int:
    """An integer from 1 to 2^40, also as 1e6 or 65_536."""
    value = integer(text)
    if not 1 <= value <= LARGEST_SIZE:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is not an integer from 1 to 2^40")
    return value


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


def option(text: str) -> int:
    """A construction's option: an integer from 0 to 2^40."""
    value = count(text)
    if value > LARGEST_SIZE:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is not an integer from 0 to 2^40")
    return value


def _shown(text: str) -> str:
    """What was given, cut off where it is long."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
