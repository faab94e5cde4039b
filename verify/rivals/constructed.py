"""The constructions of the catalogue as memories: their weights are written, their sizes follow
from N, R and k.
"""

from __future__ import annotations

from bounds.grids import natural_bits
from constructions.catalogue import CATALOGUE
from constructions.entry import Construction
from verify.rivals.memory import Built, Memory
from verify.rivals.work import Work

EMBEDDINGS = ("embedding.weight", "unembedding.weight")


def memory_of(entry: Construction) -> Memory:
    """A construction as a memory."""
    return Memory(
        name=entry.name,
        source=f"Theorem {entry.theorem}",
        size="",
        embeddings="written",
        lacks=lambda work: _lacks(entry, work),
        sizes=lambda work: (1, 1),
        build=lambda work, size: _built(entry, work),
    )


def _lacks(entry: Construction, work: Work) -> str:
    """Why a construction does not take this work."""
    if work.noise_tokens:
        return "reads prompts without noise tokens"
    if work.hops > 1 and not entry.multi_hop:
        return "answers one hop"
    if work.hops == 1 and entry.fixed:
        return f"with one hop the same as {entry.builder_name}"
    if work.answers == "shared" and entry.takes_disjoint_answers:
        return f"needs {entry.needs}"
    if work.answers == "disjoint" and not entry.missing:
        return f"needs {entry.needs}"
    return ""


def _built(entry: Construction, work: Work) -> Built:
    """Its weights."""
    longest = entry.longest_path
    given = {} if longest is None else {longest.name: work.hops}
    model = entry.build(work.facts, work.hops, given)
    d_model, d_mlp = model.shape.d_model, model.shape.d_mlp
    # how many answers there are, and so every size, is seen in the facts
    chosen = (d_model, d_mlp, *entry.settled(model).values())
    named = sum(map(natural_bits, chosen))
    return Built(model, d_model, d_mlp, EMBEDDINGS, model.hops_per_token, named)


MEMORIES = [memory_of(entry) for entry in CATALOGUE.values()]
