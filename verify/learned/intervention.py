"""Relation-wise intervention: one relation's component of a subject's embedding is exchanged for
another subject's.

For a relation r, a subject s and a donor s' with another answer for r, the row of s becomes

    E[s] - M_r v[f_r(s)] + M_r v[f_r(s')]

with the components of a fit in which s had no part (`verify.learned.superposition`). Three shares
are counted, all against the facts:

* move: of interventions, how many change the answer for r to `f_r(s')`;
* keep: of pairs of an intervention and another relation q, how many still have `f_q(s)`;
* both: of interventions, how many move and keep every other relation.

"Keep" alone is no evidence, since a shift that does nothing keeps all; "both" is the figure.

Null: a random shift of equal norm in place of the exchange, in a direction drawn with the
covariance of the rows of subjects, so that it lies where rows lie, in any basis and in a stream of
any width.
Control: the same exchange of another relation's component, that of the relation after r; the
answer for r must not move, so that "move" and "both" are 0 of a clean superposition. It is not
counted where the subject or the donor has no fact for that relation, or both have the same
answer: it would change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap

import numpy as np
from numpy.typing import NDArray

from constructions.facts.answers import MISSING
from constructions.guards.integers import whole
from constructions.guards.wording import joined
from verify.learned.additive_fit import require_ridge
from verify.learned.decoder import Decoder, Floats, Ints, said
from verify.learned.measure import Measure
from verify.learned.random_rows import shifts_alike
from verify.learned.superposition import FOLDS, Fold, cross_fits, parametrisation, with_facts

NAMES = ("move", "keep", "both")


@dataclass(frozen=True)
class Intervention:
    """The three shares."""

    move: Measure
    keep: Measure
    both: Measure

    def __str__(self) -> str:
        """A line for each; where all are refused, the reason once."""
        reasons = {one.refused for one in (self.move, self.keep, self.both)}
        if len(reasons) == 1 and self.both.refused is not None:
            said = f"{', '.join(NAMES)}: refused, {self.both.refused}"
            return joined(wrap(said, 99, subsequent_indent="    "))
        return joined(map(str, (self.move, self.keep, self.both)))


@dataclass
class _Counts:
    """How many of how many interventions, or pairs of one and another relation."""

    moved: int = 0
    both: int = 0
    interventions: int = 0
    kept: int = 0
    pairs: int = 0

    def add(self, before: Ints, after: Ints, relation: int, wanted: Ints) -> None:
        """Count interventions on n subjects.

        Args:
            before: the facts (R, n), -1 where none is asked for.
            after: what is said now (R, n).
            relation: whose answer is to move.
            wanted: to what, (n,).
        """
        others = np.arange(len(before)) != relation
        asked = before[others] != MISSING
        kept = (after[others] == before[others]) & asked
        moved = after[relation] == wanted
        self.moved += int(moved.sum())
        self.both += int((moved & (kept == asked).all(axis=0)).sum())
        self.interventions += len(wanted)
        self.kept += int(kept.sum())
        self.pairs += int(asked.sum())

    @property
    def shares(self) -> tuple[tuple[int, int], ...]:
        """In the order of `NAMES`."""
        every = self.interventions
        return (self.moved, every), (self.kept, self.pairs), (self.both, every)


def intervention(
    decoder: Decoder,
    answers: NDArray[np.int64],
    *,
    by: str | None = None,
    n_subjects: int | None = None,
    folds: int = FOLDS,
    ridge: float = 0.0,
    seed: int = 0,
) -> Intervention:
    """Exchange each relation's component of subjects, and count what they answer then.

    Every subject is changed once for each relation, with a donor drawn at random. Not counted are
    subjects without a fact for r, donors with the same answer, and exchanges that the fitted
    subjects do not determine.

    Args:
        decoder: any.
        answers: int64 (R, N), -1 where a fact is missing.
        by, folds, ridge: as of `superposition`.
        n_subjects: so many, drawn at random, in place of all: `3 R` questions are asked of each
            for each relation.
        seed: of folds, donors, shifts and subjects.

    Returns:
        Three measures, refused where a superposition is, for its reason.

    Raises:
        InputError: as `superposition`.
    """
    require_ridge(ridge)
    if n_subjects is not None:
        n_subjects = whole("n_subjects", n_subjects, 1)
    found = parametrisation(decoder, answers, by, folds)
    if found.refused:
        return Intervention(*(Measure.without(name, found.refused) for name in NAMES))
    generator = np.random.default_rng(seed)
    parts = cross_fits(decoder, answers, found, generator, folds, ridge)
    asked = with_facts(answers)
    if n_subjects is not None and n_subjects < len(asked):
        asked = np.sort(generator.choice(asked, n_subjects, replace=False))
    rows = decoder.rows()[with_facts(answers)]
    value, null, control = _Counts(), _Counts(), _Counts()
    for relation in range(decoder.n_relations):
        subjects, wanted, shift = _exchange(answers, parts, relation, asked, generator)
        if not len(subjects):
            continue
        before = answers[:, subjects]
        value.add(before, _asked_with(decoder, subjects, shift), relation, wanted)
        random = shifts_alike(rows, len(subjects), generator)
        random *= _lengths(shift) / np.maximum(_lengths(random), np.finfo(float).tiny)
        null.add(before, _asked_with(decoder, subjects, random), relation, wanted)
        if decoder.n_relations > 1:
            other, there = _other_shift(answers, parts, relation, subjects, generator)
            if there.any():
                said_then = _asked_with(decoder, subjects[there], other[there])
                control.add(before[:, there], said_then, relation, wanted[there])
    measures = []
    for place, name in enumerate(NAMES):
        counts = value.shares[place], null.shares[place], control.shares[place]
        measures.append(Measure.of_counts(name, *counts))
    return Intervention(*measures)


def _exchange(
    answers: Ints, parts: list[Fold], relation: int, asked: Ints, generator: np.random.Generator
) -> tuple[Ints, Ints, Floats]:
    """Subjects (n,), what each should answer for the relation then, and the shift of its row
    (n, d).
    """
    donors_of = np.flatnonzero(answers[relation] != MISSING)
    found = []
    for part in parts:
        subjects = np.intersect1d(part.held_out, asked)
        subjects = subjects[answers[relation, subjects] != MISSING]
        if not len(donors_of) or not len(subjects):
            continue
        wanted = answers[relation, generator.choice(donors_of, len(subjects))]
        there = answers[:, subjects]
        exchanged = there.copy()
        exchanged[relation] = wanted
        counted = wanted != there[relation]
        counted &= part.fit.determines(there) & part.fit.determines(exchanged)
        shift = part.fit.component(relation, wanted) - part.fit.component(
            relation, there[relation]
        )
        found.append((subjects[counted], wanted[counted], shift[counted]))
    if not found:
        none = np.zeros(0, dtype=np.int64)
        return none, none, np.zeros((0, 0))
    subjects, wanted, shift = (np.concatenate(one) for one in zip(*found, strict=True))
    return subjects, wanted, shift


def _other_shift(
    answers: Ints, parts: list[Fold], relation: int, subjects: Ints, generator: np.random.Generator
) -> tuple[Floats, NDArray[np.bool_]]:
    """The exchange of the next relation's component for these subjects (n, d), and where there is
    one: bool (n,), not where the subject or its donor has no fact for that, or both have the same.
    """
    other = (relation + 1) % len(answers)
    donors = generator.choice(with_facts(answers), len(subjects))
    shift = np.zeros((len(subjects), len(parts[0].fit.bias)))
    there = np.zeros(len(subjects), dtype=bool)
    for part in parts:
        here = np.isin(subjects, part.held_out)
        pair = answers[other, donors[here]], answers[other, subjects[here]]
        change = part.fit.component(other, pair[0]) - part.fit.component(other, pair[1])
        shift[here] = change
        there[here] = (pair[0] != MISSING) & (pair[1] != MISSING) & (pair[0] != pair[1])
    return shift, there


def _asked_with(decoder: Decoder, subjects: Ints, shift: Floats) -> Ints:
    """What is said of subjects (n,) whose rows are shifted (n, d), for all relations (R, n)."""
    rows = decoder.rows().copy()
    rows[subjects] += shift
    n_relations = decoder.n_relations
    asked = np.repeat(np.arange(n_relations), len(subjects))
    found = said(decoder.with_rows(rows), np.tile(subjects, n_relations), asked)
    return found.reshape(n_relations, len(subjects))


def _lengths(vectors: Floats) -> Floats:
    """Euclidean norms (n, 1) of vectors (n, d)."""
    lengths: Floats = np.linalg.norm(vectors, axis=1, keepdims=True)
    return lengths
