"""The token ids: entities first, then relations, then special tokens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from constructions.guards.integers import require_integer_fields

WRITING = ("unknown", "pad", "end")
"""The special tokens of a model that writes tokens before its answer: its prompt is filled with
PAD, and after the answer it writes END.
"""
WRITING_SETS = ("end",)
"""The special token of a model that writes all answers of a set: END stands after the last one,
where there is no further answer.
"""


@dataclass(frozen=True)
class Vocabulary:
    """Entity `i` is token `i`, relation `r` is token `N + r`; the special tokens follow, first
    what is said where there is no answer: *unknown*, or END of a model that writes sets.

    *unknown* is the reserved answer to a query that meets a missing fact. It is always in the
    vocabulary and has a code only where some fact is missing.

    Example:
        >>> Vocabulary(n_entities=8, n_relations=2).unknown
        10
    """

    n_entities: int
    n_relations: int
    specials: tuple[str, ...] = ("unknown",)

    def __post_init__(self) -> None:
        require_integer_fields(self)

    def __len__(self) -> int:
        return self.n_entities + self.n_relations + len(self.specials)

    @property
    def entities(self) -> NDArray[np.int64]:
        """The entity tokens, int64 (N,)."""
        return np.arange(self.n_entities)

    @property
    def relations(self) -> NDArray[np.int64]:
        """The relation tokens, int64 (R,)."""
        return np.arange(self.n_entities, self.n_entities + self.n_relations)

    def special(self, name: str) -> int:
        """The id of a special token."""
        return self.n_entities + self.n_relations + self.specials.index(name)

    @property
    def unknown(self) -> int:
        """The id of the token that answers a query without an answer: the first special one."""
        return self.n_entities + self.n_relations

    @property
    def after_end(self) -> int:
        """The token that fills a sequence after END: PAD, or END where there is no PAD."""
        return self.special("pad" if "pad" in self.specials else "end")

    def answer_tokens(self, answers: np.ndarray) -> np.ndarray:
        """Entity ids, any shape, with -1 for a missing answer, as token ids (int64): -1 becomes
        *unknown*.
        """
        return np.where(answers < 0, self.unknown, answers)

    def answers(self, tokens: np.ndarray) -> np.ndarray:
        """Inverse of `answer_tokens`: a token that names no entity becomes -1."""
        return np.where(tokens < self.n_entities, tokens, -1)
