"""Whether memory and disk have room for a cell, asked before they are used."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from bounds.sizes import predicted_for_bijections
from constructions.entry import Construction
from constructions.facts.limits import require_path
from constructions.guards.errors import DoesNotFit
from constructions.guards.memory import require_memory
from constructions.guards.wording import shortened
from constructions.model.fact_model import FactModel
from verify.cells.cell import Cell

LARGE = 2**30
"""Bytes of a model of which it is said beforehand what it takes."""


def require_room(entry: Construction, cell: Cell) -> None:
    """Raise DoesNotFit, before any table is made, for paths that are too long, and for bijections
    whose weights, at two bytes a number, exceed the memory by the formulas.
    """
    require_path(cell.hops)
    given = dict(cell.options)
    for option in entry.options:
        if option.counts_hops:
            require_path(given.get(option.name, 0), option.name)
    in_range = all(
        given.get(option.name, 1) >= max(option.least, int(option.counts_hops))
        and (
            option.most is None
            or given.get(option.name, 0) <= option.most(cell.relations, cell.hops)
        )
        for option in entry.options
    )
    bijections = cell.facts == "total" and entry.takes_bijections
    if bijections and in_range and entry.sizing is not None:
        size = (cell.entities, cell.relations, cell.hops)
        parameters = predicted_for_bijections(entry, *size, dict(cell.options)).parameters
        require_memory(
            2 * parameters, f"the weights of {entry.name} ({shortened(parameters)} parameters)"
        )


def require_disk(model: FactModel, folder: Path | None) -> str:
    """Look whether the disk has room for a model that is to be saved, to a temporary folder if
    none is given.

    Returns:
        What a large model takes, in a line; empty for a small one.

    Raises:
        DoesNotFit: it has not; with both numbers.
    """
    parameters, facts = model.shape.n_parameters(), model.facts
    weights = parameters * model.embedding.weight.itemsize
    needed = weights + 16 * facts.n_entities + 4 * facts.answers.size
    where = Path(tempfile.gettempdir()) if folder is None else folder.absolute().parent
    while not where.is_dir() and where != where.parent:
        where = where.parent
    free = shutil.disk_usage(where).free
    if needed > free:
        raise DoesNotFit(
            f"to be proven the model is saved, which takes about {shortened(needed)} bytes, and"
            f" {where} has {free:,} bytes free (TMPDIR names another place for temporary folders)"
        )
    if needed < LARGE:
        return ""
    to = f"a temporary folder in {where}" if folder is None else str(folder)
    return (
        f"{parameters:,} parameters take {weights:,} bytes of memory; to be proven they are saved"
        f" to {to}: about {needed:,} bytes, of {free:,} free"
    )
