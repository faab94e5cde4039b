"""How many bits every transformer needs that answers most queries rightly, but not all.

Setting, as of `bounds.theorem_4_2`: one pass, a fixed unembedding, bijections, B_T bits inside and
B_e in one token's embedding. Some answers may be wrong; one that is no entity counts as wrong.
What is wrong is a share of the queries, and the hypotheses differ in where the share is taken:

| bound | wrong is at most that share | B_T is at least |
|---|---|---|
| imperfect_global_bound | of all queries, whatever the facts | `(R-1) log2(N!) - log2 c` |
| | | `- log2 Q(N,0,R,q) - (N+R) B_e`; for k = 1 `R log2(N!)` less the same |
| imperfect_sharpened_global_bound | the same | `R log2(N!) - log2 N - log2 [C(N,2q) N_[2q]]` |
| | | `- log2 Q(N,0,R,q) - (N+R) B_e`, with another q |
| imperfect_shared_leaves_bound | of the queries from each subject, | `R log2 (N-M I(k-1))_[L]` |
| | whatever the facts | `- log2 Q(L, N-M I(k), R, M t) - (M+R) B_e`, `L = M R^(k-1)` |

Q is the count of `bounds.refillings`: what one set of answers can serve. Where nothing is wrong
these are the bounds for perfect recall. `bounds.average_error` has those for a share that holds
on average. Proofs: docs/imperfect-recall.md.

Every number returned is a lower end, as there.

    >>> imperfect_global_bound(4096, 4, 3, 0, wrong_share=0.01)
    Bound(name='imperfect_global', bits=127772.418925..., M=None, Q=None, i=None, j=None)
"""

from __future__ import annotations

from fractions import Fraction

from bounds.logarithms import Enclosure, log2, log2_factorial, log2_falling
from bounds.lower_bound import (
    Bound,
    argmax,
    require_tree,
    rounded_down,
    whole_sizes,
)
from bounds.refillings import largest_term, log2_served
from bounds.theorem_4_2 import sharpened_global_bound
from constructions.guards.errors import InputError
from constructions.guards.integers import whole
from constructions.guards.wording import represented

Share = int | float | Fraction
"""A share of queries: from 0 to 1, and taken exactly as it is given."""

_LARGEST_TABLE = 2**16
"""The binary digits of the largest number of queries that is multiplied out."""


def recall_bound(n_entities: int, n_relations: int, wrong: int) -> Bound:
    """The bits of ALL tensors together, whatever holds the facts, of models that answer all but
    `wrong` of the N R queries of one hop, whatever the bijections.

        log2 (N!)^R - log2 Q(N, 0, R, wrong),    or 0

    Of bijections that are drawn after the format was fixed, a share of at most `2^-c` is answered
    so well by models with c bits fewer.

    Args:
        n_entities, n_relations: N, R, each 1 to 2^40.
        wrong: answers that may be wrong, at least 0.

    Raises:
        InputError: an argument out of range.

    Example:
        >>> int(recall_bound(64, 4, wrong=3).bits)
        1161
    """
    n, r, _ = whole_sizes(n_entities, n_relations, 1, "bijections")
    served = log2_served(n, 0, r, whole("wrong", wrong, 0))
    found = rounded_down("recall", log2_factorial(n).times(r) - served)
    return found if found.bits > 0 else Bound("recall", 0.0)


