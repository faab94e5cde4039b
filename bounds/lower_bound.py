"""A lower bound: as a function with its hypotheses, as a number, and the steps of evaluating one
exactly or downwards.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from bounds.logarithms import Enclosure, round_down
from constructions.guards.errors import InputError
from constructions.guards.integers import whole
from constructions.guards.user_code import in_his_code, ours_to_report
from constructions.guards.wording import represented
from constructions.sizes.whole_numbers import tree

LARGEST_SIZE = 2**40
"""The largest number of entities, relations or hops that is evaluated."""

Facts = Literal["bijections", "functions"]


@dataclass(frozen=True)
class Bound:
    """A lower bound on B_T, and where it is attained.

    Attributes:
        name: of the bound.
        bits: a certified lower value of it; may be negative, and then says nothing.
        M: how many subjects' embeddings enter; None where all do.
        Q: how many rows of the unembedding enter; i, j: the depths of the forward and the backward
            trees.
    """

    name: str
    bits: float
    M: int | None = None
    Q: int | None = None
    i: int | None = None
    j: int | None = None


@dataclass(frozen=True)
class LowerBound:
    """A lower bound on B_T as a function, and its hypotheses: of which models it is one.

        def mine(n_entities, n_relations, hops, embedding_bits):
            \"""Half of the facts must be inside.\"""
            return n_entities * n_relations / 2 - n_entities * embedding_bits

        half = LowerBound(mine, unembedding="fixed")

    Attributes:
        function: of N, R, k and B_e (Python integers), and where `unembedding` is `any` of B_u as
            well, to bits: a number, or a `Bound`. It raises InputError where there is no bound.
        unembedding: `fixed`: of models whose unembedding does not depend on the facts; `any`: of
            all models.
        facts: of models that answer every tuple of `bijections`, or of `functions`; the second are
            fewer.
        writing: whether it holds of models, too, that write tokens before the answer
            (chain-of-thought).
        of_facts: whether it holds, too, for the bits of facts alone, as B_T and as B_e: so does
            what counts tables, since all other bits are the same whatever the facts.
        name: by default the function's.
        claim: in one line; by default the first of the function's docstring.

    Raises:
        InputError: an attribute of another kind.
    """

    function: Callable[..., Any]
    unembedding: Literal["fixed", "any"] = "fixed"
    facts: Facts = "bijections"
    writing: bool = False
    of_facts: bool = False
    name: str = ""
    claim: str = ""

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise InputError(
                "function must be a function of N, R, k and the bits of an embedding; got"
                f" {represented(self.function)}"
            )
        docstring = (inspect.getdoc(self.function) or "").strip().split("\n\n")[0]
        name = self.name or getattr(self.function, "__name__", "")
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "claim", self.claim or " ".join(docstring.split()).rstrip("."))
        for attribute, known in (
            ("unembedding", ("fixed", "any")),
            ("facts", ("bijections", "functions")),
        ):
            if (given := getattr(self, attribute)) not in known:
                raise InputError(
                    f"{name}: {attribute} must be {' or '.join(map(repr, known))}; got {given!r}"
                )

    def at(
        self,
        n_entities: int,
        n_relations: int,
        hops: int,
        embedding_bits: int,
        unembedding_bits: int,
    ) -> Bound | str:
        """The bound at a size; where there is none, why.

        Raises:
            InputError: what the function returns is no number.
            UserCodeError: a user's own function has raised an error.
        """
        sizes = (n_entities, n_relations, hops, embedding_bits)
        more = (unembedding_bits,) if self.unembedding == "any" else ()
        try:
            found = self.function(*sizes, *more)
        except InputError as error:
            return str(error)
        except (Exception, SystemExit) as error:
            if ours_to_report(error):
                raise
            at = f"N = {sizes[0]}, R = {sizes[1]}, k = {sizes[2]}, B_e = {sizes[3]}"
            raise in_his_code(self.function, f"the bound {self.name} at {at}", error) from error
        if isinstance(found, Bound):
            return found
        try:
            exact = Fraction(found)
            bits = float(exact)
        except (TypeError, ValueError, OverflowError):
            raise InputError(
                f"the bound {self.name} must return a number of bits; got {represented(found)}"
            ) from None
        return Bound(self.name, bits if bits <= exact else math.nextafter(bits, -math.inf))


def rounded_down(name: str, bits: Enclosure, **where: int) -> Bound:
    """The bound of that name whose exact value is enclosed: its lower end, as a float below it."""
    return Bound(name, round_down(bits.lower), **where)


def argmax(bits: Callable[[int], Enclosure], most: int) -> int:
    """The smallest M in 1..most with the largest bits(M), for a function that is concave in M.

    Both local bounds are: with `g(x) = ln Gamma(N - a x + 1) - ln Gamma(N - b x + 1)`, a < b, the
    second derivative is `a^2 psi'(N - a x + 1) - b^2 psi'(N - b x + 1) < 0`, since psi' is
    positive and falls. So the increments fall, and bisection finds the first that is not positive.
    Increments that 60 digits do not tell from 0 count as 0.
    """
    low, high = 1, most
    while low < high:
        middle = (low + high) // 2
        if (bits(middle + 1) - bits(middle)).lower > 0:
            low = middle + 1
        else:
            high = middle
    return low


def capped_tree(n_relations: int, terms: int, cap: int) -> int:
    """I(terms) = 1 + R + ... + R^(terms-1), or some number above cap where it is far larger than
    cap.
    """
    if n_relations > 1:
        terms = min(terms, cap.bit_length() + 1)  # 2^(terms-1) > cap
    return tree(n_relations, terms)


def require_tree(name: str, condition: str, n_entities: int, n_relations: int, terms: int) -> int:
    """The nodes of one tree; InputError, naming the condition, if they exceed N."""
    nodes = capped_tree(n_relations, terms, n_entities)
    if nodes > n_entities:
        raise InputError(
            f"{name} needs {condition} for some M >= 1; one tree of R = {n_relations:,} relations"
            f" has 1 + R + ... + R^{terms - 1:,} nodes, at least {nodes:,} > {n_entities:,} = N"
        )
    return nodes


def whole_sizes(
    n_entities: int, n_relations: int, hops: int, facts: str, **bits: int
) -> Iterator[int]:
    """The sizes and the numbers of bits as Python integers, in the order given; refused where one
    is out of range.
    """
    if facts not in ("bijections", "functions"):
        raise InputError(f"facts must be 'bijections' or 'functions'; got {facts!r}")
    sizes = (("n_entities", n_entities), ("n_relations", n_relations), ("hops", hops))
    counts = [whole(name, value, 1, LARGEST_SIZE) for name, value in sizes]
    return iter([*counts, *(whole(name, value, 0) for name, value in bits.items())])
