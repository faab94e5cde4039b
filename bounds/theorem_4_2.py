"""Theorem 4.2 and its sharpenings: how many bits every transformer needs that answers in one
forward pass.

Setting. A transformer answers all k-hop queries `(s, r_1, ..., r_k)` on N entities and R relations
in one pass, for every tuple of bijections (or functions) `f_0, ..., f_{R-1}`, by weights chosen
for the tuple. B_T bits name its internal weights (attention, MLPs, positions), B_e bits one
token's embedding, B_u bits one token's row of the unembedding. Its answer to `(s, w)` depends on
the internal weights, on the unembedding, and on the embeddings of s and of the relations: of ONE
entity. So tables that differ in the answers from M roots need as many different values of
(internal weights, R + M embeddings):

| bound | source | B_T is at least |
|---|---|---|
| global_bound | paper | `(R-1) log2(N!) - (N+R) B_e`; for k = 1 `R log2(N!) - (N+R) B_e` |
| sharpened_global_bound | ours | `R log2(N!) - 1 - (N+R) B_e`; |
| | | for R = 2 `2 log2(N!) - 2 log2 N - (N+2) B_e` |
| disjoint_trees_bound | paper | `log2 (N - M I(k))_[M R^k] - (M+R) B_e`, `M I(k+1) <= N` |
| shared_leaves_bound | ours | `R log2 (N - M I(k-1))_[M R^(k-1)] - (M+R) B_e`, `M I(k) <= N` |
| fact_aware_unembedding_bound | ours | `R^(j+1) log2(Q!) - (M+R) B_e - Q B_u`, |
| | | `i + j = k - 1`, `M R^i = Q R^j`, `M I(i+1) + Q I(j+1) <= N` |

`I(n) = 1 + R + ... + R^(n-1)`, `x_[l] = x (x-1) ... (x-l+1)`. The last holds for every
unembedding, the others for a *fixed* one, which does not depend on the facts. For functions in
place of bijections: `N^N` for `N!`, `N^l` for `x_[l]` and `Q^Q` for `Q!`. Proofs:
docs/theorems/theorem_4_2.md.

Every number returned is a lower end: `bits` never exceeds the exact value (see
`bounds.logarithms`).

    >>> shared_leaves_bound(4096, 4, 3, 12)
    Bound(name='shared_leaves', bits=124541.5971839..., M=195, Q=None, i=None, j=None)
"""

from __future__ import annotations

from decimal import Decimal

from bounds.logarithms import Enclosure, log2, log2_factorial, log2_falling
from bounds.lower_bound import (
    Bound,
    Facts,
    LowerBound,
    argmax,
    capped_tree,
    require_tree,
    rounded_down,
    whole_sizes,
)
from constructions.guards.errors import InputError
from constructions.guards.integers import takes_integers


def global_bound(
    n_entities: int, n_relations: int, hops: int, embedding_bits: int, facts: Facts = "bijections"
) -> Bound:
    """Theorem 4.2, global: all embeddings enter, and there are at least `(N!)^(R-1)` k-hop tables
    (`(N!)^R` for k = 1).

    Args:
        n_entities, n_relations, hops: N, R, k, each 1 to 2^40.
        embedding_bits: B_e, bits of one token's embedding, at least 0.
        facts: what the facts may be.

    Raises:
        InputError: an argument out of range.

    Example:
        >>> int(global_bound(4096, 4, 3, embedding_bits=0).bits)
        129750
    """
    n_entities, n_relations, hops, embedding_bits = whole_sizes(
        n_entities, n_relations, hops, facts, embedding_bits=embedding_bits
    )
    tuples = (
        log2_factorial(n_entities) if facts == "bijections" else log2(n_entities).times(n_entities)
    )
    free = n_relations if hops == 1 else n_relations - 1
    return rounded_down(
        "global", tuples.times(free).less((n_entities + n_relations) * embedding_bits)
    )


