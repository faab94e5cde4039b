"""A lower bound of one's own: the global bound of Theorem 4.2, weaker and with a shorter proof.

Statement. A model without chain-of-thought, whose unembedding does not depend on the facts, that
answers all paths of k relations for every R bijections on N entities, has

    B_T >= (R-1) (N/2) log2(N/2) - (N+R) B_e.

Proof: add-a-construction.md.
"""

from __future__ import annotations

import math

from bounds.lower_bound import LowerBound


def idle_relation(n_entities: int, n_relations: int, hops: int, embedding_bits: int) -> float:
    """With relation 0 the identity, the paths (r, 0, ..., 0) say all other relations."""
    half = n_entities / 2
    return (n_relations - 1) * half * math.log2(half) - (n_entities + n_relations) * embedding_bits


mine = LowerBound(idle_relation, unembedding="fixed", of_facts=True)
