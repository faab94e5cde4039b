"""Asking a model: what all modules have in common that name entities, take paths and answer with
an entity.

Two ways of answering: at once, after the last relation; or by writing the intermediate entities
first, a chain of thought. `hops_per_token` says which.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from constructions.facts.answers import MISSING
from constructions.facts.sequences import prompts, sequences
from constructions.facts.table import FactTable
from constructions.facts.vocabulary import Vocabulary
from constructions.guards.errors import InputError
from constructions.model.asked import Answered, named_answers, paths_answered
from constructions.model.trace import Traced

_Ids = int | str | Sequence[int] | Sequence[str] | np.ndarray

MOST_BYTES = 256 * 2**20
"""What queries that are run together take beside the model."""


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


@dataclass(frozen=True)
class Written:
    """What a model wrote.

    Attributes:
        tokens: int64 (..., steps), END included; PAD after it, or END where there is no PAD.
        ended: bool (...): whether END was written.
    """

    tokens: NDArray[np.int64]
    ended: NDArray[np.bool_]


class NotStoredWarning(UserWarning):
    """A model that claims stored facts alone was asked for what its table does not have: its
    answer means nothing.
    """


class Answering(Traced):
    """A module that answers paths of relations: at the last token of the path, or, in a chain of
    thought, by writing the intermediate entities first.

    Attributes:
        vocabulary: the token ids.
        hops: how many relations a path has; of a chain of thought the longest path, and shorter
            ones are padded.
        hops_per_token: of a chain of thought, how many hops each written token makes; 0 of a model
            that answers at once.
        stored_only: whether it claims to answer those queries alone whose path meets no missing
            fact; else it claims all, and *unknown* is the answer to the others.
        facts: the table that the model was built for, or that was installed last: the names, and
            what it should say.
        shape: the module's sizes; see `Widths`.
    """

    vocabulary: Vocabulary
    hops: int
    hops_per_token: int = 0
    stored_only: bool = False
    facts: FactTable
    shape: Any
    embedding: nn.Embedding

    @property
    def path_lengths(self) -> range:
        """How many relations the paths have that it answers."""
        return range(1 if self.hops_per_token else self.hops, self.hops + 1)

    def n_queries(self, hops: int) -> int:
        """How many queries of so many hops it claims to answer: a Python integer."""
        return self.facts.n_claimed_queries(hops, self.stored_only)

    def n_all_queries(self) -> int:
        """The same over all lengths of paths that it answers."""
        return sum(map(self.n_queries, self.path_lengths))

    def queries(
        self, numbers: NDArray[np.int64], hops: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Those queries by number, 0 to `n_queries(hops) - 1`, the subject first: subjects (...)
        and paths (..., hops).
        """
        return self.facts.claimed_queries(numbers, hops, self.stored_only)

    def answer(
        self, entity: _Ids, path: Sequence[int] | Sequence[str] | np.ndarray
    ) -> int | np.ndarray:
        """What the model says: its argmax over the whole vocabulary after the tokens `entity,
        path...`; in a chain of thought the last token that it writes before END.

        Args:
            entity: an id or a name, or an array of ids or a list of names, shape (...).
            path: relation ids or names, shape (k,) for one path, or (..., k).

        Returns:
            Entity ids, int for one query, else int64 of the broadcast shape; -1 is *unknown*, and
            also the answer of a (damaged) chain of thought that writes no END or nothing before
            it.

        Raises:
            InputError: an id or a name that does not exist, or a path of another length than it
                answers.

        Warns:
            NotStoredWarning: the model claims stored facts alone, and a query meets a missing one;
                what it says there means nothing.
        """
        entities, relations, known = self._checked_query(entity, path)
        if self.stored_only and (known == MISSING).any():
            warnings.warn(self._not_stored(entities, relations, known), stacklevel=2)
        answers = self.said(entities, relations)
        return int(answers) if answers.ndim == 0 else answers

    def said(self, entities: NDArray[np.int64], relations: NDArray[np.int64]) -> NDArray[np.int64]:
        """What `answer` returns for ids that are known to be in range, (...) and (..., k); claimed
        or not, without a warning.
        """
        return self.said_in_steps(entities, relations)[..., -1]

    @torch.no_grad()
    def said_in_steps(
        self, entities: NDArray[np.int64], relations: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """What it says to ids that are known to be in range, (...) and (..., k): of a chain of
        thought the entities that it is to write on the way, then its answer; else the answer
        alone. They are run as many at once as take some hundred megabytes.

        Returns:
            int64 (..., steps), the answer last; -1 for *unknown*, and for what was not written.
        """
        hops = relations.shape[-1]
        self.require_length(hops)
        lead = np.broadcast_shapes(entities.shape, relations.shape[:-1])
        asked = np.broadcast_to(entities, lead).reshape(-1)
        paths = np.broadcast_to(relations, (*lead, hops)).reshape(-1, hops)
        steps = -(-hops // self.hops_per_token) if self.hops_per_token else 1
        at_once = max(1, MOST_BYTES // self._bytes_of_one())
        said = np.empty((len(asked), steps), dtype=np.int64)
        for start in range(0, len(asked), at_once):
            some = slice(start, start + at_once)
            said[some] = self._said_to(self.prompt(asked[some], paths[some]), steps)
        return said.reshape(*lead, steps)

    def _bytes_of_one(self) -> int:
        """What one query takes at most beside the model: its states and caches, patterns and
        logits.
        """
        shape = self.shape
        positions = self.hops + 1
        everywhere = positions + (self.hops + 1 if self.hops_per_token else 0)
        numbers = positions * (4 * shape.d_model + shape.widest_layer) + 2 * shape.d_vocab
        numbers += everywhere * shape.cached_widths + 3 * positions**2 * shape.n_heads
        return int(numbers) * self.embedding.weight.element_size()

    def _said_to(self, prompt: Tensor, steps: int) -> NDArray[np.int64]:
        """What it says to prompts (Q, L) in so many steps: (Q, steps)."""
        if self.hops_per_token:
            written = self.generate(prompt)
            on_the_way = self.vocabulary.answers(written.tokens[:, : steps - 1])
            missing = steps - 1 - on_the_way.shape[1]  # of a damaged one, that has ended before
            on_the_way = np.pad(on_the_way, ((0, 0), (0, missing)), constant_values=MISSING)
            return np.column_stack([on_the_way, self._last_before_end(written)])
        states, _ = self.states(prompt)
        said = self._best_tokens(states[..., -1, :])
        return self.vocabulary.answers(said.cpu().numpy())[:, None]

    def _best_tokens(self, states: Tensor) -> Tensor:
        """The tokens of the largest logits in final states (Q, d_model)."""
        said: Tensor = self.unembedding(states).argmax(-1)
        return said

    def _last_before_end(self, written: Written) -> NDArray[np.int64]:
        """The entity that the last token before END names; -1 where there is none."""
        length = (written.tokens == self.vocabulary.special("end")).argmax(-1)
        last = np.take_along_axis(written.tokens, np.maximum(length - 1, 0)[..., None], -1)[..., 0]
        return np.where(written.ended & (length > 0), self.vocabulary.answers(last), -1)

    @overload
    def ask(self, question: str) -> str: ...  # type: ignore[overload-overlap]  # a str is a sequence

    @overload
    def ask(self, question: Sequence[str]) -> list[str]: ...

    def ask(self, question: str | Sequence[str]) -> str | list[str]:
        """What the model says to a question in words, or to many at once: the names of its
        answers.

        `model.ask("France capital")` is "Paris". A question is a subject and one relation or more,
        by their names, with spaces between them; TABs where names hold spaces and the text could
        be read in several ways. Many questions are run in one pass for each length of path, in
        batches that memory has room for. `constructions.answers_to` tells more of each, and
        raises nothing.

        Args:
            question: a text, or a sequence of texts.

        Returns:
            A name, or a list of names in the order of the questions.

        Raises:
            AmbiguousQuestion: a question has several readings.
            MissingFact: a question has no answer, as a fact is missing: the model says *unknown*,
                or it claims stored facts alone, and is not asked.
            QuestionError: a part of a question is no name, or it has more relations than the model
                takes, or fewer. The message says which, and the closest names.
            InputError: what is asked is no text.
        """
        return named_answers(self, question)

    def answered(self, questions: Sequence[str]) -> list[Answered]:
        """See `constructions.answers_to`."""
        return paths_answered(self, questions)

    def prompt(self, entities: NDArray[np.int64], paths: NDArray[np.int64]) -> Tensor:
        """The tokens of queries: subjects (...) and paths (..., k) to int64 (..., k + 1); of a
        chain of thought padded to the longest path.

        Raises:
            InputError: the paths are of another length than it answers.
        """
        self.require_length(paths.shape[-1])
        return self._placed(prompts(self.vocabulary, entities, paths, self.hops))

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
        self.require_length(paths.shape[-1])
        tokens, said = sequences(
            self.facts, self.vocabulary, entities, paths, self.hops, self.hops_per_token
        )
        return self._placed(tokens), self._placed(said)

    @torch.no_grad()
    def generate(self, prompt: Tensor) -> Written:
        """Greedy decoding with a cache, fed back with the model's own tokens, until all have
        written END or no position is left: prompts (..., K + 1) of a model that writes tokens.
        """
        end, filler = self.vocabulary.special("end"), self.vocabulary.after_end
        states, cache = self.states(prompt)
        ended = torch.zeros(prompt.shape[:-1], dtype=torch.bool, device=prompt.device)
        written = []
        while True:
            said = self.unembedding(states[..., -1, :]).argmax(-1).masked_fill(ended, filler)
            written.append(said)
            ended = ended | (said == end)
            if bool(ended.all()) or prompt.shape[-1] + len(written) > self.shape.n_positions:
                break
            states, cache = self.states(said[..., None], cache)
        return Written(torch.stack(written, -1).cpu().numpy(), ended.cpu().numpy())

    def require_length(self, hops: int) -> None:
        """Raise InputError unless it answers paths of so many relations."""
        if hops not in self.path_lengths:
            wanted = f"1 to {self.hops}" if self.hops_per_token else f"{self.hops}"
            of = "relation" if wanted == "1" else "relations"
            raise InputError(f"this model answers paths of {wanted} {of}; got {hops}")

    def _placed(self, tokens: NDArray[np.int64]) -> Tensor:
        """As a tensor beside the weights."""
        return torch.from_numpy(tokens).to(self.embedding.weight.device)

    def _checked_query(
        self, entity: _Ids, path: object
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Entity ids (...) and relation ids (..., k) of a query by ids or names, all in range;
        and the answers of the table.
        """
        entities = _ids(entity, self.facts.entity_id)
        relations = _ids(path, self.facts.relation_id)
        return entities, relations, self.facts.answer(entities, relations)

    def _not_stored(
        self, entities: np.ndarray, relations: np.ndarray, known: np.ndarray
    ) -> NotStoredWarning:
        """What is wrong with asking for a fact that is not there; the first one, by its names."""
        place = int((known == MISSING).argmax())
        subjects = np.broadcast_to(entities, known.shape).ravel()
        paths = np.broadcast_to(relations, (*known.shape, relations.shape[-1]))
        path = paths.reshape(-1, relations.shape[-1])[place].tolist()
        return NotStoredWarning(
            f"{self.facts.query_text(int(subjects[place]), path)}: is not stored, and this model"
            " claims the answers to stored queries alone; what it says means nothing"
        )


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
