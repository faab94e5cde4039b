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
    settings = entry.settings(facts.n_relations, hops, given)
    n_positions = hops + 1
    if "max_hops" in settings:
        longest = settings["max_hops"]
        n_positions = longest + -(-longest // settings["hops_per_token"]) + 1
    return {
        "N": facts.n_entities,
        "R": facts.n_relations,
        "k": hops,
        "V": facts.n_entities + facts.n_relations + entry.n_specials,
        "m": Codebook.of(facts).bits,
        "M": sum(Codebook.of(facts, relation=r).bits for r in range(facts.n_relations)) if "M" in entry.d_model else 0,
        "b": Codebook.of_states(facts).bits,
        "c": bits_needed(facts.n_relations),
        "p": bits_needed(n_positions),
        "u": 0 if facts.is_total else 1,
        **{option.symbol: settings[option.name] for option in entry.options},
    }


def predicted_sizes(
    entry: Construction, facts: FactTable, hops: int = 1, given: Mapping[str, int] | None = None
) -> Sizes:
    """What the catalogue's formulas say for a construction on a fact table: exact integers."""
    values = dict.fromkeys(SYMBOLS, 0) | symbol_values(entry, facts, hops, given)

    def evaluated(formula: str) -> int:
        number = _function(formula)(*(values[name] for name in SYMBOLS))
        if not isinstance(number, int):
            raise ValueError(f"{entry.name}: the formula {formula!r} gives {number}, not an integer")
        return number

    values["d"] = evaluated(entry.d_model)
    return Sizes(
        d_model=values["d"],
        d_mlp=evaluated(entry.d_mlp),
        n_layers=evaluated(entry.n_layers),
        n_heads=evaluated(entry.n_heads),
        parameters=evaluated(entry.parameters),
    )
