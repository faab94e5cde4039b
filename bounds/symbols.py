"""The size formulas as expressions: the same functions as with numbers, given sympy's symbols."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import sympy

from constructions.sizes import whole_numbers
from constructions.sizes.symbols import Symbols

SYMBOLS = {
    field.name: sympy.Symbol(field.name) for field in fields(Symbols) if field.name != "options"
}
"""By name. They carry no assumptions, so that `expression.subs({"N": 100})` finds them."""
_LAYER = sympy.Symbol("h", integer=True, positive=True)


def _to_a_power(latex: str, exp: str | None) -> str:
    """What sympy asks of a function that it prints with an exponent."""
    return latex if exp is None else rf"\left({latex}\right)^{{{exp}}}"


def _rounded_logarithm(printer: Any, values: sympy.Expr, base: str, exp: str | None) -> str:
    """ceil(log_base values)."""
    argument = printer.doprint(values)
    if not values.is_Atom:
        argument = rf"\left({argument}\right)"
    return _to_a_power(rf"\left\lceil \log_{{{base}}} {argument} \right\rceil", exp)


class tree(sympy.Function):  # type: ignore[misc]  # sympy has no types
    """tree(R, n) = 1 + R + ... + R^(n-1), the vertices of an R-ary tree of depth n - 1."""

    @classmethod
    def eval(cls, base: sympy.Expr, terms: sympy.Expr) -> sympy.Expr | None:
        """A plain sum as soon as n is a number."""
        if terms.is_Integer:
            return sum((base**i for i in range(int(terms))), sympy.Integer(0))
        return None

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        """I(n), the name that docs/theorems/theorem_4_2.md gives it, with its base."""
        base, terms = map(printer.doprint, self.args)
        return _to_a_power(rf"I_{{{base}}}\left({terms}\right)", exp)


class bits(sympy.Function):  # type: ignore[misc]  # likewise
    """bits(n) = ceil(log2 n), the bits that tell n values apart; 0 for one."""

    @classmethod
    def eval(cls, values: sympy.Expr) -> sympy.Expr | None:
        """A number as soon as n is one; e for n = 2^e."""
        if values.is_Pow and values.base == 2:
            return values.exp
        return sympy.Integer(whole_numbers.bits(int(values))) if values.is_Integer else None

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        """A logarithm, rounded up."""
        return _rounded_logarithm(printer, self.args[0], "2", exp)


class digits(sympy.Function):  # type: ignore[misc]  # likewise
    """digits(n, q) = ceil(log_q n), the digits of base q that tell n values apart; 0 for one."""

    @classmethod
    def eval(cls, values: sympy.Expr, base: sympy.Expr) -> sympy.Expr | None:
        """A number as soon as both are numbers."""
        if not (values.is_Integer and base.is_Integer):
            return None
        return sympy.Integer(whole_numbers.digits(int(values), int(base)))

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        """A logarithm, rounded up."""
        return _rounded_logarithm(printer, self.args[0], printer.doprint(self.args[1]), exp)


class odd(sympy.Function):  # type: ignore[misc]  # likewise
    """odd(n) = n without its factors of two."""

    @classmethod
    def eval(cls, number: sympy.Expr) -> sympy.Expr | None:
        """A number as soon as n is one."""
        return sympy.Integer(whole_numbers.odd(int(number))) if number.is_Integer else None

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        """An operator with its argument."""
        argument = printer.doprint(self.args[0])
        return _to_a_power(rf"\operatorname{{odd}}\left({argument}\right)", exp)


class beta(sympy.Function):  # type: ignore[misc]  # likewise
    """beta(R), the gain of `attention_selector`: see `whole_numbers.least_gain`."""

    @classmethod
    def eval(cls, relations: sympy.Expr) -> sympy.Expr | None:
        """A number as soon as R is one."""
        if not relations.is_Integer:
            return None
        return sympy.Integer(whole_numbers.least_gain(int(relations)))

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        """The letter; sympy would take it for Euler's function."""
        argument = printer.doprint(self.args[0])
        return _to_a_power(rf"\beta\left({argument}\right)", exp)


class Expressions(Symbols):
    """Symbols that stand for sympy's, and functions that give its expressions."""

    def max(self, *values: Any) -> Any:
        """The largest of some expressions."""
        return sympy.Max(*values)

    def min(self, *values: Any) -> Any:
        """The least of some expressions."""
        return sympy.Min(*values)

    def ceiling(self, number: Any, divisor: Any) -> Any:
        """A quotient, rounded up."""
        return sympy.ceiling(number / divisor)

    def tree(self, base: Any, terms: Any) -> Any:
        """tree(R, n), or a sum where n is a number."""
        return tree(base, terms)

    def bits(self, values: Any) -> Any:
        """bits(n), or its value where n is a number."""
        return bits(values)

    def digits(self, values: Any, base: Any) -> Any:
        """digits(n, q), or its value where both are numbers."""
        return digits(values, base)

    def odd(self, number: Any) -> Any:
        """odd(n), or its value where n is a number."""
        return odd(number)

    def least_gain(self, relations: Any) -> Any:
        """beta(R), or its value where R is a number."""
        return beta(relations)

    def over_layers(self, term: Callable[[Any], Any]) -> Any:
        """The sum of a term over h = 1, ..., k."""
        return sympy.Sum(term(_LAYER), (_LAYER, 1, self.k))


class OwnOptions(dict[str, sympy.Symbol]):
    """The options of a user's own construction: each a symbol of its name."""

    def __missing__(self, symbol: str) -> sympy.Symbol:
        return sympy.Symbol(symbol)


def expression(
    formula: Callable[[Symbols], int], known: Mapping[str, sympy.Expr] | None = None
) -> sympy.Expr:
    """A size formula as an expression in `SYMBOLS`, some of which may be given."""
    symbols = Expressions(**(SYMBOLS | dict(known or {})), options=OwnOptions())
    return sympy.sympify(formula(symbols))
