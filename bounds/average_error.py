"""How many bits every transformer needs whose answers are right on average: over all queries, and
over bijections that are drawn uniformly at random.

Setting, as of `bounds.imperfect`. The hypothesis is the weakest one: for some bijections, and from
some subjects, everything may be wrong. With E = share of wrong answers, on average,

    average_global_bound         B_T >= (R-1) log2(N!) - served(E N R) - spread(E N R) - (N+R) B_e
                                 for k = 1 with R in place of R - 1
    average_shared_leaves_bound  B_T >= R log2(D!) - served(J) - spread(J) - (mu N + R) B_e
                                 for every mu in (0, 1], with J = E mu N R^k,
                                 D = (1-d) N [(1-mu)^I(k-1) - (1-mu)^I(k)], d = I(k) (I(k)-1) / 2N

`served(J)` is log2 Q(N, 0, R, J) of `bounds.refillings`, `spread(J) = (J+1) log2(J+1) - J log2 J`
the most bits that name a number that is J on average; `served` and `log2(D!)` run along straight
lines between whole numbers. Where Fano's inequality says less than both together, it stands in
their place. Proofs: docs/imperfect-recall.md.

Every number returned is a lower end, as in `bounds.theorem_4_2`.

    >>> average_shared_leaves_bound(4096, 4, 3, 48, wrong_share=0)
    Bound(name='average_shared_leaves', bits=56011.0881..., M=None, Q=None, i=None, j=None)
"""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from operator import attrgetter

from bounds.imperfect import Share, exact_share, require_countable
from bounds.logarithms import Enclosure, log2, log2_factorial, log2_fraction, power
from bounds.lower_bound import Bound, capped_tree, rounded_down, whole_sizes
from bounds.refillings import log2_served_on_average
from constructions.guards.errors import InputError

_STEPS = 16
"""Values of mu that are tried between one power of two and the next."""


def average_global_bound(
    n_entities: int, n_relations: int, hops: int, embedding_bits: int, wrong_share: Share
) -> Bound:
    """All embeddings enter; of all answers to all bijections a share is wrong.

    Args:
        n_entities, n_relations, hops: N, R, k, each 1 to 2^40.
        embedding_bits: B_e, bits of one token's embedding, at least 0.
        wrong_share: on average over the queries and uniformly random bijections, 0 to 1.

    Raises:
        InputError: an argument out of range.

    Example:
        >>> int(average_global_bound(4096, 4, 3, 0, '1/100').bits)
        127757
    """
    n, r, k, b_e = whole_sizes(
        n_entities, n_relations, hops, "bijections", embedding_bits=embedding_bits
    )
    wrong = exact_share(wrong_share) * n * r
    tables = log2_factorial(n).times(r if k == 1 else r - 1) - _errors(n, r, wrong)
    return rounded_down("average_global", tables.less((n + r) * b_e))


def average_shared_leaves_bound(
    n_entities: int, n_relations: int, hops: int, embedding_bits: int, wrong_share: Share
) -> Bound:
    """Each subject's embedding enters with probability mu; a good mu.

    Args, raises: as `average_global_bound`; InputError also where `I(k) (I(k) - 1) >= 2 N`, or
        queries are too many to be counted.
    """
    n, r, k, b_e = whole_sizes(
        n_entities, n_relations, hops, "bijections", embedding_bits=embedding_bits
    )
    share = exact_share(wrong_share)
    whole = capped_tree(r, k, n)
    clashes = Fraction(whole * (whole - 1), 2 * n)
    if clashes >= 1:
        raise InputError(
            "average_shared_leaves_bound needs I(k) (I(k) - 1) < 2 N; one tree of R ="
            f" {r:,} relations has I(k) = 1 + R + ... + R^{k - 1:,} nodes, at least"
            f" {whole:,}, and N is {n:,}"
        )
    if share:
        require_countable(r, k)
    inner, errors = whole - r ** (k - 1), share * n * r**k if share else Fraction(0)
    distinct = (1 - clashes) * n

    def bits(mu: Fraction) -> Enclosure:
        """The bound for one mu."""
        reached = power(1 - mu, inner) - power(1 - mu, whole)
        found = Fraction(max(reached.lower, Decimal(0))) * distinct
        spent = Enclosure(Decimal(b_e), Decimal(b_e)).share(mu * n + r)
        return _log2_factorial_between(found).times(r) - _errors(n, r, errors * mu) - spent

    def roughly(mu: Fraction) -> float:
        """The same in floats, which choose mu and no more."""
        kept = math.log1p(-float(mu)) if mu < 1 else -math.inf
        reached = (math.exp(kept * inner) if inner else 1.0) - math.exp(kept * whole)
        found, wrong = reached * float(distinct), float(errors * mu)
        spent = float(mu * n + r) * b_e + wrong * math.log2(n)
        return r * math.lgamma(found + 1) / math.log(2) - spent

    return rounded_down("average_shared_leaves", bits(max(_probabilities(whole), key=roughly)))


def _probabilities(nodes: int) -> list[Fraction]:
    """The mu that are tried: 1, and sixteen between one power of two and the next, down to where
    no tree of so many nodes would be hit.
    """
    halvings = nodes.bit_length() + 12
    return [Fraction(1)] + [
        Fraction(step, 2 * _STEPS) / 2**halving
        for halving in range(halvings)
        for step in range(2 * _STEPS - 1, _STEPS - 1, -1)
    ]


def _errors(n_entities: int, n_relations: int, wrong: Fraction) -> Enclosure:
    """The bits that correct N R answers of which so many are wrong on average, counted in two
    ways: how many and which in truth; or each answer for itself.
    """
    if not wrong:
        return Enclosure(Decimal(0), Decimal(0))
    spread = log2_fraction(wrong + 1).share(wrong + 1) - log2_fraction(wrong).share(wrong)
    how_many = min(spread.upper, log2(n_entities * n_relations + 1).upper)
    together = log2_served_on_average(n_entities, 0, n_relations, wrong)
    together += Enclosure(Decimal(0), how_many)
    alone = _each_for_itself(n_entities, wrong / (n_entities * n_relations))
    return min(together, alone.times(n_entities * n_relations), key=attrgetter("upper"))


def _each_for_itself(n_entities: int, wrong: Fraction) -> Enclosure:
    """Fano's inequality: the bits that correct an answer that is wrong with a probability p, `h(p)
    + p log2(N - 1)` up to p = 1 - 1/N, and log2 N beyond.
    """
    if wrong >= 1 - Fraction(1, n_entities):
        return log2(n_entities)
    right = 1 - wrong
    truth = log2_fraction((n_entities - 1) / wrong).share(wrong)
    return truth + log2_fraction(1 / right).share(right)


def _log2_factorial_between(number: Fraction) -> Enclosure:
    """log2 of a factorial, between whole numbers along straight lines: at most what a whole number
    that is so large on average gives on average.
    """
    below, beyond = divmod(number, 1)
    return log2_factorial(below) + log2(below + 1).share(beyond)
