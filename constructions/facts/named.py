"""The names of a table of facts: of its entities and of its relations, by id and back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property

from constructions.facts.answers import MISSING, checked_ids
from constructions.facts.names import NameIndex, checked_names
from constructions.guards.wording import printable


class Names:
    """The names of N entities and R relations.

    Attributes:
        n_entities, n_relations: N and R, of the table that has these names.

    Args:
        entity_names: N distinct names; by default "e0", "e1", ...
        relation_names: R distinct names; by default "r0", "r1", ...

    Raises:
        InputError: names are not distinct, not writable or not as many as there are entities or
            relations.
    """

    n_entities: int
    n_relations: int

    def __init__(
        self,
        entity_names: Sequence[str] | None = None,
        relation_names: Sequence[str] | None = None,
    ):
        self._given_entity_names = (
            None
            if entity_names is None
            else checked_names("entity", entity_names, self.n_entities)
        )
        self._given_relation_names = (
            None
            if relation_names is None
            else checked_names("relation", relation_names, self.n_relations)
        )

    def entity_name(self, entity: int) -> str:
        """The name of one entity; "unknown" for -1."""
        if entity == MISSING:
            return "unknown"
        checked_ids("entity", entity, self.n_entities)
        return (
            f"e{entity}" if self._given_entity_names is None else self._given_entity_names[entity]
        )

    def relation_name(self, relation: int) -> str:
        """The name of one relation."""
        checked_ids("relation", relation, self.n_relations)
        return (
            f"r{relation}"
            if self._given_relation_names is None
            else self._given_relation_names[relation]
        )

    @cached_property
    def entity_names(self) -> tuple[str, ...]:
        """The N names, in the order of the ids."""
        return self._given_entity_names or tuple(f"e{i}" for i in range(self.n_entities))

    @cached_property
    def relation_names(self) -> tuple[str, ...]:
        """The R names, in the order of the ids."""
        return self._given_relation_names or tuple(f"r{i}" for i in range(self.n_relations))

    def entity_id(self, name: str) -> int:
        """The entity of that name, or of the one that is canonically equivalent to it in Unicode.

        There is at most one, since no table has two equivalent names. A composed `é` finds a
        decomposed one. A hidden entity is not found.

        Raises:
            InputError: there is none; the message has the closest names.
        """
        return self.entity_index.find(name)

    def known_entity(self, name: str) -> int | None:
        """As `entity_id`; None where there is none."""
        return self.entity_index.get(name)

    def relation_id(self, name: str) -> int:
        """The relation of that name, or of the equivalent one, in the way of `entity_id`."""
        return self.relation_index.find(name)

    @cached_property
    def entity_index(self) -> NameIndex:
        """The ids of the entities by name, but for the hidden ones."""
        return NameIndex("entity", self.entity_names, self.hidden_entities)

    @cached_property
    def relation_index(self) -> NameIndex:
        """The ids of the relations by name."""
        return NameIndex("relation", self.relation_names)

    @property
    def hidden_entities(self) -> Collection[int]:
        """Those that no question finds."""
        return ()

    def query_text(self, entity: int, path: Sequence[int]) -> str:
        """A query in the names of the table, as `printable` shows them, for messages."""
        names = [self.entity_name(entity), *(self.relation_name(r) for r in path)]
        return printable(" ".join(names))


class NamesAlone(Names):
    """Names without facts.

    Args:
        entity_names, relation_names: see `Names`.
    """

    def __init__(self, entity_names: Sequence[str], relation_names: Sequence[str]):
        self.n_entities, self.n_relations = len(entity_names), len(relation_names)
        super().__init__(entity_names, relation_names)
