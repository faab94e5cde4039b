"""Attacks on a saved model: does the checker ever pass what is wrong?

Every attack changes one thing in the files of a model folder. What the checker rejects is
*killed*. What it accepts is run: if the forward pass answers every query right, the change was
*harmless*, else the checker is *fooled*, which must never be. So generated = killed + harmless, or
the checker is broken.
"""

from __future__ import annotations

import os
from collections.abc import Callable
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
from verify.queries.recall import check_recall


@dataclass
class Tally:
    """What became of one kind of attack.

    Attributes:
        generated, killed, harmless: how many; the rest has fooled the checker.
        fooled: the first few that were accepted although a query is answered wrong, in words.
    """

    kind: str
    generated: int = 0
    killed: int = 0
    harmless: int = 0
    fooled: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether there were attacks, and none has fooled the checker."""
        return self.generated > 0 and self.generated == self.killed + self.harmless


def attack(
    folder: str | os.PathLike[str],
    each: int,
    seed: int = 0,
    kinds: list[str] | None = None,
    progress: Callable[[int], None] = lambda done: None,
    own: Construction | None = None,
    by: str = "auto",
) -> list[Tally]:
    """Attack a model folder `each` times in every way of `KINDS`, or in the given ones.

    Args:
        folder: a model whose certificate is proven.
        each: attacks of each kind; fewer where a kind has no more (no facts to swap).
        seed: of the random choices.
        kinds: names of `KINDS`.
        progress: called with the number of attacks done.
        own: the construction of the user's that has made the model; None for one of the catalogue.
        by: the checker that is attacked, see `verify.checking.check`.

    Raises:
        InputError: the folder is no model, one whose certificate is not proven as it is, or one
            with more queries than are run.
    """
    target = Target(Path(folder), own)
    require_runnable(sum(map(target.facts.n_queries, target.model.path_lengths)))
    if (first := check_files(target.files, by)).verdict != "PASS":
        raise InputError(
            f"{folder}: there is nothing to attack: the checker says {first.verdict}:"
            f" {first.reason}"
        )
    tallies, done = [], 0
    for kind in kinds or list(KINDS):
        tally, rng = Tally(kind), np.random.default_rng([seed, list(KINDS).index(kind)])
        for reported, files, model, facts in islice(KINDS[kind](target, rng), each):
            tally.generated += 1
            if check_files(files, by).verdict != "PASS":
                tally.killed += 1
            elif is_right(model, facts):
                tally.harmless += 1
            elif len(tally.fooled) < 5:
                tally.fooled.append(reported)
            done += 1
            progress(done)
        tallies.append(tally)
    return tallies


def is_right(model: FactModel, facts: FactTable) -> bool:
    """Whether the forward pass, by full logits, answers every query of every length right, however
    sums are added.
    """
    recalls = [check_recall(model, facts, hops, "full") for hops in model.path_lengths]
    return all(recall.verdict == "PASS" for recall in recalls)