def sharpened_global_bound(
    n_entities: int, n_relations: int, hops: int, embedding_bits: int
) -> Bound:
    """Ours: as `global_bound`, with at least `(N!)^R / 2` k-hop tables for k >= 2, R >= 3, and
    `(N!)^2 / N^2` for R = 2.

    Two tuples with one table satisfy `f_r = tau g_r = g_r rho` for all r, and few tau have one and
    the same rho for all r. Where that says less than `global_bound`, its value is returned. For
    bijections only.

    Args, raises: as `global_bound`.

    Example:
        >>> int(sharpened_global_bound(4096, 4, 3, embedding_bits=0).bits)
        172999
    """
    n_entities, n_relations, hops, embedding_bits = whole_sizes(
        n_entities, n_relations, hops, "bijections", embedding_bits=embedding_bits
    )
    plain = global_bound(n_entities, n_relations, hops, embedding_bits)
    if hops == 1 or n_relations == 1:
        return Bound("sharpened_global", plain.bits)
    tables = log2_factorial(n_entities).times(n_relations)
    tables = tables - log2(n_entities).times(2) if n_relations == 2 else tables.less(1)
    sharp = rounded_down(
        "sharpened_global", tables.less((n_entities + n_relations) * embedding_bits)
    )
    return max(sharp, Bound("sharpened_global", plain.bits), key=lambda bound: bound.bits)


