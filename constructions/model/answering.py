"""Asking a model: what all modules have in common that name entities, take paths and answer with
an entity.

Two ways of answering: at once, after the last relation (`Answering`); or by writing the
intermediate entities first, the chain of thought of Theorem 4.4 (`Writing`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from constructions.facts.table import FactTable
from constructions.facts.vocabulary import Vocabulary
from constructions.guards.errors import InputError
from constructions.model.trace import Traced

_Ids = int | str | Sequence[int] | Sequence[str] | np.ndarray


class Widths(Protocol):
    """The sizes of a module that whoever runs it needs."""

    @property
    def d_vocab(self) -> int:
        """Tokens."""

    @property
    def d_model(self) -> int:
        """Coordinates of the residual stream."""

    @property
    def d_mlp(self) -> int:
        """The widest hidden layer of any MLP."""

    @property
    def widest_layer(self) -> int:
        """The most numbers that one layer computes for a position beside the stream."""

    @property
    def cached_widths(self) -> int:
        """The numbers that attention remembers of a position, in all layers."""

    @property
    def n_positions(self) -> int:
        """Rows of the positional embedding; 0 for none."""


class Answering(Traced):
    """A module that answers paths of `hops` relations at the path's last token.

    Attributes:
        vocabulary: the token ids.
        hops: how many relations a path has.
        facts: the table that the model was built for, or that was installed last: the names, and
            what it should say.
        shape: the module's sizes; see `Widths`.
    """

    vocabulary: Vocabulary
    hops: int
    facts: FactTable
    shape: Any
    embedding: nn.Embedding

    @property
    def path_lengths(self) -> range:
        """How many relations the paths have that it answers."""
        return range(self.hops, self.hops + 1)

    @torch.no_grad()
    def answer(
        self, entity: _Ids, path: Sequence[int] | Sequence[str] | np.ndarray
    ) -> int | np.ndarray:
        """What the model says: its argmax over the whole vocabulary after the tokens `entity,
        path...`.

        Args:
            entity: an id or a name, or an array of ids or a list of names, shape (...).
            path: relation ids or names, shape (k,) for one path, or (..., k).

        Returns:
            Entity ids, int for one query, else int64 of the broadcast shape; -1 is *unknown*.

        Raises:
            InputError: an id or a name that does not exist.
        """
        entities, relations = self._checked_query(entity, path)
        if relations.shape[-1] != self.hops:
            raise InputError(
                f"this model answers paths of {self.hops} relations; got {relations.shape[-1]}"
            )
        lead = np.broadcast_shapes(entities.shape, relations.shape[:-1])
        tokens = np.empty((*lead, 1 + relations.shape[-1]), dtype=np.int64)
        tokens[..., 0] = entities
        tokens[..., 1:] = self.vocabulary.n_entities + relations
        states, _ = self.states(self._placed(tokens))
        said: Tensor = self.unembedding(states[..., -1, :]).argmax(-1)
        answers = self.vocabulary.answers(said.cpu().numpy())
        return int(answers) if answers.ndim == 0 else answers

    def training_examples(
        self, entities: NDArray[np.int64], paths: NDArray[np.int64]
    ) -> tuple[Tensor, Tensor]:
        """The whole token sequences of queries, and what is to be said after their last positions:
        to train on the facts.

        Args:
            entities: subjects (...).
            paths: (..., k).

        Returns:
            int64 tokens (..., L) and answers (..., A), which the last A positions are to give:
            one, the answer's token; of a chain of thought each token that it writes, and the
            sequences hold all of them but END.
        """
        tokens = np.concatenate([entities[..., None], self.vocabulary.n_entities + paths], axis=-1)
        said = self.vocabulary.answer_tokens(self.facts.answer(entities, paths))[..., None]
        return self._placed(tokens), self._placed(said)

    def _placed(self, tokens: NDArray[np.int64]) -> Tensor:
        """As a tensor beside the weights."""
        return torch.from_numpy(tokens).to(self.embedding.weight.device)

    def _checked_query(self, entity: _Ids, path: object) -> tuple[np.ndarray, np.ndarray]:
        """Entity ids (...) and relation ids (..., k) of a query by ids or names; all in range."""
        entities = _ids(entity, self.facts.entity_id)
        relations = _ids(path, self.facts.relation_id)
        self.facts.answer(entities, relations)  # the ranges are checked in one place
        return entities, relations


@dataclass(frozen=True)
class Written:
    """What a model wrote.

    Attributes:
        tokens: int64 (..., steps), END included; PAD after it.
        ended: bool (...): whether END was written.
    """

    tokens: NDArray[np.int64]
    ended: NDArray[np.bool_]


class Writing(Answering):
    """A module that writes the intermediate entities. `hops` is the longest path; shorter ones are
    padded.

    Attributes:
        hops_per_token: how many hops each written token makes.
    """

    hops_per_token: int

    @property
    def path_lengths(self) -> range:
        """All lengths up to `hops`."""
        return range(1, self.hops + 1)

    def prompt(self, entities: NDArray[np.int64], paths: NDArray[np.int64]) -> Tensor:
        """The padded prompts of queries: subjects (...) and paths (..., k), 1 <= k <= K, to int64
        (..., K + 1).

        Raises:
            InputError: the paths are empty or longer than K.
        """
        hops = paths.shape[-1]
        if not 1 <= hops <= self.hops:
            raise InputError(f"this model answers paths of 1 to {self.hops} relations; got {hops}")
        lead = np.broadcast_shapes(entities.shape, paths.shape[:-1])
        tokens = np.full((*lead, self.hops + 1), self.vocabulary.special("pad"))
        tokens[..., 0] = entities
        tokens[..., 1 : hops + 1] = self.vocabulary.n_entities + paths
        return self._placed(tokens)

    def training_examples(
        self, entities: NDArray[np.int64], paths: NDArray[np.int64]
    ) -> tuple[Tensor, Tensor]:
        """See `Answering.training_examples`: the prompt and the intermediate entities; these, and
        END.
        """
        hops = paths.shape[-1]
        read = [*range(self.hops_per_token, hops, self.hops_per_token), hops]
        passed = np.stack(
            [self.facts.answer(entities, paths[..., :length]) for length in read], axis=-1
        )
        written = self._placed(self.vocabulary.answer_tokens(passed))
        end = torch.full_like(written[..., :1], self.vocabulary.special("end"))
        return torch.cat([self.prompt(entities, paths), written], -1), torch.cat(
            [written, end], -1
        )

    @torch.no_grad()
    def generate(self, prompt: Tensor) -> Written:
        """Greedy decoding with a cache, fed back with the model's own tokens, until all have
        written END or no position is left: prompts (..., K + 1).
        """
        end, pad = self.vocabulary.special("end"), self.vocabulary.special("pad")
        states, cache = self.states(prompt)
        ended = torch.zeros(prompt.shape[:-1], dtype=torch.bool, device=prompt.device)
        written = []
        while True:
            said = self.unembedding(states[..., -1, :]).argmax(-1).masked_fill(ended, pad)
            written.append(said)
            ended = ended | (said == end)
            if bool(ended.all()) or prompt.shape[-1] + len(written) > self.shape.n_positions:
                break
            states, cache = self.states(said[..., None], cache)
        return Written(torch.stack(written, -1).cpu().numpy(), ended.cpu().numpy())

    def answer(self, entity: Any, path: Any) -> int | NDArray[np.int64]:
        """What the model's last written token before END names; as `FactModel.answer`, for every k
        from 1 to K.

        -1 is *unknown*, and also the answer of a (damaged) model that writes no END or nothing
        before it.
        """
        entities, relations = self._checked_query(entity, path)
        written = self.generate(self.prompt(entities, relations))
        length = (written.tokens == self.vocabulary.special("end")).argmax(-1)
        last = np.take_along_axis(written.tokens, np.maximum(length - 1, 0)[..., None], -1)[..., 0]
        answers = np.where(written.ended & (length > 0), self.vocabulary.answers(last), -1)
        return int(answers) if answers.ndim == 0 else answers


def _ids(given: object, id_of: Callable[[str], int]) -> np.ndarray:
    """Ids as an array, from ids or from names."""
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise InputError(f"ids or names must form an array: {error}") from None
    if array.dtype.kind in "UO":
        names = [id_of(str(name)) for name in array.ravel()]
        return np.array(names, dtype=np.int64).reshape(array.shape)
    return array
