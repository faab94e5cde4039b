"""The sizes of a construction as a formula: an expression in N, R, k, its value, its LaTeX and its
limit.

    >>> d = formula("selector", "d_model")
    >>> print(d)
    R*Max(1, bits(N)) + 1
    >>> d.at(N=10**6, R=20), d.subs({"N": 10**6})
    (401, 20*R + 1)
    >>> print(d.limit())
    R log2(N)

The formulas are those of `constructions/sizes/`, given sympy's symbols in place of numbers: there
is no second copy of them. `bounds.sizes` evaluates the same ones without sympy.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import sympy

from bounds.limits import growth
from bounds.sizes import Costs, of_bijections
from bounds.symbols import SYMBOLS, bits, expression
from constructions.catalogue import construction as of_the_catalogue
from constructions.entry import Construction
from constructions.guards.errors import InputError
from constructions.guards.integers import whole
from constructions.guards.wording import represented

if TYPE_CHECKING:
    from bounds.limits import Growth

SIZES = (*(field.name for field in fields(Costs)), "d_vocab")
"""What there are formulas of: the sizes in entries, the bits, the written tokens, the tokens."""


@dataclass(frozen=True)
class Formula:
    """A size of a construction, as an expression.

    Attributes:
        construction: whose.
        size: which, one of `SIZES`.
        expression: for bijections, in N, R, k and the symbols of the construction's options.
        of_tables: for any table, in the symbols of `constructions.sizes.symbols.Symbols`, such as
            m for the bits of an answer; what `list --markdown` prints.
    """

    construction: Construction
    size: str
    expression: sympy.Expr
    of_tables: sympy.Expr

    def at(self, **values: int) -> int:
        """The exact value for bijections.

        Args:
            values: N, R, k (default 1), and options of the construction, by symbol or by name;
                those that are not given have their defaults.

        Raises:
            InputError: a number that the formula needs is missing, is none of these, or is out of
                range.
        """
        settings = self._settings(dict(values))
        known = {SYMBOLS[name]: settings[name] for name in ("N", "R", "k") if name in settings}
        for option in self.construction.options:
            known[sympy.Symbol(option.symbol)] = settings[option.name]
        return int(_without_sums(self.expression.subs(known)))

    def subs(self, *args: Any, **kwargs: Any) -> sympy.Expr:
        """The expression after sympy's `subs`, which takes symbols by name: `{"N": 100}`."""
        return self.expression.subs(*args, **kwargs)

    def latex(self) -> str:
        """The expression for a paper; bits(n) as a logarithm that is rounded up."""
        return str(sympy.latex(self.expression))

    def limit(self) -> Growth:
        """The leading term as N -> oo, with everything else fixed."""
        return growth(self.construction, self.size)

    def _sympy_(self) -> sympy.Expr:
        """The expression, wherever sympy meets the formula: `formula(...) / sympy.Symbol("R")`."""
        return self.expression

    def _repr_latex_(self) -> str:
        """How notebooks show it."""
        return f"${self.latex()}$"

    def __str__(self) -> str:
        return str(self.expression)

    def _settings(self, values: dict[str, Any]) -> dict[str, int]:
        """N, R, k and all options by name, as far as they are known.

        Raises:
            InputError: see `at`.
        """
        entry, what = self.construction, f"the formula {self.size} of {self.construction.name}"
        names = {option.symbol: option.name for option in entry.options}
        values = {"k": 1} | {names.get(name, name): value for name, value in values.items()}
        known = ("N", "R", "k", *names.values())
        if unknown := [name for name in values if name not in known]:
            raise InputError(f"{what} is in {', '.join(known)}; got {unknown[0]}")
        needed = [symbol.name for symbol in self.expression.free_symbols]
        if any(symbol in needed for symbol in names):
            needed.append("R")
        if missing := sorted(set(needed) & {"N", "R"} - values.keys()):
            raise InputError(
                f"{what} is {self}: it needs {' and '.join(missing)}; got"
                f" {', '.join(sorted(values))}"
            )
        found = {n: whole(n, values[n], 1) for n in ("N", "R", "k") if n in values}
        relations, hops = found.get("R", 1), found["k"]
        given = {}
        for option in entry.options:
            if option.name in values:
                most = None if option.most is None else option.most(relations, hops)
                given[option.name] = whole(option.name, values[option.name], option.least, most)
        return found | entry.settings(relations, hops, given)


def formula(construction: str | Construction, size: str) -> Formula:
    """A size of a construction as a formula.

    Args:
        construction: its name in the catalogue, `path/file.py:name` for one of the user's own, or
            the construction itself.
        size: one of `SIZES`: `d_model`, `d_mlp`, `internal_bits` (B_T), `embedding_bits` (B_e) ...

    Raises:
        InputError: there is no such construction or size, or it has no size formulas.
        UserCodeError: the user's own file or formulas have raised an error.
    """
    entry = (
        construction
        if isinstance(construction, Construction)
        else of_the_catalogue(str(construction))
    )
    if size not in SIZES:
        raise InputError(f"there are formulas of {', '.join(SIZES)}; got {represented(size)}")
    own = {option.symbol: sympy.Symbol(option.symbol) for option in entry.options}
    of_tables = expression(lambda s: getattr(entry.sized(s), size))
    settings = {option.name: own[option.symbol] for option in entry.options}
    hops = SYMBOLS["k"] if entry.multi_hop else sympy.Integer(1)
    known = of_bijections(entry, SYMBOLS["N"], SYMBOLS["R"], hops, settings, _bits_needed)
    replaced = {sympy.Symbol(name): sympy.sympify(value) for name, value in known.items()}
    return Formula(entry, size, of_tables.subs(replaced, simultaneous=True), of_tables)


def _bits_needed(count: sympy.Expr) -> sympy.Expr:
    """`constructions.facts.codes.bits_needed` of an expression."""
    return sympy.Max(1, bits(count))


def _without_sums(expression: sympy.Expr) -> sympy.Expr:
    """Every sum of an expression term by term: sympy would look for a closed form."""

    def written_out(term: sympy.Expr, limits: sympy.Tuple) -> sympy.Expr:
        """One sum."""
        index, first, last = limits
        return sympy.Add(*(term.subs(index, i) for i in range(int(first), int(last) + 1)))

    return expression.replace(sympy.Sum, written_out)
