"""How much models recall while they are trained, and the state in which each is kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from constructions.guards.errors import InputError
from constructions.guards.wording import counted, joined
from constructions.learning.examples import Data, Examples
from constructions.learning.stacking import Stack

_NUMBERS = 2**24
"""So many logits of all models together are computed at once where recall is measured."""


@dataclass(frozen=True)
class Fitted:
    """Models that were trained together, one for each seed.

    Attributes:
        models: modules of their own, in the state in which each reached what was wanted, or else
            in the last one.
        seeds: theirs.
        recall: float64 (M,): the share of right answers in that state.
        n_right: int64 (M,): how many queries are answered right in that state.
        n_queries: of so many.
        reached: bool (M,): whether it was as much as was wanted; of no model where nothing was.
        steps: int64 (M,): after how many steps that state was left or reached.
        checked: int64 (C,): after which steps recall was measured.
        curve: float64 (C, M): recall then; of a model that has reached what was wanted, what it
            reached.
        until: the share that was wanted; None for none.
        seconds: all took together.
    """

    models: list[nn.Module]
    seeds: tuple[int, ...]
    recall: NDArray[np.float64]
    n_right: NDArray[np.int64]
    n_queries: int
    reached: NDArray[np.bool_]
    steps: NDArray[np.int64]
    checked: NDArray[np.int64]
    curve: NDArray[np.float64]
    until: float | None
    seconds: float

    def __str__(self) -> str:
        """How many models, what they recall, and what is lacking."""
        low, high = float(self.recall.min()), float(self.recall.max())
        first, last = int(self.steps.min()), int(self.steps.max())
        lines = [
            f"{counted(len(self.models), 'model')} of {self.n_queries:,} queries: recall"
            f" {f'{low:.4f}' if low == high else f'{low:.4f} to {high:.4f}'} after"
            f" {f'{first:,}' if first == last else f'{first:,} to {last:,}'} steps, in"
            f" {self.seconds:.1f} s"
        ]
        return joined([*lines, *wrap(self.lacking(), 99)])

    @property
    def best(self) -> NDArray[np.float64]:
        """float64 (M,): the highest recall that was measured."""
        best: NDArray[np.float64] = self.curve.max(axis=0)
        return best

    def lacking(self) -> str:
        """What is lacking of what was wanted, in a sentence; "" if nothing is."""
        if self.until is None or self.reached.all():
            return ""
        said = [
            f"seed {seed}: {right:,} of {self.n_queries:,}"
            for seed, right, reached in zip(
                self.seeds, self.n_right.tolist(), self.reached.tolist(), strict=True
            )
            if not reached
        ]
        return (
            f"after {int(self.steps.max()):,} steps {len(said)} of {len(self.seeds)} models have"
            f" not reached a recall of {self.until:g}: {'; '.join(said)}"
        )


class Recalled:
    """The recall of a stack of models, from check to check.

    Attributes:
        curve: what each check found, float64 (M,).
        reached: bool (M,).

    Raises:
        InputError: `until` is no share of the queries.
    """

    def __init__(self, stack: Stack, examples: Examples, until: float | None):
        if until is not None and not 0 < until <= 1:
            raise InputError(
                f"until is a share of the queries, above 0 and at most 1; got {until!r}"
            )
        self._stack, self._examples, self._until = stack, examples, until
        self._checked: list[int] = []
        self.curve: list[NDArray[np.float64]] = []
        models = len(stack)
        self.reached = np.zeros(models, dtype=bool)
        self._right, self._steps = np.zeros((2, models), dtype=np.int64)
        self._kept: dict[int, dict[str, Tensor]] = {}

    @property
    def all_reached(self) -> bool:
        """Whether all models have reached what is wanted."""
        return bool(self.reached.all())

    def check(self, step: int) -> None:
        """Measure, and keep those that have reached what is wanted as they are now."""
        right = _n_right(self._stack, self._examples)
        going_on = ~self.reached
        self._right[going_on], self._steps[going_on] = right[going_on], step
        self._checked.append(step)
        self.curve.append(self._right / self._examples.n_queries)
        if self._until is None:
            return
        for model in np.flatnonzero(going_on & (self.curve[-1] >= self._until)).tolist():
            self.reached[model] = True
            self._kept[model] = self._state(model)

    def fitted(self, seeds: tuple[int, ...], seconds: float) -> Fitted:
        """What has become of them."""
        models = [
            self._stack.module(model, self._kept.get(model) or self._state(model))
            for model in range(len(seeds))
        ]
        return Fitted(
            models,
            seeds,
            self.curve[-1],
            self._right,
            self._examples.n_queries,
            self.reached,
            self._steps,
            np.array(self._checked),
            np.array(self.curve),
            self._until,
            seconds,
        )

    def _state(self, model: int) -> dict[str, Tensor]:
        """The parameters of a model as they are now."""
        return {
            name: value[model].detach().clone() for name, value in self._stack.parameters.items()
        }


def n_right(models: Sequence[nn.Module], facts: Data | Sequence[Data]) -> NDArray[np.int64]:
    """How many queries each of several models of one architecture answers right, int64 (M,).

    A query is answered right if at each position that answers the target's logit is a finite
    number and strictly above all others: where two are largest, or one is not a number, nothing
    has been answered. Of a chain of thought that is so just if it writes all of this by itself.

    Args:
        models: that give logits for tokens, with parameters of one shape.
        facts: see `constructions.learning.fit.fit`.

    Raises:
        InputError: as `fit`.

    Example:
        >>> models = [OneLayer(OneLayerShape.of(facts, d_model=4, d_mlp=8)) for _ in range(3)]
        >>> n_right(models, facts).shape
        (3,)
    """
    first = next(iter(models[0].parameters()))
    return _n_right(Stack(models), Examples.of(facts, len(models), first.device))


@torch.no_grad()
def _n_right(stack: Stack, examples: Examples) -> NDArray[np.int64]:
    """The same, of stacked models. Raises InputError where targets are no tokens of theirs."""
    n_tokens = stack.logits(examples.chosen(slice(0, 1)).tokens).shape[-1]
    most = int(examples.targets.max())
    if most >= n_tokens:
        raise InputError(
            f"a target is {most}, and the models give logits of {n_tokens} tokens, numbered"
            f" 0..{n_tokens - 1}"
        )
    right = torch.zeros(len(stack), dtype=torch.int64, device=examples.targets.device)
    at_once = max(1, _NUMBERS // (len(stack) * examples.tokens.shape[-1] * n_tokens))
    for start in range(0, examples.n_queries, at_once):
        part = examples.chosen(slice(start, start + at_once))
        logits = at_answers(stack.logits(part.tokens), part.targets)
        columns = part.targets.clamp(min=0)[..., None]
        own = logits.gather(-1, columns)[..., 0]
        others = logits.scatter(-1, columns, -math.inf).amax(-1)  # NaN if one of them is
        is_right = (own > others) & own.isfinite()
        right += (is_right | (part.targets < 0)).all(-1).sum(-1)
    found: NDArray[np.int64] = right.cpu().numpy()
    return found


def at_answers(logits: Tensor, targets: Tensor) -> Tensor:
    """Those of the last positions that answer: of models that give logits at every position,
    (M, Q, L, V), or at the last one alone, (M, Q, V), to (M, Q, A, V) for targets (M, Q, A).
    """
    return logits[:, :, None] if logits.dim() == 3 else logits[:, :, -targets.shape[-1] :]
