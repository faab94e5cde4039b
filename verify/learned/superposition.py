"""Superposition: are subjects' embeddings sums of one vector for each attribute?

The fit, which of two parametrisations, and when it says nothing: `verify.learned.additive_fit`.
Subjects are divided into folds at random; each fold is predicted by a fit of all others. The value
is the held-out R^2

    1 - sum |E[s] - predicted|^2 / sum |E[s] - mean of the fitted subjects|^2

over all subjects whose prediction is determined, and all coordinates. It is 1 of a superposition,
and at most 0 in expectation where rows have nothing to do with the attributes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from constructions.facts.answers import MISSING
from constructions.guards.errors import InputError
from constructions.guards.integers import whole
from verify.learned.additive_fit import (
    MOST_COEFFICIENTS,
    PARAMETRISATIONS,
    Fit,
    attribute_vectors,
    fitted,
    rank_of,
    require_ridge,
)
from verify.learned.claimed import require_answers, shuffled
from verify.learned.decoder import Decoder, Floats, Ints
from verify.learned.measure import Measure

FOLDS = 5
DRAWS = 5
"""Of shuffled facts, and of random rows; nulls and controls are means over them."""
NAME = "R^2 of superposition"


@dataclass(frozen=True)
class Parametrisation:
    """Which sums are fitted, or why none is.

    Attributes:
        by: "attribute", "unembedding"; "" for none.
        vectors: v (A, q).
        refused: why none of them says anything; "" if one does.
    """

    by: str
    vectors: Floats
    refused: str


@dataclass(frozen=True)
class Fold:
    """A fit, and the subjects that had no part in it.

    Attributes:
        fit: of all other subjects.
        held_out: their numbers (n,).
    """

    fit: Fit
    held_out: Ints


def superposition(
    decoder: Decoder,
    answers: NDArray[np.int64],
    *,
    by: str | None = None,
    folds: int = FOLDS,
    ridge: float = 0.0,
    seed: int = 0,
) -> Measure:
    """The held-out R^2 of the rows of subjects as sums of vectors of their attributes.

    Null: the same rows with facts that are shuffled among the subjects. Control: random Gaussian
    rows of the same shape with the right facts; where it is near 1, as of in-sample fits in one
    world, R^2 says nothing.

    Args:
        decoder: any.
        answers: int64 (R, N), -1 where a fact is missing.
        by: one of `PARAMETRISATIONS`; None for the first one that says anything.
        folds: of how many one is held out.
        ridge: see `verify.learned.additive_fit`.
        seed: of the folds, the shuffles and the random rows.

    Raises:
        InputError: these are no answers to its queries, or an argument is out of range.
    """
    require_ridge(ridge)
    found = parametrisation(decoder, answers, by, folds)
    if found.refused:
        return Measure.without(NAME, found.refused)
    generator = np.random.default_rng(seed)
    rows = decoder.rows()
    groups = fold_of(answers, folds, generator)

    random = generator.standard_normal((len(rows), DRAWS * rows.shape[1]))
    both = np.concatenate([rows, random], axis=1)
    folds_of_both = list(_folds(found.vectors, answers, both, groups, ridge))
    left, spread = _held_out(folds_of_both, answers, both)
    value, control = (
        _share_explained(left[part], spread[part])
        for part in (slice(rows.shape[1]), slice(rows.shape[1], None))
    )
    if value is None:
        return Measure.without(
            NAME, "no held-out subject is determined: its attributes occur nowhere else"
        )
    nulls = []
    for _ in range(DRAWS):
        facts = shuffled(answers, generator)
        parts = list(_folds(found.vectors, facts, rows, groups, ridge))
        nulls.append(_share_explained(*_held_out(parts, facts, rows)))
    return Measure(NAME, value, _mean(nulls), control)


def parametrisation(
    decoder: Decoder, answers: Ints, by: str | None = None, folds: int = FOLDS
) -> Parametrisation:
    """The one that is asked for, or the first one that says anything of these rows and facts.

    Raises:
        InputError: as `superposition`.
    """
    require_answers(decoder, answers)
    folds = whole("folds", folds)
    if by not in (None, *PARAMETRISATIONS) or folds < 2:
        known = ", ".join(PARAMETRISATIONS)
        raise InputError(
            f"by must be one of {known}, and folds at least 2; got {by!r} and {folds}"
        )
    rows, asked = decoder.rows(), with_facts(answers)
    if not len(asked):
        return _none("no subject has a fact")
    if not np.isfinite(rows).all():
        return _none("rows of subjects hold numbers that are not finite")
    if not np.ptp(rows[asked], axis=0).any():
        return _none("the rows of all subjects are equal")
    n = len(asked) * (folds - 1) // folds
    alike, many, others = [], [], []
    for one in PARAMETRISATIONS if by is None else (by,):
        if one == "unembedding" and not np.isfinite(decoder.unembedding()).all():
            others.append("the unembedding holds numbers that are not finite")
            continue
        vectors = attribute_vectors(decoder, answers, one)
        rank = rank_of(vectors, answers[:, asked])
        if 1 < rank <= MOST_COEFFICIENTS * n:
            return Parametrisation(one, vectors, "")
        if rank == 1:
            alike.append(f"by {one}")
        else:
            many.append(f"by {one} {rank} numbers for each coordinate")
    if many:
        others.insert(
            0,
            f"{' and '.join(many)}, to be fitted by {n} subjects: with as many numbers as subjects"
            " any rows are fitted exactly, and above two thirds of them the noise decides",
        )
    if alike:
        others.append(
            f"{' and '.join(alike)} all subjects have the same features: their answers, or the"
            " rows of these in the unembedding, are equal"
        )
    return _none("; ".join(others))


def cross_fits(
    decoder: Decoder,
    answers: Ints,
    found: Parametrisation,
    generator: np.random.Generator,
    folds: int = FOLDS,
    ridge: float = 0.0,
) -> list[Fold]:
    """For each fold of the subjects a fit of all others."""
    groups = fold_of(answers, folds, generator)
    return list(_folds(found.vectors, answers, decoder.rows(), groups, ridge))


def with_facts(answers: Ints) -> Ints:
    """The subjects that have a fact."""
    return np.flatnonzero((answers != MISSING).any(axis=0))


def fold_of(answers: Ints, folds: int, generator: np.random.Generator) -> Ints:
    """The fold (N,) of each subject, drawn; -1 of those without facts."""
    asked = with_facts(answers)
    groups = np.full(answers.shape[1], -1, dtype=np.int64)
    groups[asked] = generator.permutation(np.arange(len(asked)) % folds)
    return groups


def _folds(
    vectors: Floats, answers: Ints, rows: Floats, groups: Ints, ridge: float
) -> Iterator[Fold]:
    """A fit without each fold."""
    for group in range(int(groups.max()) + 1):
        inside = np.flatnonzero((groups >= 0) & (groups != group))
        fit = fitted(vectors, answers[:, inside], rows[inside], ridge)
        yield Fold(fit, np.flatnonzero(groups == group))


def _held_out(folds: list[Fold], answers: Ints, rows: Floats) -> tuple[Floats, Floats]:
    """By column (d,): the squared errors of the predictions of held-out subjects, of those that
    are determined, and of the mean of the fitted subjects in their place.
    """
    left, spread = np.zeros((2, rows.shape[1]))
    everyone = np.concatenate([fold.held_out for fold in folds])
    total = rows[everyone].sum(axis=0)
    for fold in folds:
        own = rows[fold.held_out]
        mean = (total - own.sum(axis=0)) / (len(everyone) - len(own))
        there = fold.fit.determines(answers[:, fold.held_out])
        predicted = fold.fit.rows(answers[:, fold.held_out])
        left += np.square(own - predicted)[there].sum(axis=0)
        spread += np.square(own - mean)[there].sum(axis=0)
    return left, spread


def _share_explained(left: Floats, spread: Floats) -> float | None:
    """R^2 over these columns; None of nothing."""
    return float(1 - left.sum() / spread.sum()) if spread.sum() > 0 else None


def _none(reason: str) -> Parametrisation:
    """No parametrisation."""
    return Parametrisation("", np.zeros((0, 0)), reason)


def _mean(values: list[float | None]) -> float | None:
    """The mean of those that are there."""
    there = [value for value in values if value is not None]
    return float(np.mean(there)) if there else None
