"""The constructions of the catalogue as memories: their weights are written, their sizes follow
from N, R, k and the number of answers.

A tensor that is the same for a table that the sizes alone determine holds no fact. It is given, a
buffer, as random embeddings are given to other memories. One bit for each tensor says which these
are, and the sizes, which show how many answers there are, are charged. Prompts with noise tokens
are read by a form of the construction, docs/theorems/noise_tokens.md.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from bounds.grids import natural_bits
from constructions import read_among_noise
from constructions.catalogue import CATALOGUE
from constructions.entry import Construction
from constructions.facts.table import FactTable
from constructions.guards.errors import DoesNotFit, InputError
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
    if work.noise_tokens and not _reads_noise(entry.name):
        return "has no form that reads noise tokens"
    if work.hops > 1 and not entry.multi_hop:
        return "answers one hop"
    if work.hops == 1 and entry.fixed:
        return f"with one hop the same as {entry.builder_name}"
    if work.answers == "shared" and entry.takes_disjoint_answers:
        return f"needs {entry.needs}"
    if work.answers == "disjoint" and not entry.missing:
        return f"needs {entry.needs}"
    return ""


@cache
def _reads_noise(name: str) -> bool:
    """Whether a construction has a form that reads prompts with noise tokens."""
    entry = CATALOGUE[name]
    try:
        read_among_noise(_model(entry, entry.random_facts(4, 2, 0), 1))
    except InputError:
        return False
    return True


class AmongNoise(nn.Module):
    """A reader of prompts with noise tokens, without the special tokens of its vocabulary: tokens
    int64 (Q, T) of `verify.rivals.prompts` to logits (Q, V).
    """

    def __init__(self, model: FactModel, work: Work):
        super().__init__()
        words = work.n_entities + work.n_relations
        self.reader = read_among_noise(model, work.prompt_length, work.n_noise)
        self._words, self._specials = words, len(model.vocabulary) - words

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits after the last token."""
        moved = torch.where(tokens < self._words, tokens, tokens + self._specials)
        logits: Tensor = self.reader(moved)
        return logits


def _built(entry: Construction, work: Work) -> Built:
    """Its weights; those that hold no fact are buffers."""
    model = _model(entry, work.facts, work.hops)
    module: nn.Module = model
    shape = model.shape
    if work.noise_tokens:
        module = noisy = AmongNoise(model, work)
        shape = noisy.reader.network.shape
    chosen = (shape.d_model, shape.d_mlp, *entry.settled(model).values())
    same = _of_sizes_alone(entry.name, replace(work, seed=0), model.embedding.weight.dtype)
    tensors = dict(module.named_parameters())
    for name, tensor in tensors.items():
        if same.get(name) == digest(tensor):
            make_given(module, name)
    named = len(tensors) + sum(map(natural_bits, chosen))
    embeddings = tuple(name for name in tensors if name.endswith(EMBEDDINGS))
    step = model.hops_per_token
    return Built(module, shape.d_model, shape.d_mlp, embeddings, step, named)


def _model(entry: Construction, facts: FactTable, hops: int) -> FactModel:
    """The construction itself, of paths of so many hops; in float64 where float32 does not hold
    its numbers. What is counted are the bits of its grids, which are the same.
    """
    try:
        return _in(torch.float32, entry, facts, hops)
    except DoesNotFit:
        return _in(torch.float64, entry, facts, hops)


def _in(dtype: torch.dtype, entry: Construction, facts: FactTable, hops: int) -> FactModel:
    """The construction in a dtype."""
    longest = entry.longest_path
    given = {} if longest is None else {longest.name: hops}
    model: FactModel = entry.build(facts, hops, given, dtype=dtype)
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
def _of_sizes_alone(name: str, work: Work, dtype: torch.dtype) -> dict[str, bytes | None]:
    """Digests of the tensors of `f_r(s) = s + r mod b` among the b answers of each relation."""
    subjects = np.arange(work.n_entities)
    rows = [
        block.start + (subjects + relation) % len(block)
        for relation, block in enumerate(work.blocks)
    ]
    model = _in(dtype, CATALOGUE[name], FactTable(rows), work.hops)
    module = AmongNoise(model, work) if work.noise_tokens else model
    return {tensor: digest(value) for tensor, value in module.named_parameters()}


MEMORIES = [memory_of(entry) for entry in CATALOGUE.values()]