def disjoint_trees_bound(
    n_entities: int, n_relations: int, hops: int, embedding_bits: int, facts: Facts = "bijections"
) -> Bound:
    """Theorem 4.2, local: M roots with trees of depth k whose nodes, leaves included, are all
    distinct; the best M.

    Args, raises: as `global_bound`; InputError also where not even one such tree exists, `I(k+1) >
        N`.

    Example:
        >>> bound = disjoint_trees_bound(4096, 4, 3, embedding_bits=0)
        >>> int(bound.bits), bound.M
        (31305, 48)
    """
    n_entities, n_relations, hops, embedding_bits = whole_sizes(
        n_entities, n_relations, hops, facts, embedding_bits=embedding_bits
    )
    whole = require_tree(
        "disjoint_trees_bound", "M I(k+1) <= N", n_entities, n_relations, hops + 1
    )
    leaves = n_relations**hops
    inner = whole - leaves

    def bits(roots: int) -> Enclosure:
        """The bound for M roots: tuples of facts, less the embeddings that enter."""
        if facts == "bijections":
            tables = log2_falling(n_entities - roots * inner, roots * leaves)
        else:
            tables = log2(n_entities).times(roots * leaves)
        return tables.less((roots + n_relations) * embedding_bits)

    best = argmax(bits, n_entities // whole)
    return rounded_down("disjoint_trees", bits(best), M=best)


def shared_leaves_bound(
    n_entities: int, n_relations: int, hops: int, embedding_bits: int, facts: Facts = "bijections"
) -> Bound:
    """Ours: as `disjoint_trees_bound`, but only the nodes at depths below k are distinct; the best
    M.

    The r-edges out of the `M R^(k-1)` frontier nodes may go, injectively, to any entity that no
    inner r-edge leads to.

    Args, raises: as `global_bound`; InputError also where not even one such tree exists, `I(k) >
        N`.

    Example:
        >>> bound = shared_leaves_bound(4096, 4, 3, embedding_bits=0)
        >>> int(bound.bits), bound.M
        (126929, 195)
    """
    n_entities, n_relations, hops, embedding_bits = whole_sizes(
        n_entities, n_relations, hops, facts, embedding_bits=embedding_bits
    )
    distinct = require_tree("shared_leaves_bound", "M I(k) <= N", n_entities, n_relations, hops)
    frontier = n_relations ** (hops - 1)
    inner = distinct - frontier

    def bits(roots: int) -> Enclosure:
        """The bound for M roots: tuples of facts, less the embeddings that enter."""
        if facts == "bijections":
            one_relation = log2_falling(n_entities - roots * inner, roots * frontier)
        else:
            one_relation = log2(n_entities).times(roots * frontier)
        return one_relation.times(n_relations).less((roots + n_relations) * embedding_bits)

    best = argmax(bits, n_entities // distinct)
    return rounded_down("shared_leaves", bits(best), M=best)


def fact_aware_unembedding_bound(
    n_entities: int,
    n_relations: int,
    hops: int,
    embedding_bits: int,
    unembedding_bits: int,
    facts: Facts = "bijections",
) -> Bound:
    """Ours, also where the unembedding knows the facts: forward trees meet backward trees; the
    best i, M.

    For fixed i the bound is convex in M (`log2 Q!` is), so that its maximum lies at the smallest
    or the largest M.

    Args:
        n_entities, n_relations, hops: N, R, k, each 1 to 2^40.
        embedding_bits, unembedding_bits: B_e, B_u, bits of one token's rows, at least 0.
        facts: what the facts may be.

    Raises:
        InputError: an argument out of range, or `M I(i+1) + Q I(j+1) <= N` has no solution.
    """
    n_entities, n_relations, hops, embedding_bits, unembedding_bits = whole_sizes(
        n_entities,
        n_relations,
        hops,
        facts,
        embedding_bits=embedding_bits,
        unembedding_bits=unembedding_bits,
    )
    found: list[tuple[Decimal, Bound]] = []
    # With one relation all i give the same M = Q and the same condition M (k + 1) <= N.
    for i in range(hops) if n_relations > 1 else (0,):
        if capped_tree(n_relations, i + 1, n_entities) > n_entities:
            break
        j = hops - 1 - i
        if capped_tree(n_relations, j + 1, n_entities) > n_entities:
            continue
        # M R^i = Q R^j: the smallest solution, and its multiples.
        roots, targets = n_relations ** max(j - i, 0), n_relations ** max(i - j, 0)
        nodes = roots * capped_tree(n_relations, i + 1, n_entities) + targets * capped_tree(
            n_relations, j + 1, n_entities
        )
        for multiple in {1, n_entities // nodes} - {0} if nodes <= n_entities else ():
            m, q = multiple * roots, multiple * targets
            tables = log2_factorial(q) if facts == "bijections" else log2(q).times(q)
            spent = (m + n_relations) * embedding_bits + q * unembedding_bits
            bits = tables.times(n_relations ** (j + 1)).less(spent)
            found.append(
                (bits.lower, rounded_down("fact_aware_unembedding", bits, M=m, Q=q, i=i, j=j))
            )
    if not found:
        raise InputError(
            "fact_aware_unembedding_bound needs i + j = k - 1, M R^i = Q R^j and M I(i+1) + Q"
            f" I(j+1) <= N; for R = {n_relations:,}, k = {hops:,} no M >= 1 does it with N ="
            f" {n_entities:,} entities"
        )
    return max(found, key=lambda pair: (pair[0], -(pair[1].M or 0)))[1]


@takes_integers
def every_bound(
    n_entities: int, n_relations: int, hops: int, embedding_bits: int, unembedding_bits: int
) -> dict[str, Bound | str]:
    """All bounds for bijections by name; in place of one whose condition cannot be met, the
    condition in words.

    The first four are for fixed unembeddings; `fact_aware_unembedding` holds for all.

    Example:
        >>> sorted(every_bound(4096, 4, 3, 0, 0))
        ['disjoint_trees', 'fact_aware_unembedding', 'global', 'shared_leaves', 'sharpened_global']
    """
    sizes = (n_entities, n_relations, hops, embedding_bits, unembedding_bits)
    return {name: bound.at(*sizes) for name, bound in LOWER_BOUNDS.items()}


def information_limit(n_entities: int, n_relations: int, facts: Facts = "bijections") -> Enclosure:
    """`log2 (N!)^R`, the bits that name a tuple of bijections (`R N log2 N` for functions): lower
    and upper end.

    Example:
        >>> int(information_limit(4096, 4).lower)
        173000
    """
    n_entities, n_relations, _ = whole_sizes(n_entities, n_relations, 1, facts)
    one = (
        log2_factorial(n_entities) if facts == "bijections" else log2(n_entities).times(n_entities)
    )
    return one.times(n_relations)


LOWER_BOUNDS: dict[str, LowerBound] = {
    bound.name: bound
    for bound in (
        LowerBound(global_bound, of_facts=True, name="global"),
        LowerBound(sharpened_global_bound, of_facts=True, name="sharpened_global"),
        LowerBound(disjoint_trees_bound, of_facts=True, name="disjoint_trees"),
        LowerBound(shared_leaves_bound, of_facts=True, name="shared_leaves"),
        LowerBound(
            fact_aware_unembedding_bound,
            unembedding="any",
            of_facts=True,
            name="fact_aware_unembedding",
        ),
    )
}
"""The bounds with their hypotheses: of models that answer every tuple of bijections in one
pass.
"""
