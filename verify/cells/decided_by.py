"""How the answers of a cell are decided: by running all queries, by the proof of the saved model,
or by both.

Running takes a time that grows with the *work*, queries x (internal weights + 5,000); the 5,000
stand for what a query takes beside its weights. Measured, a core does 10^9 to 3 * 10^10 of it a
second. A proof takes some passes over the weights, however many queries there are. So where
nothing is asked for, work of up to 2 * 10^10 (some seconds) is run, with the proof beside it for
models of up to a size that the caller names; of more the proof decides alone. One that is about
real arithmetic alone, where the module rounds, does not decide: then all queries are run after
all, up to 10^9.
"""

from __future__ import annotations

from dataclasses import dataclass

from constructions.facts.limits import MOST_QUERIES
from constructions.model.shapes import TransformerShape
from verify.cells.cell import By

MOST_WORK = 2 * 10**10
MOST_WORK_OF_FORMS = 5 * 10**8
BESIDE_WEIGHTS = 5_000
PROVEN_ALONE = 5 * 10**7
"""Where queries are run, a cell that is run alone is also saved and proven up to this many
parameters.
"""
PROVEN_IN_A_GRID = 10_000
"""The same of a cell of a grid."""


@dataclass(frozen=True)
class Way:
    """What decides.

    Attributes:
        run: whether all queries are run.
        prove: whether the model is saved and proven, and a sample of its queries run.
    """

    run: bool
    prove: bool


def way(by: By, shape: TransformerShape, queries: int, proven_size: int, saves: bool) -> Way:
    """How a cell is decided.

    Args:
        by: what is asked for; `auto` for the rule at the top of this file.
        shape: the sizes of the model.
        queries: how many there are.
        proven_size: where queries are run, a model of at most so many parameters is proven too.
        saves: whether the model is saved for the user; what is saved is always proven.
    """
    run = _runs(by, shape, queries, MOST_WORK)
    proven = saves or shape.n_parameters() <= proven_size
    return Way(run, prove=by in ("proof", "both") or not run or proven)


def ways_of_form(by: By, shape: TransformerShape, queries: int) -> list[Way]:
    """How a form is decided: the next way where the last leaves it open.

    Args:
        by: what is asked for.
        shape: the sizes of the construction.
        queries: how many there are, of all lengths.
    """
    run = _runs(by, shape, queries, MOST_WORK_OF_FORMS)
    first = Way(run, prove=by in ("proof", "both") or not run)
    after_all = by == "auto" and not run and queries <= MOST_QUERIES
    return [first, *[Way(run=True, prove=False)] * after_all]


def is_much(internal: int, queries: int, most_work: int) -> bool:
    """Whether so many queries, through so many internal weights, are more work than that."""
    return queries * (internal + BESIDE_WEIGHTS) > most_work


def _runs(by: By, shape: TransformerShape, queries: int, most_work: int) -> bool:
    """Whether all queries are run, of which so much work is where nothing is asked for."""
    internal = shape.n_parameters() - 2 * shape.d_vocab * shape.d_model
    few = not is_much(internal, queries, most_work)
    return by in ("queries", "both") or (by == "auto" and few)


def proven_beside(by: By) -> int:
    """Up to how many parameters a cell that is run alone is also proven where its queries are
    run.
    """
    return 0 if by == "queries" else PROVEN_ALONE
