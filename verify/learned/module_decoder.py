"""A torch module as a decoder for the measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from constructions.guards.errors import InputError
from verify.learned.decoder import Floats, Ints, pieces
from verify.learned.seen import END, SUBJECT, Place, Prompt, Seen, joined
from verify.learned.ways import Way, Ways

_NUMBERS_AT_ONCE = 2**24
"""So many numbers of one layer are computed at once."""


class _Reading(nn.Module):
    """A module read in one of the ways, so that `functional_call` can exchange its parameters."""

    def __init__(self, module: nn.Module, way: Callable[[Any, Tensor], Any]):
        super().__init__()
        self.module, self._way = module, way

    def forward(self, tokens: Tensor) -> Any:
        """Tokens (Q, L) to what is read."""
        return self._way(self.module, tokens)


@dataclass(frozen=True)
class ModuleDecoder:
    """A torch module with a table of embeddings as a decoder: `Differentiable` and `Watched`. The
    module is shared and never changed; other rows are handed to its forward pass.

    Attributes:
        module: any.
        ways: how it is read.
        table: the name of the parameter (tokens, d) that holds the rows of subjects.
        subjects: int64 (N,): which row of the table each subject has; its token.
        prompts: int64 (R, L - 1): the other tokens; those that follow the subject, if `at` is 0.
        read: the unembedding (A, d_state).
        changed: rows (N, d) in place of those of the table; None for its own.
        at: where the subject stands among the L tokens.
    """

    module: nn.Module
    ways: Ways
    table: str
    subjects: Ints
    prompts: Ints
    read: Tensor
    changed: Tensor | None = None
    at: int = 0

    @property
    def n_entities(self) -> int:
        """N."""
        return len(self.subjects)

    @property
    def n_relations(self) -> int:
        """R."""
        return len(self.prompts)

    @property
    def n_answers(self) -> int:
        """A."""
        return len(self.read)

    def rows(self) -> Floats:
        """The subjects' embeddings, float64 (N, d)."""
        return _numbers(self._rows())

    def with_rows(self, rows: Floats) -> ModuleDecoder:
        """The same module with other rows, rounded to its dtype; the unembedding stays."""
        own = self._rows()
        if rows.shape != own.shape:
            raise InputError(f"rows must be {tuple(own.shape)}; got {rows.shape}")
        return replace(self, changed=torch.from_numpy(np.array(rows)).to(own))

    def unembedding(self) -> Floats:
        """float64 (A, d_state)."""
        return _numbers(self.read)

    def states(self, subjects: Ints, relations: Ints) -> Floats:
        """(Q, d_state)."""
        return self._in_pieces(self.ways.states, subjects, relations)

    def logits(self, subjects: Ints, relations: Ints) -> Floats:
        """(Q, A), computed in the module's dtype."""

        def read(module: nn.Module, tokens: Tensor) -> Tensor:
            """The logits of tokens."""
            return self.ways.states(module, tokens) @ self.read.mT

        return self._in_pieces(read, subjects, relations)

    def units(self, subjects: Ints, relations: Ints) -> Floats:
        """(Q, n_units)."""
        return self._in_pieces(_known(self.ways.units, "hidden units"), subjects, relations)

    def writes(self) -> Floats:
        """(n_units, d)."""
        if self.ways.writes is None:
            raise InputError("nobody has said what the hidden units of this decoder write")
        return _numbers(self.ways.writes(self.module))

    def attention(self, subjects: Ints, relations: Ints) -> Floats:
        """(Q, n_heads, L)."""
        return self._in_pieces(_known(self.ways.attention, "heads"), subjects, relations)

    def seen(self, subjects: Ints, relations: Ints) -> Seen[Floats]:
        """All that can be watched of queries (Q,); of a module of which nobody has said more, the
        rows of subjects and the last states.
        """
        way = self.ways.seen
        if way is None:
            own = {Place("embedding", SUBJECT): self.rows()[subjects]}
            return Seen({**own, Place("final", END): self.states(subjects, relations)}, [], [])

        def watched(module: nn.Module, tokens: Tensor) -> Seen[Tensor]:
            """What is seen of tokens."""
            return way(module, tokens, self.at)

        found = [
            Seen(
                {place: _numbers(x) for place, x in one.streams.items()},
                [(layer, _numbers(x)) for layer, x in one.hidden],
                [(layer, _numbers(x)) for layer, x in one.patterns],
            )
            for one in self._pieces(watched, subjects, relations)
        ]
        return joined(found)

    def prompt(self, subject: int, relation: int) -> Prompt:
        """The tokens of one query, and what the last of them attends to."""
        seen = self.seen(np.array([subject]), np.array([relation]))
        patterns = [(layer, pattern[0]) for layer, pattern in seen.patterns]
        return Prompt(None, 1 + self.prompts.shape[1], self.at, patterns)

    def logits_of(self, rows: Tensor, subjects: Ints, relations: Ints) -> Tensor:
        """(Q, A) with gradients by the rows (N, d)."""
        states = cast("Tensor", self._read(self.ways.states, rows, subjects, relations))
        return states @ self.read.mT

    def _rows(self) -> Tensor:
        """The subjects' embeddings as they are in the module, or those in their place."""
        if self.changed is not None:
            return self.changed
        return self.module.get_parameter(self.table).detach()[torch.from_numpy(self.subjects)]

    def _read(
        self,
        way: Callable[[Any, Tensor], Any],
        rows: Tensor | None,
        subjects: Ints,
        relations: Ints,
    ) -> Any:
        """The module read in one way at queries (Q,), with rows in place of its own."""
        table = self.module.get_parameter(self.table)
        before, after = np.split(self.prompts[relations], [self.at], axis=1)
        prompts = np.column_stack([before, self.subjects[subjects], after])
        tokens = torch.from_numpy(prompts).to(table.device)
        given = {}
        if rows is not None:
            places = torch.from_numpy(self.subjects).to(table.device)
            given[f"module.{self.table}"] = table.detach().index_put((places,), rows.to(table))
        return functional_call(_Reading(self.module, way), given, (tokens,))

    def _in_pieces(self, way: Way, subjects: Ints, relations: Ints) -> Floats:
        """The module read at queries (Q,), some at once, as float64."""
        return np.concatenate(list(map(_numbers, self._pieces(way, subjects, relations))))

    @torch.no_grad()
    def _pieces(
        self, way: Callable[[Any, Tensor], Any], subjects: Ints, relations: Ints
    ) -> list[Any]:
        """What is read at queries (Q,), some at once."""
        widest = max(max(weight.shape) for weight in self.module.parameters() if weight.dim())
        at_once = _NUMBERS_AT_ONCE // (widest * (1 + self.prompts.shape[1]))
        return [
            self._read(way, self.changed, subjects[part], relations[part])
            for part in pieces(len(subjects), at_once)
        ]


def _known(way: Way | None, what: str) -> Way:
    """A way that somebody has said; InputError for none."""
    if way is None:
        raise InputError(
            f"nobody has said how the {what} of this decoder are found: one made by `of_module`"
            " has recall, superposition, intervention and transfer alone"
        )
    return way


def _numbers(tensor: Tensor) -> Floats:
    """A tensor as float64 in numpy."""
    return tensor.detach().double().cpu().numpy()
