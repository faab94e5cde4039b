"""How many gates, how drawn, how large the numbers: all of a model of few facts a subject but its
facts, and the first such design that holds given facts.

Used by: `sparse_selector`. The lemmas are `gates.py` and `sums_through_gates.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from constructions.facts.answers import MISSING
from constructions.facts.codes import Codebook
from constructions.facts.table import FactTable
from constructions.facts.vocabulary import Vocabulary
from constructions.guards.errors import DoesNotFit, InputError
from constructions.theorems.lemmas.gates import drawn_gates, weight_of
from constructions.theorems.lemmas.sums_through_gates import Solved, Sums, Unsolved
from constructions.writing.draft import require_exact

DRAWS = 4
"""So many draws of gates are looked at before there is one gate more."""
_PROVEN = 2**52
"""Sums below this are proven by the kernel."""


@dataclass(frozen=True)
class Design:
    """All of a model but its facts.

    Attributes:
        codebook: the possible answers; with *unknown*, which is the last, if that is answered.
        n_relations, gates: R and g.
        extra: z, bits; all numbers of entities are below 2 c, where `c = 2^z ceil(a / 2)`.
        seed: of the draw of gates.
        others_beyond: whether the sums of what is not stored lie beyond all labels.
    """

    codebook: Codebook
    n_relations: int
    gates: int
    extra: int
    seed: int
    others_beyond: bool

    @property
    def weight(self) -> int:
        """w, how many columns a gate opens."""
        return weight_of(self.n_relations, self.gates)

    @property
    def unit(self) -> int:
        """2^p, what a label counts for: at least 2 w, so that rounding takes at most half of the
        margin; 1 where every relation has a column of its own, which holds the label itself.
        """
        return 1 if self.gates == self.n_relations else 1 << (2 * self.weight - 1).bit_length()

    @property
    def half(self) -> int:
        """c, what a relation holds with both signs."""
        return (len(self.codebook) + 1) // 2 << self.extra

    @property
    def shift(self) -> int:
        """What open columns sum to beside the numbers of the entity."""
        return 2 * self.half * self.weight

    @property
    def labels(self) -> NDArray[np.int64]:
        """What stands for each answer, by its number: about as many negative as positive."""
        return np.arange(len(self.codebook)) - len(self.codebook) // 2

    @property
    def lower(self) -> int:
        """Minus the logit of tokens that are no answers: less than that of any neighbour of 0."""
        return self.unit * (2 if len(self.codebook) > 1 else 1)

    @property
    def kinks(self) -> tuple[int, int, int]:
        """Where the tent that reads sums has its ends and its foot: a sum between the foot and the
        last is read as it is, one beyond the ends as the last label.
        """
        labels = self.labels
        foot, last = self.unit * int(labels[0]) - self.unit // 2, self.unit * int(labels[-1])
        return 2 * foot - last, foot, last

    @property
    def largest_sum(self) -> int:
        """A bound on all sums of absolute values: at least that of the head, which adds to c in
        halves the doubles of two numbers below 2 c.
        """
        label, number = len(self.codebook) // 2, 4 * self.half
        head = 2 * (self.half + 2 * number)
        opened, parabola = self.gates * number + self.shift, self.unit * label**2
        if not self.others_beyond:
            return max(2 * label * opened + parabola, head)
        below, foot, last = self.kinks
        tent = max(opened - below, 4 * (self.shift - foot) + 2 * last)
        return max(tent, 2 * label * max(last, -foot) + parabola, head)

    def drawn(self) -> NDArray[np.int64]:
        """The gates, int64 (R, g)."""
        return drawn_gates(self.n_relations, self.gates, self.seed)

    def solved(self, facts: FactTable) -> Solved | Unsolved:
        """The numbers of all entities, or for which there are none.

        Raises:
            InputError: an answer is not in the codebook.
        """
        answers = np.unique(facts.answers[facts.answers != MISSING])
        if self.others_beyond and not facts.is_total:
            unknown = Vocabulary(facts.n_entities, facts.n_relations).unknown
            self.codebook.numbers(np.array([unknown]))
        labels = np.zeros(facts.n_entities, dtype=np.int64)
        labels[answers] = self.labels[self.codebook.numbers(answers)]
        below, _, last = self.kinks
        beyond = (below, last) if self.others_beyond else None
        precision = self.unit.bit_length() - 1
        return Sums(self.drawn(), precision, 2 * self.half - 1, beyond).solved(facts, labels)

    def rows(self, facts: FactTable) -> NDArray[np.int64]:
        """The numbers of all entities: int64 (N, g).

        Raises:
            InputError: a subject's gates are dependent, or an answer is not in the codebook.
            DoesNotFit: a number is too large.
        """
        found = self.solved(facts)
        if isinstance(found, Unsolved):
            raise self.refusal(facts, found)
        return found.rows

    def margin(self, facts: FactTable, found: Solved) -> int:
        """The least margin over all that is claimed, exactly: by the errors of the sums.

        The logit of the label t is `2^p t^2 + 2 t e`. The label t + i has less by `2^p i^2 - 2 i
        e`, which is least for the neighbours i = 1 and i = -1, where there are such; a token that
        is no answer has `-lower`. *Unknown* is read without an error.
        """
        t, e, labels = found.targets, found.errors, self.labels
        if self.others_beyond and not facts.is_total:
            t, e = np.append(t, labels[-1]), np.append(e, 0)
        above = self.unit - 2 * e[t < labels[-1]]
        below = self.unit + 2 * e[t > labels[0]]
        others = self.unit * t**2 + 2 * t * e + self.lower
        return int(np.concatenate([above, below, others]).min())

    def narrowest(self, found: Solved) -> Design:
        """The same with the least excess that the numbers need."""
        most, design = int(np.abs(found.rows).max()), replace(self, extra=0)
        while most >= 2 * design.half:
            design = replace(design, extra=design.extra + 1)
        return design

    def widest(self, most: int) -> Design:
        """The same with the largest excess for which no sum is above `most`."""
        design = self
        while (wider := replace(design, extra=design.extra + 1)).largest_sum <= most:
            design = wider
        return design

    def refusal(self, facts: FactTable, found: Unsolved) -> InputError:
        """Why facts are refused: the subject, its facts, and what is to be done."""
        relations, count = found.relations, len(found.relations)
        some = ", ".join(facts.relation_name(int(r)) for r in relations[:5])
        more = ", ..." if count > 5 else ""
        named = f"{facts.entity_name(found.subject)}, which has {count} facts ({some}{more})"
        rank = np.linalg.matrix_rank(self.drawn()[relations].astype(np.float64)) if count else 0
        if found.sums_hold and rank == count:
            return DoesNotFit(
                f"with {self.gates} gates the numbers of {named}, are not below"
                f" {2 * self.half:,}, which is what the dtype and the excess leave; give more"
                " gates, a larger excess or a wider dtype"
            )
        nearly = "" if rank < count else " (nearly less)"
        others = ", and no other gate a combination of them" if self.others_beyond else ""
        return InputError(
            f"the gates of a subject's relations must be linearly independent{others}: those of"
            f" {named}, have rank {rank}{nearly}, with {self.gates} gates and seed {self.seed};"
            " give more gates, or another seed"
        )


def first_that_holds(
    facts: FactTable,
    codebook: Codebook,
    gates: int | None,
    extra: int | None,
    seed: int | None,
    others_beyond: bool,
    dtype: torch.dtype,
) -> tuple[Design, Solved]:
    """The first design that holds the facts, of those that leave as is what is given.

    Raises:
        InputError: a subject's gates are dependent, or an answer is not in the codebook.
        DoesNotFit: the dtype or what extra bits give is too narrow.
    """
    seeds = range(DRAWS) if seed is None else [seed]
    require_exact(0, dtype, "gates")
    most = min(int(2 / torch.finfo(dtype).eps), _PROVEN - 1)
    refused: InputError | None = None
    for count in _numbers_of_gates(facts, others_beyond) if gates is None else [gates]:
        for number in seeds:
            design = Design(codebook, facts.n_relations, count, extra or 0, number, others_beyond)
            if design.largest_sum > most:
                wider = "a wider dtype" if dtype != torch.float64 else "another construction"
                wider = f"fewer excess bits than {extra}, or {wider}" if extra else wider
                refused = DoesNotFit(
                    f"{count} gates and {len(codebook):,} possible answers: sums reach"
                    f" {design.largest_sum:,}, and in {dtype} those up to {most:,} are proven to"
                    f" be exact; use {wider}"
                )
                break
            design = design if extra is not None else design.widest(most)
            found = design.solved(facts)
            if isinstance(found, Solved):
                return (design if extra is not None else design.narrowest(found)), found
            refused = design.refusal(facts, found)
    raise refused or InputError("no number of gates was tried")


def _numbers_of_gates(facts: FactTable, others_beyond: bool) -> Iterator[int]:
    """How many gates are tried, in turn: as many as the most facts of a subject, one more if
    *unknown* is answered; and more by 1, 2, 3, 4, 6, 8, 12, 16 and so on; at last one for each
    relation.
    """
    least = int((facts.answers != MISSING).sum(axis=0).max()) + others_beyond
    extra, step = 0, 1
    while 1 <= least + extra < facts.n_relations:
        yield least + extra
        extra += step
        step = step if extra < 4 else 1 << (extra.bit_length() - 2)
    yield facts.n_relations
