"""Memories side by side, as JSON and as rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from constructions import __version__
from verify.cli.reports.rows import as_data
from verify.rivals.compared import Compared, Row
from verify.rivals.limit import LEVELS, limit
from verify.runner.stored import encode


def as_json(works: Sequence[Compared]) -> str:
    """All that was found."""
    data = {
        "version": __version__,
        "works": [
            {
                "work": encode(one.work),
                "seeds": list(one.seeds),
                "queries": one.queries,
                "limit": {str(level): limit(one.work, level) for level in LEVELS},
                "below": len(list(one.below())),
                "left": one.left(),
                "memories": [_memory(row) for row in one.rows],
            }
            for one in works
        ],
        "rows": as_data(rows(works)),
    }
    return json.dumps(data, indent=1) + "\n"


def _memory(row: Row) -> dict[str, Any]:
    """A memory, and what was found of it."""
    memory = row.memory
    return {
        "name": memory.name,
        "source": memory.source,
        "size": memory.size,
        "embeddings": memory.embeddings,
        "lacks": row.lacks,
        "found": [encode(one) for one in row.found],
    }


def rows(works: Sequence[Compared]) -> list[dict[str, Any]]:
    """A row for each memory, seed and level that was measured; no value where no size suffices.

    `size_of` is what `size` counts; the other columns are those of `verify.rivals.scored.Level`.
    """
    return [line for one in works for line in _lines(one)]


COLUMNS = (
    *("N", "R", "k", "answers", "noise_tokens", "seed", "queries"),
    *("memory", "source", "embeddings", "size_of"),
    *("percent", "limit", "size", "failed_above", "dimension", "width", "right", "margin"),
    *("stored", "given", "inside", "precision", "rounded", "bits", "seconds"),
)
"""The columns."""


def _lines(one: Compared) -> Iterator[dict[str, Any]]:
    """The lines of a work."""
    for row in one.rows:
        for found in row.found:
            work = found.work
            start = {
                "N": work.n_entities,
                "R": work.n_relations,
                "k": work.hops,
                "answers": work.answers,
                "noise_tokens": work.noise_tokens,
                "seed": work.seed,
                "queries": found.queries,
                "memory": row.memory.name,
                "source": row.memory.source,
                "embeddings": row.memory.embeddings,
                "size_of": row.memory.size,
            }
            for level, seconds in zip(found.levels, found.seconds, strict=True):
                measured = encode(level) | {"seconds": seconds}
                measured["failed_above"] = " ".join(map(str, level.failed_above))
                if level.size is None:
                    measured = {"percent": level.percent, "limit": level.limit}
                yield start | measured
