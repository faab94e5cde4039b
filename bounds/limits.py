"""How the formulas of the catalogue grow as N -> oo, all else fixed: leading terms in N, log2 N
and log2 log2 N.

The bits of a code are log2 N up to less than one. So m, b and w may be replaced by log2 N, M by R
log2 N, the number of answers by N, and a ratio to the leading term still tends to 1.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import NamedTuple

import sympy

from bounds.symbols import SYMBOLS, expression
from bounds.symbols import bits as bits_function
from bounds.symbols import digits as digits_function
from constructions.entry import Construction
from constructions.guards.errors import InternalError
from constructions.sizes.sizing import Sizing
from constructions.sizes.symbols import Symbols

N, LOG_N, LOG_LOG_N = (
    SYMBOLS["N"],
    sympy.Symbol("L", positive=True),
    sympy.Symbol("LL", positive=True),
)
_SCALES = (N, LOG_N, LOG_LOG_N)


class Growth(NamedTuple):
    """The leading term `factor N^a (log2 N)^b (log2 log2 N)^c` of a formula.

    Attributes:
        factor: in R, k, ... but not in N.
        powers: (a, b, c); compared in this order.
    """

    factor: sympy.Expr
    powers: tuple[int, int, int]

    def __str__(self) -> str:
        scales = ("N", "log2(N)", "log2(log2(N))")
        powers = [
            name if power == 1 else f"{name}^{power}"
            for name, power in zip(scales, self.powers, strict=True)
            if power
        ]
        factor = str(self.factor).replace("**", "^")
        if powers and self.factor.is_Add:
            factor = f"({factor})"
        shown = [factor] if not powers or self.factor != 1 else []
        return " ".join([*shown, *powers])

    def latex(self) -> str:
        """The same for a paper."""
        scales = ("N", r"\log_2 N", r"\log_2 \log_2 N")
        powers = [
            name if power == 1 else rf"{name}^{{{power}}}" if at == 0 else rf"({name})^{{{power}}}"
            for at, (name, power) in enumerate(zip(scales, self.powers, strict=True))
            if power
        ]
        factor = sympy.latex(self.factor)
        if powers and self.factor.is_Add:
            factor = rf"\left({factor}\right)"
        shown = [factor] if not powers or self.factor != 1 else []
        return r" \, ".join([*shown, *powers])


def growth(entry: Construction, formula: str | Callable[[Symbols], int]) -> Growth:
    """The leading term as N -> oo, for bijections, of a formula: one of an entry's, by its name in
    `bounds.sizes.Costs`, or any in the same symbols.

    Example:
        >>> growth(construction('selector'), 'd_model').factor
        R
    """
    if isinstance(formula, str):
        formula = _formula_of(entry, attrgetter(formula))
    known = {
        "V": N + SYMBOLS["R"] + entry.n_specials,
        "a": N,
        "u": sympy.Integer(0),
        "m": LOG_N,
        "b": LOG_N,
        "w": LOG_N,
        "M": SYMBOLS["R"] * LOG_N,
    }
    return _leading(expression(formula, known))


def efficiency_limit(entry: Construction) -> sympy.Expr:
    """The limit of all fact bits over `log2 (N!)^R`, which grows as `R N log2 N`; oo if they
    outgrow it.
    """

    def all_fact_bits(s: Symbols) -> int:
        """Inside, and in the rows of all entities."""
        sizing = entry.sized(s)
        per_entity = sizing.embedding_fact_bits + sizing.unembedding_fact_bits
        return sizing.internal_fact_bits + s.N * per_entity

    total = growth(entry, all_fact_bits)
    ratio = total.factor / SYMBOLS["R"]
    return sympy.simplify(ratio) if total.powers == (1, 1, 0) else sympy.oo


def _formula_of(entry: Construction, size: Callable[[Sizing], int]) -> Callable[[Symbols], int]:
    """One size of an entry, as a function of the symbols."""
    return lambda s: size(entry.sized(s))


def _leading(term: sympy.Expr) -> Growth:
    """By structure: sums and products of powers of the scales; Min and Max by their leading terms;
    bits(x) as log2 x; what is rounded to an integer as it is.
    """
    if not term.has(*_SCALES):
        return Growth(term, (0, 0, 0))
    if term in _SCALES:
        place = _SCALES.index(term)
        return Growth(sympy.Integer(1), (int(place == 0), int(place == 1), int(place == 2)))
    if isinstance(term, sympy.Max | sympy.Min):
        parts = [_leading(part) for part in term.args]
        best = (max if isinstance(term, sympy.Max) else min)(part.powers for part in parts)
        return Growth(term.func(*(part.factor for part in parts if part.powers == best)), best)
    if isinstance(term, digits_function):  # log_q n = log2 n / log2 q
        values, base = term.args
        inner = _leading(bits_function(values))
        factor = inner.factor if inner.powers != (0, 0, 0) else digits_function(*term.args)
        power_of_two = base.is_Pow and base.base == 2
        bits = base.exp if power_of_two else sympy.log(base, 2)
        divided = factor / bits if inner.powers != (0, 0, 0) else factor
        return Growth(divided, inner.powers)
    if isinstance(term, bits_function):
        inner = _leading(term.args[0])
        if inner.powers == (0, 0, 0):
            return Growth(bits_function(inner.factor), inner.powers)
        first = next(place for place, power in enumerate(inner.powers) if power)
        if first >= 2:
            raise InternalError(
                f"{term}: log2 log2 log2 N is none of the scales that growth is reported in"
            )
        return Growth(sympy.Integer(inner.powers[first]), (0, int(first == 0), int(first == 1)))
    if isinstance(term, sympy.floor | sympy.ceiling):
        return _leading(term.args[0])  # which grows, as it has a scale
    if isinstance(term, sympy.Sum):
        summand = _leading(term.function)
        return Growth(sympy.Sum(summand.factor, *term.limits), summand.powers)
    if term.is_Add:
        parts = [_leading(part) for part in term.args]
        best = max(part.powers for part in parts)
        whole = sum(part.factor for part in parts if part.powers == best)
        factored = sympy.factor(whole)
        return Growth(whole if factored.could_extract_minus_sign() else factored, best)
    if term.is_Mul:
        parts = [_leading(part) for part in term.args]
        powers = tuple(sum(part.powers[place] for part in parts) for place in range(3))
        return Growth(
            sympy.Mul(*(part.factor for part in parts)), (powers[0], powers[1], powers[2])
        )
    if term.is_Pow and not term.base.has(*_SCALES):
        exponent = _leading(term.exp)
        if exponent.powers == (0, 0, 0):  # Min(L, v) is v in the end
            return Growth(term.base**exponent.factor, exponent.powers)
    if term.is_Pow and term.exp.is_Integer:
        base = _leading(term.base)
        a, b, c = (int(power * term.exp) for power in base.powers)
        return Growth(base.factor**term.exp, (a, b, c))
    raise ValueError(f"the growth of {term} is not known")
