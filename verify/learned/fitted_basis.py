"""A basis of attributes, fitted to what a decoder's stream holds at one point.

The stream `h(s)` there, of all subjects s, is fitted as a sum of one vector for each attribute
(`verify.learned.additive_fit`), by least squares:

    h(s) ~ o + sum_r (C_r[f_r(s)] - mean C_r),      C_r[t] = M_r v[t]

The principal directions U_r of the components of a relation that are longer than noise would make
them (`verify.learned.finding`) are its *block*. Let S_r be the covariance of its components over
the subjects, within U_r, and V that of what the fit leaves (where subjects are few, shrunk towards
a multiple of the identity, as Ledoit and Wolf do, 2004). Then the linear map

    part_r(h) = S_r (sum_i S_i + V)^-1 (h - o)

is the one from the stream to the block that errs least in the mean square; it is exact where
blocks are independent and nothing is left. (Blocks may have directions in common: the larger one
takes most of them.) A block says the answer t at whose component the map has the nearest value.

Every subject is read by a fit of others, so that nothing is read right because it was fitted.
The held-out R^2 stands beside that of shuffled facts, and the share of subjects of whom a block
says what the facts say beside the share by chance. Where R^2 is not above 0 and above that of
shuffled facts, there are no blocks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from constructions.facts.answers import MISSING
from verify.learned.additive_fit import Fit, fitted
from verify.learned.decoder import Decoder, Floats, Ints
from verify.learned.finding import find_subspaces
from verify.learned.measure import Measure
from verify.learned.superposition import (
    FOLDS,
    cross_fits,
    fold_of,
    parametrisation,
    superposition,
    with_facts,
)
from verify.queries.shown import Evidence

_ROUNDING = 1e-9
"""Variances below this share of the largest are rounding."""
_ENOUGH = 2
"""With so many times as many degrees of freedom as coordinates a covariance is known."""


@dataclass(frozen=True)
class AtPoint:
    """A decoder whose rows are what it holds of some subjects at one point.

    Attributes:
        decoder: any.
        held: (n, d), what the stream holds of n subjects.
    """

    decoder: Decoder
    held: Floats

    @property
    def n_entities(self) -> int:
        """n."""
        return len(self.held)

    @property
    def n_relations(self) -> int:
        """R."""
        return self.decoder.n_relations

    @property
    def n_answers(self) -> int:
        """A."""
        return self.decoder.n_answers

    def rows(self) -> Floats:
        """(n, d)."""
        return self.held

    def with_rows(self, rows: Floats) -> AtPoint:
        """The same with other rows."""
        return replace(self, held=rows)

    def unembedding(self) -> Floats:
        """(A, d_state)."""
        return self.decoder.unembedding()

    def states(self, subjects: Ints, relations: Ints) -> Floats:
        """Those of the decoder."""
        return self.decoder.states(subjects, relations)

    def logits(self, subjects: Ints, relations: Ints) -> Floats:
        """Those of the decoder."""
        return self.decoder.logits(subjects, relations)


@dataclass(frozen=True)
class Read:
    """What stands in a block.

    Attributes:
        answer: the nearest one.
        coordinates: (k,), in the directions of the block.
        part: (d,), what the block is of the stream.
    """

    answer: int
    coordinates: Floats
    part: Floats


@dataclass(frozen=True)
class Basis:
    """The blocks of one fit.

    Attributes:
        origin: o, (d,).
        directions: U_r (k, d) of each relation that has a block.
        maps: of the same (d, k), from h - o to coordinates in U_r.
        answers: the answers that it may hold, (a,).
        candidates: the coordinates of their components, (a, k).
    """

    origin: Floats
    directions: dict[int, Floats]
    maps: dict[int, Floats]
    answers: dict[int, Ints]
    candidates: dict[int, Floats]

    @classmethod
    def of(cls, fit: Fit, inside: Ints, held: Floats, every: Ints, sizes: dict[int, int]) -> Basis:
        """Of a fit.

        Args:
            fit: the fit.
            inside: answers (R, n) of the subjects that it was made of.
            held: what the stream holds of them, (n, d).
            every: answers (R, N) of all.
            sizes: for each relation with a block how many directions it has at most.
        """
        origin = fit.bias.copy()
        means, spread, directions = {}, {}, {}
        for relation, row in enumerate(inside):
            parts = fit.component(relation, row[row != MISSING])
            if not len(parts):
                continue
            means[relation] = parts.mean(axis=0)
            origin += means[relation]
            if relation in sizes:
                _, lengths, axes = np.linalg.svd(parts - means[relation], full_matrices=False)
                directions[relation] = axes[: sizes[relation]]
                spread[relation] = np.square(lengths[: sizes[relation]]) / len(parts)
        maps, answers, candidates = {}, {}, {}
        scaled = {r: np.sqrt(spread[r])[:, None] * axes for r, axes in directions.items()}
        solved = _solved(list(scaled.values()), *_noise(fit, inside, held))
        for relation, to_scaled in zip(directions, solved, strict=False):
            maps[relation] = to_scaled * np.sqrt(spread[relation])
            own = np.unique(every[relation][every[relation] != MISSING])
            answers[relation] = own
            candidates[relation] = (fit.component(relation, own) - means[relation]) @ maps[
                relation
            ]
        return cls(origin, directions, maps, answers, candidates)

    def read(self, held: Floats) -> dict[int, tuple[Ints, Floats]]:
        """For each block the nearest answers (n,) and the coordinates (n, k) of what the stream
        holds of n subjects, (n, d).
        """
        found = {}
        for relation, to_block in self.maps.items():
            own = (held - self.origin) @ to_block
            candidates = self.candidates[relation]
            far = np.square(candidates).sum(axis=1) - 2 * own @ candidates.T
            found[relation] = self.answers[relation][far.argmin(axis=1)], own
        return found


def _noise(fit: Fit, inside: Ints, held: Floats) -> tuple[Floats, float]:
    """What a fit leaves of the n subjects that it was made of: rows B (n, d) and a variance v, so
    that `B^T B + v` is its covariance, shrunk. As large as for subjects who had no part in it: the
    fit has taken p of n degrees of freedom.
    """
    rows = held - fit.rows(inside)
    n, d = rows.shape
    rows = rows / np.sqrt(max(1, n - fit.rank))
    if n - fit.rank > _ENOUGH * d:
        return rows, 0.0
    products = rows @ rows.T
    mean = np.trace(products) / d
    size = np.square(products).sum()
    apart = size - d * mean**2
    noise = np.square(np.diag(products)).sum() - size / n
    shrunk = 1.0 if apart <= 0 else float(np.clip(noise / apart, 0, 1))
    return rows * np.sqrt(1 - shrunk), shrunk * float(mean)


def _solved(blocks: list[Floats], others: Floats, variance: float) -> list[Floats]:
    """`(sum_i B_i^T B_i + C^T C + v)^-1 B_r^T` (d, k) of each block B_r (k, d), for other rows C
    and a variance v. With B all rows, one below the other, these are columns of
    `B^T (B B^T + v)^-1`.
    """
    every = np.concatenate([*blocks, others])
    products = every @ every.T + variance * np.eye(len(every))
    found = every.T @ np.linalg.pinv(products, rcond=_ROUNDING, hermitian=True)
    return np.split(found, np.cumsum([len(block) for block in blocks]), axis=1)[:-1]


@dataclass(frozen=True)
class FittedPoint:
    """What is fitted at one point.

    Attributes:
        evidence: how good the fit is; with a reason if there are no blocks.
        basis: the fit in which the subject that is followed had no part.
        shares: for each relation with a block of how many subjects it says what the facts say,
            and of how many it would by chance.
    """

    evidence: Evidence
    basis: Basis | None
    shares: dict[int, tuple[float, float]]

    def read(self, held: Floats) -> dict[int, Read]:
        """What stands in each block of what the stream holds (d,)."""
        if self.basis is None:
            return {}
        return {
            relation: Read(int(said[0]), own[0], own[0] @ self.basis.directions[relation])
            for relation, (said, own) in self.basis.read(held[None]).items()
        }


def groups_of(answers: NDArray[np.int64], seed: int = 0) -> Ints:
    """By which fold (n,) each subject is held out, as `fitted_point` has it; -1 without facts."""
    return fold_of(answers, FOLDS, _drawn(seed))


def fitted_point(
    decoder: Decoder,
    answers: NDArray[np.int64],
    held: Floats,
    subject: int,
    relation: int,
    seed: int = 0,
) -> FittedPoint:
    """Fit a basis of all attributes; where that says nothing, of those of one relation alone.

    Args:
        decoder: any.
        answers: int64 (R, n), the facts of n subjects, -1 where one is missing.
        held: (n, d), what the stream holds of them.
        subject: the number among them of the one that is followed.
        relation: the one that is asked for.
        seed: of folds, and of what is shuffled.
    """
    point = AtPoint(decoder, held)
    measure = superposition(point, answers, seed=seed)
    alone = measure.refused is not None and len(answers) > 1
    if alone:
        of_all = measure.refused
        answers = np.where(np.arange(len(answers))[:, None] == relation, answers, MISSING)
        measure = superposition(point, answers, seed=seed)
        if measure.refused is not None:
            return FittedPoint(Evidence(None, None, of_all or ""), None, {})
    evidence = replace(_evidence(measure), alone=alone)
    if evidence.reason:
        return FittedPoint(evidence, None, {})
    sizes = {r: len(axes) for r, axes in find_subspaces(point, answers, seed).items()}
    if not sizes:
        return FittedPoint(replace(evidence, reason="no direction is longer than noise"), None, {})
    folds = cross_fits(point, answers, parametrisation(point, answers), _drawn(seed))
    said, own = np.full_like(answers, MISSING), None
    for fold in folds:
        inside = np.setdiff1d(with_facts(answers), fold.held_out)
        basis = Basis.of(fold.fit, answers[:, inside], held[inside], answers, sizes)
        for r, (found, _) in basis.read(held[fold.held_out]).items():
            said[r, fold.held_out] = found
        if own is None or subject in fold.held_out:
            own = basis
    return FittedPoint(evidence, own, {r: _shares(said[r], answers[r]) for r in sizes})


def deciding_relations(
    decoder: Decoder, answers: NDArray[np.int64], held: Floats, seed: int = 0
) -> NDArray[np.int64]:
    """For each coordinate of what is held (n, d) the relation whose component makes up more than
    half of its variance, int64 (d,); -1 where there is none, or the fit explains nothing.
    """
    none = np.full(held.shape[1], -1)
    point = AtPoint(decoder, held)
    measure = superposition(point, answers, seed=seed)
    if _evidence(measure).reason:
        return none
    chosen = parametrisation(point, answers)
    there = with_facts(answers)
    fit = fitted(chosen.vectors, answers[:, there], held[there])
    of_all = held[there].var(axis=0)
    parts = np.stack([fit.component(r, row[there]).var(axis=0) for r, row in enumerate(answers)])
    largest = parts.argmax(axis=0)
    decided = parts.max(axis=0) > np.maximum(of_all / 2, 1e-12)
    return np.where(decided, largest, none)


def _evidence(measure: Measure) -> Evidence:
    """What was measured; and why there are no blocks, where R^2 says so."""
    if measure.value is None:
        return Evidence(None, None, measure.refused or "")
    value = float(measure.value)
    null = None if measure.null is None else float(measure.null)
    worse = value <= max(0.0, null or 0.0)
    return Evidence(value, null, "no more than with shuffled facts" if worse else "")


def _shares(said: Ints, known: Ints) -> tuple[float, float]:
    """Of how many subjects with a fact it is said; and over all permutations in the mean."""
    there = known != MISSING
    said, known = said[there], known[there]
    size = int(max(said.max(), known.max())) + 1
    counts = (np.bincount(some, minlength=size) for some in (said[said >= 0], known))
    first, second = counts
    n = len(known)
    return float((said == known).mean()), float(first @ second) / n**2


def _drawn(seed: int) -> np.random.Generator:
    """The generator with which `superposition` and `find_subspaces` divide subjects as well."""
    return np.random.default_rng(seed)
