"""What a series of attacks will take, by the size of the folder: measured on ten models of 5 kB to
half a megabyte, of which it is right within a factor of three.

An attack takes the time in which the checker rejects it, which grows with the files, and for one
that is accepted that of a pass over all queries.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from verify.runner.job import Cost

SECONDS: dict[str, tuple[float, float]] = {
    "flips": (0.003, 2e-8),
    "flips-listed": (0.006, 3e-8),
    "weights": (0.010, 9e-8),
    "swaps": (0.011, 1.0e-7),
    "facts": (0.005, 1.1e-7),
    "forgeries": (0.005, 4e-8),
}
"""By kind: what an attack takes, and what it takes more for each byte of the folder."""
BYTES = (10**8, 24)
"""Beside an idle process, and more for each byte of the folder."""


class SomeAttacks(Protocol):
    """A job, such as `verify.attacking.jobs.Attacks`."""

    @property
    def folder(self) -> str:
        """The model folder."""

    @property
    def kind(self) -> str:
        """A name of `verify.attacking.kinds.KINDS`."""

    @property
    def each(self) -> int:
        """How many attacks."""


def cost(attacks: SomeAttacks) -> Cost:
    """The estimated cost; of a folder that is not there, as if it were empty."""
    try:
        size = sum(path.stat().st_size for path in Path(attacks.folder).iterdir())
    except OSError:
        size = 0
    an_attack, a_byte = SECONDS[attacks.kind]
    held, held_a_byte = BYTES
    return Cost(attacks.each * (an_attack + a_byte * size), held + held_a_byte * size)
