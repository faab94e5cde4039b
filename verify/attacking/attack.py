"""Attacks on a saved model: does the checker ever pass what is wrong?

Every attack changes one thing in the files of a model folder. What the checker rejects is
*killed*. What it accepts is run, in float64 where the proof is about real arithmetic alone: if the
forward pass answers every query right that the model claims to answer, the change was *harmless*,
else the checker is *fooled*, which must never be. So generated = killed + harmless, or the checker
is broken.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from constructions.entry import Construction
from constructions.facts.limits import require_runnable
from constructions.facts.table import FactTable
from constructions.guards.errors import InputError
from constructions.model.fact_model import FactModel
from verify.attacking.kinds import KINDS
from verify.attacking.target import Target
from verify.checking.check import check_files
from verify.queries.evidence import Evidence
from verify.queries.recall import check_recall

SERIES = 250
"""So many attacks, whose random choices follow from one another, are one job."""
MOST_REPORTED = 5
"""So many of those that have fooled the checker are kept."""


@dataclass
class Tally(Evidence):
    """What became of one kind of attack.

    Attributes:
        generated, killed, harmless: how many; the rest has fooled the checker.
        fooled: the first few that were accepted although a query is answered wrong, in words.
        crashed: why series were not finished, where the attacks or the checker did it.
        lost: why others were not finished.
    """

    kind: str
    generated: int = 0
    killed: int = 0
    harmless: int = 0
    fooled: list[str] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def faults(self) -> Iterator[str]:
        """Attacks that have fooled the checker, or crashed it; and that there were none."""
        if self.generated != self.killed + self.harmless:
            yield f"{self.n_fooled:,} were accepted, though an answer is wrong"
        yield from (f"some were not finished: {why}" for why in self.crashed)
        if not self.generated and not self.crashed and not self.lost:
            yield "nothing of this kind could be generated"

    def doubts(self) -> Iterator[str]:
        """Attacks that were not finished."""
        yield from (f"some were not finished: {why}" for why in self.lost)

    @property
    def n_fooled(self) -> int:
        """How many have fooled the checker."""
        return self.generated - self.killed - self.harmless

    def __add__(self, other: Tally) -> Tally:
        """Both together, of one kind."""
        return Tally(
            self.kind,
            self.generated + other.generated,
            self.killed + other.killed,
            self.harmless + other.harmless,
            (self.fooled + other.fooled)[:MOST_REPORTED],
            self.crashed + other.crashed,
            self.lost + other.lost,
        )


def attack(
    folder: str | os.PathLike[str],
    each: int,
    seed: int = 0,
    kinds: Sequence[str] | None = None,
    own: Construction | None = None,
    by: str = "auto",
) -> list[Tally]:
    """Attack a model folder `each` times in every way of `KINDS`, or in the given ones.

    Args:
        folder: a model whose certificate is proven.
        each: attacks of each kind; fewer where a kind has no more (no facts to swap).
        seed: of the random choices.
        kinds: names of `KINDS`.
        own: the construction of the user's that has made the model; None for one of the catalogue.
        by: the checker that is attacked, see `verify.checking.check`.

    Raises:
        InputError: see `target_of`.
    """
    target = target_of(folder, own, by)
    return [
        sum(
            (some_attacks(target, kind, seed, *one, by) for one in series(each)),
            start=Tally(kind),
        )
        for kind in kinds or list(KINDS)
    ]


def target_of(
    folder: str | os.PathLike[str], own: Construction | None = None, by: str = "auto"
) -> Target:
    """A model folder that can be attacked; arguments as of `attack`.

    Raises:
        InputError: the folder is no model, one whose certificate is not proven as it is, or one
            with more queries than are run.
    """
    target = Target(Path(folder), own)
    require_runnable(target.model.n_all_queries())
    if (first := check_files(target.files, by)).verdict != "PASS":
        raise InputError(
            f"{folder}: there is nothing to attack: the checker says {first.verdict}:"
            f" {first.reason}"
        )
    return target


def series(each: int) -> list[tuple[int, int]]:
    """So many attacks in series, of which each has random choices of its own: the number of each
    series, and how many attacks it has.
    """
    return [(number, min(SERIES, each - SERIES * number)) for number in range(-(-each // SERIES))]


def some_attacks(
    target: Target, kind: str, seed: int, number: int, each: int, by: str = "auto"
) -> Tally:
    """A series of attacks of one kind."""
    tally, rng = Tally(kind), np.random.default_rng([seed, list(KINDS).index(kind), number])
    for reported, files, model, facts in islice(KINDS[kind](target, rng), each):
        tally.generated += 1
        if (proven := check_files(files, by)).verdict != "PASS":
            tally.killed += 1
        elif is_right(model if proven.exact else copy.deepcopy(model).double(), facts):
            tally.harmless += 1
        elif len(tally.fooled) < MOST_REPORTED:
            tally.fooled.append(reported)
    return tally


def is_right(model: FactModel, facts: FactTable) -> bool:
    """Whether the forward pass, by full logits, answers every claimed query of every length right,
    however sums are added.
    """
    recalls = [check_recall(model, facts, hops, "full") for hops in model.path_lengths]
    return all(recall.verdict == "PASS" for recall in recalls)
