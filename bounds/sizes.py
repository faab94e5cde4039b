"""The size formulas of the catalogue, evaluated: exact integers at every size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from constructions.entry import Construction
from constructions.facts.codes import Codebook, bits_needed
from constructions.facts.table import FactTable
from constructions.guards.errors import InputError
from constructions.guards.integers import takes_integers
from constructions.sizes.sizing import Sizing
from constructions.sizes.symbols import Symbols


@dataclass(frozen=True)
class Sizes:
    """The sizes of a model, in entries; and its dense bits: B_T, B_e and B_u of Theorem 4.2."""

    d_model: int
    d_mlp: int
    n_layers: int
    n_heads: int
    parameters: int
    internal_bits: int
    embedding_bits: int
    unembedding_bits: int


@dataclass(frozen=True)
class Costs(Sizes):
    """What the formulas say: the sizes, the bits of facts by where they are kept, the written
    tokens.

    The fact bits of the embedding and of the unembedding are those of one entity's row.
    """

    internal_fact_bits: int
    embedding_fact_bits: int
    unembedding_fact_bits: int
    written_tokens: int

    def differs_from(self, built: Sizes, bijective: bool) -> str:
        """What differs in a built model, both sides named; empty if nothing does.

        The bits are those of a format that serves all facts of the size. A table that is no tuple
        of bijections may leave a value of the format unused, so that its tensors take fewer.
        """
        reported = []
        for field in fields(Sizes):
            have, expected = getattr(built, field.name), getattr(self, field.name)
            spared = field.name.endswith("_bits") and not bijective and have < expected
            if have != expected and not spared:
                reported.append(f"{field.name} = {have:,}, the formula says {expected:,}")
        return ", ".join(reported)


@takes_integers
def predicted(
    entry: Construction, facts: FactTable, hops: int = 1, given: Mapping[str, int] | None = None
) -> Costs:
    """What the catalogue's formulas say for a construction on a fact table: exact integers.

    Example:
        >>> predicted(construction('selector'), facts).d_model
        7
    """
    return _costs(entry, table_values(entry, facts, hops, given))


@takes_integers
def table_values(
    entry: Construction, facts: FactTable, hops: int = 1, given: Mapping[str, int] | None = None
) -> dict[str, int]:
    """The values of the symbols for a construction on a fact table."""
    values = bijection_values(entry, facts.n_entities, facts.n_relations, hops, given)
    if entry.takes_disjoint_answers:
        shares = [Codebook.of(facts, relation=r).bits for r in range(facts.n_relations)]
        values |= {"M": sum(shares), "w": max(shares)}
    only = entry.stored_only
    answers, states = Codebook.of(facts, stored_only=only), Codebook.of_states(facts, only)
    return values | {
        "a": len(answers),
        "m": answers.bits,
        "b": states.bits,
        "u": 0 if facts.is_total or only else 1,
    }


@takes_integers
def predicted_for_bijections(
    entry: Construction,
    n_entities: int,
    n_relations: int,
    hops: int = 1,
    given: Mapping[str, int] | None = None,
) -> Costs:
    """What a construction costs for bijections of the given size, from the formulas alone: any
    size, instantly.

    Example:
        >>> predicted_for_bijections(construction('selector'), 4096, 4).d_model
        49
    """
    return _costs(entry, bijection_values(entry, n_entities, n_relations, hops, given))


@takes_integers
def bijection_values(
    entry: Construction,
    n_entities: int,
    n_relations: int,
    hops: int = 1,
    given: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """The values of the symbols where all relations are bijections, from the sizes alone; M is
    then R m.
    """
    settings = entry.settings(n_relations, hops, given)
    return of_bijections(entry, n_entities, n_relations, hops, settings, bits_needed)


def of_bijections(
    entry: Construction,
    n_entities: Any,
    n_relations: Any,
    hops: Any,
    settings: Mapping[str, Any],
    bits: Callable[[Any], Any],
) -> dict[str, Any]:
    """The symbols of all formulas for bijections: of numbers numbers, of symbols expressions.

    Args:
        entry: of the catalogue, or a user's own.
        n_entities, n_relations, hops: N, R, k.
        settings: all options by name.
        bits: the bits of a code of so many values, as `bits_needed` says it of a number.
    """
    m = bits(n_entities)
    return {
        "N": n_entities,
        "R": n_relations,
        "k": hops,
        "V": n_entities + n_relations + entry.n_specials,
        "a": n_entities,
        "m": m,
        "M": n_relations * m,
        "w": m,
        "b": m,
        "c": bits(n_relations),
        "p": bits(entry.positions(hops, settings)),
        "u": 0,
        **{option.symbol: settings[option.name] for option in entry.options},
    }


_NAMES = {field.name for field in fields(Symbols)}
"""Of the symbols that all constructions share."""


def sizing_at(entry: Construction, values: Mapping[str, int]) -> Sizing:
    """The sizes of an entry at these values of the symbols, tensor by tensor.

    Args:
        entry: a construction that has formulas.
        values: as of `table_values` or `bijection_values`.
    """
    own = {name: value for name, value in values.items() if name not in _NAMES}
    named = {name: value for name, value in values.items() if name in _NAMES}
    return entry.sized(Symbols(**named, options=own))


def _costs(entry: Construction, values: Mapping[str, int]) -> Costs:
    """All that the formulas of an entry say at these values of the symbols."""
    sizing = sizing_at(entry, values)
    numbers = {field.name: getattr(sizing, field.name) for field in fields(Costs)}
    for name, number in numbers.items():
        if not isinstance(number, int):
            raise InputError(f"{entry.name}: the formula {name} gives {number}, not an integer")
    return Costs(**numbers)
