"""Trained models as memories: what gradient descent finds, embeddings included.

The one-layer model of docs/learned.md and its protocol: uniform attention, one hidden layer of 8 R
units, no norm, untied; AdamW at 1e-2 on all facts in each step, a cosine to 0, until every fact is
recalled or all steps are made. The dimension is searched.
"""

from __future__ import annotations

from constructions.learning.fit import fit
from constructions.learning.one_layer import OneLayerShape
from verify.rivals.limit import limit
from verify.rivals.memory import Built, Memory
from verify.rivals.work import Work

STEPS = 1500
"""Of the optimizer, at most."""
UNITS = 8
"""Hidden units for each relation."""
BITS = 8
"""A model with fewer numbers than the facts have bits, divided by this, is not tried."""
MOST = 64
"""Times the least dimension that is tried, the largest."""


def _shape(work: Work, dimension: int) -> OneLayerShape:
    """Of a one-layer model; every entity is an answer."""
    n, r = work.n_entities, work.n_relations
    return OneLayerShape(n, r, n, dimension, UNITS * r)


def _lacks(work: Work) -> str:
    """Why it does not take this work."""
    if work.noise_tokens:
        return "reads prompts without noise tokens"
    return "answers one hop" if work.hops > 1 else ""


def _sizes(work: Work) -> tuple[int, int]:
    """Dimensions: from that in which 8 bits a number could hold the facts."""
    a_dimension = 2 * work.n_entities + work.n_relations + 2 * UNITS * work.n_relations
    least = max(1, int(limit(work, 100) / (BITS * a_dimension)))
    return least, MOST * least


def _built(work: Work, dimension: int) -> Built:
    """Train it."""
    found = fit(_shape(work, dimension), work.facts, STEPS, work.seed, device="cpu")
    named = ("entities", "relations", "answers")
    return Built(found.models[0], dimension, UNITS * work.n_relations, named)


ONE_LAYER = Memory(
    name="trained one-layer",
    source="docs/learned.md",
    size="dimension",
    embeddings="trained",
    lacks=_lacks,
    sizes=_sizes,
    build=_built,
)
MEMORIES = [ONE_LAYER]
