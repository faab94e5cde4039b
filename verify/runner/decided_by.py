"""How the answers of a cell are decided: by running all queries, by the proof of the saved model,
or by both.

Running takes a time that grows with the *work*, queries x tokens written for each x (internal
weights + 5,000); measured, one core does 10^9 to 3 * 10^10 of it a second, the 5,000 standing for
what a query takes beside its weights. A proof takes some passes over the weights, however many
queries there are. So where nothing is asked for, work of up to 2 * 10^10 (some seconds) is run,
with the proof beside it for models of a size that the caller names; of more the proof decides
alone.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bounds.sizes import Costs
from constructions.facts.table import FactTable
from constructions.guards.errors import DoesNotFit
from constructions.guards.wording import shortened
from verify.runner.cells import By

MOST_WORK = 2 * 10**10
BESIDE_WEIGHTS = 5_000
LARGE = 2**30
"""Bytes of a model of which it is said beforehand what it takes."""


@dataclass(frozen=True)
class Way:
    """What decides.

    Attributes:
        run: whether all queries are run.
        prove: whether the model is saved and proven, and a sample of its queries run.
    """

    run: bool
    prove: bool


def way(by: By, costs: Costs, facts: FactTable, hops: int, proven_size: int, saves: bool) -> Way:
    """How a cell is decided.

    Args:
        by: what is asked for; `auto` for the rule at the top of this file.
        costs: the sizes of the model, by its formulas.
        facts, hops: which queries there are.
        proven_size: where queries are run, a model of at most so many parameters is proven too.
        saves: whether the model is saved for the user; what is saved is always proven.
    """
    run = by in ("queries", "both") or (by == "auto" and work(costs, facts, hops) <= MOST_WORK)
    return Way(run, by in ("proof", "both") or not run or saves or costs.parameters <= proven_size)


def work(costs: Costs, facts: FactTable, hops: int) -> int:
    """Queries x tokens written for each x (internal weights + 5,000)."""
    tables = 2 * costs.d_model * (facts.n_entities + facts.n_relations + 1)
    weights = max(0, costs.parameters - tables)
    return facts.n_queries(hops) * costs.written_tokens * (weights + BESIDE_WEIGHTS)


def require_disk(costs: Costs, itemsize: int, facts: FactTable, folder: Path | None) -> str:
    """Look whether the disk has room for a model that is to be saved, to a temporary folder if
    none is given.

    Returns:
        What a large model takes of memory and disk, in a line; empty for a small one.

    Raises:
        DoesNotFit: it has not; with both numbers.
    """
    weights = costs.parameters * itemsize
    needed = weights + 16 * facts.n_entities + 4 * facts.answers.size
    where = Path(tempfile.gettempdir()) if folder is None else folder.absolute().parent
    while not where.is_dir() and where != where.parent:
        where = where.parent
    free = shutil.disk_usage(where).free
    if needed > free:
        raise DoesNotFit(
            f"to be proven the model is saved: about {shortened(needed)} bytes, and {where} has"
            f" {free:,} bytes free (TMPDIR names another place for temporary folders)"
        )
    if needed < LARGE:
        return ""
    to = "a temporary folder" if folder is None else str(folder)
    return (
        f"{costs.parameters:,} parameters: {weights:,} bytes of memory, and, saved to {to} to be"
        f" proven, about {needed:,} bytes of {free:,} free in {where}"
    )
