"""How many bits everything needs that answers random functions, all of them or most.

Relation r is a uniform function of N subjects to b_r answers, independent of all others: there are
`prod_r b_r^N` tables. Whatever is named by c bits is one of 2^c answer maps. One that is right at
all but at most e of the `Q = N R` places serves at most

    S(e) = sum over i <= e of C(Q, i) (b - 1)^i,    b the largest b_r

tables: choose the i places that are wrong; each of them holds one of the other answers, at most
b - 1. (A map that says there what is no answer of the relation serves fewer tables: it is wrong
there for all of them.)
So c is at least `N sum_r log2 b_r - log2 S(e)`, and a share of at most `2^-x` of the tables is
answered so well by what has x bits fewer.

    >>> functions_bound(4, [2, 2], 0)
    Bound(name='functions', bits=8.0, M=None, Q=None, i=None, j=None)
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from bounds.logarithms import Enclosure, log2, log2_factorial, log2_falling
from bounds.lower_bound import Bound, rounded_down
from constructions.guards.integers import whole

_MOST = 4096
"""Up to so many wrong places the sum is evaluated; beyond, its largest term stands for each."""


def functions_bound(n_subjects: int, n_answers: Sequence[int], wrong: int) -> Bound:
    """The bits of all that answers all but `wrong` of the N R queries, whatever the functions.

    Args:
        n_subjects: N, at least 1.
        n_answers: b_r, how many answers each relation has, each at least 1.
        wrong: answers that may be wrong, at least 0.

    Raises:
        InputError: an argument out of range.
    """
    n = whole("n_subjects", n_subjects, 1)
    answers = [whole("n_answers", one, 1) for one in n_answers]
    wrong = whole("wrong", wrong, 0)
    tables = Enclosure(Decimal(0), Decimal(0))
    for one in answers:
        tables = tables + log2(one).times(n)
    queries, most = n * len(answers), max(answers, default=1)
    if wrong * most >= queries * (most - 1):  # beyond, the terms fall: chance is as good
        return Bound("functions", 0.0)
    found = rounded_down("functions", tables - _log2_served(queries, most, wrong))
    return found if found.bits > 0 else Bound("functions", 0.0)


def _log2_served(queries: int, answers: int, wrong: int) -> Enclosure:
    """log2 S(e), or more, where its terms rise up to the last."""
    if wrong > _MOST:
        last = log2_falling(queries, wrong) - log2_factorial(wrong)
        return last + log2(answers - 1).times(wrong) + log2(wrong + 1)
    term = total = 1
    for i in range(wrong):
        term = term * (queries - i) * (answers - 1) // (i + 1)
        total += term
    return log2(total)
