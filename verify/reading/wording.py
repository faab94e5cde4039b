"""How a reason shows what stands in a folder."""

from __future__ import annotations

MOST_SHOWN = 100
"""Characters of a value."""


def escaped(text: object) -> str:
    r"""The text on one line, without a character that could steer a terminal or forge a line:
    others become `\n`, `\x1b`.

    Everything in a folder is written by whom one likes, and parts of it stand in what is said of
    the folder.
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(text))


def shown(value: object) -> str:
    """A value of a file as a reason shows it: escaped, and cut where it is long."""
    text = escaped(repr(value))
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 3]}..."
