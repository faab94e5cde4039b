"""The names and the facts of a folder, as they are written."""

from __future__ import annotations

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
    (folder / VOCABULARY).write_bytes("".join(f"{name}\n" for name in names).encode())
    if fits_text(facts):
        (folder / FACTS).write_bytes("".join(fact_lines(facts)).encode())
    else:
        write_tensors(folder / PACKED_FACTS, {"facts": torch.from_numpy(facts.packed())})


def fits_text(facts: FactTable | SetTable) -> bool:
    """Whether `facts.tsv` can hold the facts, so that it can be read back: see
    `constructions.facts.tsv`.
    """
    return 0 < facts.n_facts <= MOST_FACTS_AS_TEXT and is_plain(facts)
