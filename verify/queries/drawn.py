"""Queries of a saved model, drawn at random over all lengths that it answers: what the module is
asked, and what it should write.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from constructions.facts.answers import MISSING
from constructions.facts.table import FactTable
from constructions.facts.vocabulary import Vocabulary
from constructions.model.shapes import TransformerShape
from constructions.saved.manifest import Manifest


@dataclass(frozen=True)
class Drawn:
    """Some queries, as the module is asked.

    Attributes (all int64):
        subjects, lengths: (Q,).
        paths: (Q, K), relations; 0 after the end of a path.
        prompts: (Q, L), tokens.
        wanted: (Q, steps), the tokens that should follow; -1 where none is asked for.
    """

    subjects: NDArray[np.int64]
    lengths: NDArray[np.int64]
    paths: NDArray[np.int64]
    prompts: Tensor
    wanted: Tensor


class Questions:
    """The queries that a saved model claims to answer: their lengths, their tokens and what should
    be answered.
    """

    def __init__(self, manifest: Manifest, facts: FactTable, hops_per_token: int):
        self.facts, self.stored_only = facts, manifest["queries"] == "stored"
        self.vocabulary = Vocabulary(
            facts.n_entities, facts.n_relations, tuple(manifest["specials"])
        )
        self.hops: int = manifest["sizes"]["hops"]
        self.per_token = hops_per_token  # of a chain of thought, else 0

    @property
    def path_lengths(self) -> range:
        """How many relations the paths have."""
        return range(1 if self.per_token else self.hops, self.hops + 1)

    @property
    def steps(self) -> int:
        """How many tokens are written at most, END included."""
        return 1 + -(-self.hops // self.per_token) if self.per_token else 1

    def counts(self) -> list[int]:
        """How many there are of each length."""
        claimed = self.facts.n_claimed_queries
        return [claimed(length, self.stored_only) for length in self.path_lengths]

    def work(self, shape: TransformerShape) -> int:
        """The products that one query takes."""
        vocabulary = shape.d_vocab * shape.d_model
        inside = shape.repeats * (shape.n_parameters() - 2 * vocabulary)
        positions = self.hops + self.steps
        attended = positions * self.steps * shape.cached_widths
        return positions * inside + attended + self.steps * vocabulary

    def drawn(self, most: int, seed: int) -> Drawn:
        """All queries if there are at most so many, else so many at random, over all lengths."""
        counts = self.counts()
        rng = np.random.default_rng(seed)
        if sum(counts) > most:
            share = np.bincount(rng.integers(len(counts), size=most), minlength=len(counts))
            counts = [min(count, int(n)) for count, n in zip(counts, share, strict=True)]
        subjects, paths, lengths = [], [], []
        for length, count in zip(self.path_lengths, counts, strict=True):
            if not count:
                continue
            some, words = self.facts.drawn_queries(count, length, rng, self.stored_only)
            subjects.append(some)
            paths.append(np.pad(words, ((0, 0), (0, self.hops - length))))
            lengths.append(np.full(count, length))
        return self._asked(*map(np.concatenate, (subjects, lengths, paths)))

    def _asked(
        self, subjects: NDArray[np.int64], lengths: NDArray[np.int64], paths: NDArray[np.int64]
    ) -> Drawn:
        """The prompts of some queries, and the tokens that should follow."""
        places = np.arange(self.hops)
        letters = self.vocabulary.n_entities + paths
        if self.per_token:
            beyond = places >= lengths[:, None]
            letters = np.where(beyond, self.vocabulary.special("pad"), letters)
        prompts = np.column_stack([subjects, letters])
        passed = [subjects]  # the nodes of each path, the subject first
        for place in places:
            known = np.maximum(passed[-1], 0)
            reached = self.facts.answer(known, paths[:, place, None])
            passed.append(np.where(passed[-1] == MISSING, MISSING, reached))
        nodes = self.vocabulary.answer_tokens(np.stack(passed, axis=1))
        wanted = np.full((len(subjects), self.steps), -1)
        if not self.per_token:
            wanted[:, 0] = nodes[:, self.hops]
            return Drawn(subjects, lengths, paths, *map(torch.from_numpy, (prompts, wanted)))
        last = -(-lengths // self.per_token)  # the place of END
        for step in range(self.steps):
            read = np.minimum((step + 1) * self.per_token, lengths)
            node = nodes[np.arange(len(subjects)), read]
            end = np.where(step == last, self.vocabulary.special("end"), -1)
            wanted[:, step] = np.where(step < last, node, end)
        return Drawn(subjects, lengths, paths, *map(torch.from_numpy, (prompts, wanted)))
