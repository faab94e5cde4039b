"""How a memory is described, and what it builds.

What a memory stores, what depends on the facts, are *parameters* of its module. What does not
depend on them (random embeddings and projections, weights that are written alike for all facts)
are *buffers*: they hold no fact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import nn

from verify.rivals.work import Work

Embeddings = Literal["given", "written", "trained"]


@dataclass(frozen=True)
class Built:
    """A memory of some facts.

    Attributes:
        module: tokens int64 (Q, L), as `FactTable.dataset` makes them or prompts with noise, to
            logits (Q, A) of the answers at the last position.
        dimension: d, of the embeddings.
        width: hidden units of the MLP, gated pairs counted once; 0 where there is none.
        embeddings: the names of all parameters and buffers that embed tokens or unembed answers.
        hops_per_token: of a memory that writes intermediate entities before its answer; 0 of all
            others.
        chosen_bits: that name what else was chosen by looking at the facts, beside the stored
            numbers and the size; 0 where facts decide on nothing else.
    """

    module: nn.Module
    dimension: int
    width: int
    embeddings: tuple[str, ...]
    hops_per_token: int = 0
    chosen_bits: int = 0

    @property
    def n_stored(self) -> int:
        """How many numbers depend on the facts."""
        return sum(one.numel() for one in self.module.parameters())

    def n_numbers(self, with_embeddings: bool = True) -> int:
        """All numbers of the module, given ones too, with or without embeddings."""
        everything = [*self.module.named_parameters(), *self.module.named_buffers()]
        return sum(
            one.numel()
            for name, one in everything
            if with_embeddings or name not in self.embeddings
        )


@dataclass(frozen=True)
class Memory:
    """A way to store facts.

    Attributes:
        name: at most 33 characters.
        source: whose it is: an arXiv number and a theorem or section, or "ours".
        size: what is varied to find the smallest memory: "dimension", "width", or "" where the
            facts alone decide.
        embeddings: of tokens: "given" at random, "written" by the construction, or "trained".
        lacks: why it does not take this work, in a few words; "" where it does.
        sizes: the least and the largest size that is worth trying.
        build: of this work, with this size. The same work and size build the same memory.
    """

    name: str
    source: str
    size: Literal["dimension", "width", ""]
    embeddings: Embeddings
    lacks: Callable[[Work], str]
    sizes: Callable[[Work], tuple[int, int]]
    build: Callable[[Work, int], Built]
