"""The size formulas of the catalogue, evaluated exactly with sympy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import sympy

from constructions.catalogue import Construction
from constructions.facts.codes import Codebook, bits_needed
from constructions.facts.table import FactTable
from constructions.guards.integers import takes_integers

SYMBOLS = {
    name: sympy.Symbol(name, integer=True, nonnegative=True)
    for name in ["N", "R", "k", "V", "d", "a", "m", "M", "w", "b", "c", "p", "u", "q", "K", "j"]
}


class tree(sympy.Function):  # type: ignore[misc]  # sympy has no types
    """tree(R, n) = 1 + R + ... + R^(n-1), the vertices of an R-ary tree of depth n - 1."""

    @classmethod
    def eval(cls, base: sympy.Expr, terms: sympy.Expr) -> sympy.Expr | None:
        """A plain sum as soon as n is a number."""
        if terms.is_Integer:
            return sum((base**i for i in range(int(terms))), sympy.Integer(0))
        return None


class bits(sympy.Function):  # type: ignore[misc]  # likewise
    """bits(n) = ceil(log2 n), the bits that tell n values apart; 0 for one."""

    @classmethod
    def eval(cls, values: sympy.Expr) -> sympy.Expr | None:
        """A number as soon as n is one."""
        return sympy.Integer(_bits(int(values))) if values.is_Integer else None


class odd(sympy.Function):  # type: ignore[misc]  # likewise
    """odd(n) = n without its factors of two."""

    @classmethod
    def eval(cls, number: sympy.Expr) -> sympy.Expr | None:
        """A number as soon as n is one."""
        return sympy.Integer(_odd(int(number))) if number.is_Integer else None


class beta(sympy.Function):  # type: ignore[misc]  # likewise
    """beta(R), the gain of `attention_selector`: the least integer with 2.718^beta >= 2 R - 1."""

    @classmethod
    def eval(cls, relations: sympy.Expr) -> sympy.Expr | None:
        """A number as soon as R is one."""
        return sympy.Integer(_beta(int(relations))) if relations.is_Integer else None


def _tree(base: int, terms: int) -> int:
    return terms if base == 1 else (base**terms - 1) // (base - 1)


def _bits(values: int) -> int:
    return (values - 1).bit_length()


def _odd(number: int) -> int:
    return number // (number & -number)


def _beta(relations: int) -> int:
    gain = 1
    while 2718**gain < (2 * relations - 1) * 1000**gain:
        gain += 1
    return gain


_FUNCTIONS = {"tree": tree, "bits": bits, "odd": odd, "beta": beta}


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


@cache
def expression(formula: str) -> sympy.Expr:
    """A formula of the catalogue as a sympy expression in `SYMBOLS`. Raises ValueError for any
    other symbol.
    """
    parsed: sympy.Expr = sympy.sympify(formula, locals={**SYMBOLS, **_FUNCTIONS})
    strangers = parsed.free_symbols - set(SYMBOLS.values())
    if strangers:
        raise ValueError(
            f"the formula {formula!r} uses {strangers}; known are {', '.join(SYMBOLS)}"
        )
    return parsed


@cache
def _function(formula: str) -> Callable[..., Any]:
    """The formula as a function of Python integers, which are exact; all symbols in the order of
    `SYMBOLS`.
    """
    exact = {"tree": _tree, "bits": _bits, "odd": _odd, "beta": _beta}
    modules = [exact, "math"]
    compiled: Callable[..., Any] = sympy.lambdify(
        list(SYMBOLS.values()), expression(formula), modules=modules
    )
    return compiled


@takes_integers
def predicted(
    entry: Construction, facts: FactTable, hops: int = 1, given: Mapping[str, int] | None = None
) -> Costs:
    """What the catalogue's formulas say for a construction on a fact table: exact integers."""
    values = bijection_values(entry, facts.n_entities, facts.n_relations, hops, given)
    if "M" in entry.d_model:
        shares = [Codebook.of(facts, relation=r).bits for r in range(facts.n_relations)]
        values |= {"M": sum(shares), "w": max(shares)}
    answers, states = Codebook.of(facts), Codebook.of_states(facts)
    values |= {
        "a": len(answers),
        "m": answers.bits,
        "b": states.bits,
        "u": 0 if facts.is_total else 1,
    }
    return _costs(entry, values)


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
        "a": n_entities,
        "m": bits,
        "M": n_relations * bits,
        "w": bits,
        "b": bits,
        "c": bits_needed(n_relations),
        "p": bits_needed(n_positions),
        "u": 0,
        **{option.symbol: settings[option.name] for option in entry.options},
    }


def _costs(entry: Construction, values: Mapping[str, int]) -> Costs:
    values = dict.fromkeys(SYMBOLS, 0) | dict(values)
    values["d"] = _evaluated(entry, entry.d_model, values)
    formulas = {field.name: getattr(entry, field.name) for field in fields(Costs)}
    return Costs(
        **{name: _evaluated(entry, formula, values) for name, formula in formulas.items()}
    )


def _evaluated(entry: Construction, formula: str, values: Mapping[str, int]) -> int:
    number = _function(formula)(*(values[name] for name in SYMBOLS))
    if not isinstance(number, int):
        raise ValueError(f"{entry.name}: the formula {formula!r} gives {number}, not an integer")
    return number
