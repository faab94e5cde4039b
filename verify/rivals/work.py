"""What every memory is asked: the same facts, drawn from a seed. Without torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal, get_args

import numpy as np

from constructions.facts.noise_prompts import LONGEST, SHORTEST
from constructions.facts.table import FactTable
from constructions.guards.errors import InputError
from constructions.guards.integers import require_integer_fields, whole

Answers = Literal["shared", "disjoint"]


@dataclass(frozen=True)
class Work:
    """Facts about N subjects, of R relations, that a memory is to recall.

    Attributes:
        n_entities, n_relations, hops: N, R, k.
        answers: "shared": R independent uniform bijections of the entities (Theorem 4.1);
            "disjoint": R independent uniform functions, of which relation r answers in the r-th of
            R blocks of entities, whose sizes differ by one at most (Theorem F.1, and the task of
            arXiv 2412.06538).
        noise_tokens: how many tokens of a prompt say nothing; 0 for the prompt `s r_1 ... r_k`.
            With n > 0 there are n + 3 of them: subject, relation and noise in any order, and EOS.
        seed: of the facts, and of all that a memory draws.

    Raises:
        InputError: a size is out of range, or there are fewer entities than disjoint blocks.
    """

    n_entities: int
    n_relations: int
    hops: int = 1
    answers: Answers = "shared"
    noise_tokens: int = 0
    seed: int = 100

    def __post_init__(self) -> None:
        require_integer_fields(self)
        for name, least in (("n_entities", 1), ("n_relations", 1), ("hops", 1)):
            whole(name, getattr(self, name), least)
        for name in ("noise_tokens", "seed"):
            whole(name, getattr(self, name), 0)
        if self.answers not in get_args(Answers):
            raise InputError(f"answers must be 'shared' or 'disjoint'; got {self.answers!r}")
        if self.answers == "disjoint" and self.n_relations > self.n_entities:
            raise InputError(
                f"{self.n_relations:,} disjoint sets of answers need as many entities at least;"
                f" there are {self.n_entities:,}"
            )
        whole("the length of a prompt", self.prompt_length, 1, LONGEST)
        if self.noise_tokens and self.hops > 1:
            raise InputError("prompts with noise tokens ask for one hop")

    @property
    def n_facts(self) -> int:
        """N R."""
        return self.n_entities * self.n_relations

    @property
    def prompt_length(self) -> int:
        """How many tokens a prompt with noise tokens has."""
        return self.noise_tokens + SHORTEST

    @property
    def n_noise(self) -> int:
        """How many different noise tokens there are, if any: N + R, as in the code of arXiv
        2412.06538 (run.py).
        """
        return self.n_entities + self.n_relations

    @property
    def n_tokens(self) -> int:
        """The vocabulary: entities, relations, and where prompts have noise, the noise tokens and
        EOS, in this order.
        """
        words = self.n_entities + self.n_relations
        return words + self.n_noise + 1 if self.noise_tokens else words

    @cached_property
    def blocks(self) -> list[range]:
        """The entities that each relation answers with."""
        n, r = self.n_entities, self.n_relations
        if self.answers == "shared":
            return [range(n)] * r
        ends = [n * one // r for one in range(r + 1)]
        return [range(first, end) for first, end in pairwise(ends)]

    @cached_property
    def facts(self) -> FactTable:
        """The table."""
        n, r = self.n_entities, self.n_relations
        if self.answers == "shared":
            return FactTable.random_bijections(n, r, self.seed)
        random = np.random.default_rng(self.seed)
        return FactTable([random.integers(one.start, one.stop, n) for one in self.blocks])
