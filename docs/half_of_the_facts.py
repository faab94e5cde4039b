"""A lower bound of one's own, true but weak: half of the facts are inside, or in embeddings."""

from __future__ import annotations

import math

from bounds.lower_bound import LowerBound


def half_of_the_facts(n_entities: int, n_relations: int, hops: int, embedding_bits: int) -> float:
    """All N + R embeddings and the internal bits name one of at least (N!)^(R-1) tables."""
    log2_factorial = math.lgamma(n_entities + 1) / math.log(2)
    tables = (n_relations - 1) * log2_factorial / 2
    return tables - (n_entities + n_relations) * embedding_bits


half = LowerBound(half_of_the_facts, unembedding="fixed", of_facts=True)
