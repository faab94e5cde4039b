"""How a text that came from a file, and may hold anything, is shown to a person."""

from __future__ import annotations


def printable(text: object) -> str:
    r"""The text on one line, without a character that could steer a terminal or forge a line of a report.

    Letters, digits, punctuation, symbols and the plain space stay; every other character (line ends, tabs, escape
    sequences, marks of direction, other spaces, lone surrogates) becomes its Python escape: `\n`, `\x1b`, `\u202e`.

    Args:
        text: a name, or anything whose `str` is to be shown.
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(text))
