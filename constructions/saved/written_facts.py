"""The names and the facts of a folder, as they are written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch

from constructions.facts.set_table import SetTable
from constructions.facts.table import FactTable
from constructions.facts.tsv import fact_lines, is_plain
from constructions.saved.manifest import FACTS, PACKED_FACTS, VOCABULARY
from constructions.saved.tensor_file import write_tensors

MOST_FACTS_AS_TEXT = 1_000_000


def write_facts(folder: Path, facts: FactTable | SetTable, specials: tuple[str, ...] = ()) -> None:
    """Write all names, those of special tokens last, and the facts: as text where that can hold
    them.
    """
    names = [*facts.entity_names, *facts.relation_names, *specials]
    _write_lines(folder / VOCABULARY, (f"{name}\n" for name in names))
    if fits_text(facts):
        _write_lines(folder / FACTS, fact_lines(facts))
    else:
        write_tensors(folder / PACKED_FACTS, {"facts": torch.from_numpy(facts.packed())})


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write lines, each with its end, one after the other."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(lines)


def fits_text(facts: FactTable | SetTable) -> bool:
    """Whether `facts.tsv` can hold the facts, so that it can be read back: see
    `constructions.facts.tsv`.
    """
    return 0 < facts.n_facts <= MOST_FACTS_AS_TEXT and is_plain(facts)
