"""The queries that a decoder, trained or not, is to answer: as tokens, in batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from constructions.decoders.standard_decoder import StandardDecoder
from constructions.facts.limits import require_runnable
from constructions.facts.sequences import sequences
from constructions.facts.table import FactTable
from constructions.facts.vocabulary import WRITING, Vocabulary
from constructions.guards.errors import InputError
from constructions.guards.integers import whole
from constructions.learning.one_layer import OneLayer
from constructions.model.answering import Answering
from constructions.model.transformer import Transformer


class Batch(NamedTuple):
    """Some queries.

    Attributes:
        subjects, paths: int64 (Q,) and (Q, k).
        tokens: int64 (Q, L), whole sequences.
        answers: int64 (Q, A), what the last A positions are to say.
    """

    subjects: NDArray[np.int64]
    paths: NDArray[np.int64]
    tokens: Tensor
    answers: Tensor

    def at(self, places: Tensor) -> Batch:
        """Those at these places, int64 (n,)."""
        numbers = places.numpy()
        return Batch(
            self.subjects[numbers], self.paths[numbers], self.tokens[places], self.answers[places]
        )


@dataclass(frozen=True)
class Asked:
    """All queries that are claimed.

    Attributes:
        facts: the oracle.
        vocabulary: the tokens.
        lengths: how many relations the paths have.
        hops_per_token: of a chain of thought; 0 of others.
        stored_only: whether stored queries alone are claimed.
    """

    facts: FactTable
    vocabulary: Vocabulary
    lengths: range
    hops_per_token: int
    stored_only: bool

    @property
    def n_positions(self) -> int:
        """The longest sequence."""
        longest, step = self.lengths[-1], self.hops_per_token
        return longest + 1 + (-(-longest // step) if step else 0)

    def count(self) -> int:
        """How many there are."""
        return sum(self.facts.n_claimed_queries(k, self.stored_only) for k in self.lengths)

    def batches(self, at_once: int) -> Iterator[Batch]:
        """All of them, so many together, the subject first."""
        require_runnable(self.count())
        for hops in self.lengths:
            total = self.facts.n_claimed_queries(hops, self.stored_only)
            for start in range(0, total, at_once):
                numbers = np.arange(start, min(start + at_once, total))
                some = self.facts.claimed_queries(numbers, hops, self.stored_only)
                found = sequences(
                    self.facts, self.vocabulary, *some, self.lengths[-1], self.hops_per_token
                )
                yield Batch(*some, *map(torch.from_numpy, found))

    def token_name(self, token: int) -> str:
        """An answer as it is called."""
        if token < self.vocabulary.n_entities:
            return self.facts.entity_name(token)
        relation = token - self.vocabulary.n_entities
        if relation < self.vocabulary.n_relations:
            return self.facts.relation_name(relation)
        return self.vocabulary.specials[relation - self.vocabulary.n_relations]


def asked(model: nn.Module, facts: FactTable, hops: int, hops_per_token: int) -> Asked:
    """What this model claims to answer: a construction, in whatever form, says it itself; of other
    decoders all stored queries of so many hops.

    Raises:
        InputError: the table has other sizes than the model, or an answer that it has no logit of;
            or the model has too few tokens or positions.
    """
    hops, hops_per_token = whole("hops", hops, 1), whole("hops_per_token", hops_per_token, 0)
    if isinstance(model, Answering):
        sizes = model.vocabulary.n_entities, model.vocabulary.n_relations
        _require_sizes(facts, sizes)
        lengths, step = model.path_lengths, model.hops_per_token
        return Asked(facts, model.vocabulary, lengths, step, model.stored_only)
    specials = (WRITING,) if hops_per_token else ()
    vocabulary = Vocabulary(facts.n_entities, facts.n_relations, *specials)
    if isinstance(model, OneLayer):
        if hops != 1 or hops_per_token:
            raise InputError("a one-layer model answers one hop, at once")
        _require_sizes(facts, (model.shape.n_entities, model.shape.n_relations))
        most = int(facts.answers.max())
        if most >= model.shape.n_answers:
            raise InputError(
                f"entity {most} is an answer, and the model has logits of {model.shape.n_answers}"
            )
    found = Asked(facts, vocabulary, range(hops, hops + 1), hops_per_token, True)
    if isinstance(model, Transformer | StandardDecoder):
        n_tokens = facts.n_entities + facts.n_relations + (len(WRITING) if hops_per_token else 0)
        n_positions = model.shape.n_positions or found.n_positions
        if model.shape.d_vocab < n_tokens or n_positions < found.n_positions:
            raise InputError(
                f"{n_tokens} tokens and {found.n_positions} positions are needed; the model has"
                f" {model.shape.d_vocab} and {n_positions}"
            )
    return found


def _require_sizes(facts: FactTable, sizes: tuple[int, int]) -> None:
    """Raise InputError unless the table has so many entities and relations."""
    if (facts.n_entities, facts.n_relations) != sizes:
        raise InputError(
            f"the table has {facts.n_entities:,} entities and {facts.n_relations:,} relations; the"
            f" model was made for {sizes[0]:,} and {sizes[1]:,}"
        )
