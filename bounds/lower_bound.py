"""A lower bound as a number: what it is, and the steps of evaluating one exactly or downwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from bounds.logarithms import Enclosure, round_down
from constructions.guards.errors import InputError
from constructions.guards.integers import whole
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
