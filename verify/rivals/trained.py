"""Trained models as memories: what gradient descent finds, embeddings included.

One hop: the one-layer model of docs/learned.md and its protocol: uniform attention, one hidden
layer of 8 R units, no norm, untied. Several hops: the standard decoders of its experiment with
many hops (pre-norm RMSNorm, 4 heads, MLPs of 4 d units), here with k layers, and one for a chain
of thought. All learn with AdamW at 3e-2 on all prompts in each step, a cosine to 0, until
everything is recalled or 500 steps are made: with seeds 0 to 2 at N = 64, R = 4 they recall within
4 % what 1,500 steps at 1e-2 do, and all from the same dimension on or one more. The dimension is
searched.
"""

from __future__ import annotations

from constructions.decoders.standard_decoder import StandardShape
from constructions.facts.vocabulary import WRITING, Vocabulary
from constructions.learning.fit import fit
from constructions.learning.one_layer import OneLayerShape
from verify.rivals.limit import limit, queries_of
from verify.rivals.memory import Built, Memory
from verify.rivals.prompts import prompts_of
from verify.rivals.work import Work

STEPS, RATE = 500, 3e-2
"""Of the optimizer."""
UNITS = 8
"""Hidden units for each relation."""
BITS = 4
"""A model whose numbers would have to hold more than so many bits each is not tried."""
MOST = 64
"""Times the least dimension that is tried, the largest."""
MOST_DECODER = 64
"""The largest dimension of a decoder."""
HEADS = 4
MOST_LOGITS = 2**17
"""Of all answers to paths; with more, decoders are not trained."""


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
    """Dimensions: from that in which 4 bits a number could hold the facts."""
    a_dimension = 2 * work.n_entities + work.n_relations + 2 * UNITS * work.n_relations
    least = max(1, int(limit(work, 100) / (BITS * a_dimension)))
    return least, MOST * least


def _built(work: Work, dimension: int) -> Built:
    """Train it."""
    found = fit(_shape(work, dimension), work.facts, STEPS, work.seed, rate=RATE, device="cpu")
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


def decoder(hops_per_token: int) -> Memory:
    """Decoders that answer at once (0), or by a chain of thought."""
    return Memory(
        name="trained decoder" + ", chain" * (hops_per_token > 0),
        source="docs/learned.md",
        size="dimension",
        embeddings="trained",
        lacks=_decoder_lacks,
        sizes=lambda work: (2, MOST_DECODER),
        build=lambda work, dimension: _decoder(work, dimension, hops_per_token),
    )


def _decoder_lacks(work: Work) -> str:
    """Why decoders do not take this work."""
    if work.hops == 1:
        return "trained for several hops alone; with one hop see the one-layer model"
    if queries_of(work) * work.n_entities > MOST_LOGITS:
        return f"training takes hours with more than {MOST_LOGITS:,} logits a step"
    return ""


def _decoder(work: Work, dimension: int, hops_per_token: int) -> Built:
    """Train one."""
    prompts = prompts_of(work, hops_per_token)
    vocabulary = Vocabulary(work.n_entities, work.n_relations, WRITING)
    shape = StandardShape(
        len(vocabulary),
        dimension,
        1 if hops_per_token else work.hops,
        HEADS,
        max(1, dimension // HEADS),
        4 * dimension,
        prompts.tokens.shape[1],
        norm="rmsnorm",
    )
    scale = dimension**-0.5
    data = (prompts.tokens, prompts.answers)
    found = fit(shape, data, STEPS, work.seed, rate=RATE, initial_scale=scale, device="cpu")
    module = found.models[0]
    named = tuple(
        name for name, _ in module.named_parameters() if "embed" in name or "position" in name
    )
    return Built(module, dimension, 4 * dimension, named, hops_per_token)


MEMORIES = [ONE_LAYER, decoder(0), decoder(1)]