def imperfect_global_bound(
    n_entities: int, n_relations: int, hops: int, embedding_bits: int, wrong_share: Share
) -> Bound:
    """All embeddings enter; at most e = share N R^k answers are wrong, for every tuple of
    bijections.

    For k >= 2 one of any c words of length k - 1 has at most q = floor(e / c) wrong answers behind
    it; c is the least number of words that gives the least q.

    Args:
        n_entities, n_relations, hops: N, R, k, each 1 to 2^40.
        embedding_bits: B_e, bits of one token's embedding, at least 0.
        wrong_share: of all queries, 0 to 1.

    Raises:
        InputError: an argument out of range, or too many queries to count the wrong ones.

    Example:
        >>> int(imperfect_global_bound(4096, 4, 3, 0, wrong_share='1/100').bits)
        127772
    """
    n, r, k, b_e = whole_sizes(
        n_entities, n_relations, hops, "bijections", embedding_bits=embedding_bits
    )
    wrong, words = _wrong_answers(n, r, k, wrong_share)
    most = wrong // words
    tables = log2_factorial(n).times(r if k == 1 else r - 1)
    tables = tables - log2(wrong // (most + 1) + 1) - log2_served(n, 0, r, most)
    return rounded_down("imperfect_global", tables.less((n + r) * b_e))


def imperfect_sharpened_global_bound(
    n_entities: int, n_relations: int, hops: int, embedding_bits: int, wrong_share: Share
) -> Bound:
    """As `imperfect_global_bound`, with `log2(N!)` saved for k, R >= 2 where few answers are
    wrong.

    With q = floor(2 e / R^(k-1)): for q = 0 `sharpened_global_bound` itself, as if nothing were
    wrong; for 2 q <= N the bound of the table. Where that says less than `imperfect_global_bound`,
    or q is larger, the value of the latter is returned.

    Args, raises: as `imperfect_global_bound`.
    """
    n, r, k, b_e = whole_sizes(
        n_entities, n_relations, hops, "bijections", embedding_bits=embedding_bits
    )
    wrong, words = _wrong_answers(n, r, k, wrong_share)
    plain = imperfect_global_bound(n, r, k, b_e, wrong_share)
    found, most = [plain.bits], 2 * wrong // words
    if k > 1 and r > 1 and most == 0:
        found.append(sharpened_global_bound(n, r, k, b_e).bits)
    elif k > 1 and r > 1 and 2 * most <= n:
        translations = log2_falling(n, 2 * most).times(2) - log2_factorial(2 * most)
        tables = log2_factorial(n).times(r) - log2(n) - translations
        tables = tables - log2_served(n, 0, r, most)
        found.append(rounded_down("", tables.less((n + r) * b_e)).bits)
    return Bound("imperfect_sharpened_global", max(found))


def imperfect_shared_leaves_bound(
    n_entities: int, n_relations: int, hops: int, embedding_bits: int, wrong_share: Share
) -> Bound:
    """Of the R^k queries from each subject at most t = floor(share R^k) are answered wrong, for
    every tuple of bijections; a good M.

    As `shared_leaves_bound`: each of the R^k M queries from the roots shows one chosen edge. M is
    the best one if of all ways to spread wrong answers over the relations the most frequent alone
    is counted; every M gives a bound.

    Args, raises: as `imperfect_global_bound`; InputError also where not even one tree exists,
        `I(k) > N`.
    """
    n, r, k, b_e = whole_sizes(
        n_entities, n_relations, hops, "bijections", embedding_bits=embedding_bits
    )
    distinct = require_tree("imperfect_shared_leaves_bound", "M I(k) <= N", n, r, k)
    frontier = r ** (k - 1)
    inner = distinct - frontier
    wrong = int(exact_share(wrong_share) * r**k)

    def edges(roots: int) -> Enclosure:
        """What is chosen, less the embeddings that enter."""
        chosen = log2_falling(n - roots * inner, roots * frontier).times(r)
        return chosen.less((roots + r) * b_e)

    def less_most_frequent(roots: int) -> Enclosure:
        """The bound, if one way to spread the wrong answers were all."""
        if wrong >= r**k:
            return edges(roots)
        return edges(roots) - largest_term(
            roots * frontier, n - roots * distinct, r, roots * wrong
        )

    best = argmax(less_most_frequent if wrong else edges, n // distinct)
    served = log2_served(best * frontier, n - best * distinct, r, best * wrong)
    return rounded_down("imperfect_shared_leaves", edges(best) - served, M=best)


def _wrong_answers(
    n_entities: int, n_relations: int, hops: int, wrong_share: Share
) -> tuple[int, int]:
    """(e, R^(k-1)): how many of the N R^k answers may be wrong; (0, 1) if none."""
    share = exact_share(wrong_share)
    if not share:
        return 0, 1
    require_countable(n_relations, hops)
    words = n_relations ** (hops - 1)
    return int(share * n_entities * n_relations * words), words


def require_countable(n_relations: int, hops: int) -> None:
    """Raise InputError where R^k is too large a number to be written down."""
    if n_relations > 1 and hops * n_relations.bit_length() > _LARGEST_TABLE:
        raise InputError(
            f"{n_relations:,} relations and {hops:,} hops are too many queries to count the wrong"
            f" ones; hops times the binary digits of the relations may be {_LARGEST_TABLE:,}"
        )


def exact_share(share: Share) -> Fraction:
    """The share as a fraction; InputError if it is no number from 0 to 1."""
    try:
        exact = Fraction(share)
    except (TypeError, ValueError, OverflowError):
        exact = Fraction(-1)
    if not 0 <= exact <= 1:
        raise InputError(f"wrong_share must be a number from 0 to 1; got {represented(share)}")
    return exact
