"""How a text that came from a file, and may hold anything, and a number of any size are shown to a
person.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from difflib import get_close_matches
from fractions import Fraction

_WHOLE = 10**24
"""Integers up to this are written out."""


def printable(text: object) -> str:
    r"""The text on one line, without a character that could steer a terminal or forge a line of a
    report.

    Letters, digits, punctuation, symbols and the plain space stay; every other character (line
    ends, tabs, escape sequences, marks of direction, other spaces, lone surrogates) becomes its
    Python escape: `\n`, `\x1b`, `\u202e`.

    Args:
        text: a name, or anything whose `str` is to be shown.
    """
    whole = str(text)
    if whole.isprintable():
        return whole
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in whole)


def joined(lines: Iterable[str]) -> str:
    """Lines as one text: what is in a line stays in it."""
    return "\n".join(map(printable, lines))


def brief(text: object, most: int = 200) -> str:
    """The beginning of what `str` makes of something, and how much there is where that
    is not all.
    """
    whole = str(text)
    return whole if len(whole) <= most else f"{whole[:most]}... ({len(whole):,} characters)"


def represented(value: object) -> str:
    """What `repr` makes of an object of a user's, briefly; its type alone where that raises, as of
    an integer of too many digits.
    """
    try:
        return brief(repr(value))
    except Exception:
        return f"an object of the type {type(value).__name__}"


def counted(count: int, noun: str) -> str:
    """A number and its noun, which takes an s where there are several or none."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def did_you_mean(close: Sequence[str]) -> str:
    """What a message about a name that nothing has ends in: the names that are close to it, if
    there are any.
    """
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else ""


def close_names(name: str, others: Sequence[str], most: int = 3) -> str:
    """The same, of a few names, by the ratio of `difflib`."""
    return did_you_mean(get_close_matches(name, others, most))


def shortened(number: int | Fraction) -> str:
    """An exact number in at most a few dozen characters, whatever its size; a fraction is never
    reported as more than it is.

    An integer is written out up to 10^24, else in three digits and a power of ten. A fraction is
    written out if it is short. One that falls short of a multiple of 1/2 by less than 2^-64 is
    reported as `2 - 2^-2941`, any other with six decimals, rounded down.
    """
    if isinstance(number, int) or number.denominator == 1:
        whole = int(number)
        return f"{whole:,}" if abs(whole) <= _WHOLE else f"{Decimal(whole):.2e}"
    if max(abs(number.numerator), number.denominator) < 1000:
        return str(number)
    above = Fraction(-(-2 * number.numerator // number.denominator), 2)
    lost = above - number
    power = lost.denominator.bit_length() - lost.numerator.bit_length() - 1  # lost < 2^-power
    if power >= 64:
        return f"{shortened(above)} - 2^-{power}"
    if abs(number) > _WHOLE:
        return shortened(number.numerator // number.denominator)
    millionths = number.numerator * 10**6 // number.denominator
    digits = f"{abs(millionths):07d}"  # Decimal would round them to 28
    return f"{'-' if millionths < 0 else ''}{digits[:-6]}.{digits[-6:]}"
