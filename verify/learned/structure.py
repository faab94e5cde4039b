"""What is inside a decoder, found or planted: a subspace of the stream and hidden units for each
relation; and how well what was found agrees with what is there.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from constructions.guards.errors import InputError
from constructions.guards.wording import represented
from verify.learned.decoder import Floats

FOUND = 0.9
"""A relation's subspace is found if its directions lie in the found one with this cosine."""
_ORTHONORMAL = 1e-4


@dataclass(frozen=True)
class Structure:
    """The parts of a decoder that belong to one relation each.

    Attributes:
        subspaces: by relation, an int, orthonormal rows, an array (k, d) of numpy: where the
            embeddings of subjects hold what they have for it. Relations without one are left out.
        units: pairs (hidden unit, relation) of int: the units that are on for it alone, or off for
            it alone. Units are counted through all hidden layers. None where it is not known.
    """

    subspaces: dict[int, Floats] = field(default_factory=dict)
    units: frozenset[tuple[int, int]] | None = None


@dataclass(frozen=True)
class Score:
    """How well one structure agrees with the planted one.

    Attributes:
        precision: of what was found, the share that is there; None if nothing was found.
        recall: of what is there, the share that was found; None if nothing is there.
        missed: what was not found, in words.
        wrong: what was found and is not there.
    """

    precision: float | None
    recall: float | None
    missed: tuple[str, ...]
    wrong: tuple[str, ...]


def score_subspaces(found: Structure, truth: Structure) -> Score:
    """In directions: of k planted ones the found subspace holds `|B_planted P_found|^2`, which is
    k if it holds them all; and the other way round.

    A relation is missed, or wrong, if the least cosine between a direction of its subspace and the
    other's subspace is below `FOUND`.

    Raises:
        InputError: one is no `Structure` of the types that it states, rows are not orthonormal, or
            those of both have different lengths.
    """
    _require_structures(found, truth)
    both = sorted({*found.subspaces, *truth.subspaces})
    inside = {r: _cosines(found, truth, r) for r in both}
    total = float(sum(np.square(cosines).sum() for cosines in inside.values()))
    sizes = [sum(map(len, one.subspaces.values())) for one in (found, truth)]
    missed, wrong = (
        tuple(
            f"relation {r}: {_seen(inside[r], len(one.subspaces[r]))} of"
            f" {len(one.subspaces[r])} directions"
            for r in sorted(one.subspaces)
            if _seen(inside[r], len(one.subspaces[r])) < len(one.subspaces[r])
        )
        for one in (truth, found)
    )
    return Score(_share(total, sizes[0]), _share(total, sizes[1]), missed, wrong)


def score_units(found: Structure, truth: Structure) -> Score | None:
    """In pairs of a unit and its relation, each right or wrong; None where either is not known.

    Raises:
        InputError: one is no `Structure` of the types that it states.
    """
    _require_types(found, truth)
    if found.units is None or truth.units is None:
        return None
    right = len(found.units & truth.units)
    missed, wrong = (
        tuple(f"unit {unit} of relation {relation}" for unit, relation in sorted(pairs))
        for pairs in (truth.units - found.units, found.units - truth.units)
    )
    return Score(_share(right, len(found.units)), _share(right, len(truth.units)), missed, wrong)


def score(found: Structure, truth: Structure) -> dict[str, Score | None]:
    """Precision and recall of "subspaces" and of "units", what was missed, and what is wrong.

    Args:
        found: what a method has found.
        truth: what is planted; of a pack of known answers `known.truth`.

    Raises:
        InputError: as `score_subspaces`.
    """
    return {"subspaces": score_subspaces(found, truth), "units": score_units(found, truth)}


def least_cosine(one: Floats, other: Floats) -> float:
    """The least cosine between a direction of the first subspace (k, d) and the second; 1 where it
    lies inside.
    """
    if len(other) < len(one):
        return 0.0
    return float(np.linalg.svd(one @ other.T, compute_uv=False).min(initial=1.0))


