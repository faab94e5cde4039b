"""How many coordinates an embedding needs for given precision.

Setting, as of `bounds.theorem_4_2`; beside that, everything but the rows of entities is the same
for all facts: internal weights, unembedding, the rows of relations. That is what `install`
exchanges, and what a construction has whose facts all stand in the embedding. Then all answers to
queries from an entity are a function of its own row, and there must be as many rows as there are
such answers:

    d p >= R log2 (N - I(k-1))_[R^(k-1)],  for I(k) <= N;  for k = 1  d p >= R log2 N

where each of d coordinates takes at most 2^p values, over all facts. Where the rest may depend on
the facts as well, and B bits name it, all tables are counted: `N d p + B >= log2 (tables)`, which
is `R log2(N!)` for k = 1. Proofs: docs/theorems/theorem_4_2.md, "How many coordinates".

    >>> least_dimension(4096, 16, coordinate_bits=1)
    192
    >>> least_dimension(4096, 16, coordinate_bits=12)
    16
"""

from __future__ import annotations

import math
from fractions import Fraction

from bounds.logarithms import Enclosure, log2, log2_falling, round_down
from bounds.lower_bound import Bound, Facts, require_tree, whole_sizes
from bounds.theorem_4_2 import global_bound, sharpened_global_bound
from constructions.guards.integers import whole


def row_bound(
    n_entities: int, n_relations: int, hops: int = 1, facts: Facts = "bijections"
) -> Bound:
    """The bits that an entity's row needs where no other weight depends on the facts.

    Args:
        n_entities, n_relations, hops: N, R, k, each 1 to 2^40.
        facts: what the facts may be.

    Raises:
        InputError: an argument out of range; or not even one tree exists, `I(k) > N`.

    Example:
        >>> row_bound(4096, 4).bits
        48.0
    """
    return Bound("row", round_down(_answers_of_one(n_entities, n_relations, hops, facts).lower))


def least_dimension(
    n_entities: int,
    n_relations: int,
    coordinate_bits: int,
    hops: int = 1,
    facts: Facts = "bijections",
) -> int:
    """The least d_model that is not excluded where no weight but the rows of entities depends on
    the facts, and each of their coordinates takes at most 2^p values.

    Args:
        n_entities, n_relations, hops: N, R, k, each 1 to 2^40.
        coordinate_bits: p, at least 1.
        facts: what the facts may be.

    Raises: as `row_bound`.

    Example:
        >>> least_dimension(4096, 4, coordinate_bits=1)
        48
    """
    p = whole("coordinate_bits", coordinate_bits, 1)
    bits = _answers_of_one(n_entities, n_relations, hops, facts).lower
    return max(0, math.ceil(Fraction(bits) / p))


def least_dimension_beside(
    n_entities: int,
    n_relations: int,
    coordinate_bits: int,
    other_bits: int,
    hops: int = 1,
    facts: Facts = "bijections",
) -> int:
    """The same where all weights may depend on the facts, and `other_bits` name those that are not
    in a row of an entity: 0 where these may hold everything.

    Args:
        n_entities, n_relations, hops: N, R, k, each 1 to 2^40.
        coordinate_bits: p, at least 1.
        other_bits: B, at least 0: internal weights, unembedding, rows of relations.
        facts: what the facts may be.

    Raises:
        InputError: an argument out of range.

    Example:
        >>> least_dimension_beside(4096, 4, coordinate_bits=1, other_bits=1000)
        42
    """
    p = whole("coordinate_bits", coordinate_bits, 1)
    other = whole("other_bits", other_bits, 0)
    sizes = (n_entities, n_relations, hops, 0)
    tables = (
        sharpened_global_bound(*sizes) if facts == "bijections" else global_bound(*sizes, facts)
    )
    left = Fraction(tables.bits) - other
    return max(0, math.ceil(left / (int(n_entities) * p)))


def _answers_of_one(n_entities: int, n_relations: int, hops: int, facts: Facts) -> Enclosure:
    """log2 of how many ways there are to answer all queries from one entity."""
    n, r, k = whole_sizes(n_entities, n_relations, hops, facts)
    distinct = require_tree("row_bound", "M I(k) <= N", n, r, k)
    frontier = r ** (k - 1)
    if facts == "functions" or frontier == 1:
        free = n if facts == "functions" else n - (distinct - frontier)
        one_relation = log2(free).times(frontier)
    else:
        one_relation = log2_falling(n - (distinct - frontier), frontier)
    return one_relation.times(r)
