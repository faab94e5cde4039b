"""How many queries a model answers right, for any weights in place of its own."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from constructions.facts.table import FactTable
from constructions.guards.errors import InputError
from constructions.learning.recalled import at_answers
from verify.learned.asked import asked

_NUMBERS = 2**24
"""So many logits are computed at once."""


class Score(NamedTuple):
    """The larger the better, in this order.

    Attributes:
        right: of the queries, those whose answer's logit is above all others.
        log_likelihood: minus the mean cross-entropy.
        margin: the least distance of the answer's logit to the next one, over all queries;
            negative where one is answered wrong.
    """

    right: int
    log_likelihood: float
    margin: float


class Prompts(NamedTuple):
    """Queries of any kind.

    Attributes:
        tokens: int64 (Q, L).
        answers: int64 (Q, A), what the last A positions are to say: one token, or each that a
            chain of thought writes.
    """

    tokens: NDArray[np.int64]
    answers: NDArray[np.int64]


class Answered:
    """A model, and all one-hop queries of a table with a stored answer, or other prompts.

    Attributes:
        n_queries: how many.
        tokens: int64 (Q, L).
        answers: int64 (Q, A).

    Raises:
        InputError: the model has other sizes than the table, or no logit for an answer.
    """

    def __init__(self, model: nn.Module, facts: FactTable | Prompts):
        if isinstance(facts, FactTable):
            asked(model, facts, 1, 0)  # refuses other sizes
            facts = Prompts(*facts.dataset())
        tokens, targets = facts
        held = next(chain(model.parameters(), model.buffers()), None)
        device = None if held is None else held.device
        self._model = model
        self.tokens = torch.from_numpy(tokens).to(device)
        self.answers = torch.from_numpy(targets).to(device)
        self.n_queries = len(tokens)
        largest = tokens.max(axis=1).argmax()
        try:
            n_logits = self.logits({}, slice(largest, largest + 1)).shape[-1]
        except IndexError as error:
            raise InputError(
                f"the model has no row of token {tokens.max()}, the last one that is asked with"
            ) from error
        if int(self.answers.max()) >= n_logits:
            raise InputError(
                f"an answer is token {int(self.answers.max())}, and the model gives {n_logits}"
                " logits"
            )
        self._at_once = max(1, _NUMBERS // (n_logits))

    def logits(self, weights: Mapping[str, Tensor], part: slice) -> Tensor:
        """Of some queries, (Q, A, V), with these weights in place of the model's."""
        found = functional_call(self._model, dict(weights), (self.tokens[part],))
        return at_answers(found[None], self.answers[None, part])[0]

    def loss(self, weights: Mapping[str, Tensor]) -> Tensor:
        """The mean cross-entropy of all answers, with gradients."""
        logits = self.logits(weights, slice(None)).flatten(0, 1)
        return functional.cross_entropy(logits, self.answers.flatten())

    @torch.no_grad()
    def score(self, weights: Mapping[str, Tensor]) -> Score:
        """How well the model answers with these weights; nothing where logits are no numbers.

        A chain of thought is right where all that it writes is.
        """
        right, loss, margin = 0, 0.0, float("inf")
        for start in range(0, self.n_queries, self._at_once):
            part = slice(start, start + self._at_once)
            logits, answers = self.logits(weights, part).double(), self.answers[part, :, None]
            loss += float(
                functional.cross_entropy(logits.flatten(0, 1), answers.flatten(), reduction="sum")
            )
            own = logits.gather(2, answers)[..., 0]
            others = logits.scatter(2, answers, -torch.inf).max(dim=2).values
            apart = own - others
            apart[apart.isnan()] = -torch.inf  # not a number is not above 0
            right += int((apart > 0).all(dim=1).sum())
            margin = min(margin, float(apart.min()))
        return Score(right, -loss / self.answers.numel(), margin)
