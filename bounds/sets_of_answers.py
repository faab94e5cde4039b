"""How many bits every model needs that writes sets of answers.

Setting. A transformer writes, for every subject s and relation r, the set of (s, r) in canonical
order, then END: for every table whose sets have the given sizes `n_sr`, by weights chosen for the
table, of answers among T of the N entities. B_T bits name its internal weights (attention, MLPs,
positions), B_e bits one token's embedding; its unembedding may depend on which T entities are
answers, and on nothing else of the facts. Then

    B_T >= sum over (s, r) of log2 C(T, n_sr) - (N + R) B_e

since what it writes is a function of the internal weights and of the embeddings of the N entities
and the R relations (END is written last, and never read); and there are `prod C(T, n_sr)` such
tables. Where all sets have one answer, of any entity, this is the bound of Theorem 4.2 for
functions and one hop.
Proof: docs/theorems/sets_of_answers.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal

import numpy as np
from numpy.typing import ArrayLike

from bounds.logarithms import Enclosure, log2_factorial, log2_falling
from bounds.lower_bound import LARGEST_SIZE, Bound, rounded_down
from constructions.guards.errors import InputError
from constructions.guards.integers import whole


def sets_bound(
    n_entities: int, sizes: ArrayLike, embedding_bits: int, answers: int | None = None
) -> Bound:
    """The bound for sets of the given sizes.

    Args:
        n_entities: N, 1 to 2^40.
        sizes: `n_sr`, integers of shape (R, number of subjects), 0 to T each; as a `SetTable` has
            them. Subjects with facts may be fewer than N.
        embedding_bits: B_e, at least 0.
        answers: T, how many entities may be answers, 1 to N; by default all.

    Raises:
        InputError: an argument out of range, or a set is larger than T.
    """
    counts = np.asarray(sizes)
    if counts.ndim != 2 or not counts.shape[0]:
        raise InputError(
            f"sizes must have shape (relations, subjects), with a relation; got {counts.shape}"
        )
    n = whole("n_entities", n_entities, 1, LARGEST_SIZE)
    spent = (n + counts.shape[0]) * whole("embedding_bits", embedding_bits, 0)
    possible = n if answers is None else whole("answers", answers, 1, n)
    return rounded_down("sets", tables_of_sets(possible, counts.ravel().tolist()).less(spent))


def tables_of_sets(answers: int, sizes: Iterable[int]) -> Enclosure:
    """`sum log2 C(T, n)` over the sizes of all sets, the bits that name a table of them: lower and
    upper end.

    Args:
        answers: T, how many entities may be answers, 1 to 2^40.
        sizes: n of each set.

    Raises:
        InputError: a size is not from 0 to T.
    """
    total = Enclosure(Decimal(0), Decimal(0))
    answers = whole("answers", answers, 1, LARGEST_SIZE)
    for given, times in Counter(sizes).items():
        size = whole("a size", given, 0, answers)
        ways = log2_falling(answers, size) - log2_factorial(size)
        total = total + ways.times(times)
    return total
