"""Structure found in a decoder from its logits, rows and hidden units alone, in any basis.

*Subspaces.* Of a fit of the rows (`verify.learned.superposition`) take the components `M_r v[t]`
of one relation for all its subjects, about their mean: their principal directions span the
relation's subspace. A direction counts if it is longer than what noise alone would give: the
held-out residuals of the fit, exchanged among the subjects, are fitted in the same way some times,
and the longest direction of any relation is the bound.

*Units.* A unit belongs to a relation if it is on for it alone, or off for it alone
(`verify.learned.selection`), and its *effect* is at least a twentieth of the largest one: what its
mean activations differ by, times what the logits of the answers differ by for what it writes. Most
units of random weights prefer a relation, and nothing need read them. Of units that another hidden
layer reads the effect is not known; they are counted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from constructions.facts.answers import MISSING
from verify.learned.additive_fit import Fit, fitted
from verify.learned.decoder import Decoder, Floats, Ints, Watched
from verify.learned.selection import selection
from verify.learned.structure import Structure
from verify.learned.superposition import FOLDS, cross_fits, parametrisation, with_facts

DRAWS = 5
_ROUNDING = 1e-3
"""Directions below this share of the longest are rounding."""
_FAINT = 0.05
"""Effects below this share of the largest are not counted."""


def find(decoder: Watched, answers: NDArray[np.int64], seed: int = 0) -> Structure:
    """The subspaces and units of all relations.

    Args:
        decoder: any whose hidden units can be watched.
        answers: int64 (R, N): the facts that it knows.
        seed: of folds and of what is exchanged.

    Raises:
        InputError: these are no answers to its queries.
    """
    return Structure(find_subspaces(decoder, answers, seed), find_units(decoder, answers, seed))


def find_subspaces(
    decoder: Decoder, answers: NDArray[np.int64], seed: int = 0
) -> dict[int, Floats]:
    """Orthonormal rows (k, d) for each relation that has any; none where no fit says anything."""
    chosen = parametrisation(decoder, answers)
    if chosen.refused:
        return {}
    generator = np.random.default_rng(seed)
    rows, asked = decoder.rows(), with_facts(answers)
    residual = np.zeros_like(rows)
    for fold in cross_fits(decoder, answers, chosen, generator, FOLDS):
        held_out = fold.held_out
        residual[held_out] = rows[held_out] - fold.fit.rows(answers[:, held_out])
    there = answers[:, asked]
    real = _directions(fitted(chosen.vectors, there, rows[asked]), there)
    bound = _ROUNDING * max(lengths.max(initial=0) for lengths, _ in real)
    for _ in range(DRAWS):
        noise = residual[generator.permutation(asked)]
        for lengths, _ in _directions(fitted(chosen.vectors, there, noise), there):
            bound = max(bound, float(lengths.max(initial=0)))
    found = {r: axes[lengths > bound] for r, (lengths, axes) in enumerate(real)}
    return {r: axes for r, axes in found.items() if len(axes)}


def find_units(
    decoder: Watched, answers: NDArray[np.int64], seed: int = 0
) -> frozenset[tuple[int, int]]:
    """(unit, relation) for all units that have just one, and whose effect is not faint. With two
    relations a unit that is on for one is off for the other, and counts for both.
    """
    found = selection(decoder, seed=seed)
    read = decoder.unembedding()[np.unique(answers[answers != MISSING])]
    effect = np.ptp(read @ decoder.writes().T, axis=0) * np.ptp(found.activation, axis=0)
    largest = np.nanmax(effect, initial=0)
    counted = (np.isnan(effect) | (effect >= _FAINT * largest)) & (len(found.on) > 1)
    alone = []
    for side in (found.on, ~found.on):
        units = np.flatnonzero((side.sum(axis=0) == 1) & counted)
        alone += list(zip(units.tolist(), side[:, units].argmax(axis=0).tolist(), strict=True))
    return frozenset(alone)


def _directions(fit: Fit, answers: Ints) -> list[tuple[Floats, Floats]]:
    """For each relation the lengths (k,) and directions (k, d) of its components for all subjects
    that have a fact, about their mean.
    """
    found = []
    for relation, row in enumerate(answers):
        parts = fit.component(relation, row[row != MISSING])
        centred = parts - parts.mean(axis=0) if len(parts) else parts
        _, lengths, axes = np.linalg.svd(centred, full_matrices=False)
        found.append((lengths, axes))
    return found
