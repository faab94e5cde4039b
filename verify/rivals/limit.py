"""What no memory can beat: the bits that all of them need for the facts of a work, without torch.

The facts are drawn after everything else was fixed: the way in which a memory writes facts, and
what it is given at random. So the bits of its stored numbers, and of all sizes and precisions that
were chosen by looking at the facts, name one of so many answer maps, and

| facts | bits at least, if e of Q answers may be wrong |
|---|---|
| shared answers, one hop | `bounds.imperfect.recall_bound`: log2 (N!)^R less what e wrong serve |
| disjoint answers, one hop | `bounds.functions.functions_bound`: N sum_r log2 b_r less the same |
| shared answers, k hops | `bounds.imperfect.imperfect_sharpened_global_bound` with B_e = 0 |

A memory that lies x bits below this has a probability of at most 2^-x: it is an error in a count,
or hides facts.
"""

from __future__ import annotations

from fractions import Fraction

from bounds.functions import functions_bound
from bounds.imperfect import imperfect_sharpened_global_bound, recall_bound
from constructions.guards.errors import InputError
from verify.rivals.work import Work

LEVELS = (100, 99, 90)
"""The percent of all answers that are to be right."""


def queries_of(work: Work) -> int:
    """N R^k."""
    return work.n_entities * int(work.n_relations**work.hops)


def wrong_of(work: Work, level: int) -> int:
    """How many answers may be wrong where so many percent are right."""
    return queries_of(work) * (100 - level) // 100


def limit(work: Work, level: int) -> float:
    """The least bits of everything that depends on the facts.

    Raises:
        InputError: disjoint answers and several hops, for which no bound is known.
    """
    wrong = wrong_of(work, level)
    n, r = work.n_entities, work.n_relations
    if work.answers == "disjoint":
        if work.hops > 1:
            raise InputError(
                "no information limit is known of several hops through disjoint answers"
            )
        return functions_bound(n, [len(block) for block in work.blocks], wrong).bits
    if work.hops == 1:
        return recall_bound(n, r, wrong).bits
    share = Fraction(wrong, queries_of(work))
    return imperfect_sharpened_global_bound(n, r, work.hops, 0, share).bits
