"""The smallest trained models of each size, read from the rows that `compare --csv` writes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from constructions.guards.errors import InputError
from constructions.guards.wording import brief

PERCENT = 100
"""Of the facts that are recalled: all, as by a construction."""
NUMBERS = ("N", "R", "k", "seed", "percent", "noise_tokens")
COLUMNS = (*NUMBERS, "answers", "memory", "embeddings", "dimension")
"""Those that are read."""
WRITTEN = "give what compare --csv writes"
_MOST_DIGITS = 18


@dataclass(frozen=True)
class TrainedModels:
    """Models that are trained from random weights on facts of one size, with as few dimensions as
    recall all of them: each relation is a bijection of all entities.

    Attributes:
        N, R, k: the size.
        memory: which model, as `compare` calls it.
        dimensions: d_model, one for each seed at which some dimension suffices; at least one.
        seeds: how many were tried.
    """

    N: int
    R: int
    k: int
    memory: str
    dimensions: tuple[int, ...]
    seeds: int


def read_trained(paths: Iterable[Path]) -> list[TrainedModels]:
    """The trained models of some files, by memory and size.

    Raises:
        InputError: a file cannot be read, is no such CSV, has no row of a trained model that
            recalls all facts, or says of a seed what another row does not.
    """
    found: dict[tuple[str, int, int, int], dict[int, int | None]] = {}
    for path in paths:
        there = 0
        for line, row in _rows(path):
            numbers = {name: _whole(row[name], name, line) for name in NUMBERS}
            if not _is_wanted(row, numbers):
                continue
            there += bool(row["dimension"])
            text = row["dimension"]
            dimension = _whole(text, "dimension", line) if text else None
            size = row["memory"], numbers["N"], numbers["R"], numbers["k"]
            of_seeds = found.setdefault(size, {})
            before = of_seeds.setdefault(numbers["seed"], dimension)
            if before != dimension:
                raise InputError(
                    f"{line}: says dimension {dimension or 'none'} of seed {numbers['seed']}, and"
                    f" another row {before or 'none'}; {WRITTEN}"
                )
        if not there:
            raise InputError(
                f"{path}: has no row of a trained model that recalls all facts, bijections of all"
                f" entities without noise tokens; {WRITTEN}"
            )
    models = []
    for (memory, n, r, k), of_seeds in sorted(found.items()):
        dimensions = tuple(one for one in of_seeds.values() if one is not None)
        if dimensions:
            models.append(TrainedModels(n, r, k, memory, dimensions, len(of_seeds)))
    return models


def _rows(path: Path) -> Iterable[tuple[str, Mapping[str, str]]]:
    """The rows of a file, each behind the place where it stands, for messages."""
    try:
        text = path.read_bytes().decode()
        rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
        if missing:
            raise InputError(f"{path}: has no column {missing[0]!r}; {WRITTEN}")
        return [(f"{path}:{rows.line_num}", {n: row[n] or "" for n in COLUMNS}) for row in rows]
    except (OSError, ValueError, csv.Error) as error:
        why = getattr(error, "strerror", None) or brief(str(error))
        raise InputError(f"{path}: cannot be read: {why}; {WRITTEN}") from None


def _is_wanted(row: Mapping[str, str], numbers: Mapping[str, int]) -> bool:
    """Whether a row is of a trained model that recalls all facts of the kind that constructions
    are compared by.
    """
    plain = row["answers"] == "shared" and numbers["noise_tokens"] == 0
    return plain and row["embeddings"] == "trained" and numbers["percent"] == PERCENT


def _whole(text: str, name: str, line: str) -> int:
    """An integer that is not negative."""
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise InputError(f"{line}: {name} is {brief(repr(text))}, and no number; {WRITTEN}")
    return int(text)