def as_json(structure: Structure) -> dict[str, Any]:
    """A structure as JSON has it: see docs/known-answers.md."""
    return {
        "subspaces": [
            {"relation": relation, "basis": basis.tolist()}
            for relation, basis in sorted(structure.subspaces.items())
        ],
        "units": None
        if structure.units is None
        else [{"unit": unit, "relation": relation} for unit, relation in sorted(structure.units)],
    }


def from_json(given: object) -> Structure:
    """The structure of such a JSON object.

    Raises:
        InputError: it has another form.
    """
    try:
        held: Any = given
        subspaces = {
            int(one["relation"]): np.array(one["basis"], dtype=float) for one in held["subspaces"]
        }
        listed = held["units"]
        units = (
            None
            if listed is None
            else frozenset((int(one["unit"]), int(one["relation"])) for one in listed)
        )
    except (TypeError, KeyError, ValueError) as error:
        raise InputError(
            'a structure has "subspaces", each with "relation" and "basis", and "units", null or'
            f' each with "unit" and "relation"; {type(error).__name__}: {error}'
        ) from None
    structure = Structure(subspaces, units)
    _require_structures(structure)
    return structure


def _cosines(found: Structure, truth: Structure, relation: int) -> Floats:
    """The cosines of the principal angles between a relation's two subspaces, at most 1: rows are
    orthonormal but for rounding, and a product that rounds may be above.
    """
    if relation not in found.subspaces or relation not in truth.subspaces:
        return np.zeros(0)
    product = found.subspaces[relation] @ truth.subspaces[relation].T
    cosines = np.linalg.svd(product, compute_uv=False)
    return np.asarray(np.minimum(cosines, 1), dtype=np.float64)


def _seen(cosines: Floats, size: int) -> int:
    """How many of so many directions have a cosine of at least `FOUND`."""
    return min(size, int((cosines >= FOUND).sum()))


def _require_structures(*structures: Structure) -> None:
    """Raise InputError unless types are right, and all rows are orthonormal and of one length."""
    _require_types(*structures)
    bases = [basis for one in structures for basis in one.subspaces.values()]
    if len({basis.shape[1] for basis in bases}) > 1:
        raise InputError(
            "subspaces must lie in one stream; their rows have the lengths"
            f" {sorted({basis.shape[1] for basis in bases})}"
        )
    for basis in bases:
        off = np.abs(basis @ basis.T - np.eye(len(basis)))
        if not np.max(off, initial=0) <= _ORTHONORMAL:
            raise InputError("the rows of a basis must be orthonormal, (k, d)")


def _require_types(*structures: object) -> None:
    """Raise InputError unless they are structures, whose parts have the types that are stated."""
    for one in structures:
        if not isinstance(one, Structure):
            raise InputError(f"a Structure is needed; got {represented(one)}")
        held: object = one.subspaces
        if not isinstance(held, dict) or not all(map(_is_number, held)):
            raise InputError(
                "subspaces must be a dict by relation, an int, of arrays (k, d_model); got"
                f" {represented(held)}"
            )
        for relation, basis in held.items():
            if (
                not isinstance(basis, np.ndarray)
                or basis.ndim != 2
                or basis.dtype.kind not in "fiu"
            ):
                raise InputError(
                    f"the subspace of relation {relation} must be an array of numpy, orthonormal"
                    f" rows (k, d_model); got {represented(basis)}"
                )
        units: object = one.units
        if units is not None and not (isinstance(units, Set) and all(map(_is_pair, units))):
            raise InputError(
                "units must be a frozenset of pairs (unit, relation) of int, or None where they"
                f" are not known; got {represented(units)}"
            )


def _is_pair(value: object) -> bool:
    """Whether it is a unit and a relation."""
    return isinstance(value, tuple) and len(value) == 2 and all(map(_is_number, value))


def _is_number(value: object) -> bool:
    """Whether it is an integer, of Python or numpy."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _share(part: float, whole: int) -> float | None:
    """A share; None of nothing."""
    return part / whole if whole else None
