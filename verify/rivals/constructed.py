"""The constructions of the catalogue as memories: their weights are written, their sizes follow
from N, R, k and the number of answers.

A tensor that is the same for a table that the sizes alone determine holds no fact. It is given, a
buffer, as random embeddings are given to other memories. One bit for each tensor says which these
are, and the sizes, which show how many answers there are, are charged.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from torch import nn

from bounds.grids import natural_bits
from constructions.catalogue import CATALOGUE
from constructions.entry import Construction
from constructions.facts.table import FactTable
from constructions.model.fact_model import FactModel
from constructions.model.stated import digest
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
    """Its weights; those that hold no fact are buffers."""
    model = _model(entry, work.facts, work.hops)
    d_model, d_mlp = model.shape.d_model, model.shape.d_mlp
    chosen = (d_model, d_mlp, *entry.settled(model).values())
    same = _of_sizes_alone(entry.name, work.n_entities, work.n_relations, work.hops, work.answers)
    tensors = dict(model.named_parameters())
    for name, tensor in tensors.items():
        if same.get(name) == digest(tensor):
            make_given(model, name)
    named = len(tensors) + sum(map(natural_bits, chosen))
    return Built(model, d_model, d_mlp, EMBEDDINGS, model.hops_per_token, named)


def _model(entry: Construction, facts: FactTable, hops: int) -> FactModel:
    """The construction itself; of paths of so many hops."""
    longest = entry.longest_path
    model: FactModel = entry.build(facts, hops, {} if longest is None else {longest.name: hops})
    return model


def make_given(model: nn.Module, name: str) -> None:
    """Make a parameter a buffer, wherever in the model it stands."""
    given = model.get_parameter(name)
    for module in model.modules():
        for own, parameter in list(module.named_parameters(recurse=False)):
            if parameter is given:
                delattr(module, own)
                module.register_buffer(own, given.detach())


@cache
def _of_sizes_alone(
    name: str, entities: int, relations: int, hops: int, answers: str
) -> dict[str, bytes | None]:
    """Digests of the tensors of `f_r(s) = s + r mod b` among the b answers of each relation."""
    work = Work(entities, relations, hops, "disjoint" if answers == "disjoint" else "shared")
    subjects = np.arange(entities)
    rows = [
        block.start + (subjects + relation) % len(block)
        for relation, block in enumerate(work.blocks)
    ]
    model = _model(CATALOGUE[name], FactTable(rows), hops)
    return {tensor: digest(value) for tensor, value in model.named_parameters()}


MEMORIES = [memory_of(entry) for entry in CATALOGUE.values()]
