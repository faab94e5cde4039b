"""The size formulas of the catalogue, evaluated exactly with sympy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import sympy

from constructions.catalogue import Construction
from constructions.codes import Codebook, bits_needed
from constructions.facts import FactTable

SYMBOLS = {name: sympy.Symbol(name, integer=True, positive=True) for name in ("N", "R", "m", "M", "V", "d")}


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
    parsed: sympy.Expr = sympy.sympify(formula, locals=SYMBOLS)
    strangers = parsed.free_symbols - set(SYMBOLS.values())
    if strangers:
        raise ValueError(f"the formula {formula!r} uses {strangers}; known are {', '.join(SYMBOLS)}")
    return parsed


def symbol_values(facts: FactTable) -> dict[str, int]:
    """The values of the symbols for a fact table: N, R, m, M and V."""
    shares = [len(Codebook.of(facts, relation=r)) for r in range(facts.n_relations)]
    return {
        "N": facts.n_entities,
        "R": facts.n_relations,
        "m": Codebook.of(facts).bits,
        "M": sum(bits_needed(share) for share in shares),
        "V": facts.n_entities + facts.n_relations + 1,
    }


def predicted_sizes(entry: Construction, facts: FactTable) -> Sizes:
    """What the catalogue's formulas say for a fact table: exact integers."""
    values = {SYMBOLS[name]: value for name, value in symbol_values(facts).items()}

    def evaluated(formula: str) -> int:
        number = expression(formula).subs(values)
        if not number.is_Integer:
            raise ValueError(f"{entry.name}: the formula {formula!r} gives {number}, not an integer")
        return int(number)

    d_model = evaluated(entry.d_model)
    values[SYMBOLS["d"]] = d_model
    return Sizes(
        d_model=d_model,
        d_mlp=evaluated(entry.d_mlp),
        n_layers=evaluated(entry.n_layers),
        n_heads=evaluated(entry.n_heads),
        parameters=evaluated(entry.parameters),
    )
