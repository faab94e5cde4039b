"""Selection: which hidden units are on for which relations.

A unit's *activation by relation* is its mean over all subjects, one number for each relation, in
units of the largest of them (by absolute value). In order of size, the largest gap between two
neighbours divides the relations into those for which the unit is off and those for which it is on;
the width of this gap is the unit's *score*, 0 to 1 for a ReLU. Both signs are seen so: a unit that
is silent for one relation alone (the blocks that `selector` closes) as well as one that fires for
it alone (the pairs of `key_value`). With a score below one half a unit is said to be on for all
relations; a unit that never fires is off for all.

Null: the same with relations that are shuffled, subject by subject. Control: another decoder, best
an untrained one of the same shape. It is needed: a relation's embedding shifts what every unit
reads, so that random weights have units that prefer relations, far above the null.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from constructions.guards.errors import InputError
from constructions.guards.wording import counted
from verify.learned.decoder import Floats, WithUnits, pieces
from verify.learned.measure import Measure

SELECTIVE = 0.5
"""The least score of a unit that is said to select."""
_NUMBERS_AT_ONCE = 2**23
NAME = "selection"


@dataclass(frozen=True)
class Selection:
    """What the hidden units select.

    Attributes:
        measure: the mean score of all units, or why there is none.
        activation: float64 (R, n_units), by relation.
        score: float64 (n_units,).
        on: bool (R, n_units).
        null_on: the same with shuffled relations.
    """

    measure: Measure
    activation: Floats
    score: Floats
    on: NDArray[np.bool_]
    null_on: NDArray[np.bool_]

    def __str__(self) -> str:
        """The measure, and how many units select."""
        if self.measure.refused is not None:
            return str(self.measure)
        selective = int((self.score >= SELECTIVE).sum())
        return (
            f"{self.measure}\n{selective:,} of {counted(len(self.score), 'unit')} are on for some"
            f" of the {counted(len(self.on), 'relation')} alone"
        )

    def agreement(self, planted: NDArray[np.bool_], units: NDArray[np.int64]) -> Measure:
        """Of some units, how many are on for just the relations that they should be: exact.

        Args:
            planted: bool (R, len(units)).
            units: their numbers.
        """
        if planted.shape != (len(self.on), len(units)):
            raise InputError(
                f"the mask must have {(len(self.on), len(units))} entries; got {planted.shape}"
            )
        right = [
            (int((on[:, units] == planted).all(axis=0).sum()), len(units))
            for on in (self.on, self.null_on)
        ]
        return Measure.of_counts("units with the planted mask", *right)


def selection(decoder: WithUnits, *, control: WithUnits | None = None, seed: int = 0) -> Selection:
    """The activation of all hidden units by relation, over all subjects.

    Args:
        decoder: any whose hidden units can be watched.
        control: another, untrained best; its mean score is the control.
        seed: of the shuffled relations.
    """
    generator = np.random.default_rng(seed)
    activation, mixed = _by_relation(decoder, generator)
    score, on = _divided(activation)
    null, null_on = _divided(mixed)
    if not len(score):
        measure = Measure.without(NAME, "there are no hidden units")
    elif not np.isfinite(activation).all():
        measure = Measure.without(NAME, "activations are not finite")
    elif len(activation) < 2:
        measure = Measure.without(NAME, "with one relation there is nothing to select")
    else:
        other = None if control is None else selection(control, seed=seed).measure.value
        measure = Measure(NAME, float(score.mean()), float(null.mean()), other)
    return Selection(measure, activation, score, on, null_on)


def _by_relation(decoder: WithUnits, generator: np.random.Generator) -> tuple[Floats, Floats]:
    """The mean activation (R, n_units) for each relation, and the same where each subject's
    relations are shuffled.
    """
    n_relations, n = decoder.n_relations, decoder.n_entities
    n_units = decoder.units(np.zeros(1, np.int64), np.zeros(1, np.int64)).shape[1]
    total, mixed = np.zeros((n_relations, n_units)), np.zeros((n_relations, n_units))
    for part in pieces(n, _NUMBERS_AT_ONCE // (n_relations * max(1, n_units))):
        subjects = np.arange(n)[part]
        asked = np.repeat(np.arange(n_relations), len(subjects))
        found = decoder.units(np.tile(subjects, n_relations), asked)
        found = found.reshape(n_relations, len(subjects), n_units)
        order = np.argsort(generator.random((n_relations, len(subjects))), axis=0)
        total += found.sum(axis=1)
        mixed += np.take_along_axis(found, order[:, :, None], axis=0).sum(axis=1)
    return total / n, mixed / n


def _divided(activation: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Each unit's score (n_units,), and for which relations it is on (R, n_units)."""
    size = np.abs(activation).max(axis=0, initial=0)
    alive = size > 0
    scaled = activation / np.where(alive, size, 1)
    if len(scaled) < 2:
        return np.zeros(scaled.shape[1]), np.broadcast_to(alive, scaled.shape)
    ordered = np.sort(scaled, axis=0)
    gaps = np.diff(ordered, axis=0)
    place = gaps.argmax(axis=0)
    score = np.take_along_axis(gaps, place[None], axis=0)[0]
    least_on = np.take_along_axis(ordered, place[None] + 1, axis=0)[0]
    return score, ((scaled >= least_on) | (score < SELECTIVE)) & alive
