"""The symbols that size formulas are written in, and the functions that they may use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from constructions.sizes import whole_numbers


@dataclass(frozen=True)
class Symbols:
    """What a size formula is a function of: whole numbers, of any size.

    `bounds.symbols` has the same class with sympy's symbols and functions in place of numbers; a
    formula that is written with these and with + - * ** // serves for both.

    Attributes:
        N, R, k: entities, relations, hops.
        V: tokens, special ones included.
        a, m: possible answers, and the bits of an answer.
        M, w: where each relation has a set of answers of its own: the bits of all sets together,
            and of the widest.
        b, c, p: the bits of a state (an entity, or *unknown*), of a relation, of a position.
        u: 1 if facts are missing, else 0.
        q: relations in the row memory, of the hybrid.
        v: the bits of a lane, of key_value_grid.
        C: the bits of a digit, of digit_selector and precomputed_digits.
        K, j: the longest path, and the hops that a written token makes, of chains of thought.
        g, z: gates, and by how many bits a number is longer than an answer's, where subjects have
            few facts.
        options: the options of a user's own construction that have other symbols, by symbol.
    """

    N: int
    R: int
    k: int
    V: int
    a: int
    m: int
    M: int
    w: int
    b: int
    c: int
    p: int
    u: int
    q: int = 0
    v: int = 0
    C: int = 0
    K: int = 0
    j: int = 0
    g: int = 0
    z: int = 0
    options: Mapping[str, int] = field(default_factory=dict)

    def max(self, *values: int) -> int:
        """The largest of some values."""
        return max(values)

    def min(self, *values: int) -> int:
        """The least of some values."""
        return min(values)

    def if_any(self, count: int) -> int:
        """1 if a count is positive, 0 if it is 0: what is there only together with what is
        counted.
        """
        return self.min(count, 1)

    def ceiling(self, number: int, divisor: int) -> int:
        """A quotient, rounded up."""
        return -(-number // divisor)

    def digits(self, values: int, base: int) -> int:
        """The digits of base q >= 2 that tell n values apart: ceil(log_q n)."""
        return whole_numbers.digits(values, base)

    def tree(self, base: int, terms: int) -> int:
        """tree(R, n) = 1 + R + ... + R^(n-1)."""
        return whole_numbers.tree(base, terms)

    def bits(self, values: int) -> int:
        """bits(n) = ceil(log2 n), the bits that tell n values apart."""
        return whole_numbers.bits(values)

    def bits_between(self, low: int, high: int) -> int:
        """The bits of a number on the grid low, low + 1, ..., high."""
        return self.bits(high - low + 1)

    def odd(self, number: int) -> int:
        """odd(n) is n without its factors of two."""
        return whole_numbers.odd(number)

    def least_gain(self, relations: int) -> int:
        """beta(R), the gain of `attention_selector`."""
        return whole_numbers.least_gain(relations)

    def over_layers(self, term: Callable[[int], int]) -> int:
        """The sum of a term over the layers h = 1, ..., k."""
        return sum(term(layer) for layer in range(1, self.k + 1))
