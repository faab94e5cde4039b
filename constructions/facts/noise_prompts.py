"""Prompts with noise tokens: the subject and the relation stand anywhere among them, the end token
stands last.

    prompts = NoisePrompts(Vocabulary(n_entities=64, n_relations=4), noise_tokens=68, length=32)
    tokens = prompts.tokens(subjects, relations, seed=0)  # int64 (Q, 32)

This is the task of Nichani, Lee and Bietti (arXiv 2412.06538, `task.py` of their code with
`EOS_token=True`), whose noise vocabulary has N + R tokens and whose prompts have 32.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from constructions.facts.answers import checked_ids
from constructions.facts.vocabulary import Vocabulary
from constructions.guards.errors import InputError
from constructions.guards.integers import require_integer_fields, whole

SHORTEST = 3
"""Subject, relation and end token."""
LONGEST = 4096
"""Attention looks at pairs of tokens, of which longer prompts have too many."""


@dataclass(frozen=True)
class NoisePrompts:
    """The tokens of such prompts, and what prompts there are.

    The ids of `vocabulary` come first: entities, relations, special tokens. The noise tokens
    follow, then the end token.

    Attributes:
        vocabulary: of the facts.
        noise_tokens: V, how many noise tokens there are.
        length: T, tokens of a prompt, the end token included; 3 to 4,096.
    """

    vocabulary: Vocabulary
    noise_tokens: int
    length: int

    def __post_init__(self) -> None:
        require_integer_fields(self)
        whole("length", self.length, SHORTEST, LONGEST)
        whole("noise_tokens", self.noise_tokens, 1 if self.length > SHORTEST else 0)

    def __len__(self) -> int:
        return self.end + 1

    @property
    def noise(self) -> NDArray[np.int64]:
        """The noise tokens, int64 (V,)."""
        return len(self.vocabulary) + np.arange(self.noise_tokens)

    @property
    def end(self) -> int:
        """The end token, after which the answer is read."""
        return len(self.vocabulary) + self.noise_tokens

    @property
    def padded_length(self) -> int:
        """The least power of two that is at least T."""
        return 1 << (self.length - 1).bit_length()

    @property
    def of_a_query(self) -> int:
        """How many prompts ask one query: (T - 1) (T - 2) V^(T - 3), a Python integer."""
        length = self.length
        fillings: int = self.noise_tokens ** (length - SHORTEST)
        return (length - 1) * (length - 2) * fillings

    def tokens(
        self, subjects: NDArray[np.int64], relations: NDArray[np.int64], seed: int = 0
    ) -> NDArray[np.int64]:
        """A random prompt for each query: different uniform positions for subject and relation,
        uniform noise tokens elsewhere.

        Args:
            subjects, relations: ids (...), which broadcast against each other.
            seed: of the positions and of the noise.

        Returns:
            int64 (..., T).

        Raises:
            InputError: there is no such entity or relation.
        """
        rng = np.random.default_rng(whole("seed", seed, 0))
        subjects, relations = np.broadcast_arrays(
            checked_ids("entity", subjects, self.vocabulary.n_entities),
            checked_ids("relation", relations, self.vocabulary.n_relations),
        )
        drawn = rng.integers(self.noise_tokens or 1, size=(*subjects.shape, self.length))
        prompts: NDArray[np.int64] = len(self.vocabulary) + drawn
        one = rng.integers(self.length - 1, size=subjects.shape)
        other = rng.integers(self.length - 2, size=subjects.shape)
        other += other >= one
        relation_tokens = self.vocabulary.n_entities + relations
        for place, asked in ((one, subjects), (other, relation_tokens)):
            np.put_along_axis(prompts, place[..., None], asked[..., None], -1)
        prompts[..., -1] = self.end
        return prompts

    def queries(self, tokens: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """What prompts (..., T) ask: subjects (...) and relations (...).

        Raises:
            InputError: they are of another length or hold no integers, or one of them is no such
                prompt; the first such one is named, with what it holds.
        """
        tokens = np.asarray(tokens)
        if tokens.dtype.kind not in "iu" or tokens.shape[-1:] != (self.length,):
            raise InputError(
                f"prompts are integers of the shape (..., {self.length}); got {tokens.dtype} of"
                f" the shape {tokens.shape}"
            )
        n_entities, n_relations = self.vocabulary.n_entities, self.vocabulary.n_relations
        is_subject = (tokens >= 0) & (tokens < n_entities)
        is_relation = (tokens >= n_entities) & (tokens < n_entities + n_relations)
        is_noise = (tokens >= len(self.vocabulary)) & (tokens < self.end)
        for which, count, wanted in (
            ("subjects", is_subject.sum(-1), 1),
            ("relations", is_relation.sum(-1), 1),
            ("end tokens in the last place", (tokens[..., -1:] == self.end).sum(-1), 1),
            ("noise tokens", is_noise.sum(-1), self.length - SHORTEST),
        ):
            if (wrong := np.flatnonzero(count != wanted)).size:
                raise InputError(
                    f"prompt {wrong[0]} has {count.ravel()[wrong[0]]} {which}, and {wanted} must"
                    f" be there: {tokens.reshape(-1, self.length)[wrong[0]].tolist()}"
                )
        return (
            np.where(is_subject, tokens, 0).sum(-1),
            np.where(is_relation, tokens - n_entities, 0).sum(-1),
        )
