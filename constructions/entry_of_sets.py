"""What is said of a construction whose tables are sets of answers."""

from __future__ import annotations

from dataclasses import dataclass

from constructions.entry import Construction
from constructions.facts.set_table import SetTable


@dataclass(frozen=True)
class ConstructionOfSets(Construction):
    """One way to write sets into a transformer: its builder takes a `SetTable`."""

    def random_facts(  # type: ignore[override]  # in place of functions
        self, entities: int, relations: int, seed: int
    ) -> SetTable:
        """A random table, of up to three answers to each query.

        Raises:
            InputError: sizes out of range.
        """
        return SetTable.random(entities, relations, seed=seed)
