"""The size formulas of the catalogue, evaluated exactly with sympy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import sympy

from constructions.catalogue import Construction
from constructions.codes import Codebook, bits_needed
from constructions.facts import FactTable

SYMBOLS = {
    name: sympy.Symbol(name, integer=True, nonnegative=True)
    for name in ["N", "R", "k", "V", "d", "m", "M", "b", "c", "p", "u", "q", "K", "j"]
}


class tree(sympy.Function):  # type: ignore[misc]  # sympy has no types
    """tree(R, n) = 1 + R + ... + R^(n-1), the vertices of an R-ary tree of depth n - 1."""

    @classmethod
    def eval(cls, base: sympy.Expr, terms: sympy.Expr) -> sympy.Expr | None:
        """A plain sum as soon as n is a number."""
        if terms.is_Integer:
            return sum((base**i for i in range(int(terms))), sympy.Integer(0))
        return None


@dataclass(frozen=True)
class Sizes:
    """The sizes of a model, in entries."""

    d_model: int
    d_mlp: int
    n_layers: int
    n_heads: int
    parameters: int


@dataclass(frozen=True)
class Frontier:
    """What a construction trades: dimension, bits of facts by where they are kept, depth, written tokens."""

    d_model: int
    d_mlp: int
    depth: int
    internal_fact_bits: int
    embedding_fact_bits: int
    unembedding_fact_bits: int
    written_tokens: int


@cache
def expression(formula: str) -> sympy.Expr:
    """A formula of the catalogue as a sympy expression in `SYMBOLS`. Raises ValueError for any other symbol."""
    parsed: sympy.Expr = sympy.sympify(formula, locals={**SYMBOLS, "tree": tree})
    strangers = parsed.free_symbols - set(SYMBOLS.values())
    if strangers:
        raise ValueError(f"the formula {formula!r} uses {strangers}; known are {', '.join(SYMBOLS)}")
    return parsed


@cache
def _function(formula: str) -> Callable[..., Any]:
    """The formula as a function of Python integers, which are exact; all symbols in the order of `SYMBOLS`."""
    modules = [{"tree": lambda base, terms: sum(base**i for i in range(terms))}, "math"]
    compiled: Callable[..., Any] = sympy.lambdify(list(SYMBOLS.values()), expression(formula), modules=modules)
    return compiled


def symbol_values(
    entry: Construction, facts: FactTable, hops: int = 1, given: Mapping[str, int] | None = None
) -> dict[str, int]:
    """The values of the symbols for a construction on a fact table: exact integers."""
    values = bijection_values(entry, facts.n_entities, facts.n_relations, hops, given)
    shares = [Codebook.of(facts, relation=r).bits for r in range(facts.n_relations)] if "M" in entry.d_model else []
    answers = {"m": Codebook.of(facts).bits, "M": sum(shares), "b": Codebook.of_states(facts).bits}
    return values | answers | {"u": 0 if facts.is_total else 1}


def bijection_values(
    entry: Construction, n_entities: int, n_relations: int, hops: int = 1, given: Mapping[str, int] | None = None
) -> dict[str, int]:
    """The values of the symbols where all relations are bijections, from the sizes alone; M is then R m."""
    settings = entry.settings(n_relations, hops, given)
    n_positions = hops + 1
    if "max_hops" in settings:
        longest = settings["max_hops"]
        n_positions = longest + -(-longest // settings["hops_per_token"]) + 1
    bits = bits_needed(n_entities)
    return {
        "N": n_entities,
        "R": n_relations,
        "k": hops,
        "V": n_entities + n_relations + entry.n_specials,
        "m": bits,
        "M": n_relations * bits,
        "b": bits,
        "c": bits_needed(n_relations),
        "p": bits_needed(n_positions),
        "u": 0,
        **{option.symbol: settings[option.name] for option in entry.options},
    }


def frontier(
    entry: Construction, n_entities: int, n_relations: int, hops: int, given: Mapping[str, int] | None = None
) -> Frontier:
    """What a construction costs for bijections of the given size, from the formulas alone: any size, instantly."""
    values = dict.fromkeys(SYMBOLS, 0) | bijection_values(entry, n_entities, n_relations, hops, given)
    return Frontier(
        d_model=_evaluated(entry, entry.d_model, values),
        d_mlp=_evaluated(entry, entry.d_mlp, values),
        depth=_evaluated(entry, entry.n_layers, values),
        internal_fact_bits=_evaluated(entry, entry.internal_fact_bits, values),
        embedding_fact_bits=_evaluated(entry, entry.embedding_fact_bits, values),
        unembedding_fact_bits=_evaluated(entry, entry.unembedding_fact_bits, values),
        written_tokens=_evaluated(entry, entry.written_tokens, values),
    )


def _evaluated(entry: Construction, formula: str, values: Mapping[str, int]) -> int:
    number = _function(formula)(*(values[name] for name in SYMBOLS))
    if not isinstance(number, int):
        raise ValueError(f"{entry.name}: the formula {formula!r} gives {number}, not an integer")
    return number


def predicted_sizes(
    entry: Construction, facts: FactTable, hops: int = 1, given: Mapping[str, int] | None = None
) -> Sizes:
    """What the catalogue's formulas say for a construction on a fact table: exact integers."""
    values = dict.fromkeys(SYMBOLS, 0) | symbol_values(entry, facts, hops, given)
    values["d"] = _evaluated(entry, entry.d_model, values)
    return Sizes(
        d_model=values["d"],
        d_mlp=_evaluated(entry, entry.d_mlp, values),
        n_layers=_evaluated(entry, entry.n_layers, values),
        n_heads=_evaluated(entry, entry.n_heads, values),
        parameters=_evaluated(entry, entry.parameters, values),
    )
